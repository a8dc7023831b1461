// SPDX-License-Identifier: GPL-2.0-or-later
//! Which paths of a root hold modules, kernel images and their configs.
//!
//! The one classifier: of files on the disk, of those that package headers and
//! plans list, and inside rpm and libzypp.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Components, Path};

use crate::counters;

/// What a path inside a root is to a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role<'a> {
    /// A module of a release.
    Module {
        /// The name of the module directory: the kernel's `uname -r`.
        release: &'a str,
        /// The path below the module directory.
        below: &'a Path,
    },
    /// A kernel image of a release, under a name that is read.
    Image {
        /// `uname -r` of the kernel.
        release: &'a str,
    },
    /// A kernel image of a release, under another name: read where there is none
    /// under the usual ones. Mostly it is another form of the same kernel.
    OtherImage {
        /// `uname -r` of the kernel.
        release: &'a str,
    },
    /// The `.config` of a release.
    Config {
        /// `uname -r` of the kernel.
        release: &'a str,
    },
}

impl<'a> Role<'a> {
    /// The role of an absolute path inside a root, by its place and name alone.
    ///
    /// `/lib/modules` and `/usr/lib/modules` are one place: where both exist, one
    /// is a link to the other. A `/` too many changes nothing. `None` for everything
    /// else, also for paths with `..` in them and for what is no release
    /// ([`is_release`]).
    pub fn of(path: &'a Path) -> Option<Self> {
        counters::count("classify", path.display());
        match KnownDir::of(path)? {
            KnownDir::Boot(file) => {
                let name = file.as_path().to_str()?;
                let (kind, release) = in_boot(name)?;
                is_release(release).then(|| kind.of(release, Path::new("")))
            }
            KnownDir::Modules { release, below } => {
                let below = below.as_path();
                let directory = match below.components().nth(1) {
                    None => Directory::Release,
                    Some(_) => Directory::Modules,
                };
                let kind = directory.kind(below.file_name()?.as_bytes())?;
                Some(kind.of(release, below))
            }
        }
    }

    /// `uname -r` of the kernel that it belongs to.
    pub fn release(self) -> &'a str {
        match self {
            Self::Module { release, .. }
            | Self::Image { release }
            | Self::OtherImage { release }
            | Self::Config { release } => release,
        }
    }

    /// Packages that carry it, or take it away, are judged.
    pub fn is_judged(self) -> bool {
        !matches!(self, Self::Config { .. })
    }
}

/// A directory that may hold modules or kernel images: a header lists its files by
/// directory, and mostly none of them is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directory {
    /// `/boot`.
    Boot,
    /// The module directory of a release.
    Release,
    /// Anything below that.
    Modules,
}

impl Directory {
    /// What the directory at `path` may hold. Nothing is allocated.
    pub fn of(path: &[u8]) -> Option<Self> {
        match KnownDir::of(Path::new(OsStr::from_bytes(path)))? {
            KnownDir::Boot(mut below) => below.next().is_none().then_some(Self::Boot),
            KnownDir::Modules { mut below, .. } => Some(match below.next() {
                None => Self::Release,
                Some(_) => Self::Modules,
            }),
        }
    }

    /// Its file `name` is a module or a kernel image: the path of both has a [`Role`]
    /// that [is judged](Role::is_judged).
    pub fn has_judged(self, name: &[u8]) -> bool {
        self.kind(name).is_some_and(|kind| kind != NameKind::Config)
    }

    /// Its file `name` is a kernel image: whether it is an
    /// [`OtherImage`](Role::OtherImage), and what orders it further among those of the
    /// directory, `vmlinuz` before `vmlinux`.
    pub fn image_rank(self, name: &str) -> Option<(bool, Reverse<&str>)> {
        let is_other = match self.kind(name.as_bytes())? {
            NameKind::Image => false,
            NameKind::OtherImage => true,
            NameKind::Module | NameKind::Config => return None,
        };
        Some((is_other, Reverse(name)))
    }

    fn kind(self, name: &[u8]) -> Option<NameKind> {
        match self {
            Self::Boot => {
                let (kind, release) = in_boot(str::from_utf8(name).ok()?)?;
                is_release(release).then_some(kind)
            }
            Self::Release => image_in_module_dir(name).or_else(|| module(name)),
            Self::Modules => module(name),
        }
    }
}

/// A directory of the root, and what of a path is below it.
enum KnownDir<'a> {
    Boot(Components<'a>),
    Modules {
        release: &'a str,
        below: Components<'a>,
    },
}

impl<'a> KnownDir<'a> {
    fn of(path: &'a Path) -> Option<Self> {
        let mut parts = path.components();
        if parts.next()? != Component::RootDir {
            return None;
        }
        let mut first = name(&mut parts)?;
        if first == "boot" {
            return Some(Self::Boot(parts));
        }
        if first == "usr" {
            first = name(&mut parts)?;
        }
        if first != "lib" || name(&mut parts)? != "modules" {
            return None;
        }
        let release = name(&mut parts)?.to_str()?;
        let leads_up = parts.clone().any(|part| part == Component::ParentDir);
        (is_release(release) && !leads_up).then_some(Self::Modules {
            release,
            below: parts,
        })
    }
}

fn name<'a>(parts: &mut Components<'a>) -> Option<&'a OsStr> {
    match parts.next()? {
        Component::Normal(name) => Some(name),
        _ => None,
    }
}

/// What a name alone tells, where its directory is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NameKind {
    Module,
    Image,
    OtherImage,
    Config,
}

impl NameKind {
    fn of<'a>(self, release: &'a str, below: &'a Path) -> Role<'a> {
        match self {
            Self::Module => Role::Module { release, below },
            Self::Image => Role::Image { release },
            Self::OtherImage => Role::OtherImage { release },
            Self::Config => Role::Config { release },
        }
    }
}

