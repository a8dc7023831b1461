// SPDX-License-Identifier: GPL-2.0-or-later
//! How what stands reaches those who are to know.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;

use btf_guard_core::status::{
    Findings, MetricCounts, motd_text, prometheus_text, publish, standing_text, withdraw,
};
use btf_guard_protocol::decision::Decision;
use btf_guard_protocol::terminal::escape;
use serde::Serialize;

use crate::args::{StandingFormat, Status};
use crate::output::{self, Lost};

/// The name of the metrics in node_exporter's directory.
const METRICS: &str = "btf-guard.prom";

/// The findings, and what they come to.
#[derive(Serialize)]
struct StatusReport<'a> {
    #[serde(flatten)]
    findings: &'a Findings,
    decision: Decision,
}

/// Writes what stands as it was asked for.
pub(super) fn standing(args: &Status, findings: &Findings, now: u64) -> Result<(), Lost> {
    if args.motd {
        return output::print(&motd_text(findings));
    }
    match args.format {
        StandingFormat::Text => output::styled(args.no_color, &standing_text(findings, now)),
        StandingFormat::Json => output::json(&StatusReport {
            findings,
            decision: findings.decision(),
        }),
        StandingFormat::Prometheus => {
            output::print(&prometheus_text(&MetricCounts::of_standing(findings)))
        }
    }
}

/// Keeps the lines for those who log in.
pub(super) fn motd_file(file: &Path, findings: &Findings) -> io::Result<()> {
    let missing = || io::Error::other("it names no file in a directory");
    let name = file
        .file_name()
        .and_then(OsStr::to_str)
        .ok_or_else(missing)?;
    let dir = file.parent().ok_or_else(missing)?;
    let text = motd_text(findings);
    match text.is_empty() {
        false => publish(dir, name, text.as_bytes()),
        // Where there is no directory there is no file either.
        true if dir.is_dir() => withdraw(dir, name),
        true => Ok(()),
    }
}

/// Keeps the metrics.
pub(super) fn textfile(dir: &Path, findings: &Findings) -> io::Result<()> {
    let text = prometheus_text(&MetricCounts::of_standing(findings));
    publish(dir, METRICS, text.as_bytes())
}

/// Says what was not asked for. The journal takes a number in front for how loud it
/// is (`sd-daemon(3)`).
pub(super) fn warning(line: &str) {
    let mark = match env::var_os("JOURNAL_STREAM") {
        Some(_) => "<4>",
        None => "",
    };
    // Whoever has closed standard error does not want to know.
    let _ = writeln!(io::stderr(), "{mark}warning: btf-guard: {}", escape(line));
}
