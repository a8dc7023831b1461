// SPDX-License-Identifier: GPL-2.0-or-later
//! Where split BTF comes from, on real kernels: nothing genuine is accused, and
//! nothing foreign that the kernel accepts is passed over.
//!
//! Every module of every kernel that `make test` fetched, before every one of
//! these kernels; nothing is sampled.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use btf_guard_btf::{
    BasePairMemo, Comparison, Split, base_strings, evidence, read_module, same_meaning,
};
use btf_guard_core::kernel::{Image, Kernel, KernelConfig};
use btf_guard_core::module::Module;
use btf_guard_core::verdict::{BaseSet, Causes, Verdict};
use btf_guard_tests::fetched::{Fetched, in_parallel};
use btf_guard_tests::mutate::Random;
use btf_guard_tests::parts::Parts;

fn all() -> &'static [Fetched] {
    static ALL: OnceLock<Vec<Fetched>> = OnceLock::new();
    ALL.get_or_init(|| {
        let all = Fetched::all();
        assert!(
            all.len() >= 4,
            "only {} kernels; run `make test`",
            all.len()
        );
        all
    })
}

/// What the kernel makes of a module's BTF: `None` if it does not take it.
fn accepted<'a>(module: &'a Module, kernel: &Kernel) -> Option<Split<'a>> {
    let raw = module.btf.as_deref().unwrap();
    read_module(raw, None, &kernel.base, &kernel.abilities).ok()
}

#[test]
fn no_genuine_module_is_accused_and_no_length_is_wrong() {
    let (mut modules, mut exact, mut unknown) = (0, 0, 0);
    for package in all() {
        let base = &package.kernel.base;
        let lengths = in_parallel(&package.modules, |module| {
            let split = accepted(module, &package.kernel).unwrap();
            let name = format!("{} of {}", module.name, package.name);
            let found = evidence(&split, base);
            assert!(found.is_empty(), "{name} is accused: {}", found[0]);
            let length = base_strings(&split);
            assert!(
                length.is_none_or(|length| length == base.strings_len()),
                "{name} gives {length:?}, not {}",
                base.strings_len()
            );
            length.is_some()
        });
        modules += lengths.len();
        exact += lengths.iter().filter(|known| **known).count();
        unknown += lengths.iter().filter(|known| !**known).count();
    }
    println!(
        "{modules} genuine modules: 0 accused; length exact {exact}, unknown {unknown}, wrong 0"
    );
    assert!(
        exact * 10 > modules * 9,
        "{exact} of {modules} lengths known"
    );
}

/// Without its own names, nothing tells where a module's strings begin.
#[test]
fn a_length_is_never_made_up() {
    for keep in 0..3 {
        for package in all() {
            let length = package.kernel.base.strings_len();
            in_parallel(&package.modules, |module| {
                let raw = forget_own_names(module.btf.as_deref().unwrap(), length, keep);
                let split = Split::parse(&raw, package.kernel.base.order()).unwrap();
                let told = base_strings(&split);
                assert!(
                    told.is_none_or(|told| told == length),
                    "{} of {} with {keep} names of its own gives {told:?}",
                    module.name,
                    package.name
                );
            });
        }
    }
}

/// Makes all names anonymous that are the module's own, but for the first `keep`.
fn forget_own_names(raw: &[u8], length: u32, keep: usize) -> Vec<u8> {
    let mut parts = Parts::of(raw).unwrap();
    let places = parts.names();
    let mut own: Vec<u32> = places.iter().map(|&at| parts.word(at)).collect();
    own.retain(|&name| name >= length);
    own.sort_unstable();
    own.dedup();
    for at in places {
        if own.get(keep).is_some_and(|&first| parts.word(at) >= first) {
            parts.set(at, 0);
        }
    }
    parts.build()
}

/// Every kernel's modules before every other kernel: what it accepts is wrong,
/// or means the same.
#[test]
fn what_is_foreign_and_accepted_is_wrong_or_means_the_same() {
    let (mut wrong, mut same) = (0, 0);
    for one in all() {
        for other in all().iter().filter(|other| other.name != one.name) {
            let mut bases = BaseSet::default();
            bases.add(&one.kernel, one.name.clone());
            bases.add(&other.kernel, other.name.clone());
            let outcomes = in_parallel(&one.modules, |module| {
                let split = accepted(module, &other.kernel)?;
                let judgement = bases.judge(module, &other.kernel, &Causes::all());
                Some(match judgement.verdict {
                    Verdict::BtfWrong { evidence } => evidence[0].clue.class(),
                    Verdict::Loads => {
                        let (here, there) = (&other.kernel.base, &one.kernel.base);
                        let mut known = BasePairMemo::default();
                        assert_eq!(
                            same_meaning(&split, here, there, &mut known),
                            Comparison::Same,
                            "{} of {} on {}",
                            module.name,
                            one.name,
                            other.name
                        );
                        "same"
                    }
                    verdict => panic!(
                        "{} of {} on {}: {verdict:?}",
                        module.name, one.name, other.name
                    ),
                })
            });
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for class in outcomes.into_iter().flatten() {
                *counts.entry(class).or_default() += 1;
            }
            println!("{} on {}: {counts:?}", one.name, other.name);
            same += counts.remove("same").unwrap_or(0);
            wrong += counts.values().sum::<usize>();
        }
    }
    println!("accepted although foreign: {wrong} wrong, {same} of the same meaning, 0 left");
    assert!(wrong > 100, "only {wrong}: this compares nothing");
}

