// SPDX-License-Identifier: GPL-2.0-or-later
//! A report as text, in the shape of a compiler's diagnostics.

use std::io::{self, Write};

use btf_guard_protocol::terminal::escape;

use super::style::{Detail, FRAME, HELP, style};
use super::text_lint::{write_outcome, write_problems};
use super::text_summary::{write_conclusion, write_other_releases};
use crate::policy::Severity;
use crate::report::group::{FindingGroup, findings};
use crate::report::{BaseEntry, ErrorEntry, Report, wording};
use crate::verdict::{Causes, Kind};

/// Complaints of one finding that are shown.
const COMPLAINTS: usize = 3;
/// Modules of one complaint that are named.
const NAMES: usize = 4;
/// Pieces of evidence of one complaint that are shown.
const EVIDENCE: usize = 2;
/// Unreadable inputs that are named.
const ERRORS: usize = 20;

/// Writes a report as text with ANSI styles; the caller strips them where they
/// are not wanted. `causes` are the checks that were followed.
///
/// # Errors
/// Those of `out`.
pub fn write_text(
    report: &Report,
    detail: Detail,
    causes: &Causes,
    out: &mut impl Write,
) -> io::Result<()> {
    if detail == Detail::Decision {
        return writeln!(out, "{}", report.decision.name());
    }
    if let Some(problems) = &report.problems {
        write_problems(problems, report, detail, out)?;
        write_errors(report, detail, out)?;
        return write_outcome(problems, report, out);
    }
    let findings = findings(report);
    for finding in &findings {
        write_finding(finding, report, detail, out)?;
    }
    write_errors(report, detail, out)?;
    write_conclusion(report, &findings, out)?;
    write_other_releases(report, out)?;
    for note in &report.notes {
        writeln!(out, "{HELP}note{HELP:#}: {}", escape(note))?;
    }
    if detail == Detail::Everything {
        write_everything(report, causes, out)?;
    }
    Ok(())
}

fn write_finding(
    finding: &FindingGroup<'_>,
    report: &Report,
    detail: Detail,
    out: &mut impl Write,
) -> io::Result<()> {
    let (style, label) = (style(finding.severity), wording::label(finding.severity));
    let headline = escape(&wording::headline(finding, report));
    writeln!(out, "{style}{label}{style:#}: {headline}")?;
    if finding.kind != Kind::Unknown {
        let help = escape(&wording::help(finding, report));
        writeln!(out, "{HELP}help{HELP:#}: {help}")?;
    }
    if finding.kind == Kind::Missing {
        return writeln!(out);
    }
    let most = match detail {
        Detail::Everything => usize::MAX,
        _ => NAMES,
    };
    if let Some(needed) = wording::needed(finding, most) {
        writeln!(out, " {FRAME}={FRAME:#} {}", escape(&needed))?;
    }
    if finding.severity >= Severity::Warn || detail == Detail::Everything {
        write_place(finding, out)?;
        write_complaints(finding, detail, out)?;
        for origin in wording::origins(finding, report, COMPLAINTS) {
            writeln!(out, " {FRAME}={FRAME:#} {}", escape(&origin))?;
        }
        for note in notes(finding) {
            writeln!(out, " {FRAME}={FRAME:#} note: {}", escape(&note))?;
        }
    }
    writeln!(out)
}

/// Where the modules are: their package, or the directory that holds them all.
fn write_place(finding: &FindingGroup<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut places: Vec<&str> = Vec::new();
    let mut common: Option<&str> = None;
    for case in finding.cases() {
        if let Some(package) = case.module.package.as_deref() {
            if !places.contains(&package) && places.len() <= NAMES + 1 {
                places.push(package);
            }
        } else {
            let dir = parent(&case.module.path);
            common = Some(common.map_or(dir, |known| shared(known, dir)));
        }
    }
    let places = places.into_iter().chain(common.map(|dir| match dir {
        "" => "/",
        dir => dir,
    }));
    let places = wording::few(places, NAMES);
    writeln!(out, "{FRAME}-->{FRAME:#} {}", escape(&places))
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or(".", |(dir, _)| dir)
}

/// The directory that holds both directories.
fn shared<'a>(one: &'a str, other: &str) -> &'a str {
    let mut dir = one;
    while dir != other && !other.starts_with(&format!("{dir}/")) {
        match dir.rsplit_once('/') {
            Some((up, _)) => dir = up,
            None => return "",
        }
    }
    dir
}

fn write_complaints(
    finding: &FindingGroup<'_>,
    detail: Detail,
    out: &mut impl Write,
) -> io::Result<()> {
    let all = detail == Detail::Everything;
    let most = if all { usize::MAX } else { COMPLAINTS };
    for group in finding.groups.iter().take(most) {
        let names = group.iter().map(|case| case.module.name.as_str());
        let names = wording::few(names, if all { usize::MAX } else { NAMES });
        let count = wording::counted(group.len(), "module");
        writeln!(out, "  {FRAME}|{FRAME:#} {count}: {}", escape(&names))?;
        let Some(case) = group.first() else { continue };
        for line in wording::kernel_log(*case) {
            writeln!(out, "  {FRAME}|{FRAME:#}   {}", escape(&line))?;
        }
        let most = if all { usize::MAX } else { EVIDENCE };
        for evidence in case.verdict.evidence.iter().take(most) {
            writeln!(out, "  {FRAME}|{FRAME:#}   {}", escape(evidence))?;
        }
        if finding.kind == Kind::Unknown {
            let reason = wording::reason(case.verdict);
            writeln!(out, "  {FRAME}|{FRAME:#}   {}", escape(&reason))?;
        }
    }
    let rest = finding.groups.get(most..).unwrap_or_default();
    if !rest.is_empty() {
        let modules = wording::counted(rest.iter().map(Vec::len).sum(), "module");
        let kinds = wording::counted(rest.len(), "other complaint");
        writeln!(
            out,
            "  {FRAME}|{FRAME:#} {modules}: {kinds} (-v shows them)"
        )?;
    }
    Ok(())
}

