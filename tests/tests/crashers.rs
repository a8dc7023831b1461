//! Every input that once crashed a fuzz target, through the same function.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

use std::path::Path;

use btf_guard_tests::btf::{Btf, Era};
use btf_guard_tests::mutate::{Random, generate};
use btf_guard_tests::{elf, initrd};

#[path = "../../fuzz/src/targets.rs"]
mod targets;

type Target = fn(&[u8]);

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

#[test]
fn kept_inputs_crash_no_more() {
    replay("btf", targets::btf);
    replay("module", targets::module);
    replay("image", targets::image);
    replay("initrd", targets::initrd);
    replay("package", targets::package);
    replay("plan", targets::plan);
    replay("boot", targets::boot);
    replay("frames", targets::frames);
}
