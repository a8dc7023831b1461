// SPDX-License-Identifier: GPL-2.0-or-later
//! What the parts of `btf-guard status` work with.

use std::path::Path;

use btf_guard_sysroot::Root;

use super::{Finding, Findings};
use crate::kernel::cache::Cache;
use crate::report::ErrorEntry;

/// Who finds what stands without a transaction.
pub(crate) const CLIENT: &str = "btf-guard status";

/// Where and when.
pub struct StatusContext<'a> {
    /// The root whose modules and kernels are looked at.
    pub root: &'a Root,
    /// Keeps what images hold.
    pub cache: Option<Cache>,
    /// Where the configuration is, if not in its own place.
    pub config: Option<&'a Path>,
    /// Which boot runs.
    pub boot: Option<String>,
    /// Seconds since 1970.
    pub time: u64,
}

/// What was kept, after a look at what has changed.
pub struct Rechecked {
    /// The findings that still stand.
    pub standing: Findings,
    /// Predicted by a transaction that may not have done it yet: kept, not told.
    pub pending: Vec<Finding>,
    /// Nothing needs a look at everything.
    pub is_whole: bool,
}

/// What a look at everything has found.
pub struct Rescanned {
    /// The findings.
    pub findings: Findings,
    /// What could not be read.
    pub errors: Vec<ErrorEntry>,
}
