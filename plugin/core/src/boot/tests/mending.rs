// SPDX-License-Identifier: GPL-2.0-or-later
//! The commands that refresh a stale copy, and an old initrd.

use super::*;

const KERNEL_INSTALL: &str = "kernel-install add 6.1 /usr/lib/modules/6.1/vmlinuz";
const SDBOOTUTIL: &str = "sdbootutil --no-reuse-initrd add-kernel 6.1";

/// What refreshes the only kernel that is found outside the module directory.
fn refreshed(place: &Place, release: &str) -> String {
    let found = place.discover();
    let copy = |k: &&Bootable| !k.via.iter().any(|via| via.way == BootMethod::ModuleDir);
    let mut copies = found.kernels.iter().filter(copy);
    let kernel = copies.next().unwrap();
    assert_eq!(copies.next(), None);
    refresh_command(&place.root(), kernel, release)
}

#[track_caller]
fn assert_refreshed_by(place: &Place, command: &str) {
    assert_eq!(refreshed(place, "6.1"), command);
}

fn with_entry(path: &str, options: &str) -> Place {
    let place = Place::with_modules(&["6.1"]);
    place.file(&format!("efi/{path}"), "");
    let text = format!("linux /{path}\noptions {options}\n");
    place.file("efi/loader/entries/a.conf", &text);
    place
}

#[test]
fn entries() {
    let place = with_entry("id/6.1/linux", "");
    assert_refreshed_by(&place, "cp /usr/lib/modules/6.1/vmlinuz /efi/id/6.1/linux");
    place.file("usr/bin/kernel-install", "");
    assert_refreshed_by(&place, KERNEL_INSTALL);
    place.file("usr/bin/sdbootutil", "");
    assert_refreshed_by(&place, SDBOOTUTIL);

    let path = format!("opensuse/6.1/linux-{}", "0a".repeat(20));
    assert_refreshed_by(&with_entry(&path, ""), SDBOOTUTIL);
    let place = with_entry(&path, "rootflags=subvol=@/.snapshots/7/snapshot");
    assert_refreshed_by(&place, &format!("{SDBOOTUTIL} 7"));

    let path = "EFI/Pop_OS-1f0e1e54-3d52-4a5b-8a0f-6b1c2d3e4f50/vmlinuz.efi";
    assert_refreshed_by(&with_entry(path, ""), "kernelstub");

    let place = Place::with_modules(&["6.1"]);
    place.uki("efi/EFI/Linux/a.efi", "6.1", "root=1 'x'", "");
    assert_refreshed_by(
        &place,
        "ukify build --linux=/usr/lib/modules/6.1/vmlinuz --initrd=INITRD \
         --cmdline='root=1 '\\''x'\\''' --output=/efi/EFI/Linux/a.efi",
    );
    place.file("usr/bin/kernel-install", "");
    assert_refreshed_by(&place, KERNEL_INSTALL);

    // One that an entry names is no less one.
    let place = Place::with_modules(&["6.1"]);
    place.uki("efi/own/a.efi", "6.1", "root=1", "");
    place.file("efi/loader/entries/a.conf", "uki /own/a.efi\n");
    assert_refreshed_by(
        &place,
        "ukify build --linux=/usr/lib/modules/6.1/vmlinuz --initrd=INITRD \
         --cmdline=root=1 --output=/efi/own/a.efi",
    );
}

