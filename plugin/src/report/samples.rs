//! Hand-made kernels, modules and verdicts for the tests of reports.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::place::boot::ModulesRoot;
use crate::verdict::{Cause, Judgement, NoBtf, Refusal, Verdict};

pub(crate) const RELEASE: &str = "6.18.15-cloud";

pub(crate) fn kernel(id: usize, moment: Moment) -> KernelEntry {
    KernelEntry {
        id,
        release: Some(RELEASE.into()),
        build: Some("#1 SMP 2026-03-01".into()),
        moment,
        source: match moment {
            Moment::Now => "running".into(),
            Moment::Boot => format!("/boot/vmlinuz-{RELEASE}"),
        },
        default: false,
        stale: None,
        home: ModulesRoot::Root,
        also: Vec::new(),
        package: None,
        base: Some(BaseEntry {
            types: 114_822,
            strings: 2_092_587,
            sha256: "5".repeat(64),
        }),
        abilities: AbilitiesEntry {
            kinds: 20,
            distilled_base: true,
            module_btf: true,
            allow_mismatch: Some(false),
        },
        config: Some(format!("/boot/config-{RELEASE}")),
        judged: 0,
        names_machine: true,
    }
}

pub(crate) fn module(name: &str, verdicts: Vec<VerdictEntry>) -> ModuleEntry {
    ModuleEntry {
        path: format!("/lib/modules/{RELEASE}/kernel/{name}.ko.xz"),
        name: name.into(),
        package: None,
        initrd: None,
        release: Some(RELEASE.into()),
        in_tree: true,
        needed: Vec::new(),
        btf: BtfEntry {
            present: true,
            bytes: 5210,
            ..BtfEntry::default()
        },
        verdicts,
        names_machine: true,
    }
}

pub(crate) fn refusal(cause: Cause, errno: i32, log: &[&str]) -> Refusal {
    Refusal {
        cause,
        errno,
        log: log.iter().map(|line| (*line).to_owned()).collect(),
    }
}

pub(crate) fn misfit(name: &str) -> Refusal {
    let head = format!("[114893] STRUCT {name}_block");
    refusal(
        Cause::Btf,
        -22,
        &[&head, "size=392 vlen=17", "Invalid name"],
    )
}

pub(crate) fn judged(kernel: &KernelEntry, judgement: impl Into<Judgement>) -> VerdictEntry {
    VerdictEntry::new(kernel.id, kernel.moment, judgement.into())
}

/// A kernel with a bad day: of five modules three do not fit, one of them in silence.
pub(crate) fn bad_day(moment: Moment) -> (Vec<KernelEntry>, Vec<ModuleEntry>) {
    let kernel = kernel(0, moment);
    let modules = vec![
        module(
            "aegis128",
            vec![judged(&kernel, Verdict::Refused(misfit("aegis")))],
        ),
        module("ahci", vec![judged(&kernel, Verdict::Loads)]),
        module(
            "asix",
            vec![judged(&kernel, Verdict::Refused(misfit("asix")))],
        ),
        module(
            "brd",
            vec![judged(&kernel, Verdict::LoadsNoBtf { why: NoBtf::Absent })],
        ),
        module(
            "quiet",
            vec![judged(
                &kernel,
                Verdict::Refused(refusal(Cause::Btf, -22, &[])),
            )],
        ),
    ];
    (vec![kernel], modules)
}
