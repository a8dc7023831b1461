// SPDX-License-Identifier: GPL-2.0-or-later
//! What is said of a finding.

use std::path::Path;

use btf_guard_sysroot::file_role::Role;

use super::group::{FindingGroup, ModuleVerdict, first_distinct};
use super::{KernelEntry, ModuleEntry, Report, VerdictEntry};
use crate::kernel::Target;
use crate::policy::Severity;
use crate::verdict::{BuiltFor, Cause, KernelFault, Kind, Misfit, Reason, Unknown};

/// How a compiler would call it.
pub(crate) fn label(severity: Severity) -> &'static str {
    match severity {
        Severity::Block => "error",
        Severity::Warn => "warning",
        Severity::Info | Severity::None => "note",
    }
}

/// `1 module`, `2 modules`.
pub(crate) fn counted(count: usize, one: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {one}s"),
    }
}

/// A kernel as an admin knows it.
pub(crate) fn kernel(kernel: &KernelEntry) -> String {
    let release = kernel.release.as_deref();
    match (kernel.target, release, &kernel.package) {
        (Target::Running, Some(release), _) => format!("the running kernel {release}"),
        (Target::Running, None, _) => "the running kernel".to_owned(),
        (Target::NextBoot, Some(release), Some(package)) => {
            format!("kernel {release} (in {package})")
        }
        (Target::NextBoot, Some(release), None) => format!("kernel {release} ({})", kernel.source),
        (Target::NextBoot, None, _) => format!("the kernel of {}", kernel.source),
    }
}

/// A kernel, or how many.
pub(crate) fn kernels(kernels: &[&KernelEntry]) -> String {
    match kernels {
        [one] => kernel(one),
        several => counted(several.len(), "kernel"),
    }
}

/// What happens, where, and why, in one sentence.
pub(crate) fn headline(finding: &FindingGroup<'_>, report: &Report) -> String {
    let Some(entry) = report.kernels.get(finding.kernel) else {
        return String::new();
    };
    let kernel = kernel(entry);
    let count = finding.count();
    let places: Vec<_> = finding.cases().map(|c| c.module.path.as_str()).collect();
    let place = places.join(", ");
    match finding.kind {
        Kind::NoModules => return format!("{kernel} has no modules: {place}"),
        Kind::Unbootable => {
            let why = entry.unbootable.as_ref().map_or("", |fault| &fault.why);
            return format!("{kernel} cannot boot: {place}: {why}");
        }
        Kind::StaleCopy => return format!("{kernel} is a stale copy"),
        Kind::InitrdStale => return format!("{kernel} has a stale initrd: {place}"),
        Kind::DriverLost => {
            let modules = counted(count, "module");
            let with = old_release(finding).map(|old| format!(" with {old}"));
            let with = with.unwrap_or_default();
            return format!("{kernel} lacks {modules} that this machine uses{with}");
        }
        _ => {}
    }
    let in_initrd = |module: &&ModuleEntry| match finding.initrd {
        None => module.initrd.is_some(),
        this => module.initrd.as_deref() == this,
    };
    let by_it = |module: &&ModuleEntry| module.verdicts.iter().any(|v| v.kernel == entry.id);
    let modules = report.modules.iter();
    let modules = modules.filter(|module| !module.is_about_kernel());
    let inside = modules.filter(in_initrd);
    let inside = inside.filter(by_it).count();
    let (of, place) = match finding.initrd {
        None => (entry.modules_checked.saturating_sub(inside), String::new()),
        Some(initrd) => (inside, format!(" in initrd {initrd}")),
    };
    let of = of.max(count);
    let subject = match (count, of) {
        (1, 1) => format!("the module{place}"),
        _ => format!("{count} of {}{place}", counted(of, "module")),
    };
    let many = of > 1 && count > 1;
    let their = if many { "their" } else { "its" };
    match (finding.kind, finding.cause) {
        (Kind::Refused, Some(Cause::NoModuleSupport)) => {
            format!("{subject} will not load on {kernel}: it is built without CONFIG_MODULES")
        }
        (Kind::Refused, Some(Cause::Elf)) => {
            let are = if many { "they are" } else { "it is" };
            format!("{subject} will not load on {kernel}: {are} empty, damaged or no module")
        }
        (Kind::Refused, Some(Cause::Architecture)) => {
            let were = if many { "they were" } else { "it was" };
            format!("{subject} will not load on {kernel}: {were} built for another machine")
        }
        (Kind::Refused, Some(Cause::KernelBug)) => {
            format!("{subject} may crash {kernel}: it mishandles {their} BTF")
        }
        (Kind::Refused, _) => {
            let until = match successor(finding, entry, report) {
                Some(_) => " until you reboot",
                None => "",
            };
            let misfit = misfit(finding, entry);
            format!("{subject} will not load on {kernel}{until}: {their} BTF {misfit}")
        }
        (Kind::BtfDiscarded | Kind::BtfWrong, _) => {
            let load = if count == 1 { "loads" } else { "load" };
            let how = match finding.kind {
                Kind::BtfWrong => ", but BPF programs will read wrong types",
                _ => " without types",
            };
            let misfit = misfit(finding, entry);
            format!("{subject} {load} on {kernel}{how}: {their} BTF {misfit}")
        }
        _ => {
            let why = match reason_of(finding) {
                Some(Reason::Unknown(Unknown::NewerKernel)) => {
                    ", which is newer than this btf-guard"
                }
                _ => "",
            };
            format!("{subject} cannot be judged for {kernel}{why}")
        }
    }
}

