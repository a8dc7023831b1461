// SPDX-License-Identifier: GPL-2.0-or-later
//! `off`: nothing is looked at and nothing is said, but that modules passed unjudged
//! is written down.
//!
//! `off` is for the day on which btf-guard itself is what fails. So the record is
//! tried once, and whatever becomes of that, nobody hears of it.

use std::path::PathBuf;

use btf_guard_protocol::decision::Mode;
use btf_guard_protocol::event::{Event, EventOutcome};
use btf_guard_protocol::judge_client::Judge;
use btf_guard_protocol::override_source::{Override, OverrideSource};
use btf_guard_protocol::plan::Plan;
use btf_guard_protocol::record_client;
use btf_guard_protocol::requested_mode::RequestedMode;

use crate::audit::{client, who};
use crate::catch_panic::catch_panic;
use crate::collect;
use crate::librpm::TransactionSet;

/// Who says `off` without a word to the judge: the environment or the macro.
pub(crate) fn asked(wish: &RequestedMode) -> Option<OverrideSource> {
    wish.source.filter(|_| wish.mode == Some(Mode::Off))
}

/// Has it written down that a transaction passed, if it touches modules or kernels
/// and is more than a test run.
pub(crate) fn note(
    transaction: &TransactionSet<'_>,
    source: OverrideSource,
    judge: impl FnOnce() -> Judge,
) {
    let noted = catch_panic(|| {
        let touched = collect::elements(transaction);
        if transaction.is_test() || touched.is_ok_and(|touched| touched.is_empty()) {
            return;
        }
        let root = transaction.root().to_str().map(PathBuf::from);
        let plan = Plan::new(root.unwrap_or_default());
        let why = String::new();
        let mut event =
            Event::without_answer(client(), &plan, EventOutcome::Overridden, why, who());
        event.pass_unjudged(Override::of(source));
        let _ = record_client::record(&judge(), &event);
    });
    // Not even a panic is worth a line.
    let _ = noted;
}
