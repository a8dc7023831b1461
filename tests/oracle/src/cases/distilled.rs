// SPDX-License-Identifier: GPL-2.0-or-later
//! `.BTF.base`: pairs that libbpf distilled, whole and with defects.

use anyhow::{Context, Result, ensure};
use btf_guard_core::kernel::Kernel;
use btf_guard_tests::Extracted;
use btf_guard_tests::btf::{KFLAG, kind};
use btf_guard_tests::mutate::{Random, mutate};
use btf_guard_tests::parts::Parts;
use libbpf_distill::{LibbpfBase, Pair};

use super::genuine::{btf_of, spread};
use super::{Case, Family, Material};

/// A kernel that ignores `.BTF.base` needs to show no more than that.
const IGNORED: usize = 60;
/// BTF longer than this only costs time.
const LONGEST: usize = 60_000;

pub(super) fn pairs(material: &Material, count: usize, random: &mut Random) -> Result<Vec<Case>> {
    let count = if material.relocates {
        count
    } else {
        count.min(IGNORED)
    };
    let mut cases = Vec::new();
    // A third as libbpf made them: of its own modules, and of relatives' on their bases.
    let whole = count / 3;
    let mut pool = distill(material.kernel, material.base.bytes(), whole / 3)?;
    for other in material.others.iter().take(2) {
        let base = Kernel::open(&other.image, None)
            .with_context(|| other.image.display().to_string())?
            .base;
        pool.extend(distill(other, base.bytes(), whole / 3)?);
    }
    ensure!(!pool.is_empty(), "nothing could be distilled");
    for (label, pair) in &pool {
        let (split, base) = (pair.split.clone(), pair.base.clone());
        cases.push(Case::pair(Family::Distilled, label, split, base));
    }
    while cases.len() < count {
        let Some((_, pair)) = pool.get(random.below(pool.len())) else {
            continue;
        };
        let Some((label, defect)) = DEFECTS.get(cases.len() % DEFECTS.len()) else {
            continue;
        };
        let (Some(base), Some(split)) = (Parts::of(&pair.base), Parts::of(&pair.split)) else {
            continue;
        };
        if base.starts.is_empty() || split.starts.is_empty() {
            continue;
        }
        let mut broken = Broken { base, split };
        let (base, split) = defect(&mut broken, random);
        cases.push(Case::pair(Family::Distilled, *label, split, base));
    }
    Ok(cases)
}

