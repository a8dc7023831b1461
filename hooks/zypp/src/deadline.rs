// SPDX-License-Identifier: GPL-2.0-or-later
//! How long everything may take, so that libzypp has its answer in time.

use std::ffi::OsStr;
use std::time::{Duration, Instant};

/// What libzypp waits where nobody says otherwise (`zypp/PluginScript.cc`).
const DEFAULT_TIMEOUT: u64 = 30;

/// A longer wait is nothing that a user would call one.
const MAX_TIMEOUT: u64 = 600;

/// The time for one answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    deadline: Instant,
}

impl Budget {
    /// From now on; `patience` is what libzypp's environment says, in seconds.
    ///
    /// An eighth and a second stay free: for children that are slow to die, and
    /// for a machine that is busy.
    pub(crate) fn new(patience: Option<&OsStr>) -> Self {
        let patience = patience.and_then(|seconds| seconds.to_str()?.trim().parse().ok());
        // libzypp takes what is no positive number for nothing said.
        let patience = patience.filter(|seconds| *seconds > 0);
        let patience = Duration::from_secs(patience.unwrap_or(DEFAULT_TIMEOUT).min(MAX_TIMEOUT));
        let free = patience / 8 + Duration::from_secs(1);
        Self {
            deadline: Instant::now() + patience.saturating_sub(free),
        }
    }

    /// What is left of it.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The part of it that the judge may take: what it has decided is still to be
    /// written down, which may use up overrides, and to be handed over.
    pub(crate) fn for_judging(&self) -> Duration {
        self.left() * 4 / 5
    }

    /// The part of it that downloads may take: the judge needs the rest.
    pub(crate) fn for_downloads(&self) -> Duration {
        self.left() * 3 / 5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_due_before_libzypp_loses_its_patience() {
        for (patience, expected) in [
            (None, 25.25),
            (Some("60"), 51.5),
            (Some("4"), 2.5),
            (Some("1"), 0.0),
            (Some("999999999999"), 524.0),
            // What libzypp takes for nothing.
            (Some("0"), 25.25),
            (Some("-5"), 25.25),
            (Some("x"), 25.25),
            (Some(""), 25.25),
            (Some("99999999999999999999"), 25.25),
        ] {
            let left = Budget::new(patience.map(OsStr::new)).left().as_secs_f64();
            let is_right = expected - left < 0.5 && left <= expected;
            assert!(is_right, "{patience:?}: {left}");
        }
    }

    #[test]
    fn the_judge_has_time_left() {
        let budget = Budget::new(None);
        assert!(budget.for_downloads() < Duration::from_secs(16));
        assert!(budget.left() - budget.for_downloads() > Duration::from_secs(9));
    }
}
