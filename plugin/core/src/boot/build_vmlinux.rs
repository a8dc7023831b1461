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
    let top = Path::new("/usr/src/linux-obj");
    let mut builds = Vec::new();
    for architecture in names(root, top) {
        let above = top.join(architecture);
        for flavour in names(root, &above) {
            builds.push(above.join(flavour));
        }
    }
    builds.truncate(MAX_BUILDS);
    builds.retain(|build| release_of(root, build).is_some_and(|own| own == release));
    builds
}

/// What a build directory says that it is for.
fn release_of(root: &Root, build: &Path) -> Option<String> {
    let file = root.resolve(&build.join("include/config/kernel.release"));
    let file = file.ok()?;
    let size = fs::metadata(&file).ok().filter(|meta| meta.is_file())?;
    if size.len() > MAX_RELEASE {
        return None;
    }
    let text = fs::read_to_string(file).ok()?;
    Some(text.trim().to_owned())
}

fn names(root: &Root, dir: &Path) -> Vec<String> {
    let entries = root.resolve(dir).and_then(fs::read_dir);
    let entries = entries.into_iter().flatten().take(MAX_BUILDS);
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Opens a candidate as the kernel of `release`. Its config is the one given, or
/// that beside it, that of the build directory, or that in `/boot`.
///
/// # Errors
/// Those of [`Kernel::open`].
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

    fn found(dir: &Path, release: &str) -> Vec<PathBuf> {
        let root = Root::new(dir).unwrap();
        let found = candidates(&root, release).into_iter();
        found.map(|candidate| candidate.inside).collect()
    }

    #[test]
    fn the_kernel_itself_comes_before_what_its_modules_are_built_with() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "usr/src/linux-headers-6.1/vmlinux", "x");
        put(dir.path(), "usr/src/kernels/6.1/vmlinux", "x");
        put(dir.path(), "boot/vmlinuz-6.1", "x");
        put(dir.path(), "usr/lib/modules/6.1/vmlinux.xz", "x");
        symlink("usr/lib", dir.path().join("lib")).unwrap();
        let build = dir.path().join("usr/lib/modules/6.1/build");
        symlink("/usr/src/linux-headers-6.1", build).unwrap();
        let paths: Vec<PathBuf> = [
            "/usr/lib/modules/6.1/vmlinux.xz",
            "/boot/vmlinuz-6.1",
            "/usr/lib/modules/6.1/build/vmlinux",
            "/usr/src/kernels/6.1/vmlinux",
        ]
        .map(PathBuf::from)
        .into();
        assert_eq!(found(dir.path(), "6.1"), paths);
        assert_eq!(found(dir.path(), "6.2"), Vec::<PathBuf>::new());
        assert_eq!(found(dir.path(), "../6.1"), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_build_directory_of_suse_says_its_release() {
        let dir = tempfile::tempdir().unwrap();
        let build = |flavour: &str, release: &str| {
            let build = format!("usr/src/linux-obj/x86_64/{flavour}");
            put(
                dir.path(),
                &format!("{build}/include/config/kernel.release"),
                release,
            );
            put(dir.path(), &format!("{build}/vmlinux"), "x");
        };
        build("default", "6.4.0-1-default\n");
        build("azure", "6.4.0-1-azure\n");
        build("endless", &"6.4.0-1-endless".repeat(100));
        let expected = Path::new("/usr/src/linux-obj/x86_64/azure/vmlinux");
        assert_eq!(found(dir.path(), "6.4.0-1-azure"), [expected]);
    }

    #[test]
    fn nothing_outside_of_the_root_is_taken() {
        let outer = tempfile::tempdir().unwrap();
        put(outer.path(), "secret/vmlinux", "x");
        let root = outer.path().join("root");
        fs::create_dir_all(root.join("usr/lib/modules/6.1")).unwrap();
        symlink(
            "../../../../../secret",
            root.join("usr/lib/modules/6.1/build"),
        )
        .unwrap();
        assert_eq!(found(&root, "6.1"), Vec::<PathBuf>::new());
    }
}
