// SPDX-License-Identifier: GPL-2.0-or-later
//! A root of Debian 13 in which module packages are built for a kernel.

use std::fs;
use std::path::{Path, PathBuf};

use super::client_root::ClientRoot;
use super::namespace::As;
use super::suite::Suite;
use crate::artifacts::workshop;
use crate::skip::skipped;
use crate::{Extracted, Outcome, kernels};

/// Where packages are built inside.
const TOP: &str = "/build";

/// A compiler, pahole, and the headers of one kernel.
pub struct Workshop {
    /// Where it all is.
    pub root: ClientRoot,
    /// The kernel that modules are built for.
    pub kernel: Extracted,
}

impl Workshop {
    /// One for each kernel that `workshop.sh` has found headers for; none, aloud,
    /// where it has found none and has said why.
    pub fn all() -> Vec<Self> {
        let mut releases: Vec<String> = fs::read_dir(workshop())
            .unwrap()
            .filter_map(|entry| {
                let name = entry.unwrap().file_name().into_string().unwrap();
                let release = name.strip_prefix("headers-")?;
                (!release.ends_with(".part")).then(|| release.to_owned())
            })
            .collect();
        releases.sort();
        if releases.is_empty() {
            let why = fs::read_to_string(workshop().join("SKIPPED")).unwrap();
            assert!(!why.is_empty(), "no workshop: run `make test`");
            skipped("building module packages", why.trim());
        }
        let opened = releases.iter().filter_map(|release| Self::of(release));
        opened.collect()
    }

    fn of(release: &str) -> Option<Self> {
        let layers = vec![
            workshop().join(format!("headers-{release}")),
            workshop().join("tools"),
        ];
        let root = ClientRoot::above(Suite::Trixie, layers, As::Chroot, true)?;
        let all = Extracted::all(&kernels());
        let kernel = all.into_iter().find(|kernel| kernel.release == release);
        let kernel = kernel.unwrap_or_else(|| panic!("no kernel {release}: run `make test`"));
        let this = Self { root, kernel };
        for file in ["btf_guard_probe.c", "Kbuild"] {
            let from = repository().join("tests/module").join(file);
            this.root.copy(&format!("{TOP}/SOURCES/{file}"), &from);
        }
        settle(&this.root);
        Some(this)
    }

    /// The vmlinux of the headers, which holds nothing but the base BTF.
    pub fn vmlinux(&self) -> String {
        format!("/usr/src/linux-headers-{}/vmlinux", self.kernel.release)
    }

    /// Runs rpmbuild on a spec of this kernel's file, without the network, which the root does not have.
    pub fn rpmbuild(&self, spec: &str, options: &[&str], variables: &[(&str, &str)]) -> Outcome {
        let kernel = format!("kernel {}", self.kernel.release);
        let options = [&["--define", &kernel], options].concat();
        rpmbuild(&self.root, spec, &options, variables)
    }

    /// The packages that were built, as they are seen from outside.
    pub fn packages(&self) -> Vec<PathBuf> {
        packages(&self.root)
    }

    /// Removes what was built.
    pub fn clean(&self) {
        for part in ["RPMS", "BUILD", "BUILDROOT"] {
            let path = self.root.at(&format!("{TOP}/{part}"));
            if path.exists() {
                fs::remove_dir_all(path).unwrap();
            }
        }
    }
}

/// Puts into place what the package of rpm macros has.
pub fn settle(root: &ClientRoot) {
    for (from, to) in [
        ("macros.btf_guard", "/usr/lib/rpm/macros.d/macros.btf_guard"),
        ("btf_guard.attr", "/usr/lib/rpm/fileattrs/btf_guard.attr"),
        ("brp-btf-guard", "/usr/lib/rpm/brp-btf-guard"),
        (
            "95-check-btf-guard",
            "/usr/lib/build/checks/95-check-btf-guard",
        ),
    ] {
        root.copy(to, &repository().join("specfile").join(from));
    }
}

/// Runs a root's rpmbuild on a spec file.
pub fn rpmbuild(
    root: &ClientRoot,
    spec: &str,
    options: &[&str],
    variables: &[(&str, &str)],
) -> Outcome {
    root.put(&format!("{TOP}/package.spec"), spec);
    let (top, path) = (format!("_topdir {TOP}"), format!("{TOP}/package.spec"));
    // Another package of what was stripped would want debugedit's helpers.
    let plain = "debug_package %{nil}";
    let words = [
        "rpmbuild", "-bb", "--nodeps", "--define", &top, "--define", plain,
    ];
    let words = [&words, options, &[&path]].concat();
    let mut run = root.client(words);
    for (name, value) in variables {
        run = run.env(name, value);
    }
    run.run()
}

/// The packages that were built in a root, as they are seen from outside.
pub fn packages(root: &ClientRoot) -> Vec<PathBuf> {
    let top = root.at(&format!("{TOP}/RPMS"));
    let Ok(architectures) = fs::read_dir(top) else {
        return Vec::new();
    };
    let files = architectures.flat_map(|dir| fs::read_dir(dir.unwrap().path()).unwrap());
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// The JSON schema of SARIF, if `workshop.sh` could fetch it.
pub fn sarif_schema() -> Option<PathBuf> {
    let schema = workshop().join("sarif-schema.json");
    schema.is_file().then_some(schema)
}

/// This repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
