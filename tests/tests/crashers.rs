// SPDX-License-Identifier: GPL-2.0-or-later
//! Every input that once crashed a fuzz target, through the same function.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

use std::path::Path;

use btf_guard_tests::btf::{Btf, Era};
use btf_guard_tests::mutate::{Random, generate};
use btf_guard_tests::{elf, initrd, seeds};

#[path = "../../fuzz/src/targets.rs"]
mod targets;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 18] = [
    ("answer", crate::targets::kept::answer),
    ("boot", targets::boot),
    ("btf", targets::btf),
    ("cache", crate::targets::kept::cache),
    ("config", crate::targets::wishes::config),
    ("frames", targets::frames),
    ("handoff", crate::targets::kept::handoff),
    ("image", targets::image),
    ("initrd", targets::initrd),
    ("kmsg", crate::targets::machine::kmsg),
    ("module", targets::module),
    ("needed", crate::targets::machine::needed),
    ("overrides", crate::targets::wishes::overrides),
    ("package", targets::package),
    ("plan", targets::plan),
    ("process", crate::targets::machine::process),
    ("programs", crate::targets::programs::programs),
    ("standing", crate::targets::kept::standing),
];

/// The kept inputs of one target.
fn replay(target: &str, run: Target) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/crashers")
        .join(target);
    let Ok(entries) = std::fs::read_dir(&dir) else {
        // Nothing of this target has crashed yet.
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        run(&std::fs::read(&path).unwrap());
    }
}

/// What the fuzzer starts from, so that this file tests something as long as
/// nothing has crashed.
#[test]
fn seeds_and_their_prefixes_crash_nothing() {
    let base = Era::V6_18.base();
    let mut split = Btf::split(&base);
    generate(&mut split, 40, &mut Random::new(7));
    let split = split.build();
    let vmlinux = elf::vmlinux("6.18.15-test", &base.build());
    let seeds: [(Target, Vec<u8>); 5] = [
        (targets::btf, [&[3, 0], &split[..]].concat()),
        (targets::module, elf::named_module("seed", &split)),
        (
            targets::initrd,
            initrd::joined(&elf::named_module("seed", &split)),
        ),
        (targets::image, vmlinux.clone()),
        (
            targets::image,
            elf::bzimage("6.18.15-test", &zstd::encode_all(&vmlinux[..], 3).unwrap()),
        ),
    ];
    for (run, seed) in seeds {
        for end in (0..=seed.len()).rev().step_by(1 + seed.len() / 500) {
            run(&seed[..end]);
        }
    }
}

/// Nor does a text that ends early or has another byte somewhere.
#[test]
fn texts_and_what_is_like_them_crash_nothing() {
    for (name, _, text) in seeds::TEXTS {
        let (_, run) = TARGETS.iter().find(|(own, _)| own == name).unwrap();
        let text = text.as_bytes();
        run(text);
        for at in (0..text.len()).step_by(1 + text.len() / 60) {
            run(&text[..at]);
            let mut other = text.to_vec();
            for byte in [0xff, b'"', b'9', b'\n'] {
                other[at] = byte;
                run(&other);
            }
        }
    }
}

#[test]
fn every_target_is_run_here() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/fuzz_targets");
    let names = std::fs::read_dir(dir).unwrap();
    let names = names.map(|entry| entry.unwrap().path());
    let mut names: Vec<_> = names
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, TARGETS.map(|(name, _)| name));
}

#[test]
fn kept_inputs_crash_no_more() {
    for (name, run) in TARGETS {
        replay(name, run);
    }
}
