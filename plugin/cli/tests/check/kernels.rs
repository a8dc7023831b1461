// SPDX-License-Identifier: GPL-2.0-or-later
//! Which kernels and modules `check` finds, and which of them it brings together.

use std::fs;

use object::Architecture;
use serde_json::{Value, json};

use super::check;
use crate::common::{self, Build, Place, RELEASE, bare_module, base, config, module, run};

#[test]
fn a_kernel_that_is_none_leaves_the_others() {
    let root = Place::new();
    root.boot(Build::New);
    let stale = root.install("stale", Build::Old);
    let garbage = root.file("garbage", "no kernel");
    let garbage = garbage.to_str().unwrap();
    let kernels = ["--kernel", "6.9.9", "--kernel", garbage];
    let rest = ["--kernel", RELEASE, stale.to_str().unwrap()];
    let words = [&kernels[..], &rest].concat();
    let (code, report) = super::json(&root, &words);
    // What was found outweighs what could not be read.
    assert_eq!((code, report["decision"].as_str()), (2, Some("block")));
    assert_eq!(report["summary"]["refused"], 1);
    assert_eq!(report["errors"][0]["path"], "--kernel 6.9.9");
    assert_eq!(report["errors"][1]["path"], garbage);

    let dir = root.path().to_str().unwrap();
    let off = ["check", "--cache", "none", "--root", dir, "--mode", "off"];
    let (code, out, err) = run(&[&off[..], &words].concat());
    assert_eq!((code, out.as_str()), (3, ""));
    let first = "error: --kernel 6.9.9: no such kernel under";
    assert!(err.contains(first), "{err}");
}

#[test]
fn every_path_is_held_against_every_kernel() {
    let root = Place::new();
    let split = common::split(Build::New);
    let arm = common::elf("arm", Some(&split), Architecture::Aarch64);
    let files = [
        root.file("old.btf", base(Build::Old)),
        root.file("new.btf", base(Build::New)),
        root.file("old.ko", module("old", Build::Old)),
        root.file("thing.btf", &split),
        root.file("bare.ko", bare_module("bare")),
        root.file("arm.ko", arm),
    ];
    let [old, new, paths @ ..] = files.each_ref().map(|file| file.to_str().unwrap());
    let words = [&["--kernel", old, "--kernel", new][..], &paths].concat();
    let (code, report) = super::json(&root, &words);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let verdicts = |module: &Value| {
        let verdicts = module["verdicts"].as_array().unwrap().iter();
        let verdicts = verdicts.map(|v| text(&v["verdict"]));
        let words = [text(&module["name"])].into_iter().chain(verdicts);
        words.collect::<Vec<_>>().join(" ")
    };
    let modules = report["modules"].as_array().unwrap().iter();
    let verdicts: Vec<String> = modules.map(verdicts).collect();
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
    let (code, report) = super::json(&root, &["--kernel", "all"]);
    let verdict = |module: &Value| {
        let verdict = &module["verdicts"][0];
        let kernel = verdict["kernel"].as_u64().unwrap() as usize;
        let release = &report["kernels"][kernel]["release"];
        json!([release, module["name"], verdict["verdict"]])
    };
    let verdicts = report["modules"].as_array().unwrap().iter().map(verdict);
    let expected = json!([
        ["6.1-other", "old", "loads"],
        [RELEASE, "fine", "loads"],
        ["6.2-gone", "", "no-modules"],
    ]);
    assert_eq!(Value::from_iter(verdicts), expected);
    // Nothing tells which of them boots.
    assert_eq!(code, 2);
    // A rescue kernel has no modules, and boots.
    let at = root.path().join("boot/vmlinuz-6.2-gone");
    fs::rename(at, root.path().join("boot/vmlinuz-0-rescue-6.2-gone")).unwrap();
    assert_eq!(super::json(&root, &["--kernel", "all"]).0, 0);
    root.file("boot/vmlinuz-6.2-gone", base(Build::Old));
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
    let (code, report) = super::json(&root, &[]);
    assert_eq!(code, 0);
    assert_eq!(report["kernels"].as_array().unwrap().len(), 1);
    let also = &report["kernels"][0]["same_kernel_paths"][0];
    let image = root.path().join(format!("boot/vmlinuz-{RELEASE}"));
    assert_eq!(also, image.canonicalize().unwrap().to_str().unwrap());
}
