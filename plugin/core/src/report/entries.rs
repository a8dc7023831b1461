// SPDX-License-Identifier: GPL-2.0-or-later
//! What the entries of a report are made from, and what it counts of them.

use super::{
    BaseEntry, BtfEntry, FeaturesEntry, KernelEntry, ModuleEntry, StaleEntry, Summary,
    UnbootableEntry, VerdictEntry,
};
use crate::boot::inventory::Stale;
use crate::boot::{BootProblem, TargetRole, UnreadableImage};
use crate::kernel::{Kernel, KernelSource, Target};
use crate::module::Module;
use crate::policy::{self, Severity};
use crate::verdict::{Judgement, Kind, Reason, Verdict};

impl From<&Stale> for StaleEntry {
    fn from(stale: &Stale) -> Self {
        Self {
            newer_image: stale.than.display().to_string(),
            build: stale.build.clone(),
            fix_command: stale.mend.clone(),
        }
    }
}

/// The entry of a kernel; where it was found is the kernel's own source.
pub(crate) fn kernel_entry(id: usize, kernel: &Kernel) -> KernelEntry {
    KernelEntry {
        id,
        release: kernel.release.clone(),
        build: kernel.build.clone(),
        target: kernel.moment,
        source: match &kernel.source {
            KernelSource::Running => "running".to_owned(),
            KernelSource::File(path) => path.display().to_string(),
        },
        role: match kernel.moment {
            Target::Running => TargetRole::Running,
            Target::NextBoot => TargetRole::Default,
        },
        role_reason: match kernel.moment {
            Target::Running => "it runs now".to_owned(),
            Target::NextBoot => "it was asked for".to_owned(),
        },
        default: false,
        stale: None,
        unbootable: None,
        same_kernel_paths: Vec::new(),
        package: None,
        base: (!kernel.base.is_none()).then(|| BaseEntry {
            types: kernel.base.types().saturating_sub(1),
            strings: kernel.base.strings_len(),
            sha256: kernel.sha256(),
        }),
        features: FeaturesEntry {
            kinds: kernel.abilities.kinds,
            distilled_base: kernel.abilities.distilled_base,
            module_btf: !kernel.base.is_none()
                && kernel.abilities.module_btf
                && kernel.config.module_btf != Some(false),
            allow_mismatch: kernel.config.allow_mismatch,
        },
        config: kernel.config.source.clone(),
        modules_checked: 0,
        names_machine: kernel.target.is_some(),
    }
}

/// The entry of a kernel whose image cannot be read.
pub(crate) fn unreadable_kernel(image: &UnreadableImage) -> KernelEntry {
    let fault = UnbootableEntry::from(&image.fault);
    KernelEntry {
        id: 0,
        release: image.bootable.release.clone(),
        build: None,
        target: Target::NextBoot,
        source: image.bootable.path.display().to_string(),
        role: image.role.role,
        role_reason: image.role.reason.clone(),
        default: image.bootable.is_default(),
        stale: None,
        unbootable: Some(UnbootableEntry {
            fix_command: image.mend.clone(),
            ..fault
        }),
        same_kernel_paths: Vec::new(),
        package: None,
        base: None,
        features: FeaturesEntry::default(),
        config: None,
        modules_checked: 0,
        names_machine: false,
    }
}

impl From<&BootProblem> for UnbootableEntry {
    fn from(fault: &BootProblem) -> Self {
        Self {
            path: fault.path.display().to_string(),
            why: fault.fault.clone(),
            fix_command: None,
        }
    }
}

pub(crate) fn module_entry(path: String, package: Option<String>, module: &Module) -> ModuleEntry {
    let bytes = module.btf.as_ref().map_or(0, Vec::len) as u64;
    let vermagic = module.vermagic.as_deref().unwrap_or_default();
    ModuleEntry {
        path,
        name: module.name.clone(),
        package,
        release: vermagic.split_whitespace().next().map(str::to_owned),
        in_tree: module.in_tree,
        btf: BtfEntry {
            present: bytes > 0,
            distilled: module.btf_base.is_some(),
            bytes,
            built_for: None,
        },
        names_machine: module.target.is_some(),
        ..ModuleEntry::default()
    }
}

