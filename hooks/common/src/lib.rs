//! What the hooks of rpm and zypper share: [`paths`] tells which files of a
//! package matter, [`wish`] what the admin asked for, [`judge`] hands a plan to
//! a child process and reads its answer, and [`run`] runs any other.
//!
//! It is linked into `btf_guard.so`, which lives inside rpm, dnf and
//! PackageKit: it prints nothing and reads no environment.

pub use btf_guard::place::paths;
pub use btf_guard::{judge, wish};
pub use btf_guard_child as run;
