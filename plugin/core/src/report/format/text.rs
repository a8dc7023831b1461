// SPDX-License-Identifier: GPL-2.0-or-later
//! A report as text, in the shape of a compiler's diagnostics.

use std::collections::BTreeMap;

use super::style::{Detail, StyledText};
use super::text_summary::{add_conclusion, add_other_releases};
use crate::policy::Severity;
use crate::report::group::{FindingGroup, findings, first_distinct};
use crate::report::help::help;
use crate::report::{
    ErrorEntry, KernelEntry, LintProblem, LintRule, Report, ShadowedEntry, wording,
};
use crate::verdict::{Causes, Kind};

/// Complaints of one finding that are shown.
const COMPLAINTS: usize = 3;
/// Modules of one complaint that are named.
const NAMES: usize = 4;
/// Pieces of evidence of one complaint that are shown.
const EVIDENCE: usize = 2;
/// Modules with one problem of a build that are shown.
const PROBLEMS: usize = 5;
/// Unreadable inputs that are named.
const ERRORS: usize = 20;

/// A report as text with ANSI styles. `causes` are the checks that were followed.
pub fn report_text(report: &Report, detail: Detail, causes: &Causes) -> String {
    let mut text = StyledText::default();
    if detail == Detail::Decision {
        text.line(report.decision.name());
    } else if let Some(problems) = &report.problems {
        add_problems(problems, report, detail, &mut text);
        add_errors(report, detail, &mut text);
        add_outcome(problems, report, &mut text);
    } else {
        let findings = findings(report);
        for finding in &findings {
            add_finding(finding, report, detail, &mut text);
        }
        add_errors(report, detail, &mut text);
        add_conclusion(report, &findings, &mut text);
        add_other_releases(report, &mut text);
        for note in &report.notes {
            text.remark("note", note);
        }
        if detail == Detail::Everything {
            for ShadowedEntry { path, by } in &report.shadowed {
                text.remark(
                    "note",
                    match by {
                        Some(by) => format!("{path} is shadowed by {by}"),
                        None => format!("depmod passes over {path}"),
                    },
                );
            }
            for kernel in &report.kernels {
                add_kernel(kernel, report, &mut text);
            }
            add_unchecked(report, causes, &mut text);
        }
    }
    text.0
}

/// What could not be read, a line each.
pub fn inputs_text(errors: &[ErrorEntry]) -> String {
    let mut text = StyledText::default();
    add_inputs(errors, &mut text);
    text.0
}

fn add_finding(finding: &FindingGroup<'_>, report: &Report, detail: Detail, text: &mut StyledText) {
    text.rated(finding.severity, wording::headline(finding, report));
    if finding.kind != Kind::Unknown {
        text.remark("help", help(finding, report));
    }
    if finding.is_about_kernel() {
        return text.line("");
    }
    if let Some(needed) = wording::needed(finding.used_by_host(), detail.most(NAMES)) {
        text.part(" =", needed);
    }
    if finding.severity >= Severity::Warn || detail == Detail::Everything {
        text.part("-->", place(finding));
        add_complaints(finding, detail, text);
        for file in wording::files(finding, detail.most(NAMES)) {
            text.part(" =", file);
        }
        for origin in wording::origins(finding, report, COMPLAINTS) {
            text.part(" =", origin);
        }
        for note in notes(finding) {
            text.part(" =", format!("note: {note}"));
        }
    }
    text.line("");
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

fn add_complaints(finding: &FindingGroup<'_>, detail: Detail, text: &mut StyledText) {
    let most = detail.most(COMPLAINTS);
    for group in finding.groups.iter().take(most) {
        let names = group.iter().map(|case| case.module.name.as_str());
        let names = wording::few(names, detail.most(NAMES));
        let count = wording::counted(group.len(), "module");
        text.part("  |", format!("{count}: {names}"));
        let Some(case) = group.first() else { continue };
        let evidence = case.verdict.evidence.iter();
        let evidence = evidence.take(detail.most(EVIDENCE)).cloned();
        let unknown = finding.kind == Kind::Unknown;
        let reason = unknown.then(|| wording::reason(case.verdict));
        let log = wording::kernel_log(*case).into_iter();
        for line in log.chain(evidence).chain(reason) {
            text.part("  |", format!("  {line}"));
        }
    }
    let rest = finding.groups.get(most..).unwrap_or_default();
    if !rest.is_empty() {
        let modules = wording::counted(rest.iter().map(Vec::len).sum(), "module");
        let kinds = wording::counted(rest.len(), "other complaint");
        text.part("  |", format!("{modules}: {kinds} (-v shows them)"));
    }
}

/// What the cases of a finding add to it, each thing once.
fn notes(finding: &FindingGroup<'_>) -> Vec<String> {
    let before = finding
        .before
        .then_some("it was so before this transaction");
    let cases = finding.cases();
    let notes = cases.flat_map(|case| wording::notes(case.verdict));
    first_distinct(notes.chain(before.map(str::to_owned)), COMPLAINTS)
}

fn add_errors(report: &Report, detail: Detail, text: &mut StyledText) {
    let most = detail.most(ERRORS);
    add_inputs(report.errors.iter().take(most), text);
    let rest = report.errors.len().saturating_sub(most);
    if rest > 0 {
        let inputs = wording::counted(rest, "more input");
        let more = format!("{inputs} cannot be read (-v names them)");
        text.rated(Severity::Block, more);
    }
}

fn add_inputs<'e>(errors: impl IntoIterator<Item = &'e ErrorEntry>, text: &mut StyledText) {
    for ErrorEntry { path, error, .. } in errors {
        text.rated(Severity::Block, format!("{path}: {error}"));
    }
}

