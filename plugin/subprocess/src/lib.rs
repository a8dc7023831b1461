// SPDX-License-Identifier: GPL-2.0-or-later
//! Child processes: whatever they do, they are gone when the caller goes on.
//!
//! It is linked into `btf_guard.so`, which lives inside rpm, dnf and PackageKit,
//! and into the program: it prints nothing and reads no environment.

mod child;
mod inherited;
mod limits;
mod pre_exec;
pub mod run;

pub use inherited::inherited;
pub use limits::{ChildError, Limits, Output, StderrTail};
pub use pre_exec::ProcessGroup;
pub use run::{json_memfd, lines, run, run_into};
