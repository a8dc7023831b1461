//! Where modules and kernels come from: the disk, packages, a transaction.

pub mod account;
pub mod bases;
pub mod boot;
pub mod changed;
pub mod elements;
pub mod fetch;
mod file;
pub mod handoff;
pub mod initrd;
pub mod installed;
pub mod inventory;
mod layout;
pub mod needed;
pub mod nevra;
pub mod package;
pub mod plan;
pub mod private;
pub mod process;
pub mod record;
pub mod roots;
pub mod state;
pub mod transaction;
pub mod tree;

pub use file::open_module;
pub use layout::{Directory, Role, is_module_name, is_package_name, is_release};
