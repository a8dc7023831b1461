// SPDX-License-Identifier: GPL-2.0-or-later
//! How often things are read and done. What the judge makes of whole transactions is
//! in `tests/judge*.rs`.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use btf_guard_protocol::decision::Mode;
use btf_guard_protocol::plan::{Action, Element};
use btf_guard_sysroot::{Root, counters};
use rpm::{BuildConfig, CompressionType, FileOptions, PackageBuilder};

use super::*;
use crate::evaluate::effective_policy::Governed;
use crate::report;
use crate::time_limit::TimeLimit;

const RELEASE: &str = "6.1.0-test";

/// A BTF whose strings are `strings`, with a type that continues them.
fn btf(types: &[u32], strings: &[u8]) -> Vec<u8> {
    let size = types.len() as u32 * 4;
    let mut bytes = vec![0x9f, 0xeb, 1, 0];
    for word in [24, 0, size, size, strings.len() as u32]
        .iter()
        .chain(types)
    {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(strings);
    bytes
}

/// An ELF file of one section beside the names: a module's `.BTF`.
fn module(split: &[u8]) -> Vec<u8> {
    let names = b"\0.BTF\0.shstrtab\0";
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(16, 0);
    elf.extend([1, 0, 62, 0, 1, 0, 0, 0]);
    elf.resize(40, 0);
    let table = 64 + names.len() + split.len();
    elf.extend((table as u64).to_le_bytes());
    elf.extend([0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 64, 0, 3, 0, 2, 0]);
    elf.extend(names);
    elf.extend(split);
    let mut section = |name: u32, kind: u32, at: usize, size: usize| {
        for word in [name, kind, 0, 0, 0, 0] {
            elf.extend(word.to_le_bytes());
        }
        for word in [at, size, 0, 1, 0] {
            elf.extend((word as u64).to_le_bytes());
        }
    };
    section(0, 0, 0, 0);
    section(1, 1, 64 + names.len(), split.len());
    section(6, 3, 64, names.len());
    elf
}

/// A package of a kernel, its image before or behind its modules `0` to `3`, of
/// which `2` has the BTF of another build.
fn package(image: &str) -> Vec<u8> {
    package_of(RELEASE, image)
}

fn package_of(release: &str, image: &str) -> Vec<u8> {
    const INT: u32 = 1 << 24;
    const STRUCT: u32 = 4 << 24;
    let split = |base: u32| btf(&[base, STRUCT, 0], b"thing\0");
    let mut files = vec![
        (image.to_owned(), btf(&[1, INT, 4, 32], b"\0int\0")),
        (
            format!("/lib/modules/{release}/config"),
            b"CONFIG_MODULES=y\n".to_vec(),
        ),
    ];
    for number in 0..4 {
        let path = format!("/lib/modules/{release}/kernel/m{number}.ko");
        files.push((path, module(&split(if number == 2 { 4 } else { 5 }))));
    }
    let mut builder = PackageBuilder::new("kernel", "1", "GPL-2.0", "x86_64", "kernel");
    builder.using_config(BuildConfig::v4().compression(CompressionType::Gzip));
    for (path, content) in files {
        let options = FileOptions::new(path);
        builder.with_file_contents(content, options).unwrap();
    }
    let mut bytes = Vec::new();
    builder.build().unwrap().write(&mut bytes).unwrap();
    bytes
}

fn judge(package: &[u8]) -> Evaluated {
    judge_in(tempfile::tempdir().unwrap().path(), package, Vec::new())
}

fn judge_in(dir: &Path, package: &[u8], paths: Vec<PathBuf>) -> Evaluated {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(package).unwrap();
    let root = Root::new(dir).unwrap();
    let governed = Governed::read(Some(dir), true);
    let scene = Scene {
        root: &root,
        running: None,
        limit: TimeLimit::default(),
        limit_of_comparison: TimeLimit::default(),
        cache: None,
        governed: &governed,
        owners: BTreeMap::new(),
        drivers: None,
    };
    let mut plan = Plan::new(PathBuf::from(dir));
    plan.elements.push(Element {
        nevra: "kernel-1-1.x86_64".to_owned(),
        action: Action::Install,
        file: None,
        paths,
        moved: Vec::new(),
    });
    super::judge(&scene, &plan, vec![Some(file)])
}

/// Name and verdict of each module, and the errors.
fn told(found: &Evaluated) -> (Vec<String>, Vec<&str>) {
    let modules = found.modules.iter().map(|LocatedModule { module, .. }| {
        let verdicts: Vec<_> = module.verdicts.iter().map(|v| v.verdict).collect();
        format!("{} {verdicts:?}", module.name)
    });
    let errors = found.errors.iter().map(|error| error.error.as_str());
    (modules.collect(), errors.collect())
}

const FIRST: &str = "/boot/vmlinuz-6.1.0-test";
const LAST: &str = "/lib/modules/6.1.0-test/vmlinuz";
const ALL: [&str; 4] = ["m0 [Loads]", "m1 [Loads]", "m2 [Refused]", "m3 [Loads]"];

#[test]
fn modules_before_and_behind_their_kernel_are_judged() {
    for image in [FIRST, LAST] {
        let found = judge(&package(image));
        assert_eq!(told(&found), (ALL.map(str::to_owned).to_vec(), vec![]));
    }
}

#[test]
fn a_payload_that_is_damaged_is_said_once() {
    for image in [FIRST, LAST] {
        let mut package = package(image);
        package.truncate(package.len() - 4);
        let found = judge(&package);
        let (_, errors) = told(&found);
        assert_eq!(errors.len(), 1, "{image}: {errors:?}");
    }
}

/// Each path of a transaction is classified once, each directory walked once, each
/// verdict rated once.
#[test]
fn nothing_is_done_twice() {
    counters::start();
    // Other tests count, too.
    let release = "6.1.0-counted";
    let dir = tempfile::tempdir().unwrap();
    let modules = dir.path().join("lib/modules").join(release);
    // Of the same rank as `kernel/` where nothing is configured.
    fs::create_dir_all(modules.join("extra")).unwrap();
    let own = |name: &str| modules.join("extra").join(name);
    fs::write(own("stays.ko"), module(&btf(&[4, 4 << 24, 0], b"thing\0"))).unwrap();
    // The one of its name before: a finding is compared with it.
    fs::write(own("m2.ko"), module(&btf(&[5, 4 << 24, 0], b"thing\0"))).unwrap();
    let image = format!("/lib/modules/{release}/vmlinuz");
    let mut paths: Vec<PathBuf> = (0..4)
        .map(|number| format!("/lib/modules/{release}/kernel/m{number}.ko").into())
        .collect();
    paths.push(image.clone().into());
    let found = judge_in(dir.path(), &package_of(release, &image), paths);
    assert_eq!(found.modules.len(), 6, "{:?}", told(&found));
    let report = report::assemble(
        found.kernels,
        found.modules.into_iter().map(|l| l.module).collect(),
        found.errors,
        Mode::Block,
    );
    let policy = Governed::read(Some(dir.path()), true);
    let ruling = policy
        .rating(BTreeMap::new())
        .ruling(&report, Mode::Block, None);
    assert_eq!(ruling.overrides.len(), 0);

    let counted = |what, expected: usize| {
        let mut counted = counters::counted(what);
        counted.retain(|subject, _| {
            subject.contains(release) || subject.starts_with(dir.path().to_str().unwrap())
        });
        assert_eq!(counted.len(), expected, "{what}: {counted:?}");
        assert!(
            counted.values().all(|times| *times == 1),
            "{what}: {counted:?}"
        );
    };
    // Four modules, the image and its config.
    counted("classify", 6);
    // The tree, and before it what lies beside `kernel/`, for links.
    counted("walk", 2);
    counted("rate", 6);
}