/// The entry of what is wrong with a kernel itself: with its module directory or image
/// at `path`.
pub(crate) fn kernel_finding(kind: Kind, path: String, kernel: &KernelEntry) -> ModuleEntry {
    let severity = policy::built_in(kernel.target, kind);
    ModuleEntry {
        path,
        release: kernel.release.clone(),
        in_tree: true,
        verdicts: vec![bare_verdict(kernel.id, kind, severity)],
        names_machine: true,
        ..ModuleEntry::default()
    }
}

/// The entry of a module that a kernel lacks and that this machine uses with another
/// one, whose file this is. Nothing is ever stopped for it: what is used is told by signs,
/// and scriptlets may bring the module yet.
pub(crate) fn lost_driver(
    (name, path): (String, String),
    (used_by_host, owner): (Vec<String>, Option<String>),
    in_tree: bool,
    kernel: &KernelEntry,
) -> ModuleEntry {
    let severity = policy::built_in(kernel.target, Kind::DriverLost);
    let mut entry = ModuleEntry {
        path,
        name,
        owner,
        in_tree,
        used_by_host,
        verdicts: vec![bare_verdict(kernel.id, Kind::DriverLost, severity)],
        names_machine: true,
        ..ModuleEntry::default()
    };
    entry.cap(Severity::Warn);
    entry
}

fn bare_verdict(kernel: usize, verdict: Kind, severity: Severity) -> VerdictEntry {
    VerdictEntry {
        kernel,
        verdict,
        severity,
        max_severity: Severity::Block,
        cause: None,
        errno: None,
        reason: None,
        log: Vec::new(),
        evidence: Vec::new(),
        assumed: Vec::new(),
        misfit: None,
        notes: Vec::new(),
        rule: None,
        preexisting: false,
    }
}

/// The entry of a judgement by the kernel `id`, rated by the default policy.
pub(crate) fn verdict_entry(id: usize, target: Target, judgement: Judgement) -> VerdictEntry {
    let severity = policy::severity(&judgement, target);
    let mut entry = VerdictEntry {
        assumed: judgement.assumed,
        misfit: judgement.misfit,
        notes: judgement.notes,
        ..bare_verdict(id, Kind::from(&judgement.verdict), severity)
    };
    match judgement.verdict {
        Verdict::Loads => {}
        Verdict::LoadsNoBtf { why } => entry.reason = Some(Reason::NoBtf(why)),
        Verdict::BtfDiscarded(refusal) | Verdict::Refused(refusal) => {
            entry.cause = Some(refusal.cause());
            entry.errno = refusal.errno();
            entry.log = refusal.log();
            entry.reason = Some(refusal.into());
        }
        Verdict::BtfWrong { evidence } => {
            entry.evidence = evidence.iter().map(ToString::to_string).collect();
            entry.reason = evidence.into_iter().next().map(Reason::OtherBase);
        }
        Verdict::Unknown { why } => entry.reason = Some(Reason::Unknown(why)),
    }
    entry
}

/// Counts a module and its `wanted` verdicts, if any; returns the worst of them.
pub(crate) fn count(
    summary: &mut Summary,
    module: &ModuleEntry,
    wanted: impl Fn(&VerdictEntry) -> bool,
) -> Option<Severity> {
    let mut worst = None;
    for verdict in module.verdicts.iter().filter(|verdict| wanted(verdict)) {
        *of(summary, verdict.verdict) += 1;
        worst = worst.max(Some(verdict.severity));
    }
    if !module.is_about_kernel() && !module.is_lost() && worst.is_some() {
        summary.modules += 1;
    }
    worst
}

fn of(summary: &mut Summary, kind: Kind) -> &mut usize {
    match kind {
        Kind::Loads => &mut summary.loads,
        Kind::LoadsNoBtf => &mut summary.loads_no_btf,
        Kind::BtfDiscarded => &mut summary.btf_discarded,
        Kind::BtfWrong => &mut summary.btf_wrong,
        Kind::Refused => &mut summary.refused,
        Kind::NoModules => &mut summary.no_modules,
        Kind::Unbootable => &mut summary.unbootable,
        Kind::StaleCopy => &mut summary.stale_copy,
        Kind::InitrdStale => &mut summary.initrd_stale,
        Kind::DriverLost => &mut summary.driver_lost,
        Kind::Unknown => &mut summary.unknown,
    }
}
