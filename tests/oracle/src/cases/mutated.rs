// SPDX-License-Identifier: GPL-2.0-or-later
//! BTF with defects: some aimed at a rule, some at random.

use anyhow::{Result, ensure};
use btf_guard_tests::btf::{Btf, KFLAG, kind};
use btf_guard_tests::mutate::{Random, generate, mutate};
use btf_guard_tests::parts::Parts;

use super::genuine::{btf_of, spread};
use super::{Case, Family, Material};

/// BTF longer than this only costs time.
const LONGEST: usize = 30_000;
/// How many real modules the defects are put into.
const POOL: usize = 80;

/// Bytes that make a difference in a name: what `isalnum()` of the kernel takes,
/// what it does not, Latin-1, and what ends a string.
const LETTERS: [u8; 22] = [
    0, 9, b' ', b'"', b'%', b'-', b'.', b'0', b'9', b'A', b'\\', b'_', b'~', 0x7f, 0x80, 0xa0,
    0xaa, 0xc0, 0xd7, 0xe9, 0xf7, 0xff,
];

pub(super) fn real(material: &Material, count: usize, random: &mut Random) -> Result<Vec<Case>> {
    let mut pool = Vec::new();
    for path in spread(&material.kernel.modules, POOL) {
        let raw = btf_of(path)?.filter(|raw| raw.len() <= LONGEST);
        pool.extend(
            raw.and_then(|raw| Parts::of(&raw))
                .filter(|parts| !parts.starts.is_empty()),
        );
    }
    ensure!(!pool.is_empty(), "no module with a small BTF");
    let mut cases = Vec::new();
    while cases.len() < count {
        let which = cases.len() % DEFECTS.len();
        let whole = pool.get(random.below(pool.len()));
        let (Some(whole), Some((label, defect))) = (whole, DEFECTS.get(which)) else {
            continue;
        };
        let raw = defect(&mut whole.clone(), material, random);
        cases.push(Case::carried(Family::Mutated, *label, raw));
    }
    Ok(cases)
}

pub(super) fn generated(
    material: &Material,
    count: usize,
    random: &mut Random,
) -> Result<Vec<Case>> {
    let cases = (0..count).map(|index| {
        let mut b = Btf::continuing(material.base.types(), material.base.strings_len());
        let types = 1 + random.below(12);
        generate(&mut b, types, random);
        let mut raw = b.build();
        // Every second one only has what `generate` does wrong.
        if index % 2 == 0 {
            mutate(&mut raw, random);
        }
        Case::carried(Family::Generated, "generated", raw)
    });
    Ok(cases.collect())
}

type Defect = fn(&mut Parts, &Material, &mut Random) -> Vec<u8>;

const DEFECTS: [(&str, Defect); 13] = [
    ("header", header),
    ("length", length),
    ("longer-header", longer_header),
    ("word", word),
    ("word-again", word),
    ("info", info),
    ("letter", letter),
    ("letter-again", letter),
    ("name-or-size", name_or_size),
    ("type-dropped", type_dropped),
    ("type-added", type_added),
    ("shifted", shifted),
    ("random", at_random),
];

/// Numbers at which a rule may change its mind.
fn telling(parts: &Parts, material: &Material, random: &mut Random) -> u32 {
    let (types, strings) = (material.base.types(), material.base.strings_len());
    let (own, own_strings) = (parts.starts.len() as u32, parts.strings.len() as u32);
    let base_type = 1 + random.below(types as usize - 1) as u32;
    let base_string = 1 + random.below(strings as usize - 1) as u32;
    let any = random.any();
    random.pick(&[
        0,
        1,
        2,
        3,
        12,
        16,
        31,
        32,
        33,
        128,
        255,
        0xffff,
        0x1_0000,
        0xf_ffff,
        0x10_0000,
        0xff_ffff,
        0x100_0000,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        strings - 1,
        strings,
        strings + 1,
        strings + own_strings - 1,
        strings + own_strings,
        types - 1,
        types,
        types + own - 1,
        types + own,
        types + own + 5,
        base_type,
        base_string,
        any,
    ])
}

