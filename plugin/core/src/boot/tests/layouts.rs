// SPDX-License-Identifier: GPL-2.0-or-later
//! How distributions and tools lay kernels out.

use super::*;

/// What kernel-install writes for systemd-boot.
fn kernel_install(place: &Place, esp: &str, release: &str) {
    let dir = format!("id/{release}");
    place.file(&format!("{esp}/{dir}/linux"), release);
    place.file(&format!("{esp}/{dir}/initrd.img"), "");
    let entry = format!(
        "# Boot Loader Specification type#1 entry\n\
         title      Debian GNU/Linux 13 (trixie)\n\
         version    {release}\n\
         machine-id 0123456789abcdef0123456789abcdef\n\
         sort-key   debian\n\
         options    root=UUID=1 ro\n\
         linux      /{dir}/linux\n\
         initrd     /{dir}/initrd.img\n"
    );
    place.file(&format!("{esp}/loader/entries/id-{release}.conf"), &entry);
}

fn last_via(place: &Place) -> BootPath {
    let kernel = place.discover().kernels.pop().unwrap();
    kernel.via.into_iter().next().unwrap()
}

#[test]
fn kernel_install_and_systemd_boot() {
    for esp in ["efi", "boot/efi", "boot"] {
        let place = Place::with_modules(&["6.12.9", "6.12.10"]);
        kernel_install(&place, esp, "6.12.9");
        kernel_install(&place, esp, "6.12.10");
        place.file(&format!("{esp}/EFI/systemd/systemd-bootx64.efi"), "");
        place.file("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        assert_eq!(
            place.kernels(),
            [
                "/usr/lib/modules/6.12.10/vmlinuz 6.12.10: ModuleDir".to_owned(),
                "/usr/lib/modules/6.12.9/vmlinuz 6.12.9: ModuleDir".to_owned(),
                format!("/{esp}/id/6.12.10/linux 6.12.10: Entry* id-6.12.10.conf"),
                format!("/{esp}/id/6.12.9/linux 6.12.9: Entry id-6.12.9.conf"),
            ]
        );
        assert_eq!(place.default(), "the first entry");
        assert_eq!(place.problems(), [""; 0]);

        let via = last_via(&place);
        assert_eq!(via.line, Some(7));
        assert_eq!(via.options.as_deref(), Some("root=UUID=1 ro"));
        assert_eq!(via.title.as_deref(), Some("Debian GNU/Linux 13 (trixie)"));
        assert!(via.foreign.is_none() && via.is_linux);
        let initrds: Vec<String> = via.initrds.iter().map(|i| place.inside(i)).collect();
        assert_eq!(initrds, [format!("/{esp}/id/6.12.9/initrd.img")]);

        let conf = format!("{esp}/loader/loader.conf");
        place.file(&conf, "default id-6.12.9*\r\n");
        assert_eq!(place.default(), format!("/{conf}"));
        assert!(place.kernels().last().unwrap().contains("Entry*"));
        place.variable("LoaderEntryDefault", "id-6.12.10.conf");
        assert_eq!(place.default(), "EFI variable LoaderEntryDefault");
        place.variable("LoaderEntryOneShot", "ID-6.12.9.CONF");
        assert_eq!(place.default(), "EFI variable LoaderEntryOneShot");
        assert!(place.kernels().last().unwrap().contains("Entry*"));

        place.file("etc/machine-id", "fedcba9876543210fedcba9876543210\n");
        assert!(last_via(&place).foreign.is_some());
    }
}

#[test]
fn kernel_install_without_a_partition_writes_paths_of_the_root() {
    let place = Place::new();
    place.file("boot/id/6.1/linux", "6.1");
    let entry = "linux /boot/id/6.1/linux\n";
    place.file("boot/loader/entries/id-6.1.conf", entry);
    let found = ["/boot/id/6.1/linux 6.1: Entry* id-6.1.conf"];
    assert_eq!(place.kernels(), found);
}

#[test]
fn a_partition_that_is_mounted_elsewhere() {
    let place = Place::with_modules(&["6.1"]);
    let esp = Place::new();
    kernel_install(&esp, ".", "6.1");
    let esps = [esp.dir.path().to_owned()];
    let found = discover(&place.root(), &esps, None);
    let paths: Vec<_> = found.kernels.iter().map(|k| k.path.clone()).collect();
    let own = place.root().path().join("usr/lib/modules/6.1/vmlinuz");
    assert_eq!(paths, [own, esp.dir.path().join("id/6.1/linux")]);
    assert!(found.kernels.last().unwrap().is_default());
}

