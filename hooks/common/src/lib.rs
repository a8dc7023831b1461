//! What the hooks of rpm and zypper share: [`paths`] tells which files of a
//! package matter, [`wish`] what the admin asked for, and [`judge`] hands a
//! plan to a child process, [`run`], and reads its answer.
//!
//! It is linked into `btf_guard.so`, which lives inside rpm, dnf and
//! PackageKit: it prints nothing and reads no environment.

mod child;
pub mod judge;
pub mod paths;
pub mod run;
pub mod wish;
