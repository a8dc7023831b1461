// SPDX-License-Identifier: GPL-2.0-or-later
//! Every command and hook gives the same answer about the same root: random small roots,
//! of two real builds of a kernel and damaged in several ways at once, are shown to each
//! of them, and what they say is compared.
//!
//! `BTF_GUARD_AGREEMENT=SEED` or `FROM..TO` has other seeds tried than those of every run.
//!
//! `preflight` is not among them: it has a client resolve and download, and then calls
//! the judge before the first change in its own process, which is asked here.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod answers;
mod by_design;
mod compare;
mod damage;
mod laid_out;
mod reinstall;

use std::collections::BTreeSet;
use std::env;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use btf_guard_tests::mutate::Random;

use crate::damage::Damage;
use crate::laid_out::LaidOutRoot;

/// The seeds of every run: each kind of damage twice, with others.
const SEEDS: Range<u64> = 0..80;

/// Others, of which the callers told different things once: a config on the disk alone,
/// and a copy that boots by default and takes what its own image refuses.
const ONCE_DIFFERENT: [u64; 5] = [83, 184, 334, 389, 393];
/// Further kinds of damage that one root has at most.
const MORE: usize = 4;
/// Roots that are looked at at a time.
const THREADS: usize = 2;

/// The root of a seed, and what is wrong with it. One damage goes by the seed, so that
/// enough seeds in a row have each.
fn root_of(seed: u64) -> (LaidOutRoot, Vec<Damage>) {
    let mut random = Random::new(seed + 1);
    let root = LaidOutRoot::new(&mut random);
    let all = Damage::ALL;
    let mut damages = vec![all[seed as usize % all.len()]];
    for _ in 0..random.below(MORE + 1) {
        damages.push(random.pick(&all));
    }
    // In the order in which they are listed: what takes a tree away comes last.
    damages.sort_unstable();
    damages.dedup();
    for damage in &damages {
        damage.apply(&root, &mut random);
    }
    (root, damages)
}

fn seeds() -> Vec<u64> {
    let Ok(wanted) = env::var("BTF_GUARD_AGREEMENT") else {
        return SEEDS.chain(ONCE_DIFFERENT).collect();
    };
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("no seed: {wanted}"));
    match wanted.split_once("..") {
        Some((from, to)) => (number(from)..number(to)).collect(),
        None => vec![number(&wanted)],
    }
}

#[test]
fn every_caller_gets_the_same_answer() {
    let seeds = seeds();
    // What images hold is the same in every root.
    let cache = tempfile::tempdir().unwrap();
    let next = AtomicUsize::new(0);
    let (wrong, kinds) = (Mutex::new(Vec::new()), Mutex::new(BTreeSet::new()));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let make_next = || {
                    let seed = *seeds.get(next.fetch_add(1, Ordering::Relaxed))?;
                    Some((seed, root_of(seed)))
                };
                let mut ready = make_next();
                while let Some((seed, (root, damages))) = ready {
                    // `status` keeps only what is older than its look at it: one root is
                    // made ahead.
                    ready = make_next();
                    let seen = compare::compare(&root, cache.path());
                    kinds.lock().unwrap().extend(seen.kinds);
                    if !seen.differences.is_empty() {
                        let layout = root.layout;
                        let differences = seen.differences.join("\n");
                        let text = format!("seed {seed}: {layout:?} {damages:?}\n{differences}");
                        wrong.lock().unwrap().push(text);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {} roots differ; BTF_GUARD_AGREEMENT=SEED tries one again:\n{}",
        wrong.len(),
        seeds.len(),
        wrong.join("\n\n")
    );
    // Roots of which nothing is said agree about everything.
    if seeds.len() > SEEDS.count() {
        let kinds = kinds.into_inner().unwrap();
        let all = "btf-discarded btf-wrong no-modules refused stale-copy unbootable";
        for kind in all.split(' ') {
            assert!(kinds.contains(kind), "no {kind}: {kinds:?}");
        }
    }
}
