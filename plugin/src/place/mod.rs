//! Where modules and kernels come from: the disk, packages, a transaction.

mod layout;
pub mod package;
pub mod plan;
pub mod roots;

pub mod tree;

pub use layout::{Role, is_module_name, is_package_name};
