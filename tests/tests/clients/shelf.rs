// SPDX-License-Identifier: GPL-2.0-or-later
//! The packages that are on offer, built once.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use btf_guard_tests::Package;
use btf_guard_tests::client::{Build, kernel, kmp, kmp_for, kmp_in, release};

/// A directory for each repository. It is cargo's to clean up: some dozen
/// megabytes that each test would have to compress again.
static SHELF: LazyLock<PathBuf> = LazyLock::new(|| {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = fs::metadata(std::env::current_exe().unwrap()).unwrap();
    let (second, fraction) = (program.mtime(), program.mtime_nsec());
    let shelf = place.join(format!("shelf-{}-{second}.{fraction}", release()));
    if !shelf.is_dir() {
        forget_others(place);
        let draft = tempfile::tempdir_in(place).unwrap();
        for (repository, packages) in repositories() {
            let directory = draft.path().join(repository);
            fs::create_dir(&directory).unwrap();
            for package in packages {
                package.build(&directory);
                // What it was built from.
                fs::remove_dir_all(directory.join(package.nevra())).unwrap();
            }
        }
        // Another process may have been faster; its shelf is the same.
        let _ = fs::rename(draft.keep(), &shelf);
    }
    shelf
});

/// Shelves of earlier builds of this program.
fn forget_others(place: &Path) {
    for entry in fs::read_dir(place).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("shelf-") {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The packages of a repository.
pub(crate) fn packages(repository: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(SHELF.join(repository)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "rpm"))
        .collect()
}

/// All kernels and modules are for one release. Version 1 of a package is of the
/// old build, version 2 of the new one, where nothing else is said.
fn repositories() -> Vec<(&'static str, Vec<Package>)> {
    let old_kernel = || kernel("kernel-default", "1", Build::Old);
    let new_kernel = || kernel("kernel-default", "2", Build::New);
    let new_modules = || kmp("driver-kmp", "2", Build::New);
    let other = |version| kmp_in("updates", "other-kmp", version, Build::New);
    let instead = |version| other(version).tag("Obsoletes", "driver-kmp < 3");
    vec![
        (
            "old",
            vec![old_kernel(), kmp("driver-kmp", "1", Build::Old)],
        ),
        ("new", vec![new_kernel(), new_modules()]),
        // The order of the two in a transaction, by what they need.
        (
            "kernel-first",
            vec![
                new_kernel(),
                new_modules().tag("Requires", "kernel-default = 2"),
            ],
        ),
        (
            "modules-first",
            vec![
                new_kernel().tag("Requires", "driver-kmp = 2"),
                new_modules(),
            ],
        ),
        // Built again without a change of version or release.
        ("respun", vec![kernel("kernel-default", "1", Build::New)]),
        // Another kernel with the same release.
        ("rival", vec![kernel("kernel-rival", "1", Build::New)]),
        ("renamed", vec![new_kernel(), instead("2")]),
        // Of the new build all the same, which the kernel that is there is not.
        ("renamed-early", vec![instead("1")]),
        ("other", vec![other("1")]),
        ("running", vec![foreign()]),
        ("plain", vec![plain()]),
    ]
}

/// Without modules, but with what looks like some.
fn plain() -> Package {
    let order = format!("/usr/lib/modules/{}/modules.order", release());
    Package::new("plain")
        .file("/usr/share/plain.ko", "not in a module tree")
        .file(order, "text")
}

/// Modules that the kernel of this machine was not built with, for its release.
fn foreign() -> Package {
    let running = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    kmp_for(running.trim(), "extra", "foreign-kmp", "1", Build::New)
}
