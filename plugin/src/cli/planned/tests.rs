//! One pass over a payload, with and without room for its modules. What the judge
//! makes of whole transactions is in `tests/judge*.rs`.

#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::PathBuf;

use btf_guard::place::plan::{Action, Element};
use btf_guard::place::roots::Root;
use rpm::{BuildConfig, CompressionType, FileOptions, PackageBuilder};

use super::super::governed::Governed;
use super::*;

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
    const INT: u32 = 1 << 24;
    const STRUCT: u32 = 4 << 24;
    let split = |base: u32| btf(&[base, STRUCT, 0], b"thing\0");
    let mut files = vec![
        (image.to_owned(), btf(&[1, INT, 4, 32], b"\0int\0")),
        (
            format!("/lib/modules/{RELEASE}/config"),
            b"CONFIG_MODULES=y\n".to_vec(),
        ),
    ];
    for number in 0..4 {
        let path = format!("/lib/modules/{RELEASE}/kernel/m{number}.ko");
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

fn judge(package: &[u8], shelf: &Shelf) -> Found {
    let dir = tempfile::tempdir().unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(package).unwrap();
    let root = Root::new(dir.path()).unwrap();
    let governed = Governed::read(Some(dir.path()), true);
    let scene = Scene {
        root: &root,
        running: None,
        cache: None,
        governed: &governed,
    };
    let mut plan = Plan::new(PathBuf::from(dir.path()));
    plan.elements.push(Element {
        nevra: "kernel-1-1.x86_64".to_owned(),
        action: Action::Install,
        file: None,
        paths: Vec::new(),
    });
    with_shelf(&scene, &plan, vec![Some(file)], shelf)
}

/// A pool of one thread.
fn alone() -> rayon::ThreadPool {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1);
    pool.build().unwrap()
}

/// Name and verdict of each module, and the errors.
fn told(found: &Found) -> (Vec<String>, Vec<&str>) {
    let modules = found.modules.iter().map(|Placed { module, .. }| {
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
fn modules_before_and_behind_their_kernel_are_judged_in_one_pass() {
    for image in [FIRST, LAST] {
        let package = package(image);
        let shelf = Shelf::new();
        let found = judge(&package, &shelf);
        assert_eq!(told(&found), (ALL.map(str::to_owned).to_vec(), vec![]));
        assert_eq!(shelf.reads(), 4, "{image}");
    }
}

#[test]
fn what_finds_no_room_is_read_again() {
    for image in [FIRST, LAST] {
        for room in [0, 1, 700] {
            let shelf = Shelf::with_room_for(room);
            // One after the other: several at once may all find room.
            let found = alone().install(|| judge(&package(image), &shelf));
            assert_eq!(told(&found), (ALL.map(str::to_owned).to_vec(), vec![]));
            assert!(shelf.reads() < 4, "{image} {room}");
        }
    }
}

#[test]
fn a_payload_that_is_damaged_is_said_once() {
    for image in [FIRST, LAST] {
        for room in [0, usize::MAX] {
            let mut package = package(image);
            package.truncate(package.len() - 4);
            let found = judge(&package, &Shelf::with_room_for(room));
            let (_, errors) = told(&found);
            assert_eq!(errors.len(), 1, "{image} {room}: {errors:?}");
        }
    }
}
