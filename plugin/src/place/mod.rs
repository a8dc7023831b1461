//! Where modules and kernels come from: the disk, packages, a transaction.

pub mod plan;