fn distill(kernel: &Extracted, base: &[u8], count: usize) -> Result<Vec<(String, Pair)>> {
    let base = LibbpfBase::parse(base).with_context(|| format!("libbpf on {}", kernel.name))?;
    let mut pairs = Vec::new();
    for path in spread(&kernel.modules, count) {
        let Some(split) = btf_of(path)?.filter(|raw| raw.len() <= LONGEST) else {
            continue;
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let stem = name.split('.').next().unwrap_or_default();
        let label = format!("{}-{stem}", kernel.release);
        let pair = base
            .distill(&split)
            .with_context(|| format!("libbpf on {label}"))?;
        pairs.push((label, pair));
    }
    Ok(pairs)
}

struct Broken {
    base: Parts,
    split: Parts,
}

impl Broken {
    fn build(&self) -> (Vec<u8>, Vec<u8>) {
        (self.base.build(), self.split.build())
    }

    /// Where one of the distilled types begins.
    fn distilled(&self, random: &mut Random) -> usize {
        let which = random.below(self.base.starts.len());
        self.base.starts.get(which).copied().unwrap_or_default()
    }
}

type Defect = fn(&mut Broken, &mut Random) -> (Vec<u8>, Vec<u8>);

const DEFECTS: [(&str, Defect); 11] = [
    ("renamed", renamed),
    ("size", size),
    ("size-of-all", size_of_all),
    ("twice", twice),
    ("kind", kind_changed),
    ("anonymous", anonymous),
    ("encoding", encoding),
    ("embedded", embedded),
    ("no-such-id", no_such_id),
    ("base-random", base_random),
    ("split-random", split_random),
];

/// No type of that name is in the kernel.
fn renamed(broken: &mut Broken, random: &mut Random) -> (Vec<u8>, Vec<u8>) {
    let at = random.below(broken.base.strings.len());
    if let Some(byte) = broken.base.strings.get_mut(at).filter(|byte| **byte != 0) {
        *byte = random.pick(b"xQ_7.- ");
    }
    broken.build()
}

fn size(broken: &mut Broken, random: &mut Random) -> (Vec<u8>, Vec<u8>) {
    let at = broken.distilled(random) + 8;
    let size = broken.base.word(at);
    let new = random.pick(&[size + 8, size.wrapping_sub(8), 0, 1, 4, 8]);
    broken.base.set(at, new);
    broken.build()
}

fn size_of_all(broken: &mut Broken, _: &mut Random) -> (Vec<u8>, Vec<u8>) {
    for start in broken.base.starts.clone() {
        if [kind::STRUCT, kind::UNION].contains(&broken.base.kind(start)) {
            broken.base.set(start + 8, broken.base.word(start + 8) + 8);
        }
    }
    broken.build()
}

/// A type takes another's place: it is there two, three, more times.
fn twice(broken: &mut Broken, random: &mut Random) -> (Vec<u8>, Vec<u8>) {
    let whole: Vec<usize> = broken
        .base
        .starts
        .iter()
        .copied()
        .filter(|&at| broken.base.kind(at) != kind::INT)
        .collect();
    if whole.is_empty() {
        return broken.build();
    }
    let from = random.pick(&whole);
    let words = [0, 4, 8].map(|n| broken.base.word(from + n));
    for _ in 0..random.pick(&[1, 2, 6, 20]) {
        let to = random.pick(&whole);
        for (n, word) in [0, 4, 8].into_iter().zip(words) {
            broken.base.set(to + n, word);
        }
    }
    broken.build()
}

fn kind_changed(broken: &mut Broken, random: &mut Random) -> (Vec<u8>, Vec<u8>) {
    let at = broken.distilled(random) + 4;
    let kind = random.pick(&[
        kind::STRUCT,
        kind::UNION,
        kind::ENUM,
        kind::ENUM64,
        kind::FWD,
        kind::FLOAT,
        kind::TYPEDEF,
        kind::PTR,
    ]);
    let flag = if random.once_in(3) { KFLAG } else { 0 };
    broken.base.set(at, kind << 24 | flag);
    if kind == kind::FWD && random.once_in(2) {
        broken.base.set(at + 4, 0);
    }
    broken.build()
}

fn anonymous(broken: &mut Broken, random: &mut Random) -> (Vec<u8>, Vec<u8>) {
    let at = broken.distilled(random);
    broken.base.set(at, 0);
    broken.build()
}

fn encoding(broken: &mut Broken, random: &mut Random) -> (Vec<u8>, Vec<u8>) {
    let ints: Vec<usize> = broken
        .base
        .starts
        .iter()
        .copied()
        .filter(|&at| broken.base.kind(at) == kind::INT)
        .collect();
    if !ints.is_empty() {
        let at = random.pick(&ints) + 12;
        let new = broken.base.word(at) ^ random.pick(&[0x100_0000, 0x200_0000, 0x18, 0x400_0000]);
        broken.base.set(at, new);
    }
    broken.build()
}

/// Something that was pointed to is now held by value, and the other way round.
fn embedded(broken: &mut Broken, random: &mut Random) -> (Vec<u8>, Vec<u8>) {
    let references = broken.split.references();
    if !references.is_empty() {
        let reference = random.pick(&references);
        let id = 1 + random.below(broken.base.starts.len()) as u32;
        broken.split.set(reference.at, id);
        if random.once_in(2) {
            let at = broken.distilled(random) + 8;
            broken.base.set(at, broken.base.word(at).wrapping_add(8));
        }
    }
    broken.build()
}

/// The split BTF names a type that is neither in the distilled base nor its own.
fn no_such_id(broken: &mut Broken, random: &mut Random) -> (Vec<u8>, Vec<u8>) {
    let references = broken.split.references();
    if !references.is_empty() {
        let reference = random.pick(&references);
        let all = (1 + broken.base.starts.len() + broken.split.starts.len()) as u32;
        broken
            .split
            .set(reference.at, all + random.pick(&[0, 1, 50]));
    }
    broken.build()
}

fn base_random(broken: &mut Broken, random: &mut Random) -> (Vec<u8>, Vec<u8>) {
    let (mut base, split) = broken.build();
    mutate(&mut base, random);
    (base, split)
}

fn split_random(broken: &mut Broken, random: &mut Random) -> (Vec<u8>, Vec<u8>) {
    let (base, mut split) = broken.build();
    mutate(&mut split, random);
    (base, split)
}
