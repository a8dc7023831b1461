// SPDX-License-Identifier: GPL-2.0-or-later
//! A kernel's own BTF, by the kernel's own rules.

use btf_guard_btf::features::{Features, VersionRule};
use btf_guard_btf::{Base, BaseFault, LogFormat, verify_vmlinux};
use btf_guard_tests::btf::{Btf, Era, KFLAG, kind};

/// What the kernel of `era` says of the base of its era to which this was added, in short.
fn verdict(era: Era, add: impl Fn(&mut Btf)) -> String {
    let mut base = era.base();
    add(&mut base);
    let base = Base::parse(base.build()).unwrap();
    let abilities = Features::of(&base, Some(era.release()));
    match verify_vmlinux(&base, &abilities) {
        Ok(()) => "ok".to_owned(),
        Err(BaseFault::Newer) => "newer".to_owned(),
        Err(BaseFault::Invalid(error)) => {
            let log = error.log(LogFormat::new(&abilities, true)).join("|");
            format!("{} {log}", error.errno())
        }
    }
}

#[test]
fn a_base_is_held_against_the_rules_for_modules() {
    for era in Era::ALL {
        let id = era.base().next_id();
        assert_eq!(verdict(era, |_| ()), "ok");
        assert_eq!(
            verdict(era, |b| {
                b.structure("x", 8, &[("a", 1, 32), ("b", 1, 0)]);
            }),
            "-22 \tb type_id=1 bits_offset=0|Invalid member bits_offset".replace('\t', "\\x09")
        );
        // Where mismatches are permitted, a kernel is not quiet about its own.
        assert_eq!(
            verdict(era, |b| {
                b.named("9", kind::TYPEDEF, 0, 1, &[]);
            }),
            format!("-22 [{id}] TYPEDEF 9|type_id=1|Invalid name")
        );
        // It counts 20 kinds, and kind 0 is none.
        for kind in [20, 0] {
            assert_eq!(
                verdict(era, |b| {
                    b.add(0, kind, 0, 0, &[]);
                }),
                format!("-22 [{id}] Invalid kind:{kind}")
            );
        }
        // Cut: two words of three.
        assert_eq!(
            verdict(era, |b| {
                b.words(&[0, 0]);
            }),
            format!("-22 [{id}] meta_left:8 meta_needed:12")
        );
    }
}

#[test]
fn a_kernel_that_counts_more_kinds_is_newer() {
    let base = |first: &[u32], kinds: u32| {
        let mut b = Btf::base();
        b.words(first);
        b.enumeration(&[("BTF_KIND_NEW", kinds - 1), ("NR_BTF_KINDS", kinds)]);
        let base = Base::parse(b.build()).unwrap();
        verify_vmlinux(&base, &Features::of(&base, Some("9.9.9")))
    };
    assert_eq!(base(&[], 20), Ok(()));
    assert_eq!(base(&[], 21), Err(BaseFault::Newer));
    // What cannot be walked over hides the enumerator, which is found all the same.
    let unknown = [0, 20 << 24, 0, 7];
    assert_eq!(base(&unknown, 21), Err(BaseFault::Newer));
    let Err(BaseFault::Invalid(error)) = base(&unknown, 20) else {
        panic!("it counts 20 kinds");
    };
    assert_eq!(error.to_string(), "[1] Invalid kind:20");
}

#[test]
fn functions_of_one_version_tell_its_rules_and_what_shows_none_is_guessed() {
    let features = |functions: &[&str], release| {
        let mut b = Era::V6_18.base();
        for function in functions {
            b.function(function, 1);
        }
        let base = Base::parse(b.build()).unwrap();
        Features::of(&base, release)
    };
    let tagged = |features: &Features| {
        let base = Era::V6_18.base();
        let mut split = Btf::split(&base);
        split.named("user", kind::TYPE_TAG, KFLAG, 1, &[]);
        let base = Base::parse(base.build()).unwrap();
        btf_guard_btf::verify_module(&split.build(), None, &base, features).is_ok()
    };
    let own = "btf_parse_vmlinux";
    let old = Some("6.12.117");
    for (functions, release, takes_flag, guessed) in [
        (
            &[][..],
            None,
            true,
            &[VersionRule::TagKflag, VersionRule::MarksAllEmbedded][..],
        ),
        (
            &[],
            old,
            false,
            &[VersionRule::TagKflag, VersionRule::MarksAllEmbedded],
        ),
        (
            &[],
            Some("6.14.11"),
            false,
            &[VersionRule::TagKflag, VersionRule::MarksAllEmbedded],
        ),
        (
            &[],
            Some("6.15"),
            true,
            &[VersionRule::TagKflag, VersionRule::MarksAllEmbedded],
        ),
        (&[own], None, false, &[VersionRule::MarksAllEmbedded]),
        (&[own, "bpf_local_irq_save"], None, false, &[]),
        (
            &[own, "bpf_local_irq_save", "bpf_dynptr_copy"],
            None,
            true,
            &[],
        ),
        // As where the whole of BPF was carried back.
        (
            &["bpf_local_irq_save", "bpf_dynptr_copy"],
            Some("5.14.0-611.el9"),
            true,
            &[],
        ),
    ] {
        let found = features(functions, release);
        assert_eq!(found.guessed, guessed, "{functions:?} {release:?}");
        assert_eq!(tagged(&found), takes_flag, "{functions:?} {release:?}");
        for rule in &found.guessed {
            for other in found.otherwise(*rule) {
                assert_ne!(other, found);
                let flips = *rule == VersionRule::TagKflag;
                assert_eq!(tagged(&other) != takes_flag, flips);
            }
        }
    }
}
