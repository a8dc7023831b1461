// SPDX-License-Identifier: GPL-2.0-or-later
//! Real distribution kernels: each module before its own kernel, and before a
//! sibling build of it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use btf_guard_btf::features::{Features, VersionRule};
use btf_guard_btf::verify_vmlinux;
use btf_guard_core::kernel::Kernel;
use btf_guard_core::module::{self, Module};
use btf_guard_core::verdict::{Causes, Verdict, judge};
use btf_guard_tests::skip::skipped;
use btf_guard_tests::{Extracted, Foreign, kernels};

/// An extracted kernel package, opened.
struct Package {
    name: String,
    kernel: Kernel,
    modules: Vec<PathBuf>,
}

impl Package {
    fn open(extracted: Extracted) -> Self {
        let Extracted {
            name,
            release,
            image,
            modules,
        } = extracted;
        let kernel = Kernel::open(&image, None).unwrap();
        assert_eq!(kernel.release.as_deref(), Some(&release[..]), "{name}");
        assert!(kernel.config.allow_mismatch.is_some(), "{name}: no config");
        Self {
            name,
            kernel,
            modules,
        }
    }

    /// Judges all of its modules before `kernel`: how many load, and how many are refused.
    fn before(&self, kernel: &Kernel) -> (usize, usize) {
        let mut enforcing = kernel.clone();
        enforcing.config.allow_mismatch = Some(false);
        let (loads, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for half in 0..2 {
                let (enforcing, loads, refused) = (&enforcing, &loads, &refused);
                scope.spawn(move || {
                    for path in self.modules.iter().skip(half).step_by(2) {
                        let module: Module = module::open(path).unwrap();
                        assert!(module.btf.is_some(), "{}: no BTF", path.display());
                        match judge(&module, enforcing, &Causes::all()).verdict {
                            // The kernel cannot tell the one from the other.
                            Verdict::Loads | Verdict::BtfWrong { .. } => {
                                loads.fetch_add(1, Ordering::Relaxed)
                            }
                            Verdict::Refused(refusal) => {
                                assert!(
                                    refusal.errno().is_some_and(|errno| errno < 0),
                                    "{}: {refusal:?}",
                                    path.display()
                                );
                                refused.fetch_add(1, Ordering::Relaxed)
                            }
                            other => panic!("{}: {other:?}", path.display()),
                        };
                    }
                });
            }
        });
        (loads.into_inner(), refused.into_inner())
    }
}

/// All kernels whose name begins with `prefix`, oldest first.
fn packages(prefix: &str) -> Vec<Package> {
    let all = Extracted::all(&kernels()).into_iter();
    all.filter(|extracted| extracted.name.starts_with(prefix))
        .map(Package::open)
        .collect()
}

#[test]
fn every_module_loads_on_its_own_kernel() {
    let all = packages("image-");
    assert!(
        all.len() >= 4,
        "only {} kernels; run `make test`",
        all.len()
    );
    for package in &all {
        let count = package.modules.len();
        assert!(count > 900, "{}: only {count} modules", package.name);
        assert_eq!(
            package.before(&package.kernel),
            (count, 0),
            "{}",
            package.name
        );
    }
}

/// What a kernel can do is read from its own BTF, so that neither its release nor a guess
/// is needed, except for one rule of kernels from 6.11 to 6.13.
#[test]
fn a_kernel_takes_its_own_btf_and_tells_what_it_can_do() {
    let own = Extracted::all(&kernels()).into_iter();
    let others = Foreign::all(&kernels()).into_iter();
    let others = others.filter(|foreign| foreign.has_btf);
    let mut seen = 0;
    for extracted in own.chain(others.map(|foreign| foreign.kernel)) {
        let name = &extracted.name;
        let Kernel { base, release, .. } = Kernel::open(&extracted.image, None).unwrap();
        let told = Features::of(&base, release.as_deref());
        assert_eq!(verify_vmlinux(&base, &told), Ok(()), "{name}");
        let alone = Features::of(&base, None);
        assert_eq!(alone.guessed, told.guessed, "{name}");
        let relocates_by_guess = name.contains("-6.12.");
        match relocates_by_guess {
            true => assert_eq!(told.guessed, [VersionRule::MarksAllEmbedded], "{name}"),
            false => assert_eq!((&told.guessed, &alone), (&vec![], &told), "{name}"),
        }
        seen += 1;
    }
    assert!(seen >= 4, "only {seen} kernels; run `make test`");
}

/// Sibling builds of one flavour, two by two: some modules are accepted with
/// the wrong types, most are refused, and every one gets a verdict.
#[test]
fn modules_of_a_sibling_build_are_told_apart() {
    let all = packages("image-6.1.");
    let flavour = |package: &Package| package.name.contains("cloud");
    let mut pairs = 0;
    for (index, one) in all.iter().enumerate() {
        for other in all
            .iter()
            .skip(index + 1)
            .filter(|o| flavour(o) == flavour(one))
        {
            let (loads, refused) = one.before(&other.kernel);
            assert_eq!(loads + refused, one.modules.len());
            assert!(
                refused > one.modules.len() / 2,
                "{} on {}: {loads} load, {refused} refused",
                one.name,
                other.name
            );
            pairs += 1;
        }
    }
    assert!(pairs >= 2, "no sibling builds of 6.1; run `make test`");
}

/// What a real 6.18.15 did with each module of 6.18.12, in a VM.
#[test]
fn the_counts_that_a_real_kernel_gave() {
    let all = packages("image-6.18.1");
    let find = |version: &str| {
        all.iter()
            .find(|p| p.name.contains(version) && p.name.contains("cloud"))
    };
    let (Some(old), Some(new)) = (find("6.18.12"), find("6.18.15")) else {
        skipped(
            "6.18.12's modules on 6.18.15",
            "the archive no longer has both",
        );
        return;
    };
    assert_eq!(new.kernel.config.allow_mismatch, Some(false));
    assert_eq!(old.before(&new.kernel), (77, 941));
}