/// The release in the name of a file of `/boot`, or of a name like those; `None` if
/// that is no image.
pub fn release_of_boot_image(name: &str) -> Option<&str> {
    let (kind, release) = in_boot(name)?;
    (kind != NameKind::Config && is_release(release)).then_some(release)
}

/// Images have their release in their names in `/boot`.
///
/// SUSE has `vmlinux-RELEASE.gz`: the suffix is not the release's. Left out are what
/// packages leave behind and checksums, as grub-mkconfig does
/// (`grub_file_is_not_garbage`, util/grub-mkconfig_lib.in, 2.06).
fn in_boot(name: &str) -> Option<(NameKind, &str)> {
    let garbage = [".rpmsave", ".rpmnew", ".sig", ".hmac"];
    let is_garbage = garbage.iter().any(|end| name.ends_with(end)) || name.contains(".dpkg-");
    if is_garbage || name.contains('/') {
        return None;
    }
    if let Some(release) = name.strip_prefix("vmlinuz-") {
        return Some((NameKind::Image, release));
    }
    if let Some(release) = name.strip_prefix("config-") {
        return Some((NameKind::Config, release));
    }
    let others = ["vmlinux-", "Image-", "image-"];
    let release = others.iter().find_map(|prefix| name.strip_prefix(prefix))?;
    let bare = PACKED
        .iter()
        .find_map(|suffix| release.strip_suffix(suffix));
    Some((NameKind::OtherImage, bare.unwrap_or(release)))
}

/// What a packed image ends in: the kernel's `CONFIG_KERNEL_*`, by the suffixes of
/// scripts/Makefile.lib.
const PACKED: [&str; 7] = [".gz", ".xz", ".zst", ".bz2", ".lz4", ".lzma", ".lzo"];

/// The release of the module directory that a path is in, and the path below it; as of
/// [`Role::of`], none for one with `..`. `build` and `source` are left out: they lead to
/// sources ([`walk`](crate::module_tree::walk)).
pub fn in_module_dir(path: &Path) -> Option<(&str, &Path)> {
    match KnownDir::of(path)? {
        KnownDir::Modules { release, below } => {
            let below = below.as_path();
            let has_sources = ["build", "source"]
                .iter()
                .any(|name| below.as_os_str() == *name);
            (!has_sources && !below.as_os_str().is_empty()).then_some((release, below))
        }
        KnownDir::Boot(_) => None,
    }
}

/// The names under which distributions keep an image in its module directory: the
/// other ones are those of other architectures (`image` is s390x on SUSE), compressed
/// ones, and EFI's, unified ones among them (Fedora's `vmlinuz-virt.efi`). An addon
/// (`systemd-stub(7)`) goes with a unified image, and holds no kernel.
fn image_in_module_dir(name: &[u8]) -> Option<NameKind> {
    match name {
        b"vmlinux" | b"vmlinuz" => return Some(NameKind::Image),
        b"config" => return Some(NameKind::Config),
        b"Image" | b"image" => return Some(NameKind::OtherImage),
        _ => {}
    }
    let suffix = PACKED
        .iter()
        .find(|suffix| name.ends_with(suffix.as_bytes()));
    let bare = suffix.and_then(|suffix| name.get(..name.len() - suffix.len()));
    let is_packed =
        bare.is_some_and(|bare| matches!(bare, b"vmlinux" | b"vmlinuz" | b"Image" | b"image"));
    let is_efi = ["vmlinuz", "vmlinux"]
        .iter()
        .any(|start| name.starts_with(start.as_bytes()))
        && name.ends_with(b".efi")
        && !name.ends_with(b".addon.efi");
    (is_packed || is_efi).then_some(NameKind::OtherImage)
}

/// The names under which distributions keep the initrd of the image `name` beside it:
/// in the module directory one of a fixed name (ostree's is `initramfs.img`), in `/boot`
/// one with the image's own suffix, which mostly is the release (Debian, SUSE, Fedora).
/// A unified image (`vmlinuz-virt.efi`) has its own inside.
pub fn initrds_beside(image: &str) -> Vec<String> {
    match image.split_once('-') {
        Some((_, suffix)) if suffix.ends_with(".efi") => Vec::new(),
        Some((_, suffix)) => {
            let packed = PACKED.iter().find_map(|end| suffix.strip_suffix(end));
            let suffix = packed.unwrap_or(suffix);
            [
                "initrd-#",
                "initrd.img-#",
                "initrd-#.img",
                "initramfs-#.img",
                "initramfs-#",
            ]
            .map(|name| name.replace('#', suffix))
            .to_vec()
        }
        None => ["initrd", "initrd.img", "initramfs.img", "initramfs"]
            .map(str::to_owned)
            .to_vec(),
    }
}

/// The suffixes are those of the kernel's `CONFIG_MODULE_COMPRESS_*`
/// (scripts/Makefile.modinst), which kmod loads.
fn module(name: &[u8]) -> Option<NameKind> {
    [".ko", ".ko.gz", ".ko.xz", ".ko.zst"]
        .iter()
        .any(|suffix| name.len() > suffix.len() && name.ends_with(suffix.as_bytes()))
        .then_some(NameKind::Module)
}

/// Can this be a release, which names a directory and parts of file names? An
/// image says of itself what it is; `../..` it must not be.
pub fn is_release(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}

/// It is the name of a module file, plain or compressed.
pub fn is_module_name(name: &OsStr) -> bool {
    module(name.as_encoded_bytes()).is_some()
}

/// It is the name of an rpm package file.
pub fn is_package_name(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(b".rpm")
}

#[cfg(test)]
mod tests;
