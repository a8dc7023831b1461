//! Child processes: whatever they do, they are gone when the caller goes on.
//!
//! It is linked into `btf_guard.so`, which lives inside rpm, dnf and PackageKit,
//! and into the program: it prints nothing and reads no environment.

mod isolation;
mod run;
mod running;
mod said;
mod terms;

pub use run::{json_memfd, lines, run};
pub use said::StderrTail;
pub use terms::{Failure, Limits, Output};
