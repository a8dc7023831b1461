// SPDX-License-Identifier: GPL-2.0-or-later
//! A report as text, in the shape of a compiler's diagnostics.

use std::io::{self, Write};

use btf_guard_protocol::terminal::escape;

use super::style::{Detail, part, rated, remark};
use super::text_lint::{write_outcome, write_problems};
use super::text_summary::{write_conclusion, write_other_releases};
use crate::policy::Severity;
use crate::report::group::{FindingGroup, findings};
use crate::report::{ErrorEntry, Report, wording};
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
        remark(out, "note", note)?;
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
    rated(out, finding.severity, &wording::headline(finding, report))?;
    if finding.kind != Kind::Unknown {
        remark(out, "help", &wording::help(finding, report))?;
    }
    if finding.kind == Kind::Missing {
        return writeln!(out);
    }
    if let Some(needed) = wording::needed(finding, detail.most(NAMES)) {
        part(out, " =", &needed)?;
    }
    if finding.severity >= Severity::Warn || detail == Detail::Everything {
        part(out, "-->", &place(finding))?;
        write_complaints(finding, detail, out)?;
        for origin in wording::origins(finding, report, COMPLAINTS) {
            part(out, " =", &origin)?;
        }
        for note in notes(finding) {
            part(out, " =", &format!("note: {note}"))?;
        }
    }
    writeln!(out)
}

/// Where the modules are: their packages, or the directory that holds them all.
fn place(finding: &FindingGroup<'_>) -> String {
    let mut places = finding.packages(NAMES + 2);
    let outside = finding.cases().filter(|case| case.module.package.is_none());
    let dirs = outside.map(|case| {
        let path = case.module.path.as_str();
        path.rsplit_once('/').map_or(".", |(dir, _)| dir)
    });
    places.extend(dirs.reduce(shared).map(|dir| match dir {
        "" => "/",
        dir => dir,
    }));
    wording::few(places.into_iter(), NAMES)
}

/// The directory that holds both directories.
fn shared<'a>(one: &'a str, other: &'a str) -> &'a str {
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
    let most = detail.most(COMPLAINTS);
    for group in finding.groups.iter().take(most) {
        let names = group.iter().map(|case| case.module.name.as_str());
        let names = wording::few(names, detail.most(NAMES));
        let count = wording::counted(group.len(), "module");
        part(out, "  |", &format!("{count}: {names}"))?;
        let Some(case) = group.first() else { continue };
        let evidence = case.verdict.evidence.iter();
        let evidence = evidence.take(detail.most(EVIDENCE)).cloned();
        let unknown = finding.kind == Kind::Unknown;
        let reason = unknown.then(|| wording::reason(case.verdict));
        let log = wording::kernel_log(*case).into_iter();
        for line in log.chain(evidence).chain(reason) {
            part(out, "  |", &format!("  {line}"))?;
        }
    }
    let rest = finding.groups.get(most..).unwrap_or_default();
    if !rest.is_empty() {
        let modules = wording::counted(rest.iter().map(Vec::len).sum(), "module");
        let kinds = wording::counted(rest.len(), "other complaint");
        part(out, "  |", &format!("{modules}: {kinds} (-v shows them)"))?;
    }
    Ok(())
}

/// What the cases of a finding add to it, each thing once.
fn notes(finding: &FindingGroup<'_>) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for note in finding
        .cases()
        .flat_map(|case| wording::notes(case.verdict))
    {
        if !notes.contains(&note) && notes.len() < COMPLAINTS {
            notes.push(note);
        }
    }
    if finding.before && notes.len() < COMPLAINTS {
        notes.push("it was so before this transaction".into());
    }
    notes
}

/// Writes what could not be read, as [`write_text`] does.
///
/// # Errors
/// Those of `out`.
pub fn write_errors(report: &Report, detail: Detail, out: &mut impl Write) -> io::Result<()> {
    let most = detail.most(ERRORS);
    write_inputs(report.errors.iter().take(most), out)?;
    match report.errors.len().saturating_sub(most) {
        0 => Ok(()),
        rest => {
            let inputs = wording::counted(rest, "more input");
            let text = format!("{inputs} cannot be read (-v names them)");
            rated(out, Severity::Block, &text)
        }
    }
}

/// Writes what could not be read, a line each.
///
/// # Errors
/// Those of `out`.
pub fn write_inputs<'e>(
    errors: impl IntoIterator<Item = &'e ErrorEntry>,
    out: &mut impl Write,
) -> io::Result<()> {
    for ErrorEntry { path, error, .. } in errors {
        rated(out, Severity::Block, &format!("{path}: {error}"))?;
    }
    Ok(())
}

fn write_everything(report: &Report, causes: &Causes, out: &mut impl Write) -> io::Result<()> {
    for kernel in &report.kernels {
        writeln!(out, "\n{}", escape(&wording::kernel(kernel)))?;
        let mut line = |text: String| writeln!(out, "  {}", escape(&text));
        if let Some(build) = &kernel.build {
            line(format!("build: {build}"))?;
        }
        for also in &kernel.same_kernel_paths {
            line(format!("also: {also}"))?;
        }
        line(match &kernel.base {
            Some(base) => format!("base BTF: {base}, sha256 {}", base.sha256),
            None => "base BTF: none was found".to_owned(),
        })?;
        let distilled = match kernel.abilities.distilled_base {
            true => "relocates",
            false => "ignores",
        };
        let mismatch = match kernel.abilities.allow_mismatch {
            Some(true) => "discarded",
            Some(false) => "refused",
            None => "refused (assumed)",
        };
        let kinds = kernel.abilities.kinds;
        line(format!(
            "{kinds} BTF kinds, {distilled} .BTF.base, a mismatch is {mismatch}"
        ))?;
        let config = kernel.config.as_deref().unwrap_or("not found");
        line(format!("config: {config}"))?;
        if kernel.modules_checked == 0 {
            line("no modules were held against it".to_owned())?;
        }
        for module in &report.modules {
            let no_btf = module
                .verdicts
                .iter()
                .find(|verdict| verdict.kernel == kernel.id && verdict.verdict == Kind::LoadsNoBtf);
            if let Some(verdict) = no_btf {
                let (path, why) = (&module.path, wording::reason(verdict));
                line(format!("loads without types: {path} ({why})"))?;
            }
        }
    }
    let mut unchecked = |text: String| writeln!(out, "not checked: {}", escape(&text));
    for cause in causes.left_out() {
        unchecked(format!("{cause} (--causes)"))?;
    }
    unchecked("signature, version magic, symbols and their CRCs (not in this version)".into())?;
    for kernel in report.kernels.iter().filter(|kernel| !kernel.names_machine) {
        let kernel = wording::kernel(kernel);
        unchecked(format!("architecture, for {kernel}: it does not say"))?;
    }
    let silent = report.modules.iter().filter(|m| !m.names_machine).count();
    if silent > 0 {
        let modules = wording::counted(silent, "module");
        unchecked(format!("architecture, of {modules} known by BTF alone"))?;
    }
    Ok(())
}