/// The release whose files the modules of a finding are, by where the first lies.
pub(super) fn old_release<'a>(finding: &FindingGroup<'a>) -> Option<&'a str> {
    let role = Role::of(Path::new(&finding.first()?.module.path))?;
    Some(role.release())
}

/// What decides over the first module of a finding.
fn reason_of<'a>(finding: &FindingGroup<'a>) -> Option<&'a Reason> {
    finding.first()?.verdict.reason.as_ref()
}

/// The kernel refuses its own BTF.
pub(super) fn is_of_kernel_btf(finding: &FindingGroup<'_>) -> bool {
    matches!(
        reason_of(finding),
        Some(Reason::Kernel(KernelFault::KernelBtfInvalid { .. }))
    )
}

/// Why BTF does not fit, as far as that is known or the modules' own release tells.
fn misfit(finding: &FindingGroup<'_>, kernel: &KernelEntry) -> String {
    if is_of_kernel_btf(finding) {
        return "continues the kernel's own, which this kernel itself refuses".into();
    }
    match finding.misfit {
        Some(Misfit::OwnBase) => {
            return "is wrong in itself: it was built for this very kernel".into();
        }
        Some(Misfit::NotRelocated) => {
            return "comes with a .BTF.base, which this kernel cannot relocate".into();
        }
        None => {}
    }
    match (built_for(finding), kernel.release.as_deref()) {
        (Some(theirs), Some(own)) if theirs == own => "was built for another build of it".into(),
        (Some(theirs), Some(_)) => format!("was built for {theirs}"),
        _ => "does not fit it".into(),
    }
}

/// The release that all modules of the finding say they were built for.
pub(super) fn built_for<'a>(finding: &FindingGroup<'a>) -> Option<&'a str> {
    let release = finding.first()?.module.release.as_deref()?;
    let is_it = |case: ModuleVerdict<'_>| case.module.release.as_deref() == Some(release);
    finding.cases().all(is_it).then_some(release)
}

/// The bases that a finding's modules were built for, the most frequent complaint's first.
pub(crate) fn origins(finding: &FindingGroup<'_>, report: &Report, most: usize) -> Vec<String> {
    let Some(kernel) = report.kernels.get(finding.kernel) else {
        return Vec::new();
    };
    let is_of_btf = matches!(finding.cause, None | Some(Cause::Btf | Cause::KernelBug));
    if !is_of_btf || finding.misfit.is_some() || is_of_kernel_btf(finding) {
        return Vec::new();
    }
    let cases = finding.cases();
    let built_for = cases.filter_map(|case| case.module.btf.built_for.as_ref());
    first_distinct(built_for.map(|built_for| origin(built_for, kernel)), most)
}

/// What BTF was built for, and what not.
pub(crate) fn origin(built_for: &BuiltFor, kernel: &KernelEntry) -> String {
    let own = kernel.release.as_deref();
    let strings = built_for.strings;
    let here = kernel.base.as_ref().map(|base| base.strings);
    let Some(source) = &built_for.source else {
        let name = own.unwrap_or(&kernel.source);
        return match here {
            Some(here) if here != strings => format!(
                "built for a base with {strings} bytes of strings, not for {name} with {here}"
            ),
            _ => format!("built for another base with {strings} bytes of strings than {name}"),
        };
    };
    match (built_for.release.as_deref(), own) {
        (Some(theirs), Some(own)) if theirs != own => {
            format!("built for {theirs} ({source}), not for {own}")
        }
        (Some(theirs), Some(own)) => {
            let here = &kernel.source;
            format!("built for {theirs} ({source}), not for {own} ({here})")
        }
        _ => format!(
            "built for {source}, not for {}",
            own.unwrap_or(&kernel.source)
        ),
    }
}

