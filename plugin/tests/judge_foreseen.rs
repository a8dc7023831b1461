//! `btf-guard judge` after a transaction: what was judged before it and came as
//! it was to come.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use btf_guard::place::plan::{Action, Element, Plan, Stage};
use common::judge::{Answer, Transaction, kmp};
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
fn after(root: &Place, mut plan: Plan, before: &Answer, file: &Path, scriptlets: bool) -> Answer {
    plan.stage = Stage::After;
    plan.since = Some(fs::metadata(file).unwrap().ctime().try_into().unwrap());
    plan.scriptlets = scriptlets;
    if let Some(loads) = before.0.get("loads") {
        plan.loads = serde_json::from_value(loads.clone()).unwrap();
    }
    let mut transaction = Transaction::on(root);
    transaction.plan = plan;
    transaction.judge()
}

fn judged(answer: &Answer) -> u64 {
    answer.0["summary"]["modules"].as_u64().unwrap()
}

#[test]
fn what_loads_is_not_judged_again_and_without_scriptlets_nothing_is() {
    let root = settled();
    let before = fine_comes(&root);
    let path = module_path("fine");
    let plan = || installs(&root, &[&path]);
    let file = root.install("fine", Build::New);
    for scriptlets in [true, false] {
        let answer = after(&root, plan(), &before, &file, scriptlets);
        assert_eq!((answer.decision(), judged(&answer)), ("allow", 0));
    }
    // Something that only a scriptlet can have made.
    root.install("made", Build::Old);
    let answer = after(&root, plan(), &before, &file, false);
    assert_eq!(judged(&answer), 0);
    let answer = after(&root, plan(), &before, &file, true);
    assert_eq!(answer.verdicts(), ["made refused block"]);
    assert_eq!(judged(&answer), 1);
}

#[test]
fn what_came_otherwise_is_judged() {
    let root = settled();
    let before = fine_comes(&root);
    let path = module_path("fine");
    for scriptlets in [true, false] {
        let file = root.install("fine", Build::Old);
        let answer = after(&root, installs(&root, &[&path]), &before, &file, scriptlets);
        assert_eq!(answer.verdicts(), ["fine refused block"]);
    }
    let file = root.file(&path, "no module");
    let answer = after(&root, installs(&root, &[&path]), &before, &file, false);
    assert!(answer.says(&path), "{:?}", answer.messages());
}

#[test]
fn what_was_refused_or_not_judged_is_looked_at() {
    let (root, files) = (settled(), Place::new());
    let package = kmp(
        &files,
        "kmp",
        &[("fine", Build::New), ("stale", Build::Old)],
    );
    let before = Transaction::on(&root).install(&package).judge();
    assert_eq!(before.0["loads"].as_object().unwrap().len(), 1);
    root.install("fine", Build::New);
    let file = root.install("stale", Build::Old);
    let (fine, stale) = (module_path("fine"), module_path("stale"));
    let plan = installs(&root, &[&fine, &stale]);
    let answer = after(&root, plan, &before, &file, false);
    assert_eq!(answer.verdicts(), ["stale refused block"]);
    assert_eq!(judged(&answer), 1);
}

#[test]
fn before_another_kernel_or_config_all_is_judged_again() {
    let root = settled();
    let before = fine_comes(&root);
    let path = module_path("fine");
    let file = root.install("fine", Build::New);
    let config_path = format!("/lib/modules/{RELEASE}/config");
    let plan = installs(&root, &[&path, &config_path]);
    assert_eq!(judged(&after(&root, plan, &before, &file, false)), 1);
    fs::write(
        root.path().join(format!("boot/vmlinuz-{RELEASE}")),
        base(Build::Old),
    )
    .unwrap();
    let plan = installs(&root, &[&path]);
    let answer = after(&root, plan, &before, &file, false);
    assert_eq!(answer.verdicts(), ["fine refused block"]);
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
    let answer = after(&root, plan, &before, &other, false);
    assert_eq!(before.verdicts(), [" missing block"]);
    assert_eq!(answer.verdicts(), [" missing block"]);
}

/// It was judged before the release that it came for, not before this one.
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
    assert_eq!(judged(&after(&root, plan(), &before, &file, true)), 0);
    let link = root.file(&format!("lib/modules/{RELEASE}/weak-updates/kmp.ko"), "");
    fs::remove_file(&link).unwrap();
    symlink(mine, &link).unwrap();
    let answer = after(&root, plan(), &before, &file, true);
    assert_eq!(answer.verdicts(), ["kmp refused block"]);
}

#[test]
fn a_compressed_module_is_told_by_its_bytes() {
    let (root, files) = (settled(), Place::new());
    let cache = root.path().join("var/cache/btf-guard");
    let packed = |build| zstd::encode_all(&module("fine", build)[..], 1).unwrap();
    let path = format!("{}.zst", module_path("fine"));
    let package = files.package("kmp", &[(path.clone(), packed(Build::New))]);
    let before = Transaction::on(&root).install(&package).judge_with(&cache);
    for (build, expected) in [(Build::New, 0), (Build::Old, 1)] {
        let file = root.file(&path, packed(build));
        let answer = after(&root, installs(&root, &[&path]), &before, &file, false);
        assert_eq!(judged(&answer), expected);
    }
    // Known from the time before, it is as good.
    let again = Transaction::on(&root).install(&package).judge_with(&cache);
    assert_eq!(again.0["loads"], before.0["loads"]);
}
