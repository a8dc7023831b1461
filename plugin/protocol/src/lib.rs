// SPDX-License-Identifier: GPL-2.0-or-later
//! What hooks, the judge and files of state say to each other: plans of
//! transactions, answers, reports, events.
//!
//! It is linked into `btf_guard.so`, which lives inside rpm, dnf and PackageKit: it
//! prints nothing and reads no environment.

pub mod caller;
pub mod clock;
pub mod decision;
pub mod event;
pub mod judge_client;
pub mod log_stream;
pub mod nevra;
pub mod override_source;
pub mod plan;
pub mod procfs;
pub mod record_client;
pub mod replace_file;
pub mod requested_mode;
pub mod state;
pub mod terminal;
pub mod zypp;
pub mod zypp_client;
