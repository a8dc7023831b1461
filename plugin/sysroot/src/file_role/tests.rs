// SPDX-License-Identifier: GPL-2.0-or-later
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
        ("/lib/modules/6.1.0/vmlinux.gz", other),
        ("/lib/modules/6.1.0/vmlinuz.gz", other),
        ("/lib/modules/6.1.0/Image.gz", other),
        ("/lib/modules/6.1.0/image.zst", other),
        ("/lib/modules/6.1.0/vmlinuz.old", None),
        ("/lib/modules/6.1.0/vmlinux.debug", None),
        ("/lib/modules/6.1.0/vmlinux.txt", None),
        ("/lib/modules/6.1.0/vmlinux.", None),
        ("/lib/modules/6.1.0/config.gz", None),
        ("/lib/modules/6.1.0/vmlinuz.addon.efi", None),
        ("/lib/modules/6.1.0/vmlinuz-virt.addon.efi", None),
        (
            "/lib/modules/6.1.0/vmlinuz-virt.efi.extra.d/x.addon.efi",
            None,
        ),
        (
            "/lib/modules/6.1.0/vmlinuz-virt.efi.extra.d/vmlinuz.efi",
            None,
        ),
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
fn initrds_are_called_after_their_images() {
    for (image, expected) in [
        ("vmlinuz-6.1.0-1-amd64", "initrd.img-6.1.0-1-amd64"),
        ("vmlinux-6.1.0-1-default.gz", "initrd-6.1.0-1-default"),
        ("Image-6.1", "initramfs-6.1.img"),
        ("vmlinuz-0-rescue-0123", "initramfs-0-rescue-0123.img"),
        ("vmlinuz", "initramfs.img"),
        ("Image.gz", "initrd"),
        ("vmlinuz.efi", "initrd"),
    ] {
        let names = initrds_beside(image);
        assert!(
            names.iter().any(|name| name == expected),
            "{image}: {names:?}"
        );
    }
    assert_eq!(initrds_beside("vmlinuz-virt.efi"), [""; 0]);
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