fn header(parts: &mut Parts, _: &Material, random: &mut Random) -> Vec<u8> {
    let mut raw = parts.build();
    let len = raw.len() as u32;
    let (types, strings) = (parts.types.len() as u32, parts.strings.len() as u32);
    if random.once_in(2) {
        let at = random.below(24);
        if let Some(byte) = raw.get_mut(at) {
            *byte = random.any() as u8;
        }
    } else {
        let value = random.pick(&[
            0,
            1,
            4,
            8,
            20,
            23,
            25,
            28,
            32,
            types,
            strings,
            types + 4,
            types - 4,
            strings - 1,
            strings + 1,
            len,
            len - 24,
            0x7fff_ffff,
            0xffff_ffff,
            0xffff_ffe8,
        ]);
        put(&mut raw, 4 + 4 * random.below(5), value);
    }
    raw
}

fn length(parts: &mut Parts, _: &Material, random: &mut Random) -> Vec<u8> {
    let mut raw = parts.build();
    if random.once_in(2) {
        raw.truncate(random.below(raw.len()));
    } else {
        let more = 1 + random.below(8);
        raw.extend((0..more).map(|_| random.any() as u8));
    }
    raw
}

fn longer_header(parts: &mut Parts, _: &Material, random: &mut Random) -> Vec<u8> {
    let mut extra = vec![0; random.pick(&[1, 4, 8, 12, 16, 40])];
    if random.once_in(3) {
        let at = random.below(extra.len());
        if let Some(byte) = extra.get_mut(at) {
            *byte = random.pick(&[1, 4, 24]);
        }
    }
    parts.build_with(&extra)
}

fn word(parts: &mut Parts, material: &Material, random: &mut Random) -> Vec<u8> {
    let at = 4 * random.below(parts.types.len() / 4);
    let value = telling(parts, material, random);
    parts.set(at, value);
    parts.build()
}

fn info(parts: &mut Parts, _: &Material, random: &mut Random) -> Vec<u8> {
    let at = a_type(parts, random) + 4;
    let old = parts.word(at);
    let new = match random.below(4) {
        0 => old ^ KFLAG,
        1 => old ^ 1 << random.below(32),
        2 => old & 0xff00_0000 | random.pick(&[0, 1, 2, 3, 0xffff]),
        _ => (old & 0x80ff_ffff) | (random.below(32) as u32 * 0x100_0000),
    };
    parts.set(at, new);
    parts.build()
}

fn letter(parts: &mut Parts, _: &Material, random: &mut Random) -> Vec<u8> {
    for _ in 0..random.pick(&[1, 1, 3]) {
        let at = random.below(parts.strings.len());
        if let Some(byte) = parts.strings.get_mut(at) {
            *byte = random.pick(&LETTERS);
        }
    }
    parts.build()
}

fn name_or_size(parts: &mut Parts, material: &Material, random: &mut Random) -> Vec<u8> {
    let at = a_type(parts, random) + random.pick(&[0, 8]);
    let value = telling(parts, material, random);
    parts.set(at, value);
    parts.build()
}

fn type_dropped(parts: &mut Parts, _: &Material, random: &mut Random) -> Vec<u8> {
    let which = random.below(parts.starts.len());
    let start = parts.starts.get(which).copied().unwrap_or_default();
    let end = parts
        .starts
        .get(which + 1)
        .copied()
        .unwrap_or(parts.types.len());
    parts.types.drain(start..end);
    parts.build()
}

/// All ids, or all names, of the module's own are off by some: it was built
/// against a base with more or fewer.
fn shifted(parts: &mut Parts, material: &Material, random: &mut Random) -> Vec<u8> {
    let by = random.pick(&[u32::MAX - 6, u32::MAX, 1, 9]);
    for reference in parts.references() {
        if reference.id >= material.base.types() {
            parts.set(reference.at, reference.id.wrapping_add(by));
        }
    }
    let by = random.pick(&[0, 0, u32::MAX - 2, 5, 17]);
    for at in parts.names() {
        let name = parts.word(at);
        if name >= material.base.strings_len() {
            parts.set(at, name.wrapping_add(by));
        }
    }
    parts.build()
}

fn at_random(parts: &mut Parts, _: &Material, random: &mut Random) -> Vec<u8> {
    let mut raw = parts.build();
    for _ in 0..random.pick(&[1, 2, 5]) {
        mutate(&mut raw, random);
    }
    raw
}

