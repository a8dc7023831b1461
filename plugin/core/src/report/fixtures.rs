// SPDX-License-Identifier: GPL-2.0-or-later
//! Hand-made kernels, modules and verdicts for the tests of reports.

#![allow(clippy::unwrap_used)]

use crate::boot::TargetRole;
use btf_guard_btf::features::Features;
use btf_guard_btf::{Base, BtfRule, BtfSection, LogFormat, TypeInfo, VerifyError};

use super::*;
use crate::verdict::{Judgement, NoBtf, Refusal, Verdict};

pub(crate) const RELEASE: &str = "6.18.15-cloud";

pub(crate) fn kernel(id: usize, target: Target) -> KernelEntry {
    KernelEntry {
        id,
        release: Some(RELEASE.into()),
        build: Some("#1 SMP 2026-03-01".into()),
        target,
        source: match target {
            Target::Running => "running".into(),
            Target::NextBoot => format!("/boot/vmlinuz-{RELEASE}"),
        },
        role: match target {
            Target::Running => TargetRole::Running,
            Target::NextBoot => TargetRole::Default,
        },
        role_reason: "by grub.cfg".into(),
        default: false,
        stale: None,
        unbootable: None,
        same_kernel_paths: Vec::new(),
        package: None,
        base: Some(BaseEntry {
            types: 114_822,
            strings: 2_092_587,
            sha256: "5".repeat(64),
        }),
        features: FeaturesEntry {
            kinds: 20,
            distilled_base: true,
            module_btf: true,
            allow_mismatch: Some(false),
        },
        config: Some(format!("/boot/config-{RELEASE}")),
        modules_checked: 0,
        names_machine: true,
    }
}

pub(crate) fn module(name: &str, verdicts: Vec<VerdictEntry>) -> ModuleEntry {
    ModuleEntry {
        path: format!("/lib/modules/{RELEASE}/kernel/{name}.ko.xz"),
        name: name.into(),
        release: Some(RELEASE.into()),
        in_tree: true,
        btf: BtfEntry {
            present: true,
            bytes: 5210,
            ..BtfEntry::default()
        },
        verdicts,
        names_machine: true,
        ..ModuleEntry::default()
    }
}

pub(crate) fn refusal(rule: BtfRule, subject: Option<TypeInfo>) -> Refusal {
    let error = VerifyError {
        rule,
        section: BtfSection::Split,
        subject: subject.map(Box::new),
        element: None,
    };
    let features = Features::of(&Base::none(), Some(RELEASE));
    Refusal::Btf(error, LogFormat::new(&features, false))
}

pub(crate) fn subject(name: &str) -> TypeInfo {
    TypeInfo {
        id: 114_893,
        kind: 4,
        name: format!("{name}_block"),
        size_or_type: 392,
        vlen: 17,
        kind_flag: false,
        words: Vec::new(),
        parameters: Vec::new(),
    }
}

pub(crate) fn misfit(name: &str) -> Refusal {
    refusal(BtfRule::InvalidName, Some(subject(name)))
}

/// One of which the kernel logs nothing.
pub(crate) fn silent() -> Refusal {
    refusal(BtfRule::ChainLeavesTypes { id: 7 }, None)
}

pub(crate) fn judged(kernel: &KernelEntry, judgement: impl Into<Judgement>) -> VerdictEntry {
    verdict_entry(kernel.id, kernel.target, judgement.into())
}

pub(crate) fn refused(kernel: &KernelEntry, name: &str) -> ModuleEntry {
    module(name, vec![judged(kernel, Verdict::Refused(misfit(name)))])
}

pub(crate) fn report(kernels: Vec<KernelEntry>, modules: Vec<ModuleEntry>) -> Report {
    assemble(kernels, modules, Vec::new(), Mode::Block)
}

/// A kernel with a bad day: of five modules three do not fit, one of them in silence.
pub(crate) fn bad_day(target: Target) -> (Vec<KernelEntry>, Vec<ModuleEntry>) {
    let kernel = kernel(0, target);
    let entry = |name, verdict| module(name, vec![judged(&kernel, verdict)]);
    let modules = vec![
        entry("aegis128", Verdict::Refused(misfit("aegis"))),
        entry("ahci", Verdict::Loads),
        refused(&kernel, "asix"),
        entry("brd", Verdict::LoadsNoBtf { why: NoBtf::Absent }),
        entry("quiet", Verdict::Refused(silent())),
    ];
    (vec![kernel], modules)
}
