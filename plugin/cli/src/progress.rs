// SPDX-License-Identifier: GPL-2.0-or-later
//! What is shown to those who wait.

use std::io::{IsTerminal, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use btf_guard_core::evaluate::Observer;
use btf_guard_protocol::terminal::escape;
use btf_guard_protocol::zypp::DownloadProgress;
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

const TURN: Duration = Duration::from_millis(120);

/// A line on a terminal that tells what happens; nothing elsewhere.
#[derive(Debug)]
pub(crate) struct Waiting {
    bar: ProgressBar,
}

impl Waiting {
    /// Says what is waited for; `wanted` is false where nobody shall see it.
    pub(crate) fn new(what: &str, wanted: bool) -> Self {
        let bar = ProgressBar::new_spinner();
        match wanted && stderr().is_terminal() {
            true => bar.enable_steady_tick(TURN),
            false => bar.set_draw_target(ProgressDrawTarget::hidden()),
        }
        bar.set_message(what.to_owned());
        Self { bar }
    }

    /// Shows what the client itself says. Nothing in it moves the cursor.
    pub(crate) fn says(&self, line: &[u8]) {
        let line = escape(String::from_utf8_lossy(line).trim());
        if !line.is_empty() {
            self.bar.set_message(line);
        }
    }

    pub(crate) fn download(&self, progress: &DownloadProgress) {
        let DownloadProgress {
            package,
            done,
            total,
            index,
            of,
        } = progress;
        let template = "({prefix}) {msg} {wide_bar} {bytes}/{total_bytes}";
        if self.bar.length().is_none()
            && let Ok(style) = ProgressStyle::with_template(template)
        {
            self.bar.set_style(style);
        }
        self.bar.set_length(*total);
        self.bar.set_prefix(format!("{index}/{of}"));
        self.bar.set_message(escape(package));
        self.bar.set_position(*done);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
