// SPDX-License-Identifier: GPL-2.0-or-later
//! What a transaction brings.

use std::path::Path;

use crate::common::judge::{Transaction, kmp_of};
use crate::common::{Build, Place, RELEASE, links, module, module_path};
use crate::{counted, grows_linearly, instructions};

/// What the judge takes.
pub(crate) fn judge(transaction: &Transaction) -> f64 {
    let (code, out, err) = transaction.ask(counted(), Path::new("none"));
    assert_eq!(code, 0, "{out}{err}");
    instructions(&err)
}

fn files(count: usize, build: Build) -> Vec<(String, Vec<u8>)> {
    let names = (0..count).map(|number| format!("module_{number}"));
    names
        .map(|name| (module_path(&name), module(&name, build)))
        .collect()
}

#[test]
fn modules_that_load() {
    grows_linearly(150, |count| {
        let root = Place::booting(Build::New);
        let package = root.package("many", &files(count, Build::New));
        judge(&Transaction::on(&root).install(&package))
    });
}

#[test]
fn modules_that_are_refused() {
    grows_linearly(150, |count| {
        let root = Place::booting(Build::New);
        let package = root.package("many", &files(count, Build::Old));
        judge(&Transaction::on(&root).install(&package))
    });
}

#[test]
fn hard_links_to_one_module() {
    grows_linearly(400, |count| {
        let root = Place::booting(Build::New);
        let paths: Vec<_> = files(count, Build::New)
            .into_iter()
            .map(|(path, _)| path)
            .collect();
        let package = links(&paths, &module("one", Build::Old));
        let package = root.file("links.rpm", package);
        judge(&Transaction::on(&root).install(&package))
    });
}

#[test]
fn packages() {
    grows_linearly(12, |count| {
        let root = Place::booting(Build::New);
        let names = (0..count).map(|number| format!("kmp_{number}"));
        let packages = names.map(|name| kmp_of(&root, &name, Build::Old));
        let on = Transaction::on(&root);
        judge(&packages.fold(on, |all, package| all.install(&package)))
    });
}

/// Each is compared with those that were loaded before under its name.
#[test]
fn modules_in_the_place_of_others() {
    grows_linearly(100, |count| {
        let root = Place::booting(Build::New);
        for (path, content) in files(count, Build::Old) {
            root.file(&path, content);
        }
        let package = root.package("many", &files(count, Build::Odd));
        judge(&Transaction::on(&root).install(&package))
    });
}

#[test]
fn paths_that_are_erased() {
    grows_linearly(2_000, |count| {
        let root = Place::booting(Build::New);
        root.install("stays", Build::Old);
        let gone: Vec<_> = (0..count)
            .map(|number| module_path(&format!("gone_{number}")))
            .collect();
        let gone: Vec<_> = gone.iter().map(String::as_str).collect();
        judge(&Transaction::on(&root).erase(&gone))
    });
}

#[test]
fn links_of_another_release() {
    grows_linearly(100, |count| {
        let root = Place::booting(Build::New);
        let files = files(count, Build::Old);
        let other = "6.18.0-other";
        for (path, _) in &files {
            let link = path
                .replace(RELEASE, other)
                .replace("updates", "weak-updates");
            root.link(&link, path);
        }
        let package = root.package("many", &files);
        judge(&Transaction::on(&root).install(&package))
    });
}
