// SPDX-License-Identifier: GPL-2.0-or-later
//! Places where an image lies under a name that says what it is.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use btf_guard_sysroot::Root;
use btf_guard_sysroot::file_role::{Directory, is_release, release_of_boot_image};

use super::collector::Collector;
use super::volume::{LoaderFile, Volume};
use super::{BootMethod, BootPath, BootProblem};

/// The images in the root's module directories.
pub(crate) fn module_dirs(collector: &mut Collector<'_>) {
    let mut seen = BTreeSet::new();
    for base in ["/usr/lib/modules", "/lib/modules"] {
        // Mostly one of them is a link to the other.
        let real = collector.root.resolve(Path::new(base));
        if real.is_ok_and(|real| !seen.insert(real)) {
            continue;
        }
        let volume = Volume::part_of(collector.root, Path::new(base));
        for release in volume.list("", is_release, &mut collector.problems) {
            let rank = |name: &str| Directory::Release.image_rank(name).is_some();
            let names = volume.list(&release, rank, &mut collector.problems);
            let ranked = names
                .iter()
                .map(|name| (Directory::Release.image_rank(name), name));
            for name in ranked.collect::<BTreeMap<_, _>>().into_values() {
                let inside = Path::new(base).join(&release).join(name);
                named(collector, &inside, Some(&release), BootMethod::ModuleDir);
            }
        }
    }
}

/// The images in `/boot`, by their names.
pub(crate) fn boot(root: &Root, collector: &mut Collector<'_>) {
    let volume = Volume::part_of(root, Path::new("/boot"));
    let is_image = |name: &str| release_of_boot_image(name).is_some();
    for name in volume.list("", is_image, &mut collector.problems) {
        let inside = Path::new("/boot").join(&name);
        let release = release_of_boot_image(&name);
        named(collector, &inside, release, BootMethod::Boot);
    }
}

/// Takes what lies at a path inside the root, if anything does.
fn named(collector: &mut Collector<'_>, inside: &Path, release: Option<&str>, way: BootMethod) {
    let path = collector.root.outside(inside);
    let expected = match collector.root.resolve(inside) {
        Ok(file) if file.is_file() => {
            let via = BootPath::new(way, path.clone());
            collector.take(LoaderFile { shown: path, file }, release, via);
            return;
        }
        Ok(_) => "a regular file".to_owned(),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            format!("a readable file: {error}")
        }
        Err(_) if path.is_symlink() => "a link that leads to a file".to_owned(),
        Err(_) => return,
    };
    collector.problems.push(BootProblem::new(&path, expected));
}

/// The length of the UUID of a file system.
const UUID: usize = 36;

/// The images of kernelstub: `EFI/<NAME>-<uuid of the root>/vmlinuz.efi` and
/// `vmlinuz-previous.efi` (kernelstub/installer.py). Nothing there tells their
/// release.
pub(crate) fn kernelstub(volume: &Volume, collector: &mut Collector<'_>) {
    for dir in volume.list("EFI", is_kernelstub_dir, &mut collector.problems) {
        for name in ["vmlinuz.efi", "vmlinuz-previous.efi"] {
            let path = format!("EFI/{dir}/{name}");
            if let Ok(image) = volume.find(&path) {
                let mut via = BootPath::new(BootMethod::Kernelstub, image.shown.clone());
                // It copies the kernel of the root that it is called after.
                let uuid = dir.get(dir.len() - UUID..).unwrap_or_default();
                via.options = Some(format!("root=UUID={uuid}"));
                collector.take(image, None, via);
            }
        }
    }
}

/// `<NAME>-<uuid>`: the UUID of a file system has 36 characters, of FAT nine.
pub(crate) fn is_kernelstub_dir(name: &str) -> bool {
    let hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut parts = name.rsplit('-');
    [12, 4, 4, 4, 8]
        .iter()
        .all(|length| parts.next().is_some_and(|p| p.len() == *length && hex(p)))
        && parts.next().is_some_and(|name| !name.is_empty())
}