#[test]
fn an_entry_that_kernel_install_makes_no_more() {
    let place = Place::with_modules(&["6.1"]);
    place.file("usr/bin/kernel-install", "");
    place.file("efi/old/6.1/linux", "");
    let entry = "title a\nlinux /old/6.1/linux\n";
    place.file("efi/loader/entries/old-6.1+3-1.conf", entry);
    assert_refreshed_by(&place, KERNEL_INSTALL);
    place.file("etc/kernel/entry-token", "Old\n");
    assert_refreshed_by(&place, KERNEL_INSTALL);
    place.file("etc/kernel/entry-token", "new\n");
    let command = format!("rm /efi/loader/entries/old-6.1+3-1.conf && {KERNEL_INSTALL}");
    assert_refreshed_by(&place, &command);
    // Another system's is not this one's to remove.
    place.file("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    let others = format!("{entry}machine-id fedcba9876543210fedcba9876543210\n");
    place.file("efi/loader/entries/old-6.1+3-1.conf", &others);
    assert_refreshed_by(&place, KERNEL_INSTALL);
}

#[test]
fn boot() {
    let place = Place::with_modules(&["6.1"]);
    place.file("boot/vmlinuz-6.1", "");
    assert_refreshed_by(&place, "cp /usr/lib/modules/6.1/vmlinuz /boot/vmlinuz-6.1");
    place.file("usr/bin/kernel-install", "");
    assert_refreshed_by(&place, KERNEL_INSTALL);
    place.file("usr/bin/dpkg", "");
    assert_refreshed_by(&place, "apt-get install --reinstall linux-image-6.1");
    place.file("usr/lib/os-release", "ID=\"sles\"\nID_LIKE=\"suse\"\n");
    let command = "rm /boot/vmlinuz-6.1 && zypper install --force \
         \"$(rpm -qf --qf '%{NAME}=%{VERSION}-%{RELEASE}' /usr/lib/modules/6.1/vmlinuz)\"";
    assert_refreshed_by(&place, command);
}

#[test]
fn a_release_cannot_become_a_command() {
    let place = with_entry("id/6.1/linux", "");
    place.file("usr/bin/kernel-install", "");
    for (release, word) in [
        ("6.1; reboot", "'6.1; reboot'"),
        ("6.1'$(x)", r"'6.1'\''$(x)'"),
        ("\x1b[2J6.1\n", "'[2J6.1'"),
        ("-r", "'-r'"),
        ("", "''"),
    ] {
        let command = refreshed(&place, release);
        let start = format!("kernel-install add {word} ");
        assert!(command.starts_with(&start), "{command}");
    }
}

/// What makes the only initrd that is named anew.
fn initrd_refreshed(place: &Place) -> Option<String> {
    let found = place.discover();
    let named = |k: &&Bootable| k.via.iter().any(|via| !via.initrds.is_empty());
    let kernel = found.kernels.iter().find(named).unwrap();
    let initrds: Vec<_> = kernel.via.iter().flat_map(|via| &via.initrds).collect();
    refresh_initrd_command(&place.root(), kernel, "6.1", initrds.first().unwrap())
}

fn with_initrd(image: &str, initrd: &str, entries: &str) -> Place {
    let place = Place::with_modules(&["6.1"]);
    let volume = entries.split('/').next().unwrap();
    place.file(&format!("{volume}/{image}"), "");
    place.file(&format!("{volume}/{initrd}"), "");
    let text = format!("linux /{image}\ninitrd /{initrd}\n");
    place.file(&format!("{entries}/a.conf"), &text);
    place
}

#[test]
fn initrds() {
    let place = with_initrd("id/6.1/linux", "id/6.1/initrd", "efi/loader/entries");
    assert_eq!(initrd_refreshed(&place), None);
    for (tool, command) in [
        ("usr/bin/mkinitcpio", "mkinitcpio -P"),
        ("usr/bin/dracut", "dracut --force --kver 6.1"),
        ("usr/bin/kernel-install", KERNEL_INSTALL),
        ("usr/sbin/update-initramfs", "update-initramfs -u -k 6.1"),
        ("usr/bin/sdbootutil", SDBOOTUTIL),
    ] {
        place.file(tool, "");
        assert_eq!(initrd_refreshed(&place).unwrap(), command);
    }

    let place = with_initrd("vmlinuz-6.1", "initramfs-6.1.img", "boot/loader/entries");
    place.file("usr/bin/kernel-install", "");
    place.file("usr/bin/dracut", "");
    let command = "dracut --force /boot/initramfs-6.1.img 6.1";
    assert_eq!(initrd_refreshed(&place).unwrap(), command);
}
