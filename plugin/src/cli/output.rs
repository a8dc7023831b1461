//! Standard output.

use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};
use btf_guard::report::{Detail, Report, write_text};
use btf_guard::verdict::Causes;
use serde::Serialize;

/// Writes a report as text, colored where a terminal and the environment
/// (`NO_COLOR` and its like) agree.
pub(crate) fn text(
    report: &Report,
    detail: Detail,
    causes: &Causes,
    no_color: bool,
) -> io::Result<()> {
    let stdout = io::stdout();
    let choice = match no_color {
        true => ColorChoice::Never,
        false => AutoStream::choice(&stdout),
    };
    // In one piece: lines of a report do not mix with others' on a terminal.
    let mut whole = AutoStream::new(Vec::new(), ColorChoice::AlwaysAnsi);
    write_text(report, detail, causes, &mut whole)?;
    let mut out = AutoStream::new(stdout.lock(), choice);
    out.write_all(&whole.into_inner())?;
    out.flush()
}

/// Writes one JSON object and a line break.
pub(crate) fn json(what: &impl Serialize) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    serde_json::to_writer(&mut out, what)?;
    writeln!(out)?;
    out.flush()
}
