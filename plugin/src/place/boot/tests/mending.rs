//! The commands that mend a stale copy, and an old initrd.

use super::*;

/// What mends the only kernel that is found outside the module directory.
fn mended(place: &Place, release: &str) -> String {
    let found = place.discover();
    let copy = |k: &&Bootable| !k.via.iter().any(|via| via.way == BootMethod::ModuleDir);
    let mut copies = found.kernels.iter().filter(copy);
    let kernel = copies.next().unwrap();
    assert_eq!(copies.next(), None);
    refresh_command(&place.root(), kernel, release)
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
    assert_eq!(
        mended(&place, "6.1"),
        "cp /usr/lib/modules/6.1/vmlinuz /efi/id/6.1/linux"
    );
    place.file("usr/bin/kernel-install", "");
    assert_eq!(
        mended(&place, "6.1"),
        "kernel-install add 6.1 /usr/lib/modules/6.1/vmlinuz"
    );
    place.file("usr/bin/sdbootutil", "");
    let sdbootutil = "sdbootutil --no-reuse-initrd add-kernel 6.1";
    assert_eq!(mended(&place, "6.1"), sdbootutil);

    let path = format!("opensuse/6.1/linux-{}", "0a".repeat(20));
    assert_eq!(mended(&with_entry(&path, ""), "6.1"), sdbootutil);
    let place = with_entry(&path, "rootflags=subvol=@/.snapshots/7/snapshot");
    assert_eq!(mended(&place, "6.1"), format!("{sdbootutil} 7"));

    let place = with_entry(
        "EFI/Pop_OS-1f0e1e54-3d52-4a5b-8a0f-6b1c2d3e4f50/vmlinuz.efi",
        "",
    );
    assert_eq!(mended(&place, "6.1"), "kernelstub");

    let place = Place::with_modules(&["6.1"]);
    place.file("efi/EFI/Linux/a.efi", "6.1\nroot=1 'x'\n");
    assert_eq!(
        mended(&place, "6.1"),
        "ukify build --linux=/usr/lib/modules/6.1/vmlinuz --initrd=INITRD \
         --cmdline='root=1 '\\''x'\\''' --output=/efi/EFI/Linux/a.efi"
    );
    place.file("usr/bin/kernel-install", "");
    assert_eq!(
        mended(&place, "6.1"),
        "kernel-install add 6.1 /usr/lib/modules/6.1/vmlinuz"
    );

    // One that an entry names is no less one.
    let place = Place::with_modules(&["6.1"]);
    place.file("efi/own/a.efi", "6.1\nroot=1\n");
    place.file("efi/loader/entries/a.conf", "uki /own/a.efi\n");
    assert_eq!(
        mended(&place, "6.1"),
        "ukify build --linux=/usr/lib/modules/6.1/vmlinuz --initrd=INITRD \
         --cmdline=root=1 --output=/efi/own/a.efi"
    );
}

#[test]
fn an_entry_that_kernel_install_makes_no_more() {
    let place = Place::with_modules(&["6.1"]);
    place.file("usr/bin/kernel-install", "");
    place.file("efi/old/6.1/linux", "");
    let entry = "title a\nlinux /old/6.1/linux\n";
    place.file("efi/loader/entries/old-6.1+3-1.conf", entry);
    let add = "kernel-install add 6.1 /usr/lib/modules/6.1/vmlinuz";
    assert_eq!(mended(&place, "6.1"), add);
    place.file("etc/kernel/entry-token", "Old\n");
    assert_eq!(mended(&place, "6.1"), add);
    place.file("etc/kernel/entry-token", "new\n");
    assert_eq!(
        mended(&place, "6.1"),
        format!("rm /efi/loader/entries/old-6.1+3-1.conf && {add}")
    );
    // Another system's is not this one's to remove.
    place.file("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    let others = format!("{entry}machine-id fedcba9876543210fedcba9876543210\n");
    place.file("efi/loader/entries/old-6.1+3-1.conf", &others);
    assert_eq!(mended(&place, "6.1"), add);
}

#[test]
fn boot() {
    let place = Place::with_modules(&["6.1"]);
    place.file("boot/vmlinuz-6.1", "");
    assert_eq!(
        mended(&place, "6.1"),
        "cp /usr/lib/modules/6.1/vmlinuz /boot/vmlinuz-6.1"
    );
    place.file("usr/bin/kernel-install", "");
    assert_eq!(
        mended(&place, "6.1"),
        "kernel-install add 6.1 /usr/lib/modules/6.1/vmlinuz"
    );
    place.file("usr/bin/dpkg", "");
    assert_eq!(
        mended(&place, "6.1"),
        "apt-get install --reinstall linux-image-6.1"
    );
    place.file("usr/lib/os-release", "ID=\"sles\"\nID_LIKE=\"suse\"\n");
    assert_eq!(
        mended(&place, "6.1"),
        "rm /boot/vmlinuz-6.1 && zypper install --force \
         \"$(rpm -qf --qf '%{NAME}=%{VERSION}-%{RELEASE}' /usr/lib/modules/6.1/vmlinuz)\""
    );
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
        let command = mended(&place, release);
        let start = format!("kernel-install add {word} ");
        assert!(command.starts_with(&start), "{command}");
    }
}

/// What makes the only initrd that is named anew.
fn initrd_mended(place: &Place) -> Option<String> {
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
    let command = |tool: &str| {
        place.file(tool, "");
        initrd_mended(&place)
    };
    assert_eq!(initrd_mended(&place), None);
    assert_eq!(command("usr/bin/mkinitcpio").unwrap(), "mkinitcpio -P");
    assert_eq!(
        command("usr/bin/dracut").unwrap(),
        "dracut --force --kver 6.1"
    );
    assert_eq!(
        command("usr/bin/kernel-install").unwrap(),
        "kernel-install add 6.1 /usr/lib/modules/6.1/vmlinuz"
    );
    assert_eq!(
        command("usr/sbin/update-initramfs").unwrap(),
        "update-initramfs -u -k 6.1"
    );
    assert_eq!(
        command("usr/bin/sdbootutil").unwrap(),
        "sdbootutil --no-reuse-initrd add-kernel 6.1"
    );

    let place = with_initrd("vmlinuz-6.1", "initramfs-6.1.img", "boot/loader/entries");
    place.file("usr/bin/kernel-install", "");
    place.file("usr/bin/dracut", "");
    assert_eq!(
        initrd_mended(&place).unwrap(),
        "dracut --force /boot/initramfs-6.1.img 6.1"
    );
}
