// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard judge` and what the disk has: copies of kernels, links between
//! releases, what is left after a transaction.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use btf_guard_protocol::plan::Stage;

use crate::common::judge::{Transaction, kernel, kmp};
use common::{Build, Place, RELEASE, base, config, module, module_path};

/// A root whose module directory has an image, and whose EFI system partition has
/// a copy of it and one of another build. `default` is what `loader.conf` says.
fn with_stale_copy(default: &str) -> Place {
    let root = Place::new();
    let dir = format!("lib/modules/{RELEASE}");
    root.file(&format!("{dir}/vmlinuz"), base(Build::New));
    root.file(&format!("{dir}/config"), config(false));
    for (name, build) in [("old", Build::Old), ("new", Build::New)] {
        root.file(&format!("efi/token/{name}"), base(build));
        let entry = format!("title {name}\nversion {RELEASE}\nlinux /token/{name}\n");
        root.file(&format!("efi/loader/entries/{name}.conf"), entry);
    }
    root.file("efi/loader/loader.conf", default);
    root
}

#[test]
fn a_copy_that_boots_by_default_decides() {
    let files = Place::new();
    let new = kmp(&files, "new", &[("fresh", Build::New)]);
    let root = with_stale_copy("default old.conf\n");
    let answer = Transaction::on(&root).install(&new).judge();
    assert_eq!(
        answer.verdicts(),
        ["fresh loads none", "fresh refused block"]
    );
    assert!(
        answer.says("help: this copy is stale, and it is what boots: "),
        "{:?}",
        answer.messages()
    );
}

#[test]
fn a_copy_that_nothing_boots_by_default_warns() {
    let files = Place::new();
    let new = kmp(&files, "new", &[("fresh", Build::New)]);
    let root = with_stale_copy("default new.conf\n");
    let answer = Transaction::on(&root).install(&new).judge();
    assert_eq!(
        answer.verdicts(),
        ["fresh loads none", "fresh refused warn"]
    );
    assert_eq!(answer.decision(), "warn");
    // One that neither takes is still a reason to stop.
    let neither = kmp(&files, "neither", &[("odd", Build::Odd)]);
    let answer = Transaction::on(&root).install(&neither).judge();
    assert_eq!(
        answer.verdicts(),
        ["odd refused block", "odd refused block"]
    );
}

#[test]
fn copies_follow_the_image_that_comes() {
    let (root, files) = (with_stale_copy("default old.conf\n"), Place::new());
    let new = kmp(&files, "new", &[("fresh", Build::New)]);
    let kernel = kernel(&files, "kernel", Build::New);
    let answer = Transaction::on(&root).install(&new).install(&kernel);
    let answer = answer.judge();
    assert_eq!(answer.decision(), "allow", "{:?}", answer.messages());
    let also = answer.0["kernels"][0]["same_kernel_paths"]
        .as_array()
        .unwrap();
    assert_eq!(also.len(), 3, "{also:?}");
}

#[test]
fn an_image_under_another_name_is_read() {
    let (root, files) = (Place::new(), Place::new());
    let image = (format!("/lib/modules/{RELEASE}/Image"), base(Build::New));
    let config = (
        format!("/lib/modules/{RELEASE}/config"),
        config(false).into(),
    );
    let kernel = files.package("kernel", &[image, config]);
    let old = kmp(&files, "old", &[("stale", Build::Old)]);
    let answer = Transaction::on(&root)
        .install(&old)
        .install(&kernel)
        .judge();
    assert_eq!(answer.verdicts(), ["stale refused block"]);
}

#[test]
fn what_other_releases_link_to_is_their_module_too() {
    let (root, files) = (Place::new(), Place::new());
    let mine = "/lib/modules/6.0.0-other/extra/kmp.ko".to_owned();
    root.boot(Build::New);
    root.file(&mine, module("kmp", Build::New));
    root.link(&format!("lib/modules/{RELEASE}/weak-updates/kmp.ko"), &mine);
    let update = |build| files.package("kmp", &[(mine.clone(), module("kmp", build))]);
    let fine = Transaction::on(&root).install(&update(Build::New)).judge();
    assert_eq!(fine.decision(), "allow");
    let answer = Transaction::on(&root).install(&update(Build::Old)).judge();
    assert_eq!(answer.verdicts(), ["kmp refused block"]);
    let path = answer.0["modules"][0]["path"].as_str().unwrap();
    assert_eq!(path, format!("/lib/modules/{RELEASE}/weak-updates/kmp.ko"));
    // It was so before, if the link led to such a module already.
    root.file(&mine, module("kmp", Build::Old));
    let same = Transaction::on(&root).install(&update(Build::Old)).judge();
    assert_eq!(same.verdicts(), ["kmp refused info"]);
}

