//! BTF: the format, and what the kernel makes of it.

mod raw;

pub use raw::{Base, Order};
