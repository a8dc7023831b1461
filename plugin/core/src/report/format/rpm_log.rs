// SPDX-License-Identifier: GPL-2.0-or-later
//! A judgement in the few lines that fit into a package manager's output.

use btf_guard_protocol::decision::{Decision, Mode};
use btf_guard_protocol::nevra::name_of;
use btf_guard_protocol::override_source::Override;
use btf_guard_protocol::plan::{Level, Message, Stage};
use btf_guard_protocol::terminal::escape_line;

use crate::policy::Severity;
use crate::report::group::{FindingGroup, ModuleVerdict, findings};
use crate::report::help::help;
use crate::report::{Report, wording};

/// Findings that get lines of their own.
const FINDINGS: usize = 3;
/// Modules of a finding that are named.
const NAMES: usize = 3;
/// Unreadable packages and kernels that are named.
const ERRORS: usize = 3;

/// What to tell the admin of a transaction, under `mode`, before or after it, or of the disk
/// as it is: the worst first, each beginning with what is broken and what to do.
pub fn messages(report: &Report, mode: Mode, stage: Stage) -> Vec<Message> {
    if mode == Mode::Off {
        return Vec::new();
    }
    let mut lines = Lines {
        level: Level::Warning,
        messages: Vec::new(),
    };
    let all = findings(report);
    let (worth, rest): (Vec<_>, Vec<_>) = all
        .iter()
        .filter(|finding| finding.severity >= Severity::Warn || finding.before)
        .partition(|finding| finding.severity >= Severity::Warn);
    for finding in worth.iter().take(FINDINGS) {
        let blocks = finding.severity == Severity::Block;
        lines.level = match report.decision {
            Decision::Block if blocks => Level::Error,
            _ => Level::Warning,
        };
        let headline = wording::headline(finding, report);
        let after = "after this transaction";
        lines.say(match (stage, blocks, report.decision) {
            (Stage::None, ..) => format!("btf-guard: {headline}"),
            (_, true, Decision::Block) => format!("btf-guard: blocked: {after}, {headline}"),
            (Stage::Pre, true, _) => {
                format!("btf-guard: would have blocked: {after}, {headline}")
            }
            _ => format!("btf-guard: {after}, {headline}"),
        });
        lines.say(format!("  help: {}", help(finding, report)));
        if finding.is_about_kernel() {
            continue;
        }
        let names = finding.cases().map(|case| case.module.name.as_str());
        let names = wording::few(names, NAMES);
        let packages = wording::few(finding.packages(NAMES + 2).into_iter(), NAMES);
        lines.say(match packages.is_empty() {
            true => format!("  modules: {names}"),
            false => format!("  modules: {names} (in {packages})"),
        });
        for origin in wording::files(finding, NAMES) {
            lines.say(format!("  {origin}"));
        }
        if let Some(needed) = wording::needed(finding.used_by_host(), NAMES) {
            lines.say(format!("  {needed}"));
        }
        for origin in wording::origins(finding, report, 1) {
            lines.say(format!("  {origin}"));
        }
        if let Some(case) = finding.first() {
            if let Some(evidence) = case.verdict.evidence.first() {
                let name = &case.module.name;
                lines.say(format!("  note: {name}: {evidence}"));
            }
            let log = wording::kernel_log(case);
            if !log.is_empty() {
                lines.say(format!("  the kernel would log: {}", log.join(" | ")));
            }
            for note in wording::notes(case.verdict) {
                lines.say(format!("  note: {note}"));
            }
        }
    }
    let more = worth.len().saturating_sub(FINDINGS);
    if more > 0 {
        let findings = wording::counted(more, "more finding");
        lines.say(format!("btf-guard: {findings}"));
    }
    if report.decision == Decision::Block {
        lines.level = Level::Error;
        lines.say(
            "btf-guard: nothing was changed; to go on all the same: BTF_GUARD=warn in the \
             environment, or rpm -D '_btf_guard warn'",
        );
        let packages = worth.iter().flat_map(|finding| packages(finding, report));
        if let Some(package) = packages.map(name_of).find(|name| is_plain(name)) {
            lines.say(format!(
                "  help: for every time: sudo btf-guard allow --package '{package}' --reason '...'"
            ));
        }
        lines.say(HELP_ONCE);
    }
    // After it, they have been told.
    for finding in rest.into_iter().filter(|_| stage == Stage::Pre) {
        lines.level = Level::Notice;
        let headline = wording::headline(finding, report);
        lines.say(format!("btf-guard: as before this transaction, {headline}"));
    }
    for note in report.notes.iter().take(ERRORS) {
        lines.level = Level::Warning;
        lines.say(format!("btf-guard: {note}"));
    }
    for error in report.errors.iter().take(ERRORS) {
        lines.level = match error.harmless {
            true => Level::Notice,
            false => Level::Warning,
        };
        let (path, why) = (&error.path, &error.error);
        lines.say(format!("btf-guard: {path}: {why}; it was not judged"));
    }
    let more = report.errors.len().saturating_sub(ERRORS);
    if more > 0 {
        lines.level = Level::Warning;
        lines.say(format!("btf-guard: {more} more could not be judged"));
    }
    lines.messages
}

/// Why a transaction is stopped of which not all could be judged: by the file `origin`.
pub fn unjudged(report: &Report, origin: &str) -> Message {
    let errors = report.errors.iter().filter(|error| !error.harmless);
    let inputs = wording::counted(errors.count(), "input");
    let text = format!(
        "btf-guard: blocked: {inputs} could not be judged, and on_error is \"block\" ({origin})"
    );
    Message {
        level: Level::Error,
        text: escape_line(&text),
    }
}

/// How a block is overridden, whoever runs the package manager, in any environment.
pub(crate) const HELP_ONCE: &str =
    "  help: for one time: sudo btf-guard allow --next --reason '...'";

/// The rules and overrides of the admin's that had a part in a decision: a line each.
pub fn overrides(overrides: &[Override], decision: Decision) -> Vec<Message> {
    let level = match decision {
        Decision::Block => Level::Error,
        Decision::Warn | Decision::Allow => Level::Warning,
    };
    let told = overrides.iter().filter(|o| o.id.is_some());
    told.map(|o| {
        let reason = o.reason.as_deref().unwrap_or("no reason given");
        let text = escape_line(&format!("btf-guard: decided by {o}: {reason}"));
        Message { level, text }
    })
    .collect()
}

/// The packages that a finding is about: the kernel's only where those of the modules
/// are not known.
fn packages<'r>(finding: &FindingGroup<'r>, report: &'r Report) -> Vec<&'r str> {
    if finding.severity != Severity::Block {
        return Vec::new();
    }
    let package = |case: ModuleVerdict<'r>| case.module.package_or_owner();
    let mut packages: Vec<&str> = finding.cases().filter_map(package).collect();
    if packages.is_empty() {
        let kernel = report.kernels.get(finding.kernel);
        packages.extend(kernel.and_then(|kernel| kernel.package.as_deref()));
    }
    packages
}

/// True of what may stand in a command that an admin copies. Packages choose their names.
fn is_plain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+~-".contains(&byte);
    !name.is_empty() && name.bytes().all(is_plain)
}

struct Lines {
    level: Level,
    messages: Vec<Message>,
}

impl Lines {
    fn say(&mut self, text: impl AsRef<str>) {
        self.messages.push(Message {
            level: self.level,
            text: escape_line(text.as_ref()),
        });
    }
}
