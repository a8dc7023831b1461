// SPDX-License-Identifier: GPL-2.0-or-later
//! What the disk shows after a transaction, and where there was none.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use btf_guard_protocol::plan::Stage;

use crate::common::judge::{Answer, Transaction, install, kmp_of};
use crate::common::{Build, Place, RELEASE, base, config, module, module_path};

/// What was changed so long ago was not changed by what begins now: two seconds are
/// what file systems may round away.
const SETTLED: Duration = Duration::from_millis(3100);

/// A root whose kernel was there before the transactions.
fn settled() -> Place {
    let root = Place::booting(Build::New);
    sleep(SETTLED);
    root
}

/// The time of the last change to a file, in seconds since 1970.
fn changed(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ctime().try_into().unwrap()
}

/// After a transaction that began at this time, as the rpm plugin asks.
fn after(root: &Place, since: u64) -> Transaction {
    let mut transaction = Transaction::on(root);
    transaction.plan.stage = Stage::Post;
    transaction.plan.since = Some(since);
    transaction
}

/// The same, where these were told before.
fn after_telling(root: &Place, since: u64, said: &[String]) -> Answer {
    let mut transaction = after(root, since);
    transaction.plan.reported_keys = said.to_vec();
    transaction.judge()
}

/// All of a release, and nothing else, without a transaction.
fn now(root: &Place, release: &str) -> Transaction {
    let mut transaction = Transaction::on(root);
    transaction.plan.stage = Stage::None;
    transaction.plan.release = Some(release.to_owned());
    transaction
}

fn judged(answer: &Answer) -> u64 {
    answer.0["summary"]["modules"].as_u64().unwrap()
}

#[test]
fn only_what_changed_is_judged_again() {
    let root = settled();
    root.install("there", Build::Old);
    sleep(SETTLED);
    let since = changed(&root.install("fine", Build::New));
    let path = module_path("fine");
    let again = || after(&root, since).install_closed("some", &[&path]).judge();
    assert_eq!(judged(again().is("allow")), 1);
    // Something that only a scriptlet can have made.
    root.install("made", Build::Old);
    assert_eq!(judged(again().finds(&["made refused block"])), 2);
    // What came otherwise than the package has it.
    root.install("fine", Build::Old);
    again().finds(&["fine refused block", "made refused block"]);
    root.file(&path, "no module");
    let answer = again();
    answer.finds(&["fine refused block", "made refused block"]);
    answer.says("it is empty, damaged or no module");
}

#[test]
fn a_kernel_that_loses_its_modules_misses_them() {
    let root = settled();
    let own = format!("/lib/modules/{RELEASE}/kernel/own.ko");
    let file = root.file(&own, module("own", Build::New));
    let before = Transaction::on(&root).erase(&[&own]).judge();
    before.is("block").finds(&[" no-modules block"]);
    fs::remove_file(file).unwrap();
    let since = changed(&root.file("etc/other", ""));
    let erase = |path: &str| after(&root, since).erase(&[path]).judge();
    erase(&own).is("warn").finds(&[" no-modules block"]);
    erase(&module_path("x")).is("allow");
}

/// It was judged by the kernel of the release that it came for, not by this one.
#[test]
fn a_link_that_a_scriptlet_made_is_judged() {
    let root = Place::booting(Build::New);
    root.file("lib/modules/other/config", config(false));
    root.file("lib/modules/other/vmlinuz", base(Build::Old));
    sleep(SETTLED);
    let mine = "/lib/modules/other/extra/kmp.ko";
    let package = root.package("kmp", &[(mine.to_owned(), module("kmp", Build::Old))]);
    install(&root, &[&package]).is("allow");
    let since = changed(&root.file(mine, module("kmp", Build::Old)));
    let again = || after(&root, since).install_closed("some", &[mine]).judge();
    again().is("allow");
    root.link(&format!("lib/modules/{RELEASE}/weak-updates/kmp.ko"), mine);
    // What another release's module does here only warns, where none worked before.
    again().finds(&["kmp refused warn"]);
}

#[test]
fn after_a_transaction_what_is_new_is_said_once() {
    let root = Place::booting(Build::New);
    let since = changed(&root.install("stale", Build::Old));
    let answer = after(&root, since).judge();
    // There is nothing left to block.
    answer.is("warn");
    let messages = answer.messages();
    let start = "warning btf-guard: after this transaction, the module will not load on kernel";
    assert!(messages[0].starts_with(start), "{messages:?}");
    assert!(
        !messages.concat().contains("nothing was changed"),
        "{messages:?}"
    );
    let keys = answer.keys();
    assert_eq!(keys.len(), 1);
    after_telling(&root, since, &keys).is("allow").is_silent();
    // What was there before is not this transaction's. A time may have been rounded to
    // the even second before.
    after(&root, since + 2).judge().is("warn");
    assert_eq!(judged(after(&root, since + 3).judge().is("allow")), 0);
}

