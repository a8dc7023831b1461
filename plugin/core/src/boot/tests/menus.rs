// SPDX-License-Identifier: GPL-2.0-or-later
//! Roots that GRUB boots.

use super::*;

#[test]
fn grub_with_a_menu_of_its_own() {
    let place = Place::with_modules(&["6.1.0-47-amd64", "6.1.0-55-amd64"]);
    for release in ["6.1.0-47-amd64", "6.1.0-55-amd64"] {
        place.file(&format!("boot/vmlinuz-{release}"), release);
    }
    place.file("boot/vmlinuz-6.1.0-40-amd64.dpkg-tmp", "");
    place.file("boot/vmlinuz-6.1.0-40-amd64", "");
    place.file("boot/memtest86+x64.bin", "");
    let linux = |line: &str| format!("menuentry '{line}' {{\n linux {line}\n}}\n");
    let script = [
        "load_env\nset default=\"${saved_entry}\"\n".to_owned(),
        linux("/boot/vmlinuz-6.1.0-55-amd64 root=UUID=1"),
        "submenu 'more' {\n".to_owned(),
        linux("/boot/vmlinuz-6.1.0-55-amd64 root=UUID=1 single"),
        linux("/boot/vmlinuz-6.1.0-47-amd64 root=UUID=1"),
        "}\n".to_owned(),
        linux("/boot/memtest86+x64.bin"),
        linux("/boot/vmlinuz-gone root=UUID=1"),
        "menuentry 'other' --id osprober-gnulinux-1 {\n linux /boot/vmlinuz-gone root=2\n}\n"
            .to_owned(),
    ];
    place.file("boot/grub/grub.cfg", &script.concat());
    let env = "# GRUB Environment Block\nsaved_entry=more>1\n";
    place.file("boot/grub/grubenv", env);
    let leads_on = "configfile ($root)/boot/grub/grub.cfg\n";
    place.file("boot/efi/EFI/debian/grub.cfg", leads_on);
    assert_eq!(
        place.kernels().get(2..).unwrap(),
        [
            "/boot/vmlinuz-6.1.0-55-amd64 6.1.0-55-amd64: Grub, Grub, Boot",
            "/boot/vmlinuz-6.1.0-47-amd64 6.1.0-47-amd64: Grub*, Boot",
            "/boot/memtest86+x64.bin ?: Grub",
            "/boot/vmlinuz-6.1.0-40-amd64 6.1.0-40-amd64: Boot",
        ]
    );
    let found = place.discover().kernels;
    let there = found.iter().filter(|kernel| kernel.file.exists());
    let is_linux: Vec<bool> = there.map(Bootable::is_linux).collect();
    assert_eq!(is_linux, [true, true, true, true, false, true]);
    let gone = "/boot/grub/grub.cfg: line 18: expected /boot/vmlinuz-gone, which does not \
                exist";
    assert_eq!(place.problems(), [gone]);
    assert_eq!(place.default(), "/boot/grub/grub.cfg");

    let env = "# GRUB Environment Block\nsaved_entry=3\n";
    place.file("boot/grub/grubenv", env);
    // It names a kernel that is not there.
    let cfg = "/boot/grub/grub.cfg";
    assert_eq!(place.default(), cfg);
    place.file("efi/EFI/systemd/systemd-bootx64.efi", "");
    let both = "unknown: both systemd-boot and GRUB are installed";
    assert_eq!(place.default(), both);
    place.variable("LoaderInfo", "GRUB 2.12");
    assert_eq!(place.default(), cfg);
    place.variable("LoaderInfo", "systemd-boot 257");
    assert_eq!(place.default(), "unknown: there is no entry");
}

#[test]
fn grub_with_entries_of_the_specification() {
    let place = Place::with_modules(&["6.9.12-200.fc40", "6.10.3-200.fc40"]);
    let id = "0123456789abcdef0123456789abcdef";
    for release in ["6.9.12-200.fc40", "6.10.3-200.fc40", "0-rescue"] {
        place.file(&format!("boot/vmlinuz-{release}"), release);
        place.file(&format!("boot/initramfs-{release}.img"), release);
        let entry = format!(
            "title Fedora Linux ({release})\nversion {release}\n\
             linux /vmlinuz-{release}\n\
             initrd /initramfs-{release}.img $tuned_initrd\n\
             options root=UUID=1 ro rootflags=subvol=root $tuned_params\n\
             grub_users $grub_users\n"
        );
        place.file(&format!("boot/loader/entries/{id}-{release}.conf"), &entry);
    }
    let script = "load_env\nset default=\"${saved_entry}\"\nblscfg\n";
    place.file("boot/grub2/grub.cfg", script);
    assert_eq!(place.problems(), [""; 0]);
    let default = |release: &str| {
        let kernels = place.kernels().into_iter();
        let found: Vec<_> = kernels.filter(|line| line.contains('*')).collect();
        let id = format!("{id}-{release}.conf");
        let expected = format!("/boot/vmlinuz-{release} {release}: Entry* {id}, Boot");
        assert_eq!(found, [expected]);
    };
    default("6.10.3-200.fc40");
    let env = format!("# GRUB Environment Block\nsaved_entry={id}-6.9.12-200.fc40\n");
    place.file("boot/grub2/grubenv", &env);
    default("6.9.12-200.fc40");
}
