// SPDX-License-Identifier: GPL-2.0-or-later
//! What to do about a finding.

use btf_guard_protocol::nevra::name_of;

use super::group::{FindingGroup, first_distinct};
use super::wording::{built_for, few, is_of_kernel_btf, kernel, old_release, successor};
use super::{InitrdEntry, KernelEntry, Report};
use crate::kernel::Target;
use crate::verdict::{Cause, Kind, Misfit};

/// Packages and releases that are named.
const NAMES: usize = 3;

pub(crate) fn help(finding: &FindingGroup<'_>, report: &Report) -> String {
    let Some(entry) = report.kernels.get(finding.kernel) else {
        return String::new();
    };
    let release = entry.release.as_deref().unwrap_or("this kernel");
    let name = match &entry.release {
        Some(release) => format!("kernel {release}"),
        None => "this kernel".to_owned(),
    };
    let other = built_for(finding).filter(|theirs| Some(*theirs) != entry.release.as_deref());
    match (finding.kind, finding.cause, entry.target) {
        (Kind::NoModules, _, Target::Running) => {
            "reboot into an installed kernel; until then no module can be loaded".into()
        }
        (Kind::NoModules, _, Target::NextBoot) => {
            format!(
                "reinstall the package that holds the modules of {release}, or boot another kernel"
            )
        }
        (Kind::Unbootable, ..) => {
            let fault = entry.unbootable.as_ref();
            match fault.and_then(|fault| fault.fix_command.as_deref()) {
                Some(command) => format!("make it anew, with room enough on its disk: {command}"),
                None => format!("reinstall the package of {name}, or boot another kernel"),
            }
        }
        (Kind::StaleCopy, ..) => stale(entry, report),
        (Kind::InitrdStale, ..) => anew(finding, report),
        (Kind::DriverLost, ..) => lost(finding, entry),
        (Kind::Refused, Some(Cause::NoModuleSupport), _) => {
            "boot a kernel that is built with CONFIG_MODULES=y".into()
        }
        (Kind::Refused, Some(Cause::Elf), _) => {
            "put them in place again: reinstall their package, or rebuild them".into()
        }
        (Kind::Refused, Some(Cause::Architecture), _) => {
            "install the package that was built for this machine".into()
        }
        (Kind::Refused, Some(Cause::KernelBug), _) => {
            "do not load them on this kernel; a corrected kernel or other modules are needed".into()
        }
        _ if is_of_kernel_btf(finding) => format!(
            "another build of {name} is needed, with types from another version of pahole: \
             nothing that is done to modules helps"
        ),
        _ if finding.misfit == Some(Misfit::OwnBase) => {
            "no other build of the kernel helps: build them again with another version of \
             pahole, or without BTF, or tell who built them"
                .into()
        }
        _ if finding.misfit == Some(Misfit::NotRelocated) => format!(
            "build them for {name} without a distilled base, or without BTF: kernels relocate \
             .BTF.base since 6.11"
        ),
        (Kind::Refused | Kind::BtfDiscarded | Kind::BtfWrong, ..) if entry.stale.is_some() => {
            stale(entry, report)
        }
        (Kind::Refused | Kind::BtfDiscarded | Kind::BtfWrong, ..) if finding.initrd.is_some() => {
            anew(finding, report)
        }
        (Kind::Refused | Kind::BtfDiscarded | Kind::BtfWrong, ..) if is_linked(finding) => {
            linked(finding, release)
        }
        (Kind::Refused, ..) if other.is_some() => format!(
            "install the modules that were built for {release}, or use them with {}",
            other.unwrap_or_default()
        ),
        (Kind::Refused, _, Target::Running) => match successor(finding, entry, report) {
            Some(next) => format!("reboot: after it all of them load, on {}", kernel(next)),
            None => "reboot into the kernel that they were built with; until then they cannot be \
                     loaded"
                .into(),
        },
        (Kind::Refused, _, Target::NextBoot) => format!(
            "bring {name} and its modules from one build: reinstall its package, or \
             rebuild the modules against it, before it is booted"
        ),
        (Kind::BtfDiscarded | Kind::BtfWrong, ..) => {
            "where BPF programs need these types, install kernel and modules from one build".into()
        }
        _ => "see the reasons below".into(),
    }
}

