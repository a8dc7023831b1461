// SPDX-License-Identifier: GPL-2.0-or-later
//! What reports say of BTF that was built for another base.

use btf_guard_btf::{Evidence, Mismatch};

use super::*;
use crate::verdict::BuiltFor;

/// A finding of `btf-wrong` on the kernel of the samples: what is said of where
/// the BTF comes from.
fn wrong(strings: u32, release: Option<&str>, source: Option<&str>) -> Report {
    let built_for = BuiltFor {
        strings,
        types: release.map(|_| 114_822),
        release: release.map(str::to_owned),
        source: source.map(str::to_owned),
    };
    let kernel = kernel(0, Target::NextBoot);
    let clue = Mismatch::Length {
        built_for: strings,
        here: 2_092_587,
    };
    let evidence = vec![Evidence { clue, count: 1 }];
    let modules = ["ccm", "gcm"].map(|name| {
        let evidence = evidence.clone();
        let mut entry = module(name, vec![judged(&kernel, Verdict::BtfWrong { evidence })]);
        entry.release = Some("6.18.12-cloud".into());
        entry.btf.built_for = Some(built_for.clone());
        entry
    });
    report(vec![kernel], modules.into())
}

#[test]
fn wrong_types_are_shown_with_where_they_come_from() {
    let old = "/boot/vmlinuz-6.18.12-cloud";
    let report = wrong(2_092_364, Some("6.18.12-cloud"), Some(old));
    assert_eq!(
        text(&report, Detail::Findings),
        "\
warning: 2 of 2 modules load on kernel 6.18.15-cloud (/boot/vmlinuz-6.18.15-cloud), but BPF programs will read wrong types: their BTF was built for 6.18.12-cloud
help: where BPF programs need these types, install kernel and modules from one build
--> /lib/modules/6.18.15-cloud/kernel
  | 2 modules: ccm, gcm
  |   its strings continue a base with 2092364 bytes of strings, not 2092587
 = built for 6.18.12-cloud (/boot/vmlinuz-6.18.12-cloud), not for 6.18.15-cloud

2 modules, kernel 6.18.15-cloud (/boot/vmlinuz-6.18.15-cloud): 2 load with wrong types
note: the version magic of 2 modules names another release; whether the kernel minds is not checked
"
    );
    assert_eq!(
        lines(&report, Mode::Block)[2..],
        [
            "W   modules: ccm, gcm",
            "W   built for 6.18.12-cloud (/boot/vmlinuz-6.18.12-cloud), not for 6.18.15-cloud",
            "W   note: ccm: its strings continue a base with 2092364 bytes of strings, not 2092587",
        ]
    );
    let json = serde_json::to_value(&report).unwrap();
    let verdict = &json["modules"][0]["verdicts"][0];
    assert_eq!(
        verdict["reason"],
        serde_json::json!({"rule": "length", "built_for": 2_092_364, "here": 2_092_587, "count": 1})
    );
    assert_eq!(
        json["modules"][0]["btf"]["built_for"],
        serde_json::json!({"strings": 2_092_364, "types": 114_822, "release": "6.18.12-cloud",
                           "source": "/boot/vmlinuz-6.18.12-cloud"})
    );
}

#[test]
fn a_base_is_named_as_far_as_it_is_known() {
    for (strings, release, source, expected) in [
        (
            2_092_364,
            None,
            None,
            "built for a base with 2092364 bytes of strings, not for 6.18.15-cloud with 2092587",
        ),
        (
            2_092_587,
            None,
            None,
            "built for another base with 2092587 bytes of strings than 6.18.15-cloud",
        ),
        (
            2_092_364,
            Some(RELEASE),
            Some("/boot/old"),
            "built for 6.18.15-cloud (/boot/old), not for 6.18.15-cloud \
             (/boot/vmlinuz-6.18.15-cloud)",
        ),
    ] {
        let lines = lines(&wrong(strings, release, source), Mode::Block);
        assert_eq!(lines[3], format!("W   {expected}"));
    }
}
