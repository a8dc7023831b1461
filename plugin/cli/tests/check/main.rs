// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard check` as it is called: exit codes, text, JSON.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod built;
mod command_line;
#[path = "../common/mod.rs"]
mod common;
mod kernels;
mod loader;
mod own_btf;
mod packages;

use std::fs;

use common::{Build, Place, RELEASE, run};
use serde_json::{Value, json};

/// Runs `check` with a root and further words.
fn check(root: &Place, words: &[&str]) -> (i32, String) {
    let root = root.path().to_str().unwrap();
    let args = [&["check", "--cache", "none", "--root", root], words].concat();
    let (code, out, err) = run(&args);
    (code, out + &err)
}

fn json(root: &Place, words: &[&str]) -> (i32, Value) {
    let (code, out) = check(root, &[words, &["--format", "json"]].concat());
    (code, serde_json::from_str(&out).expect(&out))
}

#[test]
fn a_healthy_root_is_one_line_and_0() {
    let root = Place::new();
    let image = root.boot(Build::New);
    // An entry without an initrd: nothing is left to ask for.
    let entry = format!("menuentry a {{\n linux /boot/vmlinuz-{RELEASE} root=1\n}}\n");
    root.file("boot/grub/grub.cfg", entry);
    root.install("one", Build::New);
    root.install("two", Build::New);
    let image = image.display();
    let ok = format!("ok: all 2 modules load on kernel {RELEASE} ({image})\n");
    assert_eq!(check(&root, &[]), (0, ok));
}

#[test]
fn modules_of_another_build_are_refused_and_the_first_two_lines_say_it() {
    let root = Place::new();
    let image = root.boot(Build::New);
    root.install("stale", Build::Old);
    root.install("fine", Build::New);
    let dir = root.path().join(format!("lib/modules/{RELEASE}/updates"));
    let (dir, image) = (dir.display(), image.display());
    let kernel = format!("kernel {RELEASE} ({image})");
    let text = format!(
        "\
error: 1 of 2 modules will not load on {kernel}: its BTF was built for another build of it
help: bring kernel {RELEASE} and its modules from one build: reinstall its package, or rebuild the modules against it, before it is booted
--> {dir}
  | 1 module: stale
  |   BPF: [2] STRUCT
  |   BPF: size=0 vlen=0
  |   BPF: Invalid name
  |   failed to validate module [stale] BTF: -22

2 modules, {kernel}: 1 load, 1 refused
note: modules inside initrds were not looked at, or not all of them: that of {image}, which no boot entry names
"
    );
    for (words, code, expected) in [
        (&[][..], 2, text.as_str()),
        (&["--mode", "warn", "-q"], 1, "warn\n"),
        (&["-q"], 2, "block\n"),
        (&["--mode", "off"], 0, ""),
    ] {
        assert_eq!(check(&root, words), (code, expected.to_owned()));
    }
}

#[test]
fn the_config_decides_what_a_mismatch_means() {
    let root = Place::new();
    root.boot(Build::New);
    let stale = root.install("stale", Build::Old);
    let stale = stale.to_str().unwrap();
    let verdict = |words: &[&str]| {
        let (code, report) = json(&root, words);
        let verdict = &report["modules"][0]["verdicts"][0];
        let allow = &report["kernels"][0]["features"]["allow_mismatch"];
        let [kind, severity, assumed] = ["verdict", "severity", "assumed"].map(|key| &verdict[key]);
        json!([code, kind, severity, assumed, allow])
    };
    let refused = json!([2, "refused", "block", [], false]);
    assert_eq!(verdict(&[stale]), refused);

    let config = root.config(true);
    let discarded = json!([1, "btf-discarded", "warn", [], true]);
    assert_eq!(verdict(&[stale]), discarded);

    fs::remove_file(config).unwrap();
    let guessed = json!([1, "refused", "warn", ["allow_mismatch"], null]);
    assert_eq!(verdict(&[stale]), guessed);
    let (_, text) = check(&root, &[stale]);
    let note = "note: no config of this kernel was found";
    assert!(text.contains(note), "{text}");

    let given = root.file("given.config", common::config(true));
    let given = given.to_str().unwrap();
    assert_eq!(verdict(&["--kernel-config", given, stale]), discarded);
}

#[test]
fn what_cannot_be_read_is_3_unless_the_rest_is_at_block() {
    let root = Place::new();
    root.boot(Build::New);
    let stale = root.install("stale", Build::Old);
    // Of a class that nobody knows: what the kernel would read there is not known.
    let broken = root.file("broken.ko", [&b"\x7fELF\x03"[..], &[0; 60]].concat());
    let cut = root.file("cut.rpm", &common::package("p", &[])[..100]);
    let empty = root.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let absent = root.path().join("absent.ko");
    let paths = [&broken, &stale, &cut, &empty, &absent].map(|path| path.to_str().unwrap());
    assert_eq!(json(&root, &[paths[0], paths[2]]).0, 3);
    let (code, report) = json(&root, &paths);
    assert_eq!(code, 2);
    assert_eq!(report["modules"][0]["name"], "stale");
    assert_eq!(report["summary"]["refused"], 1);
    let errors = report["errors"].as_array().unwrap().iter();
    let errors: Vec<_> = errors.map(|error| &error["path"]).collect();
    assert_eq!(errors, [paths[0], paths[2], paths[3], paths[4]]);
    let (_, text) = check(&root, &paths);
    for expected in [
        "error: the module will not load",
        "no kernel module is in this directory",
        "at offset 0x",
    ] {
        assert!(text.contains(expected), "{text}");
    }
}
