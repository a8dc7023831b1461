#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::btf::{Order, sample_btf};
use crate::kernel::{Config, Image};

fn kernel(release: &str, tail: &str) -> Kernel {
    let image = Image {
        base_btf: sample_btf(Order::Little, 24, tail, 0),
        base_sha256: None,
        release: Some(release.to_owned()),
        build: None,
        build_id: None,
        target: None,
        config: None,
    };
    Kernel::from_image(image, Path::new("/vmlinuz"), Config::default()).unwrap()
}

fn cache(dir: &tempfile::TempDir) -> Cache {
    Cache::open(&dir.path().join("cache")).unwrap()
}

fn knows(cache: &Cache, kernels: &[Kernel], causes: &Causes, met: &[usize]) -> bool {
    Known::open(cache, kernels, causes).contains(ContentDigest::of(b"module"), met)
}

fn learn(cache: &Cache, kernels: &[Kernel]) {
    let known = Known::open(cache, kernels, &Causes::all());
    known.add(ContentDigest::of(b"module"), &[0]);
    assert!(!known.contains(ContentDigest::of(b"module"), &[0]));
    known.save();
}

fn file(cache: &Cache) -> PathBuf {
    let mut all = fs::read_dir(cache.dir()).unwrap();
    all.next().unwrap().unwrap().path()
}

#[test]
fn what_loads_is_known_the_next_time_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let cache = cache(&dir);
    let (one, all) = (kernel("6.1", "one"), Causes::all());
    learn(&cache, std::slice::from_ref(&one));
    let now = |kernels: &[Kernel], met: &[usize]| knows(&cache, kernels, &all, met);
    assert!(now(std::slice::from_ref(&one), &[0]));
    // The same kernel at two places is one.
    assert!(now(&[one.clone(), one.clone()], &[0, 1]));
    let known = Known::open(&cache, std::slice::from_ref(&one), &all);
    assert!(!known.contains(ContentDigest::of(b"other"), &[0]));
    assert!(!known.contains(ContentDigest::of(b"module"), &[0, 1]));
}

#[test]
fn all_that_a_verdict_depends_on_makes_another_set() {
    let dir = tempfile::tempdir().unwrap();
    let cache = cache(&dir);
    let (one, all) = (kernel("6.1", "one"), Causes::all());
    learn(&cache, std::slice::from_ref(&one));
    let mut others: Vec<Vec<Kernel>> = vec![
        vec![kernel("6.1", "two")],
        vec![kernel("6.2", "one")],
        vec![one.clone(), kernel("6.1", "two")],
        vec![],
    ];
    for change in [
        |kernel: &mut Kernel| kernel.config.allow_mismatch = Some(true),
        |kernel: &mut Kernel| kernel.config.module_btf = Some(false),
        |kernel: &mut Kernel| kernel.abilities.kinds += 1,
    ] {
        let mut other = one.clone();
        change(&mut other);
        others.push(vec![other]);
    }
    for kernels in others {
        assert!(!knows(&cache, &kernels, &all, &[0]), "{kernels:?}");
    }
    let fewer = "architecture".parse().unwrap();
    assert!(!knows(&cache, std::slice::from_ref(&one), &fewer, &[0]));
}

#[test]
fn a_file_that_is_not_as_it_was_written_counts_as_none() {
    let dir = tempfile::tempdir().unwrap();
    let cache = cache(&dir);
    let kernels = [kernel("6.1", "one")];
    let all = Causes::all();
    learn(&cache, &kernels);
    let file = file(&cache);
    let good = fs::read(&file).unwrap();
    let entry = good.len() - ENTRY;
    // An entry that somebody has put there without the digest of the whole.
    let mut longer = good.clone();
    longer.extend_from_slice(&good[entry..]);
    for bytes in [&good[..entry + 1], &good[entry..], &longer, b""] {
        fs::write(&file, bytes).unwrap();
        assert!(!knows(&cache, &kernels, &all, &[0]));
    }
    for at in [0, entry] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        fs::write(&file, bytes).unwrap();
        assert!(!knows(&cache, &kernels, &all, &[0]));
    }
    // What others could have written is not looked at.
    fs::write(&file, &good).unwrap();
    assert!(knows(&cache, &kernels, &all, &[0]));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    fs::set_permissions(&file, mode).unwrap();
    assert!(!knows(&cache, &kernels, &all, &[0]));
}