#[test]
fn boot_counters_and_unified_images() {
    let place = Place::new();
    let debian = |file: &str, release: &str| {
        let path = format!("efi/EFI/Linux/{file}.efi");
        let os_release = "ID=debian\nVERSION_ID=\"13\"\n";
        place.uki(&path, release, "root=1 quiet", os_release);
    };
    debian("debian-6.1", "6.1.0-1");
    debian("debian-6.2+0-3", "6.2.0-1");
    place.file("efi/EFI/Linux/debian-6.2.efi.extra.d/a.addon.efi", "");
    place.file("efi/EFI/Linux/bad.efi", "\x7fELF");
    place.uki("efi/EFI/Linux/zz-no-osrel.efi", "6.9", "root=1", "");
    place.uki("efi/EFI/custom/six.efi", "6.3", "root=3", "");
    place.file("efi/loader/entries/six+3.conf", "uki /EFI/custom/six.efi\n");
    assert_eq!(
        place.kernels(),
        [
            "/efi/EFI/custom/six.efi 6.3: Entry six.conf",
            "/efi/EFI/Linux/debian-6.1.efi 6.1.0-1: Uki* debian-6.1.efi",
            "/efi/EFI/Linux/debian-6.2+0-3.efi 6.2.0-1: Uki debian-6.2.efi",
            "/efi/EFI/Linux/zz-no-osrel.efi 6.9: Uki zz-no-osrel.efi",
        ]
    );
    let what = "/efi/EFI/Linux/bad.efi: expected a unified kernel image: a PE file with a \
                section .linux";
    assert_eq!(place.problems(), [what]);
    assert_eq!(place.discover().problems, []);
    place.file("efi/EFI/Linux/fedora-server-6.4.1-rc2.efi", "");
    let found = place.discover().kernels;
    let releases = found.iter().filter(|kernel| !kernel.file.exists());
    let releases: Vec<_> = releases.map(|kernel| kernel.release.as_deref()).collect();
    assert_eq!(releases, [None, Some("6.4.1-rc2")]);
    // systemd-boot does not show an image that has no os-release.
    let other = Place::new();
    other.uki("efi/EFI/Linux/no-osrel.efi", "6.9", "root=1", "");
    assert_eq!(other.default(), "unknown: there is no entry");
    let found = place.discover();
    let via = found.kernels.iter().flat_map(|kernel| &kernel.via);
    let options: Vec<_> = via.filter_map(|via| via.options.as_deref()).collect();
    let quiet = "root=1 quiet";
    assert_eq!(options, ["root=3", quiet, quiet, "root=1"]);
}

#[test]
fn kernelstub() {
    let place = Place::with_modules(&["6.9.3-76060903-generic"]);
    let dir = "EFI/Pop_OS-1f0e1e54-3d52-4a5b-8a0f-6b1c2d3e4f50";
    for (name, id) in [
        ("vmlinuz.efi", "current"),
        ("vmlinuz-previous.efi", "oldkern"),
    ] {
        place.file(&format!("boot/efi/{dir}/{name}"), id);
        let entry = format!("title Pop!_OS\nlinux /{dir}/{name}\ninitrd /{dir}/initrd.img\n");
        place.file(&format!("boot/efi/loader/entries/Pop_OS-{id}.conf"), &entry);
    }
    place.file(&format!("boot/efi/{dir}/initrd.img"), "");
    // As it stands there, systemd-boot has not understood it since 2020.
    place.file("boot/efi/loader/loader.conf", "default Pop_OS-current\n");
    assert_eq!(place.default(), "the first entry");
    place.variable("LoaderInfo", "systemd-boot 244");
    assert_eq!(place.default(), "/boot/efi/loader/loader.conf");
    place.variable("LoaderInfo", "systemd-boot 249.11-0ubuntu3");
    let conf = "default Pop_OS-current.conf\n";
    place.file("boot/efi/loader/loader.conf", conf);
    let found = |current: &str, old: &str| {
        let base = format!("/boot/efi/{dir}");
        let expected = [
            format!("{base}/vmlinuz.efi ?: {current}Kernelstub"),
            format!("{base}/vmlinuz-previous.efi ?: {old}Kernelstub"),
        ];
        assert_eq!(place.kernels().get(1..).unwrap(), expected);
    };
    let [current, old] = [
        "Entry* Pop_OS-current.conf, ",
        "Entry Pop_OS-oldkern.conf, ",
    ];
    found(current, old);
    assert_eq!(place.default(), "/boot/efi/loader/loader.conf");
    fs::remove_dir_all(place.dir.path().join("boot/efi/loader")).unwrap();
    found("", "");
}

