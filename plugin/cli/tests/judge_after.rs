// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard judge` after a transaction that it has judged before it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use btf_guard_protocol::plan::{Action, Element, Plan, Stage};

use crate::common::judge::{Answer, Transaction, kmp};
use common::{Build, Place, RELEASE, base, config, module, module_path};

/// What was changed so long ago was not changed by what begins now: two seconds are
/// what file systems may round away.
const SETTLED: Duration = Duration::from_millis(3100);

/// A root whose kernel was there before the transactions.
fn settled() -> Place {
    let root = Place::new();
    root.boot(Build::New);
    sleep(SETTLED);
    root
}

/// Judged before a package comes whose module, `fine`, loads.
fn fine_comes(root: &Place) -> Answer {
    let files = Place::new();
    let package = kmp(&files, "kmp", &[("fine", Build::New)]);
    Transaction::on(root).install(&package).judge()
}

/// A plan of what comes under these paths.
fn installs(root: &Place, paths: &[&str]) -> Plan {
    let mut plan = Plan::new(root.path().to_owned());
    plan.elements.push(Element {
        nevra: "some-1-1.x86_64".to_owned(),
        action: Action::Install,
        file: None,
        paths: paths.iter().map(PathBuf::from).collect(),
    });
    plan
}

/// Judged after a transaction that brought `file`, as the rpm plugin asks.
fn after(root: &Place, mut plan: Plan, file: &Path) -> Answer {
    plan.stage = Stage::After;
    plan.since = Some(fs::metadata(file).unwrap().ctime().try_into().unwrap());
    let mut transaction = Transaction::on(root);
    transaction.plan = plan;
    transaction.judge()
}

fn judged(answer: &Answer) -> u64 {
    answer.0["summary"]["modules"].as_u64().unwrap()
}

#[test]
fn only_what_changed_is_judged_again() {
    let root = settled();
    assert_eq!(fine_comes(&root).decision(), "allow");
    let path = module_path("fine");
    let plan = || installs(&root, &[&path]);
    root.install("there", Build::Old);
    sleep(Duration::from_millis(3100));
    let file = root.install("fine", Build::New);
    let answer = after(&root, plan(), &file);
    assert_eq!((answer.decision(), judged(&answer)), ("allow", 1));
    // Something that only a scriptlet can have made.
    root.install("made", Build::Old);
    let answer = after(&root, plan(), &file);
    assert_eq!(answer.verdicts(), ["made refused block"]);
    assert_eq!(judged(&answer), 2);
}

#[test]
fn what_came_otherwise_is_judged() {
    let root = settled();
    let path = module_path("fine");
    let file = root.install("fine", Build::Old);
    let answer = after(&root, installs(&root, &[&path]), &file);
    assert_eq!(answer.verdicts(), ["fine refused block"]);
    let file = root.file(&path, "no module");
    let answer = after(&root, installs(&root, &[&path]), &file);
    assert!(answer.says(&path), "{:?}", answer.messages());
}

#[test]
fn a_kernel_that_loses_its_modules_misses_them() {
    let root = settled();
    let own = format!("/lib/modules/{RELEASE}/kernel/own.ko");
    root.file(&own, module("own", Build::New));
    let before = Transaction::on(&root)
        .erase(std::slice::from_ref(&own))
        .judge();
    fs::remove_file(root.path().join(own.trim_start_matches('/'))).unwrap();
    let other = root.file("etc/other", "");
    let mut plan = installs(&root, &[]);
    plan.elements.push(Element {
        nevra: "old-1-1.x86_64".to_owned(),
        action: Action::Erase,
        file: None,
        paths: vec![own.into()],
    });
    let answer = after(&root, plan, &other);
    assert_eq!(before.verdicts(), [" missing block"]);
    assert_eq!(answer.verdicts(), [" missing block"]);
}

/// It was judged by the kernel of the release that it came for, not by this one.
#[test]
fn a_link_that_a_scriptlet_made_is_judged() {
    let root = settled();
    let files = Place::new();
    root.file("lib/modules/other/config", config(false));
    root.file("lib/modules/other/vmlinuz", base(Build::Old));
    sleep(SETTLED);
    let mine = "/lib/modules/other/extra/kmp.ko";
    let package = files.package("kmp", &[(mine.to_owned(), module("kmp", Build::Old))]);
    let before = Transaction::on(&root).install(&package).judge();
    assert_eq!(before.decision(), "allow");
    let file = root.file(mine, module("kmp", Build::Old));
    let plan = || installs(&root, &[mine]);
    assert_eq!(after(&root, plan(), &file).decision(), "allow");
    root.link(&format!("lib/modules/{RELEASE}/weak-updates/kmp.ko"), mine);
    let answer = after(&root, plan(), &file);
    assert_eq!(answer.verdicts(), ["kmp refused block"]);
}
