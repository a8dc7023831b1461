// SPDX-License-Identifier: GPL-2.0-or-later
//! Distilled bases of our own, of names that the kernel's base has more than once,
//! and each of them several times.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use btf_guard_tests::btf::{Btf, KFLAG, kind};
use btf_guard_tests::mutate::Random;
use btf_guard_tests::parts::Parts;

use super::{Case, Family, Material};

/// A type of the base that a distilled type may stand for.
#[derive(Debug, Clone, Copy)]
struct Real {
    kind: u32,
    flag: u32,
    size: u32,
    /// Of an INT.
    data: u32,
}

type Named = BTreeMap<Vec<u8>, Vec<Real>>;

pub(super) fn pairs(material: &Material, count: usize, random: &mut Random) -> Result<Vec<Case>> {
    let parts = Parts::of(material.base.bytes()).context("a base of an unknown form")?;
    let named = named(&parts);
    let several: Vec<&Vec<u8>> = named
        .iter()
        .filter(|(_, types)| types.len() > 1)
        .map(|(name, _)| name)
        .collect();
    // The kernel compares a FWD's flag, "is a union", with a struct's, "has bitfields".
    let flagged: Vec<&Vec<u8>> = named
        .iter()
        .filter(|(_, types)| types.iter().any(|real| real.flag != 0))
        .map(|(name, _)| name)
        .collect();
    let all: Vec<&Vec<u8>> = named.keys().collect();
    ensure!(several.len() > 10, "a base without names that occur twice");
    let mut cases = Vec::new();
    while cases.len() < count {
        let mut distilled = Btf::base();
        for _ in 0..1 + random.below(4) {
            let name = match random.below(6) {
                0 => random.pick(&all),
                1 if !flagged.is_empty() => random.pick(&flagged),
                _ => random.pick(&several),
            };
            let Some(types) = named.get(name) else {
                continue;
            };
            let offset = distilled.string(name);
            // More than three, and the order that a sort leaves equals in can differ.
            for _ in 0..random.pick(&[1, 1, 2, 3, 5, 9]) {
                add(&mut distilled, offset, random.pick(types), random);
            }
        }
        let last = distilled.next_id() - 1;
        let mut split = Btf::split(&distilled);
        for id in 1..=last {
            match random.below(4) {
                0 => _ = split.add(0, kind::PTR, 0, id, &[]),
                1 => _ = split.structure("holder", 1 << 16, &[("m", id, 0)]),
                2 => {
                    let array = split.add(0, kind::ARRAY, 0, 0, &[id, id, 2]);
                    split.structure("holder", 1 << 16, &[("m", array, 0)]);
                }
                _ => {}
            }
        }
        let (base, split) = (distilled.build(), split.build());
        cases.push(Case::pair(Family::Ambiguous, "several", split, base));
    }
    Ok(cases)
}

/// A type that stands for `real`, or nearly.
fn add(distilled: &mut Btf, name: u32, real: Real, random: &mut Random) {
    let Real {
        kind,
        flag,
        size,
        data,
    } = real;
    let size = random.pick(&[size, size, size, size, size + 8, 0]);
    match kind {
        kind::INT => distilled.add(name, kind::INT, 0, size.min(16), &[data]),
        kind::FLOAT => distilled.add(name, kind::FLOAT, 0, size.min(16), &[]),
        kind::ENUM | kind::ENUM64 => distilled.add(name, kind::ENUM, 0, size.min(8), &[]),
        _ => match random.below(8) {
            0 => distilled.add(name, kind::FWD, 0, 0, &[]),
            1 => distilled.add(name, kind::FWD, KFLAG, 0, &[]),
            2 => distilled.add(name, kind::UNION, 0, size, &[]),
            _ if kind == kind::FWD => distilled.add(name, kind::FWD, flag, 0, &[]),
            _ => distilled.add(name, kind, 0, size, &[]),
        },
    };
}

/// What a distilled base may name, by name.
fn named(parts: &Parts) -> Named {
    let mut named = Named::new();
    for &start in &parts.starts {
        let kind = parts.kind(start);
        let name = parts.word(start) as usize;
        let relocatable = [
            kind::INT,
            kind::FLOAT,
            kind::ENUM,
            kind::ENUM64,
            kind::STRUCT,
            kind::UNION,
            kind::FWD,
        ];
        if name == 0 || !relocatable.contains(&kind) {
            continue;
        }
        let string = parts.strings.get(name..).unwrap_or_default();
        let string: Vec<u8> = string
            .iter()
            .copied()
            .take_while(|&byte| byte != 0)
            .collect();
        let real = Real {
            kind,
            flag: parts.word(start + 4) & KFLAG,
            size: parts.word(start + 8),
            data: if kind == kind::INT {
                parts.word(start + 12)
            } else {
                0
            },
        };
        named.entry(string).or_default().push(real);
    }
    named
}
