// SPDX-License-Identifier: GPL-2.0-or-later
//! Which kernels and modules `check` finds, and which of them it brings together.

use object::Architecture;

use super::{check, json};
use crate::common::{self, Build, Place, RELEASE, bare_module, base, config, module, run};

#[test]
fn a_kernel_that_is_none_leaves_the_others() {
    let root = Place::new();
    root.boot(Build::New);
    let stale = root.install("stale", Build::Old);
    let garbage = root.file("garbage", "no kernel");
    let garbage = garbage.to_str().unwrap();
    let words = [
        "--kernel",
        "6.9.9",
        "--kernel",
        garbage,
        "--kernel",
        RELEASE,
        stale.to_str().unwrap(),
    ];
    let (code, report) = json(&root, &words);
    assert_eq!((code, report["decision"].as_str()), (3, Some("block")));
    assert_eq!(report["summary"]["refused"], 1);
    assert_eq!(report["errors"][0]["path"], "--kernel 6.9.9");
    assert_eq!(report["errors"][1]["path"], garbage);

    let dir = root.path().to_str().unwrap();
    let off = [
        &["check", "--cache", "none", "--root", dir, "--mode", "off"][..],
        &words,
    ]
    .concat();
    let (code, out, err) = run(&off);
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(
        err.contains("error: --kernel 6.9.9: no such kernel under"),
        "{err}"
    );
}

#[test]
fn every_path_is_held_against_every_kernel() {
    let root = Place::new();
    let (old, new) = (
        root.file("old.btf", base(Build::Old)),
        root.file("new.btf", base(Build::New)),
    );
    let ko = root.file("old.ko", module("old", Build::Old));
    let raw = root.file("thing.btf", common::split(Build::New));
    let bare = root.file("bare.ko", bare_module("bare"));
    let arm = common::elf(
        "arm",
        Some(&common::split(Build::New)),
        Architecture::Aarch64,
    );
    let arm = root.file("arm.ko", arm);
    let words = [
        "--kernel",
        old.to_str().unwrap(),
        "--kernel",
        new.to_str().unwrap(),
        ko.to_str().unwrap(),
        raw.to_str().unwrap(),
        bare.to_str().unwrap(),
        arm.to_str().unwrap(),
    ];
    let (code, report) = json(&root, &words);
    let verdicts: Vec<String> = report["modules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|module| {
            let verdicts = module["verdicts"].as_array().unwrap().iter();
            let verdicts = verdicts.map(|v| v["verdict"].as_str().unwrap());
            format!(
                "{} {}",
                module["name"].as_str().unwrap(),
                verdicts.collect::<Vec<_>>().join(" ")
            )
        })
        .collect();
    assert_eq!(
        verdicts,
        [
            "old loads refused",
            "thing refused loads",
            "bare loads-no-btf loads-no-btf",
            // Raw BTF does not tell its machine: only the BTF is judged.
            "arm refused loads",
        ]
    );
    assert_eq!(report["summary"]["modules"], 4);
    // No config is known, so nothing blocks.
    assert_eq!((code, report["decision"].as_str()), (1, Some("warn")));

    let (_, text) = check(&root, &[&words[..], &["-v", "--causes", "btf"]].concat());
    for line in [
        "  loads without types: ",
        "not checked: architecture (--causes)",
        "not checked: architecture, of 1 module known by BTF alone",
        "  config: not found",
    ] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
}

#[test]
fn each_kernel_meets_its_own_modules() {
    let root = Place::new();
    root.boot(Build::New);
    root.install("fine", Build::New);
    root.file("boot/vmlinuz-6.1-other", base(Build::Old));
    root.file("boot/config-6.1-other", config(false));
    root.file(
        "lib/modules/6.1-other/kernel/old.ko",
        module("old", Build::Old),
    );
    root.file("boot/vmlinuz-6.2-gone", base(Build::Old));
    let (code, report) = json(&root, &["--kernel", "all"]);
    let verdicts: Vec<_> = report["modules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|module| {
            let verdict = &module["verdicts"][0];
            let kernel = verdict["kernel"].as_u64().unwrap() as usize;
            (
                report["kernels"][kernel]["release"].as_str().unwrap(),
                module["name"].as_str().unwrap(),
                verdict["verdict"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        verdicts,
        [("6.1-other", "old", "loads"), (RELEASE, "fine", "loads"),]
    );
    // A rescue kernel has no modules, and boots.
    assert_eq!(code, 0);
    let words = ["--kernel", "6.2-gone"];
    let ok = format!(
        "ok: there are no modules to judge\n\
         note: modules inside initrds were not looked at, or not all of them: \
         those of {}, which only --kernel all looks for\n",
        root.path().join("boot/vmlinuz-6.2-gone").display()
    );
    assert_eq!(check(&root, &words), (0, ok));
    let (_, text) = check(&root, &[&words[..], &["-v"]].concat());
    assert!(text.contains("  no modules were held against it"), "{text}");
    let (code, _) = check(&root, &["--kernel", RELEASE, "--kernel", "6.1-other"]);
    assert_eq!(code, 0);
}

#[test]
fn the_same_kernel_at_two_places_is_judged_once() {
    let root = Place::new();
    root.boot(Build::New);
    root.file(&format!("lib/modules/{RELEASE}/vmlinux"), base(Build::New));
    root.install("fine", Build::New);
    let (code, report) = json(&root, &[]);
    assert_eq!(code, 0);
    assert_eq!(report["kernels"].as_array().unwrap().len(), 1);
    let path = |inside: String| root.path().canonicalize().unwrap().join(inside);
    let also = path(format!("boot/vmlinuz-{RELEASE}"));
    assert_eq!(
        report["kernels"][0]["same_kernel_paths"][0],
        also.to_str().unwrap()
    );
}
