// SPDX-License-Identifier: GPL-2.0-or-later
//! What is shown to those who wait for a client.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use btf_guard_protocol::terminal::escape;
use btf_guard_protocol::zypp::DownloadProgress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Between two turns of the wheel.
const TURN: Duration = Duration::from_millis(120);

/// A line on a terminal that tells what happens; nothing elsewhere.
#[derive(Debug)]
pub(super) struct Waiting {
    bar: ProgressBar,
}

impl Waiting {
    /// Says what is waited for; `wanted` is false where nobody shall see it.
    pub(super) fn new(what: &str, wanted: bool) -> Self {
        let bar = ProgressBar::new_spinner();
        match wanted && stderr().is_terminal() {
            true => bar.enable_steady_tick(TURN),
            false => bar.set_draw_target(ProgressDrawTarget::hidden()),
        }
        bar.set_message(what.to_owned());
        Self { bar }
    }

    /// Shows what the client itself says. Nothing in it moves the cursor.
    pub(super) fn says(&self, line: &[u8]) {
        let line = escape(String::from_utf8_lossy(line).trim());
        if !line.is_empty() {
            self.bar.set_message(line);
        }
    }

    /// Shows how far a download is.
    pub(super) fn download(&self, progress: &DownloadProgress) {
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