#[test]
fn what_was_told_before_a_transaction_is_not_told_after_it() {
    let root = Place::booting(Build::New);
    let bad = kmp_of(&root, "stale", Build::Old);
    let keys = || install(&root, &[&bad]).keys();
    let said = keys();
    assert_eq!(said.len(), 1);
    // As rpm would have installed it.
    let since = changed(&root.install("stale", Build::Old));
    after_telling(&root, since, &said).is_silent();
    // What a scriptlet has made of it is news.
    root.install("made", Build::Old);
    let answer = after_telling(&root, since, &keys());
    answer.finds(&["made refused block", "stale refused info"]);
}

#[test]
fn a_scriptlet_may_work_for_another_release_than_its_package() {
    let root = Place::booting(Build::New);
    let package = kmp_of(&root, "stale", Build::Old);
    root.file("lib/modules/other/config", config(false));
    root.file("lib/modules/other/vmlinuz", base(Build::New));
    // Both kernels are older than the transaction.
    sleep(SETTLED);
    let since = changed(&root.install("stale", Build::Old));
    let judged = || after(&root, since).install(&package).judge();
    judged().finds(&["stale refused block"]);
    let made = module("made", Build::Old);
    root.file("lib/modules/other/extra/made.ko", made);
    judged().finds(&["stale refused block", "made refused block"]);
}

#[test]
fn a_kernel_that_is_new_meets_all_modules() {
    let root = Place::new();
    let module = root.install("kmp", Build::Old);
    sleep(SETTLED);
    // The module is older than the transaction; an entry leads to the image anew.
    let since = changed(&root.boot(Build::New));
    assert!(changed(&module) + 2 < since);
    after(&root, since).judge().finds(&["kmp refused block"]);
}

#[test]
fn an_image_that_cannot_be_read_is_said_once() {
    let root = Place::new();
    let image = root.boot(Build::New);
    root.install("fine", Build::New);
    fs::write(&image, "no kernel").unwrap();
    let since = changed(&image);
    let first = after(&root, since).judge();
    // What is wrong, and what to do.
    assert_eq!(first.messages().len(), 2, "{:?}", first.messages());
    after_telling(&root, since, &first.keys()).is_silent();
    // What is wrong with it now is something else: it was cut short.
    let whole = base(Build::New);
    fs::write(&image, &whole[..whole.len() - 2]).unwrap();
    let other = after_telling(&root, changed(&image), &first.keys());
    assert_eq!(other.says("/boot/vmlinuz-").messages().len(), 2);
    after(&root, changed(&image) + 10).judge().is_silent();
}

#[test]
fn of_one_release_all_is_judged_and_of_others_nothing() {
    let root = super::disk::with_stale_copy("default old.conf\n");
    root.install("fresh", Build::New);
    let other = "lib/modules/other";
    root.file(&format!("{other}/vmlinuz"), base(Build::New));
    root.file(&format!("{other}/config"), config(false));
    let stale = module("stale", Build::Old);
    root.file(&format!("{other}/extra/stale.ko"), stale);
    root.file("boot/vmlinuz-broken", "no kernel");

    let answer = now(&root, RELEASE).judge();
    answer.finds(&["fresh loads none", "fresh refused block"]);
    let messages = answer.is("warn").messages();
    let start = "warning btf-guard: the module will not load on kernel";
    assert!(messages[0].starts_with(start), "{messages:?}");
    assert!(!messages.concat().contains("broken"), "{messages:?}");

    now(&root, "other").judge().finds(&["stale refused warn"]);
    now(&root, "broken").judge().says("/boot/vmlinuz-broken: ");
    now(&root, "none").judge().is_silent();
}

#[test]
fn a_file_system_with_entries_that_is_named_is_looked_at() {
    let (root, esp) = (Place::new(), Place::new());
    root.config(false);
    root.install("fresh", Build::New);
    esp.file("token/old", base(Build::Old));
    let entry = format!("title old\nversion {RELEASE}\nlinux /token/old\n");
    esp.file("loader/entries/old.conf", entry);
    now(&root, RELEASE).judge().is_silent();
    let mut with = now(&root, RELEASE);
    with.plan.esps = vec![esp.path().to_owned()];
    with.judge().finds(&["fresh refused block"]);
}
