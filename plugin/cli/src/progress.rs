// SPDX-License-Identifier: GPL-2.0-or-later
//! A progress bar, for those who wait.

use std::io::{IsTerminal, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use btf_guard_core::evaluate::Observer;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Nobody needs to be entertained before.
const SHOW_AFTER: Duration = Duration::from_secs(1);

/// Shows on a terminal how far the work is, once it takes over a second.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
    hidden: AtomicBool,
    terminal: bool,
}

impl Progress {
    /// Starts the clock; `wanted` is false where nobody shall see it.
    pub(crate) fn new(wanted: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} modules") {
            bar.set_style(style);
        }
        Self {
            bar,
            started: Instant::now(),
            hidden: AtomicBool::new(true),
            terminal: wanted && stderr().is_terminal(),
        }
    }
}

impl Observer for Progress {
    fn expect(&self, count: usize) {
        let known = self.bar.length().unwrap_or(0);
        self.bar.set_length(known + count as u64);
    }

    fn step(&self, count: usize) {
        let due = self.terminal && self.started.elapsed() > SHOW_AFTER;
        if due && self.hidden.swap(false, Ordering::Relaxed) {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.inc(count as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