#[test]
fn a_kernel_that_stays_without_its_own_modules_misses_them() {
    let root = Place::new();
    root.boot(Build::New);
    let own = format!("/lib/modules/{RELEASE}/kernel/own.ko");
    root.file(&own, module("own", Build::New));
    let erase = |paths: &[String]| Transaction::on(&root).erase(paths).judge();
    let answer = erase(std::slice::from_ref(&own));
    assert_eq!(answer.verdicts(), [" missing block"]);
    assert!(answer.says("has no modules"), "{:?}", answer.messages());
    // A kernel that goes as a whole misses nothing, and neither does one that
    // keeps some.
    let image = format!("/boot/vmlinuz-{RELEASE}");
    assert_eq!(erase(&[own.clone(), image]).decision(), "allow");
    root.install("kmp", Build::New);
    assert_eq!(erase(&[own]).decision(), "allow");
    assert_eq!(erase(&[module_path("kmp")]).decision(), "allow");
}

/// The time of the last change to a file, in seconds since 1970.
fn changed(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ctime().try_into().unwrap()
}

fn after(root: &Place, since: u64) -> Transaction {
    let mut transaction = Transaction::on(root);
    transaction.plan.stage = Stage::After;
    transaction.plan.since = Some(since);
    transaction
}

#[test]
fn after_a_transaction_what_is_new_is_said_once() {
    let root = Place::new();
    root.boot(Build::New);
    let module = root.install("stale", Build::Old);
    let answer = after(&root, changed(&module)).judge();
    // There is nothing left to block.
    assert_eq!(answer.decision(), "warn");
    let messages = answer.messages();
    let start = "warning btf-guard: after this transaction, the module will not load on kernel";
    assert!(messages[0].starts_with(start), "{messages:?}");
    assert!(!answer.says("nothing was changed"), "{messages:?}");
    let keys = answer.keys();
    assert_eq!(keys.len(), 1);

    let mut told = after(&root, changed(&module));
    told.plan.said.clone_from(&keys);
    let answer = told.judge();
    assert_eq!(answer.decision(), "allow");
    assert!(answer.messages().is_empty(), "{:?}", answer.messages());
    // What was there before is not this transaction's.
    let later = after(&root, changed(&module) + 10).judge();
    assert_eq!(later.decision(), "allow");
    assert_eq!(later.0["summary"]["modules"], 0);
}

#[test]
fn what_was_told_before_a_transaction_is_not_told_after_it() {
    let (root, files) = (Place::new(), Place::new());
    root.boot(Build::New);
    let bad = kmp(&files, "bad", &[("stale", Build::Old)]);
    let keys = Transaction::on(&root).install(&bad).judge().keys();
    assert_eq!(keys.len(), 1);
    // As rpm would have installed it.
    let module = root.install("stale", Build::Old);
    let mut told = after(&root, changed(&module));
    told.plan.said = keys;
    assert_eq!(told.judge().messages(), [""; 0]);
    // What a scriptlet has made of it is news.
    root.install("made", Build::Old);
    let mut told = after(&root, changed(&module));
    told.plan.said = Transaction::on(&root).install(&bad).judge().keys();
    assert_eq!(
        told.judge().verdicts(),
        ["made refused block", "stale refused info"]
    );
}

#[test]
fn a_scriptlet_may_work_for_another_release_than_its_package() {
    let (root, files) = (Place::new(), Place::new());
    let package = kmp(&files, "bad", &[("stale", Build::Old)]);
    root.boot(Build::New);
    root.file("lib/modules/other/config", config(false));
    let image = root.file("lib/modules/other/vmlinuz", base(Build::New));
    // Both kernels are older than the transaction.
    let mut stale = root.install("stale", Build::Old);
    while changed(&stale) < changed(&image) + 3 {
        std::thread::sleep(std::time::Duration::from_millis(50));
        stale = root.install("stale", Build::Old);
    }
    let judged = || after(&root, changed(&stale)).install(&package).judge();
    assert_eq!(judged().verdicts(), ["stale refused block"]);
    root.file(
        "lib/modules/other/extra/made.ko",
        module("made", Build::Old),
    );
    assert_eq!(
        judged().verdicts(),
        ["stale refused block", "made refused block"]
    );
}

#[test]
fn a_kernel_that_is_new_meets_all_modules() {
    let root = Place::new();
    let module = root.install("kmp", Build::Old);
    let image = root.boot(Build::New);
    // The module is older than the transaction; an entry leads to the image anew.
    let since = changed(&image) + 1;
    while changed(&image) < since {
        std::thread::sleep(std::time::Duration::from_millis(50));
        fs::write(&image, base(Build::New)).unwrap();
    }
    assert!(changed(&module) < since);
    assert_eq!(
        after(&root, since).judge().verdicts(),
        ["kmp refused block"]
    );
}

#[test]
fn an_image_that_was_cut_short_is_said() {
    let root = Place::new();
    let image = root.boot(Build::New);
    root.install("fine", Build::New);
    let whole = fs::read(&image).unwrap();
    fs::write(&image, &whole[..whole.len() - 2]).unwrap();
    let answer = after(&root, changed(&image)).judge();
    let messages = answer.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0].contains("/boot/vmlinuz-"), "{messages:?}");
    let later = after(&root, changed(&image) + 10).judge();
    assert_eq!(later.messages(), [""; 0]);
}

