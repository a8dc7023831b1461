// SPDX-License-Identifier: GPL-2.0-or-later
//! Standard output, and how the program ends.

use std::io::{self, Write};

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use btf_guard_core::report::{
    Detail, ErrorEntry, Report, inputs_text, report_text, rpmlint_text, sarif,
};
use btf_guard_core::status::{MetricCounts, prometheus_text};
use btf_guard_core::verdict::Causes;
use btf_guard_protocol::clock::now;
use btf_guard_protocol::decision::{Decision, Mode};
use serde::Serialize;

use crate::args::{ReportFormat, Way};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything that was asked for was judged.
    Judged(Decision),
    /// Something asked for could not be read; the rest was judged.
    Incomplete,
    /// Nothing to judge was asked for, and it was done.
    Done,
}

impl Outcome {
    /// How a judgement ends, of all that was asked for or of a part of it. What could not
    /// be read does not hide a finding at block.
    pub(crate) fn of(decision: Decision, is_complete: bool) -> Self {
        match is_complete || decision == Decision::Block {
            true => Self::Judged(decision),
            false => Self::Incomplete,
        }
    }
}

/// Writes a report as it was asked for. In mode `off` nothing is found, but what
/// could not be read is still said; `is_complete` if all that was asked for was.
/// `subject` is the package that rpmlint's lines name where a module is in none.
pub(crate) fn report(
    report: &Report,
    is_complete: bool,
    causes: &Causes,
    way: Way,
    subject: Option<&str>,
) -> Result<(), Lost> {
    let detail = match (way.quiet, way.verbose) {
        (true, _) => Detail::Decision,
        (false, false) => Detail::Findings,
        (false, true) => Detail::Everything,
    };
    match way.format {
        ReportFormat::Json => return json(report),
        ReportFormat::Sarif => return json(&sarif(report)),
        ReportFormat::Rpmlint => {
            errors(report, way.no_color)?;
            return match way.mode {
                Mode::Off => Ok(()),
                _ => print(&rpmlint_text(report, subject)),
            };
        }
        ReportFormat::Prometheus => {
            let counts = MetricCounts::of_report(report, is_complete, now());
            return print(&prometheus_text(&counts));
        }
        ReportFormat::Text if way.mode == Mode::Off => return errors(report, way.no_color),
        // One word must not hide what could not be judged.
        ReportFormat::Text if way.quiet => errors(report, way.no_color)?,
        ReportFormat::Text => {}
    }
    styled(way.no_color, &report_text(report, detail, causes))
}

/// Writes styled text, in color where a terminal and the environment (`NO_COLOR`) agree.
pub(crate) fn styled(no_color: bool, text: &str) -> Result<(), Lost> {
    let stdout = io::stdout();
    let choice = choice(no_color, &stdout);
    // In one piece: lines of a report do not mix with others' on a terminal.
    let mut out = AutoStream::new(stdout.lock(), choice);
    read(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

fn choice(no_color: bool, stream: &impl RawStream) -> ColorChoice {
    match no_color {
        true => ColorChoice::Never,
        false => AutoStream::choice(stream),
    }
}

pub(crate) fn print(text: &str) -> Result<(), Lost> {
    plain(|out| out.write_all(text.as_bytes()))
}

pub(crate) fn plain(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<(), Lost> {
    let mut whole = Vec::new();
    read(write(&mut whole).and_then(|()| io::stdout().lock().write_all(&whole)))
}

/// Writes what could not be read to standard error.
fn errors(report: &Report, no_color: bool) -> Result<(), Lost> {
    stderr(no_color, &inputs_text(&report.errors))
}

pub(crate) fn input_errors(errors: &[ErrorEntry]) -> Result<(), Lost> {
    stderr(false, &inputs_text(errors))
}

fn stderr(no_color: bool, text: &str) -> Result<(), Lost> {
    let stderr = io::stderr();
    let choice = choice(no_color, &stderr);
    read(AutoStream::new(stderr.lock(), choice).write_all(text.as_bytes()))
}

/// Writes one JSON object and a line break.
pub(crate) fn json(what: &impl Serialize) -> Result<(), Lost> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = serde_json::to_writer(&mut out, what).map_err(io::Error::from);
    let written = written.and_then(|()| writeln!(out));
    read(written.and_then(|()| out.flush()))
}

#[derive(Debug, thiserror::Error)]
#[error("cannot write the output")]
pub(crate) struct Lost(#[source] io::Error);

/// Whoever reads our output may have seen enough; what was found stays found.
fn read(written: io::Result<()>) -> Result<(), Lost> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Lost(error)),
        _ => Ok(()),
    }
}
