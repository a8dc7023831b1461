// SPDX-License-Identifier: GPL-2.0-or-later
//! What the parts of `btf-guard status` work with.

use std::path::Path;

use btf_guard::kernel::cache::Cache;
use btf_guard::place::roots::Root;
use btf_guard::report::ErrorEntry;
use btf_guard::standing::{Finding, Findings};

/// Who finds what stands without a transaction.
pub(super) const CLIENT: &str = "btf-guard status";

/// Where and when.
pub(super) struct StatusContext<'a> {
    pub(super) root: &'a Root,
    pub(super) cache: Option<Cache>,
    /// Where the configuration is, if not in its own place.
    pub(super) config: Option<&'a Path>,
    /// Which boot runs.
    pub(super) boot: Option<String>,
    /// Seconds since 1970.
    pub(super) time: u64,
}

/// What was kept, after a look at what has changed.
pub(super) struct Rechecked {
    pub(super) standing: Findings,
    /// Predicted by a transaction that may not have done it yet: kept, not told.
    pub(super) pending: Vec<Finding>,
    /// Nothing needs a look at everything.
    pub(super) is_whole: bool,
}

/// What a look at everything has found.
pub(super) struct Rescanned {
    pub(super) findings: Findings,
    pub(super) errors: Vec<ErrorEntry>,
}
