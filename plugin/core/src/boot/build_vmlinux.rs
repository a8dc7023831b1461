// SPDX-License-Identifier: GPL-2.0-or-later
//! Where the base BTF of a release lies on a machine that builds modules for it.
//!
//! There the kernel itself may be missing: its `-devel` package is what modules are
//! built with, and may hold a vmlinux with nothing but the BTF in it.

use std::fs;
use std::path::{Path, PathBuf};

use btf_guard_sysroot::file_role::is_release;
use btf_guard_sysroot::{ImageFile, Root};

use crate::kernel::{Error, Kernel, KernelConfig};
use crate::module::source::Regular;

/// The longest `kernel.release` that is read, in bytes.
const MAX_RELEASE: u64 = 256;
/// Build directories below `/usr/src` that are looked at: a handful are there.
const MAX_BUILDS: usize = 256;

/// The files under `root` that may hold the base of `release`, the surest first:
/// the kernel's own, then those of its build directory. None for what is no
/// release ([`is_release`]).
pub fn candidates(root: &Root, release: &str) -> Vec<ImageFile> {
    let mut found = root.images(release);
    if !is_release(release) {
        return found;
    }
    // The third is Debian's, the last Fedora's.
    let mut builds: Vec<PathBuf> = [
        format!("/usr/lib/modules/{release}/build"),
        format!("/lib/modules/{release}/build"),
        format!("/usr/src/linux-headers-{release}"),
        format!("/usr/src/kernels/{release}"),
    ]
    .map(PathBuf::from)
    .into();
    builds.extend(suse_builds(root, release));
    for inside in builds.into_iter().map(|build| build.join("vmlinux")) {
        let file = root.resolve(&inside).ok().filter(|file| file.is_file());
        if let Some(file) = file.filter(|file| found.iter().all(|known| known.file != *file)) {
            found.push(ImageFile { inside, file });
        }
    }
    found
}

/// `/usr/src/linux-obj/<architecture>/<flavour>`: a build directory that names its
/// release inside only.
fn suse_builds(root: &Root, release: &str) -> Vec<PathBuf> {
    let below = |dir: &PathBuf| {
        let entries = root.resolve(dir).and_then(fs::read_dir);
        let names = entries.into_iter().flatten();
        let names = names.filter_map(|entry| Some(dir.join(entry.ok()?.file_name())));
        let mut paths: Vec<PathBuf> = names.take(MAX_BUILDS).collect();
        paths.sort();
        paths
    };
    let tops = below(&"/usr/src/linux-obj".into());
    let builds = tops.iter().flat_map(below).take(MAX_BUILDS);
    builds
        .filter(|build| release_of(root, build).is_some_and(|own| own == release))
        .collect()
}

/// What a build directory says that it is for.
fn release_of(root: &Root, build: &Path) -> Option<String> {
    let file = root.resolve(&build.join("include/config/kernel.release"));
    let mut text = Vec::new();
    let file = Regular::open(&file.ok()?).ok()?;
    file.read_all(MAX_RELEASE, &mut text).ok()?;
    Some(String::from_utf8(text).ok()?.trim().to_owned())
}

/// Opens a candidate as the kernel of `release`. Its config is the one given, or
/// that beside it, that of the build directory, or that in `/boot`.
pub fn open(
    root: &Root,
    candidate: &ImageFile,
    release: &str,
    config: Option<&KernelConfig>,
) -> Result<Kernel, Error> {
    let mut kernel = Kernel::open(&candidate.file, config)?;
    kernel.release.get_or_insert_with(|| release.to_owned());
    if kernel.config == KernelConfig::default() {
        let beside = candidate.inside.parent().unwrap_or(Path::new("/"));
        let modules = Path::new("/lib/modules").join(release);
        let places = [
            beside.join(".config"),
            modules.join("config"),
            PathBuf::from(format!("/boot/config-{release}")),
            modules.join("build/.config"),
        ];
        let found = places.iter().find_map(|place| {
            let file = root.resolve(place).ok()?;
            KernelConfig::from_file(&file).ok()
        });
        kernel.config = found.unwrap_or_default();
    }
    Ok(kernel)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::symlink;

    use super::*;

    fn put(dir: &Path, path: &str, content: &str) {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[track_caller]
    fn assert_found(dir: &Path, release: &str, expected: &[&str]) {
        let found = candidates(&Root::new(dir).unwrap(), release);
        let found: Vec<_> = found
            .iter()
            .map(|one| one.inside.to_str().unwrap())
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_kernel_itself_comes_before_what_its_modules_are_built_with() {
        let outer = tempfile::tempdir().unwrap();
        put(outer.path(), "secret/vmlinux", "x");
        let dir = outer.path().join("root");
        for path in [
            "usr/src/linux-headers-6.1/vmlinux",
            "usr/src/kernels/6.1/vmlinux",
            "boot/vmlinuz-6.1",
            "usr/lib/modules/6.1/vmlinux.xz",
            "usr/lib/modules/6.3/x",
        ] {
            put(&dir, path, "x");
        }
        symlink("usr/lib", dir.join("lib")).unwrap();
        let build = |release: &str| dir.join(format!("usr/lib/modules/{release}/build"));
        symlink("/usr/src/linux-headers-6.1", build("6.1")).unwrap();
        let expected = [
            "/usr/lib/modules/6.1/vmlinux.xz",
            "/boot/vmlinuz-6.1",
            "/usr/lib/modules/6.1/build/vmlinux",
            "/usr/src/kernels/6.1/vmlinux",
        ];
        assert_found(&dir, "6.1", &expected);
        assert_found(&dir, "6.2", &[]);
        assert_found(&dir, "../6.1", &[]);
        // Nothing outside of the root is taken.
        symlink("../../../../../secret", build("6.3")).unwrap();
        assert_found(&dir, "6.3", &[]);
    }

    #[test]
    fn a_build_directory_of_suse_says_its_release() {
        let dir = tempfile::tempdir().unwrap();
        for (flavour, release) in [
            ("default", "6.4.0-1-default\n"),
            ("azure", "6.4.0-1-azure\n"),
            ("endless", &"6.4.0-1-endless".repeat(100)),
        ] {
            let build = format!("usr/src/linux-obj/x86_64/{flavour}");
            let stated = format!("{build}/include/config/kernel.release");
            put(dir.path(), &stated, release);
            put(dir.path(), &format!("{build}/vmlinux"), "x");
        }
        let expected = "/usr/src/linux-obj/x86_64/azure/vmlinux";
        assert_found(dir.path(), "6.4.0-1-azure", &[expected]);
    }
}
