// SPDX-License-Identifier: GPL-2.0-or-later
//! What is shown to those who wait.

use std::time::Duration;

use btf_guard_core::evaluate::Observer;
use btf_guard_protocol::terminal::escape;
use btf_guard_protocol::zypp::DownloadProgress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Between two turns of the wheel.
const TURN: Duration = Duration::from_millis(120);

/// A line on a terminal that tells what happens; nothing elsewhere, or if it is not `wanted`.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn new(wanted: bool) -> Self {
        let target = match wanted {
            // Hides what is no terminal.
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(None, target);
        Self { bar }
    }

    pub(crate) fn of_modules(wanted: bool) -> Self {
        let progress = Self::new(wanted);
        progress.style("{wide_bar} {pos}/{len} modules");
        progress
    }

    pub(crate) fn of_client(what: &str, wanted: bool) -> Self {
        let progress = Self::new(wanted);
        progress.style("{spinner} {msg}");
        progress.bar.enable_steady_tick(TURN);
        progress.bar.set_message(what.to_owned());
        progress
    }

    fn style(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
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
        if self.bar.length().is_none() {
            self.style("({prefix}) {msg} {wide_bar} {bytes}/{total_bytes}");
        }
        self.bar.set_length(*total);
        self.bar.set_prefix(format!("{index}/{of}"));
        self.bar.set_message(escape(package));
        self.bar.set_position(*done);
    }
}

impl Observer for Progress {
    fn expect(&self, count: usize) {
        let known = self.bar.length().unwrap_or(0);
        self.bar.set_length(known + count as u64);
    }

    fn step(&self, count: usize) {
        self.bar.inc(count as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
