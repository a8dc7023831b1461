// SPDX-License-Identifier: GPL-2.0-or-later
//! Plans and packages that cannot be read, and how the process protects itself.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use btf_guard_protocol::plan::{Action, Element};

use crate::common::judge::{Transaction, judge, kmp};
use crate::common::{Build, Place, module_path, program};

#[test]
fn what_cannot_be_read_is_a_warning_and_the_rest_is_judged() {
    let (root, files) = (Place::new(), Place::new());
    root.boot(Build::New);
    let whole = fs::read(kmp(&files, "cut", &[("a", Build::New), ("b", Build::New)])).unwrap();
    let cut = files.file("cut.rpm", &whole[..whole.len() - 20]);
    let garbage = files.file("garbage.rpm", b"PK\x03\x04");
    let broken = files.package("broken", &[(module_path("x"), b"no module".to_vec())]);
    let bad = kmp(&files, "bad", &[("stale", Build::Old)]);
    let mut transaction = Transaction::on(&root);
    for package in [&cut, &garbage, &broken] {
        transaction = transaction.install(package);
    }
    transaction.plan.elements.push(Element {
        nevra: "closed-1-1.x86_64".into(),
        action: Action::Install,
        file: Some(9999),
        paths: Vec::new(),
    });
    let plan = transaction.plan.clone();
    let answer = transaction.judge();
    assert_eq!(answer.decision(), "allow");
    for what in [
        "cut-1-1.x86_64",
        "garbage-1-1.x86_64",
        "1 more could not be judged",
    ] {
        assert!(answer.says(what), "{what}: {:?}", answer.messages());
    }
    let warnings = answer.messages();
    assert!(
        warnings.iter().all(|m| m.starts_with("warning ")),
        "{warnings:?}"
    );

    // The test keeps its descriptors open, so the plan can be used again.
    drop(plan);
    let both = Transaction::on(&root)
        .install(&garbage)
        .install(&bad)
        .judge();
    assert_eq!(both.decision(), "block");
}

#[test]
fn the_judge_confines_itself() {
    let root = Place::new();
    root.boot(Build::New);
    let mut child = program()
        .arg("judge")
        .env("BTF_GUARD_LOG", "debug")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let plan = serde_json::to_vec(&Transaction::on(&root).plan).unwrap();
    child.stdin.take().unwrap().write_all(&plan).unwrap();
    let log = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    assert!(log.contains("Landlock"), "{log}");
    assert!(!log.contains("stays unlimited"), "{log}");
    assert!(!log.contains("new privileges stay possible"), "{log}");
}

#[test]
fn a_plan_that_is_none_is_3() {
    for (plan, complaint) in [
        ("", "the plan is not understood"),
        ("{}", "missing field"),
        (
            r#"{"schema": 1, "root": "/", "test": false, "mode": null, "elements": []}"#,
            "the plan has schema 1, not 2",
        ),
        (
            r#"{"schema": 2, "root": "/no/such", "test": false, "mode": null, "elements": []}"#,
            "root /no/such",
        ),
    ] {
        let (code, out, err) = judge(plan.as_bytes());
        assert_eq!((code, out.as_str()), (3, ""), "{plan}");
        assert!(err.contains(complaint), "{plan}: {err}");
    }
}
