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
            Self::Release => in_module_dir(name).or_else(|| module(name)),
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
    let packed = [".gz", ".xz", ".zst", ".bz2"];
    let bare = packed
        .iter()
        .find_map(|suffix| release.strip_suffix(suffix));
    Some((NameKind::OtherImage, bare.unwrap_or(release)))
}

/// The names under which distributions keep an image in its module directory: the
/// other ones are those of other architectures (`image` is s390x on SUSE), compressed
/// ones, and EFI's, unified ones among them (Fedora's `vmlinuz-virt.efi`).
fn in_module_dir(name: &[u8]) -> Option<NameKind> {
    match name {
        b"vmlinux" | b"vmlinuz" => Some(NameKind::Image),
        b"config" => Some(NameKind::Config),
        b"Image" | b"image" => Some(NameKind::OtherImage),
        _ if name.starts_with(b"vmlinux.") => Some(NameKind::OtherImage),
        _ if name.starts_with(b"vmlinuz") && name.ends_with(b".efi") => Some(NameKind::OtherImage),
        _ => None,
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
mod tests {
    use super::*;

    /// Checks that headers, which list directories and names, are read by the same
    /// rule.
    fn role(path: &str) -> Option<Role<'_>> {
        let role = Role::of(Path::new(path));
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let directory = Directory::of(format!("{directory}/").as_bytes());
        let is_judged = directory.is_some_and(|directory| directory.has_judged(name.as_bytes()));
        assert_eq!(is_judged, role.is_some_and(Role::is_judged), "{path}");
        role
    }

    #[test]
    fn roles_follow_from_the_place() {
        let module = |release, below| {
            Some(Role::Module {
                release,
                below: Path::new(below),
            })
        };
        let image = Some(Role::Image { release: "6.1.0" });
        let other = Some(Role::OtherImage { release: "6.1.0" });
        let config = Some(Role::Config { release: "6.1.0" });
        for (path, expected) in [
            (
                "/usr/lib/modules/6.1.0/kernel/fs/x.ko.zst",
                module("6.1.0", "kernel/fs/x.ko.zst"),
            ),
            (
                "/lib/modules/6.1.0/updates/x.ko",
                module("6.1.0", "updates/x.ko"),
            ),
            ("/lib/modules/6.1.0/x.ko.gz", module("6.1.0", "x.ko.gz")),
            ("/lib/modules/6.1.0/a/x.ko.xz", module("6.1.0", "a/x.ko.xz")),
            ("/lib/modules/6.1.0/x.ko.bak", None),
            ("/lib/modules/6.1.0/x.ko.debug", None),
            ("/lib/modules/6.1.0/x.ko.lz4", None),
            ("/lib/modules/6.1.0/.ko", None),
            ("/lib/modules/6.1.0/modules.dep", None),
            ("/lib/modules/x.ko", None),
            ("/opt/x.ko", None),
            ("/opt/lib/modules/6.1.0/x.ko", None),
            ("/usr/usr/lib/modules/6.1.0/x.ko", None),
            ("/usr/lib/debug/lib/modules/6.1.0/x.ko", None),
            ("/lib/modules/6.1.0/../6.2.0/x.ko", None),
            ("/lib/modules/../modules/6.1.0/x.ko", None),
            ("/lib/modules/6.1.0/..", None),
            ("lib/modules/6.1.0/x.ko", None),
            ("x.ko", None),
            ("", None),
            // As the kernel reads them.
            ("/lib//modules/6.1.0//a/x.ko", module("6.1.0", "a/x.ko")),
            ("/lib/modules//kernel/x.ko", module("kernel", "x.ko")),
            ("//usr/./lib/modules/6.1.0/vmlinuz", image),
            ("/lib/modules/6.1.0/vmlinuz", image),
            ("/usr/lib/modules/6.1.0/vmlinux", image),
            ("/usr/lib/modules/6.1.0/kernel/vmlinux", None),
            ("/boot/vmlinuz-6.1.0", image),
            ("/boot//vmlinuz-6.1.0", image),
            ("/boot/grub/vmlinuz-6.1.0", None),
            ("/boot/../boot/vmlinuz-6.1.0", None),
            ("/usr/boot/vmlinuz-6.1.0", None),
            ("/boot/vmlinuz", None),
            ("/boot/vmlinuz-", None),
            ("/boot/vmlinuz-..", None),
            ("/boot/Image-.", None),
            ("/boot/vmlinux-.gz", None),
            ("/boot/config-..", None),
            ("/boot/initrd-6.1.0", None),
            ("/boot/.vmlinuz-6.1.0.hmac", None),
            ("/boot/vmlinuz-6.1.0.rpmsave", None),
            ("/boot/vmlinuz-6.1.0.dpkg-old", None),
            ("/boot/x.ko", None),
            ("/lib/modules/6.1.0/Image", other),
            ("/lib/modules/6.1.0/image", other),
            ("/lib/modules/6.1.0/vmlinux.xz", other),
            ("/lib/modules/6.1.0/vmlinuz.efi", other),
            ("/lib/modules/6.1.0/vmlinuz-virt.efi", other),
            ("/lib/modules/6.1.0/vmlinuz.old", None),
            ("/lib/modules/6.1.0/kernel/vmlinuz.efi", None),
            ("/lib/modules/6.1.0/kernel/Image", None),
            ("/lib/modules/6.1.0/vmlinux.d/x", None),
            ("/boot/Image-6.1.0", other),
            ("/boot/image-6.1.0", other),
            ("/boot/vmlinux-6.1.0", other),
            ("/boot/vmlinux-6.1.0.gz", other),
            ("/boot/Image-6.1.0.gz", other),
            ("/boot/config-6.1.0", config),
            ("/lib/modules/6.1.0/config", config),
        ] {
            assert_eq!(role(path), expected, "{path}");
        }
    }

    #[test]
    fn directories_are_told_apart() {
        for (path, expected) in [
            ("/lib/modules/6.1.0-56-amd64/", Some(Directory::Release)),
            ("/usr/lib/modules/6.1.0-56-amd64/", Some(Directory::Release)),
            ("/lib/modules/6.1/kernel/drivers/", Some(Directory::Modules)),
            ("/boot/", Some(Directory::Boot)),
            ("/boot/grub2/", None),
            ("/lib/modules/", None),
            ("/lib/modules/../", None),
            ("/lib/modules/6.1/../", None),
            ("/usr/lib/", None),
            ("", None),
        ] {
            assert_eq!(Directory::of(path.as_bytes()), expected, "{path}");
        }
    }
}
