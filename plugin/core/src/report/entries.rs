// SPDX-License-Identifier: GPL-2.0-or-later
//! What the entries of a report are made from, and what it counts of them.

use super::{
    BaseEntry, BtfEntry, FeaturesEntry, KernelEntry, ModuleEntry, StaleEntry, Summary, VerdictEntry,
};
use crate::boot::inventory::Stale;
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
        default: false,
        stale: None,
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

/// The entry of a kernel's module directory that is gone or empty.
pub(crate) fn missing_modules(path: String, kernel: &KernelEntry) -> ModuleEntry {
    let missing = Verdict::Missing.into();
    ModuleEntry {
        path,
        release: kernel.release.clone(),
        in_tree: true,
        verdicts: vec![verdict_entry(kernel.id, kernel.target, missing)],
        names_machine: true,
        ..ModuleEntry::default()
    }
}

/// The entry of a judgement by the kernel `id`, rated by the default policy.
pub(crate) fn verdict_entry(id: usize, target: Target, judgement: Judgement) -> VerdictEntry {
    let mut entry = VerdictEntry {
        kernel: id,
        verdict: Kind::from(&judgement.verdict),
        cause: None,
        errno: None,
        reason: None,
        log: Vec::new(),
        evidence: Vec::new(),
        severity: policy::severity(&judgement, target),
        assumed: judgement.assumed,
        notes: judgement.notes,
        max_severity: Severity::Block,
        rule: None,
        preexisting: false,
    };
    match judgement.verdict {
        Verdict::Loads | Verdict::Missing => {}
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
    if !module.is_directory() && worst.is_some() {
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
        Kind::Missing => &mut summary.missing,
        Kind::Unknown => &mut summary.unknown,
    }
}