/// What sdbootutil writes for one snapshot.
fn sdbootutil(place: &Place, snapshot: u32, release: &str, sha1: &str) {
    let dir = format!("opensuse-tumbleweed/{release}");
    place.file(&format!("boot/efi/{dir}/linux-{sha1}"), sha1);
    let id = format!("system-opensuse-tumbleweed-{release}-{snapshot}");
    let entry = format!(
        "# Boot Loader Specification type#1 entry\n\
         title      openSUSE Tumbleweed\n\
         version    {snapshot}@{release}\n\
         sort-key   opensuse-tumbleweed\n\
         options    root=UUID=1 rootflags=subvol=@/.snapshots/{snapshot}/snapshot\n\
         linux      /{dir}/linux-{sha1}\n"
    );
    place.file(&format!("boot/efi/loader/entries/{id}.conf"), &entry);
}

#[test]
fn sdbootutil_and_snapshots() {
    let release = "6.16.3-1-default";
    let place = Place::with_modules(&[release]);
    let of_snapshot = format!(".snapshots/2/snapshot/usr/lib/modules/{release}/vmlinuz");
    place.file(&of_snapshot, "");
    let (old, new) = ("a".repeat(40), "b".repeat(40));
    for (snapshot, sha1) in [(1, &old), (2, &old), (3, &new)] {
        sdbootutil(&place, snapshot, release, sha1);
    }
    place.link(".snapshots/3/snapshot", "/");
    let grubenv = "boot/efi/EFI/opensuse/grubenv";
    place.file(grubenv, "# GRUB Environment Block\n####");
    let id = |n| format!("system-opensuse-tumbleweed-{release}-{n}.conf");
    let expected = [
        (&old, " in no snapshot 1: Entry", id(1)),
        (&old, " in snapshot 2: Entry", id(2)),
        (&new, ": Entry*", id(3)),
    ];
    let base = format!("/boot/efi/opensuse-tumbleweed/{release}");
    let expected =
        expected.map(|(sha1, shown, id)| format!("{base}/linux-{sha1} {release}{shown} {id}"));
    assert_eq!(place.kernels().get(1..).unwrap(), expected);
    let found = place.discover().kernels.into_iter();
    let dirs = found.map(|k| k.home.module_dir(&place.root(), release));
    let dirs: Vec<_> = dirs.map(|dir| dir.map(|dir| place.inside(&dir))).collect();
    let own = Some(format!("/usr/lib/modules/{release}"));
    let snapshot = Some(format!("/.snapshots/2/snapshot/usr/lib/modules/{release}"));
    assert_eq!(dirs, [own.clone(), None, snapshot, own]);

    let env = format!("# GRUB Environment Block\ndefault={}\n####", id(2));
    place.file(grubenv, &env);
    assert_eq!(place.default(), format!("/{grubenv}"));
    assert!(place.kernels().get(2).unwrap().contains("Entry*"));
}

#[test]
fn links_of_boot_are_the_image_itself() {
    let place = Place::with_modules(&["6.1.0", "6.2.0"]);
    place.link("boot/vmlinuz-6.1.0", "../usr/lib/modules/6.1.0/vmlinuz");
    place.link("boot/vmlinuz", "vmlinuz-6.2.0");
    for path in [
        "boot/vmlinuz-6.2.0",
        "boot/Image-6.3.0",
        "boot/image-6.4.0",
        "boot/vmlinux-6.5.0.xz",
        "boot/vmlinux-6.5.0.zst",
        "usr/lib/modules/6.2.0/vmlinux.zst",
        "usr/lib/modules/6.6.0/Image",
        "usr/lib/modules/6.7.0/image",
        "usr/lib/modules/6.8.0/vmlinuz-virt.efi",
        "usr/lib/modules/6.8.0/System.map",
    ] {
        place.file(path, "");
    }
    assert_eq!(
        place.kernels(),
        [
            "/usr/lib/modules/6.1.0/vmlinuz 6.1.0: ModuleDir, Boot",
            "/usr/lib/modules/6.2.0/vmlinuz 6.2.0: ModuleDir",
            "/usr/lib/modules/6.2.0/vmlinux.zst 6.2.0: ModuleDir",
            "/usr/lib/modules/6.6.0/Image 6.6.0: ModuleDir",
            "/usr/lib/modules/6.7.0/image 6.7.0: ModuleDir",
            "/usr/lib/modules/6.8.0/vmlinuz-virt.efi 6.8.0: ModuleDir",
            "/boot/Image-6.3.0 6.3.0: Boot",
            "/boot/image-6.4.0 6.4.0: Boot",
            "/boot/vmlinux-6.5.0.xz 6.5.0: Boot",
            "/boot/vmlinux-6.5.0.zst 6.5.0: Boot",
            "/boot/vmlinuz-6.2.0 6.2.0: Boot",
        ]
    );
    assert_eq!(place.default(), "unknown: there is no entry");
}