/// The first files on the disk that are another package's than the kernel's, and where
/// links lead.
pub(crate) fn files(finding: &FindingGroup<'_>, most: usize) -> Vec<String> {
    let file = |case: ModuleVerdict<'_>| {
        let module = case.module;
        let of = |package: Option<&str>| package.map(|package| format!(" of {package}"));
        match &module.link {
            Some(link) => {
                let of = of(module.package_or_owner()).unwrap_or_default();
                let loads = match link.loads_there {
                    Some(true) => ", which loads it",
                    Some(false) => ", which does not load it either",
                    None => "",
                };
                let (path, target, release) = (&module.path, &link.target, &link.release);
                Some(format!(
                    "{path} is a link to {target}{of}, a module of {release}{loads}"
                ))
            }
            None => Some(format!("{}{}", module.path, of(module.owner.as_deref())?)),
        }
    };
    finding.cases().filter_map(file).take(most).collect()
}

/// Why the verdict is what it is, in one line: what the kernel logs, or what tells.
pub(crate) fn reason(verdict: &VerdictEntry) -> String {
    match (&verdict.reason, verdict.cause) {
        (None, None) => verdict.verdict.to_string(),
        (Some(reason), None) => reason.to_string(),
        (Some(reason @ (Reason::Kernel(_) | Reason::Elf(_))), _) if verdict.log.is_empty() => {
            reason.to_string()
        }
        (_, Some(_)) if verdict.log.is_empty() => "without a word".to_owned(),
        (_, Some(_)) => verdict.log.join(" | "),
    }
}

/// Of the same release as the running kernel, one to boot that takes all of them.
pub(super) fn successor<'a>(
    finding: &FindingGroup<'_>,
    running: &KernelEntry,
    report: &'a Report,
) -> Option<&'a KernelEntry> {
    report.kernels.iter().find(|next| {
        let takes = |case: ModuleVerdict<'_>| {
            let mut verdicts = case.module.verdicts.iter();
            verdicts.any(|v| v.kernel == next.id && v.verdict.is_loaded())
        };
        running.target == Target::Running
            && next.target == Target::NextBoot
            && next.release.is_some()
            && next.release == running.release
            && finding.cases().all(takes)
    })
}

/// What the kernel prints about the first module of a complaint, line by line.
pub(crate) fn kernel_log(case: ModuleVerdict<'_>) -> Vec<String> {
    let verdict = case.verdict;
    let prefix = verdict.reason.as_ref().map_or("", Reason::log_prefix);
    let log = verdict.log.iter();
    let mut lines: Vec<String> = log.map(|line| format!("{prefix}{line}")).collect();
    if verdict.verdict == Kind::Refused
        && matches!(verdict.cause, Some(Cause::Btf | Cause::KernelBug))
        && let Some(errno) = verdict.errno
    {
        let name = &case.module.name;
        lines.push(format!("failed to validate module [{name}] BTF: {errno}"));
    }
    lines
}

/// The first few modules of a list, and how many more there are.
pub(crate) fn few<'a>(names: impl Iterator<Item = &'a str>, most: usize) -> String {
    let mut names: Vec<&str> = names.collect();
    let more = names.len().saturating_sub(most);
    // "and 1 more" takes no less room than the name.
    if more > 1 {
        names.truncate(most);
        format!("{} and {more} more", names.join(", "))
    } else {
        names.join(", ")
    }
}

/// The modules that this machine needs, and what for; `None` for none.
pub(crate) fn needed<'a>(
    modules: impl Iterator<Item = (&'a str, &'a str)>,
    most: usize,
) -> Option<String> {
    let needed = modules.map(|(name, reason)| format!("{name} ({reason})"));
    let needed: Vec<String> = needed.collect();
    let listed = few(needed.iter().map(String::as_str), most);
    (!needed.is_empty()).then(|| format!("needed by this machine: {listed}"))
}

/// What a verdict does not say by itself: first what was taken for granted.
pub(crate) fn notes(verdict: &VerdictEntry) -> impl Iterator<Item = String> {
    let assumed = verdict.assumed.iter().map(ToString::to_string);
    assumed.chain(verdict.notes.iter().cloned())
}