#[test]
fn what_cannot_be_read_is_said_once() {
    let root = Place::new();
    let image = root.boot(Build::New);
    root.install("fine", Build::New);
    fs::write(&image, "no kernel").unwrap();
    let first = after(&root, changed(&image)).judge();
    assert_eq!(first.messages().len(), 1, "{:?}", first.messages());
    let mut again = after(&root, changed(&image));
    again.plan.said = first.keys();
    assert_eq!(again.judge().messages(), [""; 0]);
    // What is wrong with it now is something else.
    let whole = base(Build::New);
    fs::write(&image, &whole[..whole.len() - 2]).unwrap();
    let mut other = after(&root, changed(&image));
    other.plan.said = first.keys();
    assert_eq!(other.judge().messages().len(), 1);
}

#[test]
fn a_time_may_have_been_rounded_to_the_even_second_before() {
    let root = Place::new();
    root.boot(Build::New);
    let module = root.install("stale", Build::Old);
    assert_eq!(
        after(&root, changed(&module) + 2).judge().decision(),
        "warn"
    );
    assert_eq!(
        after(&root, changed(&module) + 3).judge().decision(),
        "allow"
    );
}

/// All of a release, and nothing else, without a transaction.
fn now(root: &Place, release: &str) -> Transaction {
    let mut transaction = Transaction::on(root);
    transaction.plan.stage = Stage::Now;
    transaction.plan.release = Some(release.to_owned());
    transaction
}

#[test]
fn of_one_release_all_is_judged_and_of_others_nothing() {
    let root = with_stale_copy("default old.conf\n");
    root.install("fresh", Build::New);
    let other = "lib/modules/other";
    root.file(&format!("{other}/vmlinuz"), base(Build::New));
    root.file(&format!("{other}/config"), config(false));
    root.file(
        &format!("{other}/extra/stale.ko"),
        module("stale", Build::Old),
    );
    root.file("boot/vmlinuz-broken", "no kernel");

    let answer = now(&root, RELEASE).judge();
    assert_eq!(
        answer.verdicts(),
        ["fresh loads none", "fresh refused block"]
    );
    assert_eq!(answer.decision(), "warn");
    let messages = answer.messages();
    let start = "warning btf-guard: the module will not load on kernel";
    assert!(messages[0].starts_with(start), "{messages:?}");
    assert!(!answer.says("broken"), "{messages:?}");

    let answer = now(&root, "other").judge();
    assert_eq!(answer.verdicts(), ["stale refused block"]);
    assert!(now(&root, "broken").judge().says("/boot/vmlinuz-broken: "));
    assert_eq!(now(&root, "none").judge().messages(), [""; 0]);
}

#[test]
fn a_file_system_with_entries_that_is_named_is_looked_at() {
    let (root, esp) = (Place::new(), Place::new());
    root.config(false);
    root.install("fresh", Build::New);
    esp.file("token/old", base(Build::Old));
    let entry = format!("title old\nversion {RELEASE}\nlinux /token/old\n");
    esp.file("loader/entries/old.conf", entry);
    assert_eq!(now(&root, RELEASE).judge().messages(), [""; 0]);
    let mut with = now(&root, RELEASE);
    with.plan.esps = vec![esp.path().to_owned()];
    assert_eq!(with.judge().verdicts(), ["fresh refused block"]);
}

#[test]
fn modules_that_are_gone_are_missed() {
    let root = Place::new();
    let image = root.boot(Build::New);
    fs::create_dir_all(root.path().join(format!("lib/modules/{RELEASE}"))).unwrap();
    let own = format!("/lib/modules/{RELEASE}/kernel/own.ko");
    let answer = after(&root, changed(&image) + 10).erase(&[own]).judge();
    assert_eq!(answer.verdicts(), [" missing block"]);
    assert_eq!(answer.decision(), "warn");
    let other = after(&root, changed(&image) + 10).erase(&[module_path("x")]);
    assert_eq!(other.judge().decision(), "allow");
}

#[test]
fn images_are_kept_in_a_cache_that_the_confined_judge_can_write() {
    let (root, files) = (Place::new(), Place::new());
    root.boot(Build::New);
    let bad = kmp(&files, "bad", &[("stale", Build::Old)]);
    let cache = root.path().join("var/cache/btf-guard");
    let judged = |times: usize| {
        let answer = Transaction::on(&root).install(&bad).judge_with(&cache);
        assert_eq!(answer.decision(), "block");
        assert_eq!(fs::read_dir(&cache).unwrap().count(), times);
    };
    judged(1);
    judged(1);
    root.file(&format!("lib/modules/{RELEASE}/vmlinuz"), base(Build::Odd));
    judged(2);
}