/// What the cases of a finding add to it, each thing once.
fn notes(finding: &FindingGroup<'_>) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    let mut add = |note: String| {
        if !notes.contains(&note) && notes.len() < COMPLAINTS {
            notes.push(note);
        }
    };
    for case in finding.cases() {
        for assumed in &case.verdict.assumed {
            add(wording::assumption(*assumed).to_owned());
        }
        for note in &case.verdict.notes {
            add(note.clone());
        }
    }
    if finding.before {
        add("it was so before this transaction".into());
    }
    notes
}

/// Writes what could not be read, as [`write_text`] does.
///
/// # Errors
/// Those of `out`.
pub fn write_errors(report: &Report, detail: Detail, out: &mut impl Write) -> io::Result<()> {
    let most = match detail {
        Detail::Everything => usize::MAX,
        _ => ERRORS,
    };
    let style = style(Severity::Block);
    write_inputs(report.errors.iter().take(most), out)?;
    let rest = report.errors.len().saturating_sub(most);
    if rest > 0 {
        let inputs = wording::counted(rest, "more input");
        writeln!(
            out,
            "{style}error{style:#}: {inputs} cannot be read (-v names them)"
        )?;
    }
    Ok(())
}

/// Writes what could not be read, a line each.
///
/// # Errors
/// Those of `out`.
pub fn write_inputs<'e>(
    errors: impl IntoIterator<Item = &'e ErrorEntry>,
    out: &mut impl Write,
) -> io::Result<()> {
    let style = style(Severity::Block);
    for error in errors {
        let (path, why) = (escape(&error.path), escape(&error.error));
        writeln!(out, "{style}error{style:#}: {path}: {why}")?;
    }
    Ok(())
}

fn write_everything(report: &Report, causes: &Causes, out: &mut impl Write) -> io::Result<()> {
    for kernel in &report.kernels {
        writeln!(out, "\n{}", escape(&wording::kernel(kernel)))?;
        if let Some(build) = &kernel.build {
            writeln!(out, "  build: {}", escape(build))?;
        }
        for also in &kernel.same_kernel_paths {
            writeln!(out, "  also: {}", escape(also))?;
        }
        match &kernel.base {
            Some(BaseEntry {
                types,
                strings,
                sha256,
            }) => writeln!(
                out,
                "  base BTF: {types} types, {strings} bytes of strings, sha256 {sha256}"
            )?,
            None => writeln!(out, "  base BTF: none was found")?,
        }
        let abilities = &kernel.abilities;
        let distilled = if abilities.distilled_base {
            "relocates"
        } else {
            "ignores"
        };
        let mismatch = match abilities.allow_mismatch {
            Some(true) => "discarded",
            Some(false) => "refused",
            None => "refused (assumed)",
        };
        let kinds = abilities.kinds;
        writeln!(
            out,
            "  {kinds} BTF kinds, {distilled} .BTF.base, a mismatch is {mismatch}"
        )?;
        let config = kernel.config.as_deref().unwrap_or("not found");
        writeln!(out, "  config: {}", escape(config))?;
        if kernel.modules_checked == 0 {
            writeln!(out, "  no modules were held against it")?;
        }
        let mut without = report.modules.iter().flat_map(|module| {
            let verdicts = module.verdicts.iter();
            let of_this = verdicts.filter(|v| v.kernel == kernel.id);
            of_this.map(move |verdict| (module, verdict))
        });
        let no_btf = |(_, v): &(_, &crate::report::VerdictEntry)| v.verdict == Kind::LoadsNoBtf;
        for (module, verdict) in without.by_ref().filter(no_btf) {
            let why = wording::reason(verdict);
            writeln!(
                out,
                "  loads without types: {} ({why})",
                escape(&module.path)
            )?;
        }
    }
    for cause in causes.left_out() {
        writeln!(out, "not checked: {cause} (--causes)")?;
    }
    writeln!(
        out,
        "not checked: signature, version magic, symbols and their CRCs (not in this version)"
    )?;
    let machine = "not checked: architecture";
    for kernel in report.kernels.iter().filter(|kernel| !kernel.names_machine) {
        writeln!(
            out,
            "{machine}, for {}: it does not say",
            escape(&wording::kernel(kernel))
        )?;
    }
    let silent = report.modules.iter().filter(|m| !m.names_machine).count();
    if silent > 0 {
        let modules = wording::counted(silent, "module");
        writeln!(out, "{machine}, of {modules} known by BTF alone")?;
    }
    Ok(())
}