fn add_kernel(kernel: &KernelEntry, report: &Report, text: &mut StyledText) {
    text.line("");
    text.line(wording::kernel(kernel));
    if let Some(build) = &kernel.build {
        text.line(format!("  build: {build}"));
    }
    for also in &kernel.same_kernel_paths {
        text.line(format!("  also: {also}"));
    }
    text.line(match &kernel.base {
        Some(base) => format!("  base BTF: {base}, sha256 {}", base.sha256),
        None => "  base BTF: none was found".to_owned(),
    });
    let distilled = match kernel.features.distilled_base {
        true => "relocates",
        false => "ignores",
    };
    let mismatch = match kernel.features.allow_mismatch {
        Some(true) => "discarded",
        Some(false) => "refused",
        None => "refused (assumed)",
    };
    let kinds = kernel.features.kinds;
    text.line(format!(
        "  {kinds} BTF kinds, {distilled} .BTF.base, a mismatch is {mismatch}"
    ));
    let config = kernel.config.as_deref().unwrap_or("not found");
    text.line(format!("  config: {config}"));
    if kernel.modules_checked == 0 {
        text.line("  no modules were held against it");
    }
    for module in &report.modules {
        let mut verdicts = module.verdicts.iter();
        let no_btf = verdicts.find(|v| v.kernel == kernel.id && v.verdict == Kind::LoadsNoBtf);
        if let Some(verdict) = no_btf {
            let (path, why) = (&module.path, wording::reason(verdict));
            text.line(format!("  loads without types: {path} ({why})"));
        }
    }
}

fn add_unchecked(report: &Report, causes: &Causes, text: &mut StyledText) {
    let mut unchecked = |what: String| text.line(format!("not checked: {what}"));
    for cause in causes.left_out() {
        unchecked(format!("{cause} (--causes)"));
    }
    unchecked("signature, version magic, symbols and their CRCs (not in this version)".into());
    for kernel in report.kernels.iter().filter(|kernel| !kernel.names_machine) {
        let kernel = wording::kernel(kernel);
        unchecked(format!("architecture, for {kernel}: it does not say"));
    }
    let silent = report.modules.iter().filter(|m| !m.names_machine).count();
    if silent > 0 {
        let modules = wording::counted(silent, "module");
        unchecked(format!("architecture, of {modules} known by BTF alone"));
    }
}

fn add_problems(problems: &[LintProblem], report: &Report, detail: Detail, text: &mut StyledText) {
    let most = detail.most(PROBLEMS);
    let mut by_rule: BTreeMap<LintRule, Vec<&LintProblem>> = BTreeMap::new();
    for problem in problems {
        by_rule.entry(problem.rule).or_default().push(problem);
    }
    for (rule, problems) in by_rule {
        let of = wording::counted(report.modules.len(), "module");
        let about = rule.text();
        let (severity, summary, count) = (about.severity, about.summary, problems.len());
        text.rated(severity, format!("{rule} ({count} of {of}): {summary}"));
        text.remark("help", about.help);
        for problem in problems.iter().take(most) {
            let package = problem.package.as_ref();
            let package = package.map_or_else(String::new, |name| format!(" (in {name})"));
            text.part("-->", format!("{}{package}", problem.path));
            text.part("  |", &problem.details);
        }
        let rest = problems.len().saturating_sub(most);
        if rest > 0 {
            let modules = wording::counted(rest, "more module");
            text.part("  |", format!("{modules} (-v shows them)"));
        }
        text.line("");
    }
}

fn add_outcome(problems: &[LintProblem], report: &Report, text: &mut StyledText) {
    let modules = wording::counted(report.modules.len(), "module");
    let judged = report.kernels.iter().filter(|k| k.modules_checked > 0);
    let kernels = match judged.collect::<Vec<_>>()[..] {
        [] if report.errors.is_empty() => {
            return text.remark("ok", "there are no modules to judge");
        }
        [] => return,
        ref some => wording::kernels(some),
    };
    match problems.len() {
        0 => text.remark("ok", format!("{modules}, {kernels}: nothing is wrong")),
        count => {
            let problems = wording::counted(count, "problem");
            text.line(format!("{modules}, {kernels}: {problems}"));
        }
    }
}
