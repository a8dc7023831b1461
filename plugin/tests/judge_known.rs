//! `btf-guard judge` and what it remembers: compressed modules that load.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use btf_guard::kernel::cache::Cache;
use btf_guard::kernel::{Config, Kernel};
use btf_guard::place::plan::Stage;
use btf_guard::verdict::{Causes, ContentDigest, Known};
use common::judge::{Answer, Transaction};
use common::{Build, Place, RELEASE, base, module, module_path};

fn packed(name: &str, build: Build) -> Vec<u8> {
    zstd::encode_all(&module(name, build)[..], 1).unwrap()
}

fn packed_path(name: &str) -> String {
    format!("{}.zst", module_path(name))
}

/// A package of one compressed module.
fn package(files: &Place, name: &str, build: Build) -> PathBuf {
    files.package(name, &[(packed_path(name), packed(name, build))])
}

fn known(cache: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.extension().is_some_and(|e| e == "known"))
        .collect()
}

fn before(root: &Place, package: &Path, cache: &Path) -> Answer {
    Transaction::on(root).install(package).judge_with(cache)
}

#[test]
fn a_module_that_is_known_to_load_is_not_judged_again() {
    let (root, files) = (Place::new(), Place::new());
    let image = root.boot(Build::New);
    let cache = root.path().join("var/cache/btf-guard");
    let stale = package(&files, "stale", Build::Old);
    assert_eq!(before(&root, &stale, &cache).decision(), "block");
    assert!(known(&cache).is_empty());

    // What the cache says is believed: nobody else can write it.
    let config = Config::from_file(&root.config(false)).unwrap();
    let mut kernel = Kernel::open(&image, Some(&config)).unwrap();
    kernel.release = Some(RELEASE.to_owned());
    let memory = Known::open(&Cache::open(&cache).unwrap(), [&kernel], &Causes::all());
    memory.add(ContentDigest::of(&packed("stale", Build::Old)), &[0]);
    memory.save();
    let answer = before(&root, &stale, &cache);
    assert_eq!(answer.decision(), "allow");
    assert_eq!(answer.0["summary"]["loads"], 1);
    assert_eq!(answer.0["kernels"][0]["judged"], 1);
    // So it is after the transaction, of the file on the disk.
    let there = root.file(&packed_path("stale"), packed("stale", Build::Old));
    let mut after = Transaction::on(&root);
    after.plan.stage = Stage::After;
    after.plan.since = Some(0);
    let answer = after.judge_with(&cache);
    assert_eq!(answer.decision(), "allow");
    assert_eq!(answer.0["summary"]["loads"], 1);
    // A file that is damaged is not.
    fs::remove_file(there).unwrap();
    let [file] = &known(&cache)[..] else {
        panic!("one set");
    };
    let mut bytes = fs::read(file).unwrap();
    bytes[0] ^= 1;
    fs::write(file, bytes).unwrap();
    assert_eq!(before(&root, &stale, &cache).decision(), "block");
}

#[test]
fn another_kernel_or_config_asks_again() {
    let (root, files) = (Place::new(), Place::new());
    root.boot(Build::New);
    let cache = root.path().join("var/cache/btf-guard");
    let fine = package(&files, "fine", Build::New);
    assert_eq!(before(&root, &fine, &cache).decision(), "allow");
    assert_eq!(known(&cache).len(), 1);

    let image = root.boot(Build::Old);
    assert_eq!(
        before(&root, &fine, &cache).verdicts(),
        ["fine refused block"]
    );
    root.config(true);
    let answer = before(&root, &fine, &cache);
    assert_eq!(answer.verdicts(), ["fine btf-discarded warn"]);
    fs::write(&image, base(Build::New)).unwrap();
    assert_eq!(before(&root, &fine, &cache).decision(), "allow");
    assert_eq!(known(&cache).len(), 2);
}

#[test]
fn what_comes_with_its_kernel_is_known_on_the_disk() {
    let (root, files) = (Place::new(), Place::new());
    let (module, path) = (packed("fine", Build::New), packed_path("fine"));
    let release = RELEASE;
    let image = format!("/lib/modules/{release}/vmlinuz");
    let config = format!("/lib/modules/{release}/config");
    let package = files.package(
        "kernel",
        &[
            (path.clone(), module.clone()),
            (image.clone(), base(Build::New)),
            (config.clone(), common::config(false).into()),
        ],
    );
    let cache = root.path().join("var/cache/btf-guard");
    assert_eq!(before(&root, &package, &cache).decision(), "allow");
    let [set] = &known(&cache)[..] else {
        panic!("one set");
    };
    let found = fs::read(set).unwrap();
    root.file(&path, module);
    root.file(&image, base(Build::New));
    root.file(&config, common::config(false));
    let mut after = Transaction::on(&root);
    after.plan.stage = Stage::After;
    after.plan.since = Some(0);
    let answer = after.judge_with(&cache);
    assert_eq!(answer.0["summary"]["loads"], 1);
    // The same set, and nothing new in it.
    assert_eq!(known(&cache), std::slice::from_ref(set));
    assert_eq!(fs::read(set).unwrap(), found);
}
