//! Which paths of a root hold modules, kernel images and their configs.

use std::ffi::OsStr;
use std::path::{Component, Path};

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
    /// is a link to the other. `None` for everything else, also for paths with
    /// `..` in them and for what is no release ([`is_release`]).
    pub fn of(path: &'a Path) -> Option<Self> {
        Self::by_name(path).filter(|role| is_release(role.release()))
    }

    fn release(self) -> &'a str {
        match self {
            Self::Module { release, .. }
            | Self::Image { release }
            | Self::OtherImage { release }
            | Self::Config { release } => release,
        }
    }

    fn by_name(path: &'a Path) -> Option<Self> {
        if path.components().any(|part| part == Component::ParentDir) {
            return None;
        }
        if let Ok(file) = path.strip_prefix("/boot") {
            let name = file.to_str().filter(|name| !name.contains('/'))?;
            return Self::in_boot(name);
        }
        let rest = path
            .strip_prefix("/usr/lib/modules")
            .or_else(|_| path.strip_prefix("/lib/modules"))
            .ok()?;
        let mut parts = rest.components();
        let release = parts.next()?.as_os_str().to_str()?;
        let below = parts.as_path();
        match below.to_str() {
            Some("vmlinux" | "vmlinuz") => Some(Self::Image { release }),
            Some("config") => Some(Self::Config { release }),
            Some(name) if is_other_image(name) => Some(Self::OtherImage { release }),
            _ => is_module_name(below.file_name()?).then_some(Self::Module { release, below }),
        }
    }

    /// The role of a file of `/boot`.
    fn in_boot(name: &'a str) -> Option<Self> {
        if let Some(release) = name.strip_prefix("vmlinuz-") {
            return Some(Self::Image { release });
        }
        if let Some(release) = name.strip_prefix("config-") {
            return Some(Self::Config { release });
        }
        // SUSE's `vmlinux-RELEASE.gz`: the suffix is not the release's.
        let others = ["vmlinux-", "Image-", "image-"];
        let release = others.iter().find_map(|prefix| name.strip_prefix(prefix))?;
        let packed = [".gz", ".xz", ".zst", ".bz2"];
        let bare = packed
            .iter()
            .find_map(|suffix| release.strip_suffix(suffix));
        let release = bare.unwrap_or(release);
        Some(Self::OtherImage { release })
    }
}

/// The other names under which distributions keep an image in its module
/// directory: those of other architectures, compressed ones, and EFI's.
fn is_other_image(name: &str) -> bool {
    let in_here = !name.contains('/');
    let known = matches!(name, "Image" | "image");
    known || in_here && (name.starts_with("vmlinux.") || is_unified(name))
}

/// A unified kernel image, as Fedora's `vmlinuz-virt.efi`.
fn is_unified(name: &str) -> bool {
    name.starts_with("vmlinuz") && name.ends_with(".efi")
}

/// Can this be a release, which names a directory and parts of file names? An
/// image says of itself what it is; `../..` it must not be.
pub fn is_release(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}

/// Is this the name of a module file, plain or compressed?
///
/// The suffixes are those of the kernel's `CONFIG_MODULE_COMPRESS_*`
/// (scripts/Makefile.modinst).
pub fn is_module_name(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    [".ko", ".ko.gz", ".ko.xz", ".ko.zst"]
        .iter()
        .any(|suffix| name.len() > suffix.len() && name.ends_with(suffix.as_bytes()))
}

/// Is this the name of an rpm package file?
pub fn is_package_name(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(b".rpm")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_follow_from_the_place() {
        let module = |release, below| {
            Some(Role::Module {
                release,
                below: Path::new(below),
            })
        };
        let other = Some(Role::OtherImage { release: "6.1.0" });
        for (path, role) in [
            (
                "/usr/lib/modules/6.1.0/kernel/fs/x.ko.zst",
                module("6.1.0", "kernel/fs/x.ko.zst"),
            ),
            (
                "/lib/modules/6.1.0/updates/x.ko",
                module("6.1.0", "updates/x.ko"),
            ),
            ("/lib/modules/6.1.0/x.ko.bak", None),
            ("/lib/modules/6.1.0/.ko", None),
            ("/lib/modules/x.ko", None),
            ("/opt/x.ko", None),
            ("/lib/modules/6.1.0/../6.2.0/x.ko", None),
            (
                "/lib/modules/6.1.0/vmlinuz",
                Some(Role::Image { release: "6.1.0" }),
            ),
            (
                "/usr/lib/modules/6.1.0/vmlinux",
                Some(Role::Image { release: "6.1.0" }),
            ),
            ("/usr/lib/modules/6.1.0/kernel/vmlinux", None),
            (
                "/boot/vmlinuz-6.1.0",
                Some(Role::Image { release: "6.1.0" }),
            ),
            ("/boot/grub/vmlinuz-6.1.0", None),
            ("/boot/vmlinuz-", None),
            ("/boot/vmlinuz-..", None),
            ("/boot/Image-.", None),
            ("/boot/vmlinux-.gz", None),
            ("/boot/config-..", None),
            ("/lib/modules/6.1.0/Image", other),
            ("/lib/modules/6.1.0/image", other),
            ("/lib/modules/6.1.0/vmlinux.xz", other),
            ("/lib/modules/6.1.0/vmlinuz.efi", other),
            ("/lib/modules/6.1.0/vmlinuz-virt.efi", other),
            ("/lib/modules/6.1.0/kernel/vmlinuz.efi", None),
            ("/lib/modules/6.1.0/kernel/Image", None),
            ("/lib/modules/6.1.0/vmlinux.d/x", None),
            ("/boot/Image-6.1.0", other),
            ("/boot/image-6.1.0", other),
            ("/boot/vmlinux-6.1.0", other),
            ("/boot/vmlinux-6.1.0.gz", other),
            (
                "/boot/config-6.1.0",
                Some(Role::Config { release: "6.1.0" }),
            ),
            (
                "/lib/modules/6.1.0/config",
                Some(Role::Config { release: "6.1.0" }),
            ),
        ] {
            assert_eq!(Role::of(Path::new(path)), role, "{path}");
        }
    }
}
