// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard check` as it is called: exit codes, text, JSON.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod command_line;
#[path = "../common/mod.rs"]
mod common;
mod kernels;
mod packages;

use std::fs;

use common::{Build, Place, RELEASE, config, run};
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
    let (code, out) = check(&root, &[]);
    assert_eq!(
        out,
        format!(
            "ok: all 2 modules load on kernel {RELEASE} ({})\n",
            image.display()
        )
    );
    assert_eq!(code, 0);
}

#[test]
fn modules_of_another_build_are_refused_and_the_first_two_lines_say_it() {
    let root = Place::new();
    let image = root.boot(Build::New);
    root.install("stale", Build::Old);
    root.install("fine", Build::New);
    let dir = root.path().join(format!("lib/modules/{RELEASE}/updates"));
    let (code, out) = check(&root, &[]);
    let kernel = format!("kernel {RELEASE} ({})", image.display());
    assert_eq!(
        out,
        format!(
            "\
error: 1 of 2 modules will not load on {kernel}: its BTF was built for another build of it
help: bring kernel {RELEASE} and its modules from one build: reinstall its package, or rebuild the modules against it, before it is booted
--> {}
  | 1 module: stale
  |   BPF: [2] STRUCT
  |   BPF: size=0 vlen=0
  |   BPF: Invalid name
  |   failed to validate module [stale] BTF: -22

2 modules, {kernel}: 1 load, 1 refused
note: modules inside initrds were not looked at, or not all of them: that of {}, which no boot entry names
",
            dir.display(),
            image.display()
        )
    );
    assert_eq!(code, 2);

    assert_eq!(
        check(&root, &["--mode", "warn", "-q"]),
        (1, "warn\n".into())
    );
    assert_eq!(check(&root, &["-q"]), (2, "block\n".into()));
    assert_eq!(check(&root, &["--mode", "off"]), (0, String::new()));
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
        let allow = &report["kernels"][0]["abilities"]["allow_mismatch"];
        (
            code,
            verdict["verdict"].as_str().unwrap().to_owned(),
            verdict["severity"].as_str().unwrap().to_owned(),
            verdict["assumed"].clone(),
            allow.clone(),
        )
    };
    let expected = |code, verdict: &str, severity: &str, assumed, allow| {
        (
            code,
            verdict.to_owned(),
            severity.to_owned(),
            assumed,
            allow,
        )
    };
    assert_eq!(
        verdict(&[stale]),
        expected(2, "refused", "block", json!([]), false.into())
    );

    root.config(true);
    let discarded = expected(1, "btf-discarded", "warn", json!([]), true.into());
    assert_eq!(verdict(&[stale]), discarded);

    fs::remove_file(root.path().join(format!("boot/config-{RELEASE}"))).unwrap();
    assert_eq!(
        verdict(&[stale]),
        expected(
            1,
            "refused",
            "warn",
            serde_json::json!(["allow_mismatch"]),
            Value::Null
        )
    );
    let (_, text) = check(&root, &[stale]);
    assert!(
        text.contains("note: no config of this kernel was found"),
        "{text}"
    );

    let given = root.file("given.config", config(true));
    let given = given.to_str().unwrap();
    assert_eq!(verdict(&["--kernel-config", given, stale]), discarded);
}

#[test]
fn what_cannot_be_read_is_3_and_the_rest_is_still_judged() {
    let root = Place::new();
    root.boot(Build::New);
    let stale = root.install("stale", Build::Old);
    let broken = root.file("broken.ko", b"\x7fELF");
    let cut = root.file("cut.rpm", &common::package("p", &[])[..100]);
    let empty = root.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let absent = root.path().join("absent.ko");
    let paths = [&broken, &stale, &cut, &empty, &absent].map(|path| path.to_str().unwrap());
    let (code, report) = json(&root, &paths);
    assert_eq!(code, 3);
    assert_eq!(report["modules"][0]["name"], "stale");
    assert_eq!(report["summary"]["refused"], 1);
    let errors: Vec<_> = report["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["path"].as_str().unwrap())
        .collect();
    assert_eq!(errors, [paths[0], paths[2], paths[3], paths[4]]);
    let (_, text) = check(&root, &paths);
    assert!(
        text.starts_with("error: the module will not load"),
        "{text}"
    );
    assert!(
        text.contains("no kernel module is in this directory"),
        "{text}"
    );
    assert!(text.contains("at offset 0x"), "{text}");
}
