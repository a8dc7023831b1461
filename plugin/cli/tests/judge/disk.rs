// SPDX-License-Identifier: GPL-2.0-or-later
//! What the disk has before a transaction: copies of kernels, links between releases.

use std::fs;

use crate::common::judge::{Transaction, install, kernel, kmp_of};
use crate::common::{Build, Place, RELEASE, base, config, module, module_path};

/// A root whose module directory has an image, and whose EFI system partition has
/// a copy of it and one of another build. `default` is what `loader.conf` says.
pub(crate) fn with_stale_copy(default: &str) -> Place {
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
fn a_copy_that_boots_by_default_decides_and_follows_the_image_that_comes() {
    let root = with_stale_copy("default old.conf\n");
    let new = kmp_of(&root, "fresh", Build::New);
    let answer = install(&root, &[&new]);
    answer.finds(&["fresh loads none", "fresh refused block"]);
    answer.says("help: this copy is stale, and it is what boots: ");

    let kernel = kernel(&root, "kernel", Build::New);
    let answer = install(&root, &[&new, &kernel]);
    let also = &answer.is("allow").0["kernels"][0]["same_kernel_paths"];
    assert_eq!(also.as_array().unwrap().len(), 3, "{also:?}");
}

#[test]
fn a_copy_that_nothing_boots_by_default_warns() {
    let root = with_stale_copy("default new.conf\n");
    let new = kmp_of(&root, "fresh", Build::New);
    let answer = install(&root, &[&new]);
    answer.is("warn");
    answer.finds(&["fresh loads none", "fresh refused warn"]);
    // One that neither takes is still a reason to stop.
    let neither = kmp_of(&root, "odd", Build::Odd);
    let answer = install(&root, &[&neither]);
    answer.finds(&["odd refused block", "odd refused block"]);
}

#[test]
fn an_image_under_another_name_is_read() {
    let root = Place::new();
    let dir = format!("/lib/modules/{RELEASE}");
    let image = (format!("{dir}/Image"), base(Build::New));
    let config = (format!("{dir}/config"), config(false).into());
    let kernel = root.package("kernel", &[image, config]);
    let old = kmp_of(&root, "stale", Build::Old);
    install(&root, &[&old, &kernel]).finds(&["stale refused block"]);
}

#[test]
fn what_other_releases_link_to_is_their_module_too() {
    let root = Place::booting(Build::New);
    let mine = "/lib/modules/6.0.0-other/extra/kmp.ko".to_owned();
    let link = format!("/lib/modules/{RELEASE}/weak-updates/kmp.ko");
    root.file(&mine, module("kmp", Build::New));
    root.link(&link, &mine);
    let update = |build| {
        let package = root.package("kmp", &[(mine.clone(), module("kmp", build))]);
        install(&root, &[&package])
    };
    update(Build::New).is("allow");
    let answer = update(Build::Old);
    answer.finds(&["kmp refused block"]);
    assert_eq!(answer.0["modules"][0]["path"], link);
    // Wherever the link is, and whatever other links there are.
    let first = format!("/lib/modules/{RELEASE}/extra");
    root.link(&format!("{first}/kmp.ko"), &mine);
    update(Build::Old).finds(&["kmp refused block"]);
    fs::remove_dir_all(root.path().join(first.trim_start_matches('/'))).unwrap();
    root.link(&first, "../6.0.0-other/extra");
    update(Build::Old).finds(&["kmp refused block"]);
    // It was so before, if the link led to such a module already.
    root.file(&mine, module("kmp", Build::Old));
    update(Build::Old).finds(&["kmp refused info"]);
}

#[test]
fn a_kernel_that_stays_without_its_own_modules_misses_them() {
    let root = Place::booting(Build::New);
    let own = format!("/lib/modules/{RELEASE}/kernel/own.ko");
    root.file(&own, module("own", Build::New));
    let erase = |paths: &[&str]| Transaction::on(&root).erase(paths).judge();
    erase(&[&own])
        .finds(&[" no-modules block"])
        .says("has no modules");
    // A kernel that goes as a whole, or keeps some, misses nothing.
    erase(&[&own, &format!("/boot/vmlinuz-{RELEASE}")]).is("allow");
    root.install("kmp", Build::New);
    erase(&[&own]).is("allow");
    erase(&[&module_path("kmp")]).is("allow");
}

#[test]
fn images_are_kept_in_a_cache_that_the_confined_judge_can_write() {
    let root = Place::booting(Build::New);
    let bad = kmp_of(&root, "stale", Build::Old);
    let cache = root.path().join("var/cache/btf-guard");
    let judged = |times: usize| {
        let transaction = Transaction::on(&root).install(&bad);
        transaction.judge_with(&cache).is("block");
        assert_eq!(fs::read_dir(&cache).unwrap().count(), times);
    };
    judged(1);
    judged(1);
    root.file(&format!("lib/modules/{RELEASE}/vmlinuz"), base(Build::Odd));
    judged(2);
}