/// All of it is found by links to modules of other releases.
fn is_linked(finding: &FindingGroup<'_>) -> bool {
    finding.cases().all(|case| case.module.link.is_some())
}

fn linked(finding: &FindingGroup<'_>, release: &str) -> String {
    let packages = few(finding.packages(NAMES + 2).into_iter(), NAMES);
    let packages = match packages.is_empty() {
        true => "the package that they are of".to_owned(),
        false => packages,
    };
    let links = finding.cases().filter_map(|case| case.module.link.as_ref());
    let releases = first_distinct(links.map(|link| link.release.as_str()), NAMES + 2);
    let releases = few(releases.into_iter(), NAMES);
    format!("install what was built for {release}, or remove {packages}, linked from {releases}")
}

fn anew(finding: &FindingGroup<'_>, report: &Report) -> String {
    let this = |entry: &&InitrdEntry| Some(entry.path.as_str()) == finding.initrd;
    let entry = report.initrds.iter().find(this);
    match entry.and_then(|entry| entry.fix_command.as_deref()) {
        Some(command) => format!("make the initrd anew before it is booted: {command}"),
        None => "make the initrd anew before it is booted, with the tool that made it".into(),
    }
}

/// The packages of the other kernel's files are named without their versions: whether they
/// exist for this kernel is not known here.
fn lost(finding: &FindingGroup<'_>, kernel: &KernelEntry) -> String {
    let release = kernel.release.as_deref().unwrap_or("this kernel");
    let old = old_release(finding).unwrap_or("the other kernel");
    let owners = finding
        .cases()
        .filter_map(|case| case.module.owner.as_deref());
    let owners = first_distinct(owners.map(name_of), NAMES + 2);
    let own = kernel.package.as_deref().map(name_of);
    let others = owners.iter().copied().filter(|owner| Some(*owner) != own);
    let others = few(others, NAMES);
    match (others.is_empty(), owners.is_empty()) {
        (false, _) => {
            format!("install {others} for {release}, if that is not there, or keep booting {old}")
        }
        (true, false) => {
            format!("keep booting {old}, or use another driver: {release} comes without it")
        }
        (true, true) => {
            format!("install what has them for {release}, or keep booting {old}")
        }
    }
}

fn stale(kernel: &KernelEntry, report: &Report) -> String {
    let Some(stale) = &kernel.stale else {
        return String::new();
    };
    let boots = if kernel.default {
        ", and it is what boots"
    } else {
        ""
    };
    let build = |build: &Option<String>| build.clone().unwrap_or_else(|| "another build".into());
    // A new kernel with an old initrd would boot less than both old ones.
    let initrds = report.initrds.iter();
    let initrds = initrds.filter(|initrd| has_stale(initrd, kernel, report));
    let mut commands = vec![stale.fix_command.as_str()];
    for command in initrds.filter_map(|initrd| initrd.fix_command.as_deref()) {
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    format!(
        "this copy is stale{boots}: it holds {}, and {} is {}; make it anew: {}",
        build(&kernel.build),
        stale.newer_image,
        build(&stale.build),
        commands.join(" && ")
    )
}

/// The kernel is booted with this initrd, which is stale.
fn has_stale(initrd: &InitrdEntry, kernel: &KernelEntry, report: &Report) -> bool {
    let mut modules = report.modules.iter();
    modules.any(|module| {
        let mut verdicts = module.verdicts.iter();
        module.initrd.as_ref() == Some(&initrd.path)
            && verdicts.any(|v| v.kernel == kernel.id && v.verdict == Kind::InitrdStale)
    })
}
