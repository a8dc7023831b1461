//! rpm.
pub mod capabilities;
pub(crate) mod file_list;
pub(crate) mod header;
pub mod kernel_files;
pub mod package;
pub(crate) mod payload;
pub mod rpmdb;