/// Types made by hand, each near a rule of its kind.
fn type_added(parts: &mut Parts, material: &Material, random: &mut Random) -> Vec<u8> {
    let types = material.base.types();
    let strings = material.base.strings_len();
    let next = types + parts.starts.len() as u32;
    let mut b = Btf::continuing(next, 0);
    let name = random.pick(&[
        0,
        1,
        5,
        strings,
        strings + 1,
        strings + parts.strings.len() as u32 - 1,
    ]);
    let id = random.pick(&[
        0,
        1,
        next - 1,
        next,
        next + 1,
        next + 2,
        types - 1,
        0xf_ffff,
        0x10_0000,
    ]);
    let flag = if random.once_in(3) { KFLAG } else { 0 };
    let small = random.pick(&[0, 1, 2, 3, 4, 8, 12, 16]);
    let offset = random.pick(&[0, 1, 8, 32, 64]);
    let chain = random.pick(&[30, 31, 32, 33, 34, 40]);
    match random.below(20) {
        0 => _ = b.add(name, kind::FLOAT, flag, small, &[]),
        1 => {
            _ = b.add(
                name,
                kind::DECL_TAG,
                flag | small >> 3,
                id,
                &[random.pick(&[u32::MAX - 1, u32::MAX, 0, 5])],
            )
        }
        2 => _ = b.add(name, kind::TYPE_TAG, flag, id, &[]),
        3 => _ = b.add(name, kind::ENUM64, 1 | flag, small, &[name, 1, 2]),
        4 => _ = b.add(name, kind::ENUM, 2 | flag, small, &[name, 1, strings, 7]),
        // A tag after another modifier, and before one.
        5 => {
            b.add(0, kind::CONST, 0, next + 1, &[]);
            b.add(strings, kind::TYPE_TAG, 0, 1, &[]);
        }
        6 => {
            b.add(strings, kind::TYPE_TAG, 0, next + 1, &[]);
            b.add(0, kind::CONST, 0, 1, &[]);
        }
        // Circles, chains that lead forward, and chains that lead back.
        7 => {
            b.add(0, kind::VOLATILE, 0, next + 1, &[]);
            b.add(0, kind::CONST, 0, next, &[]);
        }
        8 => (0..chain).for_each(|n| _ = b.add(0, kind::CONST, 0, next + n + 1, &[])),
        9 => (0..chain).for_each(|n| {
            _ = b.add(
                0,
                kind::CONST,
                0,
                if n == 0 { 1 } else { next + n - 1 },
                &[],
            )
        }),
        10 => (0..chain).for_each(|n| {
            _ = b.add(
                strings,
                kind::TYPEDEF,
                0,
                if n + 1 == chain { 1 } else { next + n + 1 },
                &[],
            )
        }),
        11 => _ = b.add(name, random.pick(&[0, 20, 31]), flag, small, &[]),
        12 => _ = b.add(name, kind::VAR, flag, id, &[random.pick(&[0, 1, 2, 3])]),
        13 => {
            _ = b.add(
                name,
                kind::DATASEC,
                2 | flag,
                small,
                &[id, 0, small, 1, offset, small],
            )
        }
        14 => {
            _ = b.add(
                name,
                kind::INT,
                flag,
                small,
                &[random.pick(&[
                    32,
                    0x100_0020,
                    0x300_0020,
                    0x1000_0020,
                    0xff_0020,
                    0x1_0020,
                    200,
                    64,
                ])],
            )
        }
        15 => _ = b.add(name, kind::FUNC, random.pick(&[0, 1, 2, 3]) | flag, id, &[]),
        16 => _ = b.add(name, kind::FUNC_PROTO, 2 | flag, id, &[name, 1, strings, 0]),
        17 => _ = b.add(name, kind::FWD, flag | small >> 3, small >> 2, &[]),
        18 => {
            _ = b.add(
                name,
                kind::ARRAY,
                flag,
                small >> 2,
                &[id, random.pick(&[0, 1, 0x10_0000]), 7],
            )
        }
        _ => {
            let kind = random.pick(&[kind::STRUCT, kind::UNION]);
            b.add(name, kind, 2 | flag, small, &[strings, id, 0, 0, 1, offset]);
        }
    }
    parts.types.extend_from_slice(&b.types);
    parts.build()
}

fn a_type(parts: &Parts, random: &mut Random) -> usize {
    let which = random.below(parts.starts.len());
    parts.starts.get(which).copied().unwrap_or_default()
}

fn put(raw: &mut [u8], at: usize, value: u32) {
    if let Some(place) = raw.get_mut(at..at + 4) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}
