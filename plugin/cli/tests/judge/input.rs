// SPDX-License-Identifier: GPL-2.0-or-later
//! Plans and packages that cannot be read, and how the process protects itself.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use crate::common::judge::{NO_CONFIG, Transaction, install, judge, kmp, kmp_of};
use crate::common::{Build, Place, module_path, program};

#[test]
fn what_cannot_be_read_is_a_warning_and_the_rest_is_judged() {
    let root = Place::booting(Build::New);
    let whole = kmp(&root, "cut", &[("a", Build::New), ("b", Build::New)]);
    let whole = fs::read(whole).unwrap();
    let cut = root.file("cut.rpm", &whole[..whole.len() - 20]);
    let garbage = root.file("garbage.rpm", b"PK\x03\x04");
    // Of a class that nobody knows: what the kernel would read there is not known.
    let unknown = [&b"\x7fELF\x03"[..], &[0; 60]].concat();
    let broken = root.package("broken", &[(module_path("x"), unknown)]);
    let packages = [&cut, &garbage, &broken].into_iter();
    let mut transaction = packages.fold(Transaction::on(&root), |all, one| all.install(one));
    transaction = transaction.install_closed("closed", &[]);
    transaction.plan.elements[3].file = Some(9999);
    let answer = transaction.judge();
    answer.is("allow").says("cut-1-1.x86_64");
    answer
        .says("garbage-1-1.x86_64")
        .says("1 more could not be judged");
    let messages = answer.messages();
    let warnings = messages.iter().filter(|m| m.starts_with("warning "));
    assert_eq!(warnings.count(), messages.len(), "{messages:?}");
    let bad = kmp_of(&root, "bad", Build::Old);
    install(&root, &[&garbage, &bad]).is("block");
}

#[test]
fn the_judge_confines_itself() {
    let root = Place::booting(Build::New);
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
    let plan = |schema, root| {
        format!(r#"{{"schema":{schema},"root":"{root}","test":false,"mode":null,"elements":[]}}"#)
    };
    for (plan, complaint) in [
        (String::new(), "the plan is not understood"),
        ("{}".to_owned(), "missing field"),
        (plan(1, "/"), "the plan has schema 1, not 2"),
        (plan(2, "/no/such"), "root /no/such"),
    ] {
        let (code, out, err) = judge(plan.as_bytes(), Path::new("none"), Path::new(NO_CONFIG));
        assert_eq!((code, out.as_str()), (3, ""), "{plan}");
        assert!(err.contains(complaint), "{plan}: {err}");
    }
}
