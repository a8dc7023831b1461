// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernel's own modules as if they had been built against a base with the same
//! types in another order, as an encoder makes it that works in parallel and does not
//! sort. Strings, counts and sizes are equal; only the numbers are others.

use anyhow::{Context, Result};
use btf_guard_tests::mutate::Random;
use btf_guard_tests::parts::Parts;

use super::genuine::{btf_of, spread};
use super::{Case, Family, Material};

pub(super) fn modules(material: &Material, count: usize, random: &mut Random) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    // A few types that change places, and all of them.
    for (swaps, count) in [(2, count / 4), (200, count / 4), (200_000, count / 2)] {
        let order = shuffled(material.base.types(), swaps, random);
        for path in spread(&material.kernel.modules, count) {
            let Some(raw) = btf_of(path)? else { continue };
            let mut parts = Parts::of(&raw).with_context(|| path.display().to_string())?;
            for reference in parts.references() {
                if let Some(&id) = order.get(reference.id as usize) {
                    parts.set(reference.at, id);
                }
            }
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let label = format!("{swaps}-{}", stem.trim_end_matches(".ko"));
            cases.push(Case::carried(Family::Permuted, label, parts.build()));
        }
    }
    Ok(cases)
}

/// The ids below `types`, of which `swaps` times two have changed places; `void` keeps its.
fn shuffled(types: u32, swaps: usize, random: &mut Random) -> Vec<u32> {
    let mut order: Vec<u32> = (0..types).collect();
    for _ in 0..swaps {
        let pick = |random: &mut Random| 1 + random.below(types as usize - 1);
        let (a, b) = (pick(random), pick(random));
        order.swap(a, b);
    }
    order
}
