// SPDX-License-Identifier: GPL-2.0-or-later
//! The JSON of a report, and what its entries are made of.

use btf_guard_btf::{
    BtfRule, BtfSection, Evidence, Mismatch, Parameter, TypeInfo, TypePart, VerifyError,
};

use super::*;
use crate::module::Module;
use crate::verdict::{ElfError, KernelFault, Reason};

#[test]
fn the_schema_of_the_json() {
    let (kernels, mut modules) = bad_day(Target::NextBoot);
    modules.truncate(2);
    let report = report(kernels, modules);
    let json: serde_json::Value = serde_json::to_value(&report).unwrap();
    let path = |name: &str| format!("/lib/modules/6.18.15-cloud/kernel/{name}.ko.xz");
    let btf = serde_json::json!(
        {"present": true, "distilled": false, "bytes": 5210, "built_for": null});
    let summary = serde_json::json!(
        {"modules": 2, "loads": 1, "loads-no-btf": 0, "btf-discarded": 0,
         "btf-wrong": 0, "refused": 1, "no-modules": 0, "unbootable": 0,
         "stale-copy": 0, "initrd-stale": 0, "driver-lost": 0, "unknown": 0});
    let subject = serde_json::json!(
        {"id": 114893, "kind": "STRUCT", "name": "aegis_block", "size_or_type": 392,
         "vlen": 17, "kind_flag": false, "words": [], "parameters": []});
    assert_eq!(
        json,
        serde_json::json!({
            "schema": 2,
            "kernels": [{
                "id": 0, "release": "6.18.15-cloud", "build": "#1 SMP 2026-03-01",
                "target": "boot", "source": "/boot/vmlinuz-6.18.15-cloud", "default": false,
                "role": "default", "role_reason": "by grub.cfg", "unbootable": null,
                "stale": null, "same_kernel_paths": [], "package": null,
                "base": {"types": 114822, "strings": 2092587, "sha256": "5".repeat(64)},
                "features": {"kinds": 20, "distilled_base": true,
                              "module_btf": true, "allow_mismatch": false},
                "config": "/boot/config-6.18.15-cloud", "modules_checked": 2,
                "names_machine": true,
            }],
            "modules": [
                {"path": path("aegis128"), "name": "aegis128", "package": null, "initrd": null,
                 "owner": null, "link": null,
                 "release": "6.18.15-cloud", "in_tree": true, "used_by_host": [], "btf": btf,
                 "names_machine": true,
                 "verdicts": [{
                     "kernel": 0, "verdict": "refused", "cause": "btf", "errno": -22,
                     "reason": {"rule": "invalid-name", "section": ".BTF", "type": subject,
                                "element": null},
                     "log": ["[114893] STRUCT aegis_block", "size=392 vlen=17", "Invalid name"],
                     "evidence": [], "assumed": [], "misfit": null, "notes": [],
                     "severity": "block", "max_severity": "block", "rule": null, "preexisting": false}]},
                {"path": path("ahci"), "name": "ahci", "package": null, "initrd": null,
                 "owner": null, "link": null,
                 "release": "6.18.15-cloud", "in_tree": true, "used_by_host": [], "btf": btf,
                 "names_machine": true,
                 "verdicts": [{
                     "kernel": 0, "verdict": "loads", "cause": null, "errno": null,
                     "reason": null, "log": [], "evidence": [], "assumed": [], "misfit": null,
                     "notes": [], "severity": "none", "max_severity": "block", "rule": null,
                     "preexisting": false}]},
            ],
            "errors": [],
            "summary": summary,
            "by_target": {"boot": {"summary": summary, "decision": "block"}},
            "decision": "block",
            "initrds": [],
            "left_off": null,
            "problems": null,
            "notes": [],
            "shadowed": [],
        })
    );
    assert_eq!(serde_json::from_value::<Report>(json).unwrap(), report);
}

/// Each form that a reason takes survives the way through JSON.
#[test]
fn reasons_are_read_back() {
    let subject = TypeInfo {
        parameters: vec![Parameter {
            name: r"a\x09".into(),
            type_id: 3,
        }],
        words: vec![1, 2, 3],
        ..subject("x")
    };
    let error = |rule, element| VerifyError {
        rule,
        section: BtfSection::Base,
        subject: Some(Box::new(subject.clone())),
        element,
    };
    let member = TypePart::Member {
        index: 1,
        name: "m".into(),
        type_id: 2,
        offset: 3,
    };
    let ambiguous = BtfRule::DistilledAmbiguous {
        id: 1,
        name: "s".into(),
        size: 8,
        base_ids: [7, 9],
    };
    let others = vec!["6.1 (/boot/vmlinuz)".to_owned()];
    for reason in [
        Reason::Btf(error(ambiguous, Some(member))),
        Reason::Btf(error(
            BtfRule::CutType {
                left: 1,
                needed: 12,
            },
            None,
        )),
        Reason::Elf(ElfError::InvalidMachine { machine: 183 }),
        Reason::Elf(ElfError::EmptyFile),
        Reason::Elf(ElfError::InvalidElfMagic),
        Reason::Elf(ElfError::InvalidElfLength { length: 3 }),
        Reason::Elf(ElfError::SectionOutside {
            section: 2,
            section_type: 1,
        }),
        Reason::Kernel(KernelFault::NoModuleSupport),
        Reason::Kernel(KernelFault::KernelBtfInvalid {
            error: error(BtfRule::InvalidMemberOffset, None),
        }),
        Reason::Kernel(KernelFault::KernelBtfInvalid {
            error: VerifyError {
                rule: BtfRule::InvalidKind { id: 95, kind: 20 },
                section: BtfSection::Kernel,
                subject: None,
                element: None,
            },
        }),
        Reason::Unknown(Unknown::NewerKernel),
        Reason::Unknown(Unknown::TooCostly),
        Reason::NoBtf(NoBtf::Unsupported),
        Reason::OtherBase(Evidence {
            clue: Mismatch::Length {
                built_for: 1,
                here: 2,
            },
            count: 3,
        }),
        Reason::Unknown(Unknown::NoBaseBtf),
        Reason::Unknown(Unknown::AmbiguousBase {
            others,
            difference: None,
        }),
    ] {
        let json = serde_json::to_value(&reason).unwrap();
        assert!(json["rule"].is_string(), "{json}");
        let read: Reason = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(read, reason, "{json}");
    }
}

#[test]
fn a_module_and_a_kernel_become_entries() {
    let module = Module {
        vermagic: Some("6.18.15-cloud SMP preempt mod_unload modversions ".into()),
        btf_base: Some(Vec::new()),
        btf: Some(vec![1; 24]),
        ..Module::named("x_y".to_owned())
    };
    let entry = module_entry("/x-y.ko".into(), Some("kmp-1-1.x86_64".into()), &module);
    assert_eq!(entry.release.as_deref(), Some("6.18.15-cloud"));
    assert_eq!(entry.severity(), Severity::None);
    assert!(entry.btf.present && entry.btf.distilled && !entry.names_machine);
    assert_eq!((entry.btf.bytes, entry.name.as_str()), (24, "x_y"));
}
