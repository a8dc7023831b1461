// SPDX-License-Identifier: GPL-2.0-or-later
//! A module of ours, built well and badly.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use btf_guard_core::kernel::Kernel;
use btf_guard_tests::client::Workshop;
use btf_guard_tests::{Extracted, Outcome, init, kernels, oracle};

use crate::document;

/// What make is told to build a module as kernels before 6.11 have it built, and all
/// kernels their own: without a distilled base.
pub(crate) const WHOLE: &str = "MODULE_PAHOLE_FLAGS= RESOLVE_BTFIDS_FLAGS=";

/// Takes the place of the last step of an encoder: makes the kind of the first type
/// one that no kernel knows.
const SPOIL: &str = r#"#!/bin/sh -e
module=$(find "$RPM_BUILD_ROOT" -name '*.ko')
objcopy --dump-section .BTF=/tmp/btf "$module"
printf '\037' | dd of=/tmp/btf bs=1 seek=31 conv=notrunc status=none
objcopy --update-section .BTF=/tmp/btf "$module"
"#;

/// The module that was packaged last.
const PACKAGED: &str = "btf_guard_probe.ko";

pub(crate) fn built(workshop: &Workshop, options: &[&str], variables: &[(&str, &str)]) -> Outcome {
    workshop.clean();
    workshop.rpmbuild(&document::spec(), options, variables)
}

/// Built, and the check in the build has nothing to say.
fn good(outcome: &Outcome) {
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(lines(outcome), Vec::<&str>::new(), "{outcome:?}");
}

/// The lines of the check: `probe-kmp.x86_64: …`.
fn lines(outcome: &Outcome) -> Vec<&str> {
    let all = outcome.stdout.lines();
    all.filter(|line| line.starts_with("probe-kmp.x86_64: "))
        .collect()
}

fn has(outcome: &Outcome, rule: &str) {
    let lines = lines(outcome);
    let expected = format!("probe-kmp.x86_64: {rule} ");
    let only = matches!(lines.as_slice(), [line] if line.starts_with(&expected));
    assert!(only, "{rule}: {outcome:?}");
}

/// Keeps the module of the package, under a name of its own.
fn keep(workshop: &Workshop, scratch: &std::path::Path, name: &str) -> PathBuf {
    let [package] = workshop.packages().try_into().expect("one package");
    let script = format!(
        "rpm2cpio '{}' | cpio --quiet -i --to-stdout '*/{PACKAGED}' > '{}/{name}.ko'",
        package.display(),
        scratch.display()
    );
    let taken = Command::new("sh").args(["-c", &script]).status().unwrap();
    assert!(taken.success());
    scratch.join(format!("{name}.ko"))
}

/// The base of another kernel, as the vmlinux that modules are built against.
pub(crate) fn replace_vmlinux(workshop: &Workshop, scratch: &std::path::Path) {
    let all = Extracted::all(&kernels());
    let other = all.iter().rev().find(|other| {
        other.release != workshop.kernel.release
            && other.release.starts_with("6.1")
            && !other.release.starts_with("6.1.")
    });
    let other = other.expect("another kernel of 6.12 to 6.18");
    let base = Kernel::open(&other.image, None).unwrap().base;
    let raw = scratch.join("foreign.btf");
    fs::write(&raw, base.bytes()).unwrap();
    let vmlinux = workshop.root.at(&workshop.vmlinux());
    let replaced = Command::new("objcopy")
        .arg(format!("--update-section=.BTF={}", raw.display()))
        .arg(vmlinux)
        .status()
        .unwrap();
    assert!(replaced.success());
}

/// What the kernel does with these modules: the errno, and whether it keeps BTF.
fn load(workshop: &Workshop, scratch: &std::path::Path, modules: &[&PathBuf]) -> Vec<String> {
    let answered = Command::new(oracle())
        .arg("load")
        .arg("--image")
        .arg(&workshop.kernel.image)
        .arg("--init")
        .arg(init())
        .arg("--scratch")
        .arg(scratch)
        .args(modules)
        .output()
        .unwrap();
    assert!(answered.status.success(), "{answered:?}");
    let text = String::from_utf8(answered.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_check_in_a_build_says_what_the_kernel_will_do() {
    for workshop in Workshop::all() {
        let directory = tempfile::tempdir().unwrap();
        let scratch = directory.path();
        let all_is_fine = built(&workshop, &[], &[]);
        good(&all_is_fine);
        let distilled = keep(&workshop, scratch, "distilled");

        let whole = built(&workshop, &[], &[("MAKEFLAGS", WHOLE)]);
        assert!(whole.status.success(), "{whole:?}");
        has(&whole, "W: no-distilled-base");
        let whole = keep(&workshop, scratch, "whole");
        let strict = ["--define", "_btf_guard_fail_at 1"];
        let strict = built(&workshop, &strict, &[("MAKEFLAGS", WHOLE)]);
        assert!(!strict.status.success(), "{strict:?}");

        workshop.root.put("/usr/bin/spoil", SPOIL);
        let spoil = ["--define", "__os_install_post sh /usr/bin/spoil"];
        let broken = built(&workshop, &spoil, &[("MAKEFLAGS", WHOLE)]);
        assert!(!broken.status.success(), "{broken:?}");
        has(&broken, "E: btf-refused-by-own-base");
        let unfit = built(&workshop, &spoil, &[]);
        assert!(!unfit.status.success(), "{unfit:?}");
        has(&unfit, "E: distilled-base-does-not-fit");
        // Without the check it would have been a package.
        let unchecked = [&spoil[..], &["--define", "btf_guard_check true"]].concat();
        let unchecked = built(&workshop, &unchecked, &[("MAKEFLAGS", WHOLE)]);
        assert!(unchecked.status.success(), "{unchecked:?}");
        let broken = keep(&workshop, scratch, "broken");

        let vmlinux = workshop.root.at(&workshop.vmlinux());
        let aside = vmlinux.with_extension("aside");
        fs::rename(&vmlinux, &aside).unwrap();
        let installed = format!("/boot/vmlinuz-{}", workshop.kernel.release);
        workshop.root.copy(&installed, &workshop.kernel.image);
        let without = built(&workshop, &[], &[]);
        assert!(without.status.success(), "{without:?}");
        has(&without, "W: no-btf");
        let without = keep(&workshop, scratch, "without");
        fs::rename(&aside, &vmlinux).unwrap();

        replace_vmlinux(&workshop, scratch);
        let foreign = built(&workshop, &[], &[("MAKEFLAGS", WHOLE)]);
        assert!(!foreign.status.success(), "{foreign:?}");
        has(&foreign, "E: btf-of-another-kernel");

        // Names in their order.
        let answers = load(&workshop, scratch, &[&broken, &distilled, &whole, &without]);
        let told: Vec<(&str, &str, bool)> = answers
            .iter()
            .map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                (words[0], words[1], words[2] != "-")
            })
            .collect();
        let allows = Kernel::open(&workshop.kernel.image, None).unwrap();
        let refused = match allows.config.allow_mismatch {
            Some(true) => "0",
            _ => "22",
        };
        assert_eq!(
            told,
            [
                ("broken.ko", refused, false),
                ("distilled.ko", "0", true),
                ("whole.ko", "0", true),
                ("without.ko", "0", false),
            ],
            "{}",
            workshop.kernel.release
        );
    }
}
