//! Which paths of a package matter: modules and kernel images.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What a directory may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `/lib/modules/<release>/`: modules and kernel images.
    Release,
    /// Anything below that: modules.
    Modules,
    /// `/boot/`: kernel images with the release in their name.
    Boot,
}

/// What the directory `path`, absolute and with a `/` at its end, may hold.
pub fn place(path: &[u8]) -> Option<Place> {
    if path == b"/boot/" {
        return Some(Place::Boot);
    }
    let path = path.strip_prefix(b"/usr").unwrap_or(path);
    let below = path.strip_prefix(b"/lib/modules/")?;
    let release = below.iter().position(|&byte| byte == b'/')?;
    match (release, below.len() - release) {
        (0, _) => None,
        (_, 1) => Some(Place::Release),
        _ => Some(Place::Modules),
    }
}

/// Whether the file `name` in such a directory is a module or a kernel image.
pub fn matters(place: Place, name: &[u8]) -> bool {
    match place {
        Place::Modules => is_module(name),
        Place::Release => is_module(name) || is_image(name),
        Place::Boot => is_boot_image(name),
    }
}

/// Whether the file at `path`, absolute, is one.
pub fn is_carried(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    let slash = bytes.iter().rposition(|&byte| byte == b'/');
    let split = slash.and_then(|slash| bytes.split_at_checked(slash + 1));
    split
        .is_some_and(|(directory, name)| place(directory).is_some_and(|place| matters(place, name)))
}

/// The suffixes that kmod loads.
fn is_module(name: &[u8]) -> bool {
    [b".ko".as_slice(), b".ko.gz", b".ko.xz", b".ko.zst"]
        .iter()
        .any(|suffix| name.len() > suffix.len() && name.ends_with(suffix))
}

/// The names under which distributions keep an image in its module directory
/// (`image` is s390x on SUSE).
fn is_image(name: &[u8]) -> bool {
    let names = [b"vmlinuz".as_slice(), b"vmlinux", b"Image", b"image"];
    names.contains(&name) || name.starts_with(b"vmlinux.")
}

fn is_boot_image(name: &[u8]) -> bool {
    [b"vmlinuz-".as_slice(), b"vmlinux-", b"Image-", b"image-"]
        .iter()
        .any(|prefix| name.len() > prefix.len() && name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_told_apart() {
        for (path, expected) in [
            ("/lib/modules/6.1.0-56-amd64/", Some(Place::Release)),
            ("/usr/lib/modules/6.1.0-56-amd64/", Some(Place::Release)),
            ("/lib/modules/6.1/kernel/drivers/", Some(Place::Modules)),
            ("/usr/lib/modules/6.1/weak-updates/", Some(Place::Modules)),
            ("/boot/", Some(Place::Boot)),
            ("/boot/grub2/", None),
            ("/usr/boot/", None),
            ("/lib/modules/", None),
            ("/lib/modules//kernel/", None),
            ("/usr/lib/", None),
            ("/usr/lib/debug/lib/modules/6.1/", None),
            ("/opt/lib/modules/6.1/", None),
            ("/usr/usr/lib/modules/6.1/", None),
            ("/lib/modules/unterminated", None),
            ("", None),
        ] {
            assert_eq!(place(path.as_bytes()), expected, "{path}");
        }
    }

    #[test]
    fn names_are_told_apart() {
        use Place::{Boot, Modules, Release};
        for (place, name, expected) in [
            (Modules, "e1000.ko", true),
            (Modules, "e1000.ko.gz", true),
            (Modules, "e1000.ko.xz", true),
            (Release, "e1000.ko.zst", true),
            (Modules, ".ko", false),
            (Modules, "e1000.ko.debug", false),
            (Modules, "e1000.ko.lz4", false),
            (Modules, "vmlinuz", false),
            (Release, "vmlinuz", true),
            (Release, "vmlinux", true),
            (Release, "vmlinux.xz", true),
            (Release, "vmlinuz.old", false),
            (Release, "Image", true),
            (Release, "image", true),
            (Release, "modules.dep", false),
            (Release, "config", false),
            (Boot, "vmlinuz-6.1", true),
            (Boot, "vmlinux-6.1.gz", true),
            (Boot, "Image-6.1", true),
            (Boot, "image-6.1", true),
            (Boot, "vmlinuz-", false),
            (Boot, "vmlinuz", false),
            (Boot, "initrd-6.1", false),
            (Boot, ".vmlinuz-6.1.hmac", false),
            (Boot, "e1000.ko", false),
        ] {
            assert_eq!(matters(place, name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn whole_paths_are_told_by_the_same_rule() {
        assert!(is_carried(Path::new("/lib/modules/6.1/extra/a.ko.xz")));
        assert!(is_carried(Path::new("/boot/vmlinuz-6.1")));
        assert!(!is_carried(Path::new("/usr/share/a.ko")));
        assert!(!is_carried(Path::new("relative")));
    }
}