/// A kernel with the same types as `package`'s in another order.
fn permuted(package: &Fetched, order: &[u32]) -> Kernel {
    let mut parts = Parts::of(package.kernel.base.bytes()).unwrap();
    parts.renumber(order);
    let image = Image {
        base_btf: parts.build(),
        release: package.kernel.release.clone(),
        target: package.kernel.target,
        ..Image::default()
    };
    Kernel::from_image(image, Path::new("permuted"), KernelConfig::default()).unwrap()
}

/// Ways in which the types of a base can be ordered, from mild to wild.
fn orders(count: u32) -> Vec<(&'static str, Vec<u32>)> {
    let ids: Vec<u32> = (1..=count).collect();
    let mut random = Random::new(1);
    let mut shuffled = ids.clone();
    for at in (1..shuffled.len()).rev() {
        let other = random.below(at + 1);
        shuffled.swap(at, other);
    }
    // Two neighbours change places.
    let mut swapped = ids.clone();
    swapped.swap(count as usize / 2, count as usize / 2 + 1);
    // The second half is encoded first.
    let mut rotated = ids.clone();
    rotated.rotate_left(count as usize / 2);
    // The last types move up by one.
    let mut shifted = ids;
    shifted[count as usize / 2..].rotate_left(1);
    vec![
        ("two swapped", swapped),
        ("half shifted by one", shifted),
        ("halves exchanged", rotated),
        ("shuffled", shuffled),
    ]
}

/// The same types and strings, but other ids: neither size nor strings tell.
#[test]
fn a_permuted_base_is_told_from_the_original() {
    let package = all()
        .iter()
        .find(|package| package.name.contains("cloud"))
        .unwrap();
    let causes = Causes::all();
    for (name, order) in orders(package.kernel.base.types() - 1) {
        let kernel = permuted(package, &order);
        let mut bases = BaseSet::default();
        bases.add(&package.kernel, "original".into());
        bases.add(&kernel, "permuted".into());
        let known = Mutex::new(BasePairMemo::default());
        let outcomes = in_parallel(&package.modules, |module| {
            let split = accepted(module, &kernel)?;
            let alone = evidence(&split, &kernel.base);
            let here = &kernel.base;
            let met = same_meaning(
                &split,
                here,
                &package.kernel.base,
                &mut known.lock().unwrap(),
            );
            let verdict = bases.judge(module, &kernel, &causes).verdict;
            let named = format!("{} on {name}", module.name);
            Some(match (&alone[..], met) {
                (_, Comparison::Undecided) => panic!("{named}: undecided"),
                (_, Comparison::Same) => {
                    assert_eq!(verdict, Verdict::Loads, "{named}");
                    "same"
                }
                ([], Comparison::Different(_)) => {
                    // Both kernels bear the release that it was built for.
                    assert!(
                        matches!(verdict, Verdict::Unknown { .. }),
                        "{named}: {verdict:?}"
                    );
                    "unknown, as both bases fit"
                }
                (_, Comparison::Different(_)) => {
                    assert!(
                        matches!(verdict, Verdict::BtfWrong { .. }),
                        "{named}: {verdict:?}"
                    );
                    "wrong"
                }
            })
        });
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for outcome in outcomes {
            *counts.entry(outcome.unwrap_or("refused")).or_default() += 1;
        }
        println!("{}, {name}: {counts:?}", package.name);
        // On the original nothing is doubted but what fits both.
        let doubted = in_parallel(&package.modules, |module| {
            match bases.judge(module, &package.kernel, &causes).verdict {
                Verdict::Loads => 0,
                Verdict::Unknown { .. } => 1,
                verdict => panic!("{} on the original: {verdict:?}", module.name),
            }
        });
        let doubted: usize = doubted.into_iter().sum();
        let unknown = counts.get("unknown, as both bases fit").copied();
        assert_eq!(Some(doubted), unknown.or(Some(0)), "{name}");
    }
}
