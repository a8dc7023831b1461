// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

struct Made(tempfile::TempDir);

impl Made {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, path: &str, text: &str) {
        let file = self.root().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn files(&self, files: &[(&str, &str)]) {
        for (path, text) in files {
            self.file(path, text);
        }
    }

    /// Links, each to another path of this machine.
    fn links(&self, links: &[(&str, &str)]) {
        for (path, to) in links {
            let link = self.root().join(path);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            fs::create_dir_all(self.root().join(to)).unwrap();
            symlink(self.root().join(to), link).unwrap();
        }
    }

    /// Asserts what each of these modules is needed for.
    fn assert_needs(&self, expected: &[(&str, &[&str])]) {
        let needs = self.needs();
        for (module, reasons) in expected {
            assert_eq!(needs.of(module), *reasons, "{module}");
        }
    }

    /// What it needs of its release `6.1`.
    fn needs(&self) -> Needs {
        let dir = self.root().join("lib/modules/6.1");
        Machine::read(self.root()).needs(&[dir])
    }
}

/// A release that has everything.
fn with_release() -> Made {
    let made = Made::new();
    made.file(
        "lib/modules/6.1/modules.dep",
        "kernel/fs/xfs/xfs.ko.xz: kernel/lib/libcrc32c.ko.xz\n\
         kernel/lib/libcrc32c.ko.xz:\n\
         kernel/fs/fat/vfat.ko: kernel/fs/fat/fat.ko\n\
         kernel/fs/fat/fat.ko:\n\
         kernel/drivers/md/dm-crypt.ko: kernel/drivers/md/dm-mod.ko\n\
         kernel/drivers/md/dm-mod.ko:\n\
         kernel/drivers/md/md-mod.ko:\n\
         kernel/drivers/md/raid456.ko:\n\
         kernel/drivers/net/virtio_net.ko:\n\
         kernel/drivers/net/bonding/bonding.ko:\n\
         kernel/drivers/gpu/nouveau.ko:\n\
         kernel/drivers/block/virtio_blk.ko:\n\
         kernel/drivers/virtio/virtio_pci.ko:\n\
         updates/wireguard.ko:\n",
    );
    made.file(
        "lib/modules/6.1/modules.alias",
        "# Aliases extracted from modules themselves.\n\
         alias fs-xfs xfs\n\
         alias fs-vfat vfat\n\
         alias rtnl-link-bond bonding\n\
         alias md-raid5 raid456\n\
         alias pci:v00001AF4d*sv*sd*bc*sc*i* virtio_pci\n\
         alias pci:v000010DEd*sv*sd*bc03sc*i* nouveau\n\
         alias virtio:d00000001v* virtio-net\n\
         alias usb:v0BDAp8153d[0-3]*dc*dsc*dp*ic*isc*ip*in* r8153-ecm\n",
    );
    made
}

#[test]
fn what_is_loaded_or_to_be_loaded() {
    let made = with_release();
    made.files(&[
        ("proc/modules", "wireguard 94208 0 - Live 0x0\n"),
        ("etc/modules", "# none\n\nvirtio_net opt=1\n"),
        ("etc/modules-load.d/a.conf", "dm-crypt\n"),
        ("usr/lib/modules-load.d/a.conf", "xfs\n"),
        ("usr/lib/modules-load.d/b.conf", "; no\nvfat\n"),
        ("usr/lib/modules-load.d/b.txt", "nouveau\n"),
    ]);
    made.assert_needs(&[
        ("wireguard", &["loaded"]),
        ("virtio-net", &["named in /etc/modules"]),
        ("dm_crypt", &["named in /etc/modules-load.d/a.conf"]),
        ("dm-mod", &["dm_crypt depends on it"]),
        ("fat", &["vfat depends on it"]),
        // Of two files with one name the first counts, and others are none of these.
        ("xfs", &[]),
        ("nouveau", &[]),
        ("#", &[]),
        (";", &[]),
    ]);
}

#[test]
fn file_systems_are_asked_for_by_alias_and_name() {
    let made = with_release();
    made.file(
        "etc/fstab",
        "# UUID=0 /no vfat\nUUID=1 /home xfs defaults 0 2\n\
         UUID=2 /boot/efi vfat umask=077 0 1\nUUID=3 none swap sw 0 0\n\
         a:/ /mnt nfs4,wireguard ro\n",
    );
    made.assert_needs(&[
        ("xfs", &["fstab /home"]),
        ("libcrc32c", &["xfs depends on it"]),
        ("vfat", &["fstab /boot/efi"]),
        ("wireguard", &["fstab /mnt"]),
        ("swap", &[]),
    ]);
}

#[test]
fn mount_options_name_character_sets() {
    let made = with_release();
    for (options, expected) in [
        ("umask=077,iocharset=ascii", &["nls_ascii"][..]),
        (
            "codepage=850,iocharset=iso8859-1",
            &["nls_cp850", "nls_iso8859_1"],
        ),
        ("codepage=cp437", &["nls_cp437"]),
        ("nls=koi8-r", &["nls_koi8_r"]),
        ("iocharset=,codepage=,iocharsets=x,ro", &[]),
        ("", &[]),
    ] {
        let table = format!("UUID=1 /mnt vfat {options} 0 2\n# UUID=2 /no vfat iocharset=no\n");
        made.file("etc/fstab", &table);
        let modules = Machine::read(made.root()).needs(&[]);
        let named = modules.modules().filter(|name| name.starts_with("nls_"));
        assert_eq!(named.collect::<Vec<_>>(), expected, "{options}");
    }
    made.file("etc/fstab", "UUID=1 /mnt vfat iocharset=ascii 0 2\n");
    let needs = Machine::read(made.root()).needs(&[]);
    assert_eq!(needs.of("nls_ascii"), ["fstab /mnt"]);
}

#[test]
fn the_root_is_followed_down_to_its_drivers() {
    let made = with_release();
    // xfs on a crypt on a RAID of virtio disks.
    made.file(
        "proc/self/mountinfo",
        "20 1 254:9 / / rw - ext4 /dev/old rw\n\
         21 1 254:0 / / rw,noatime shared:1 - xfs /dev/mapper/root rw\n\
         22 21 0:5 / /proc rw - proc proc rw\n",
    );
    let (virtual_, pci) = ("sys/devices/virtual/block", "sys/devices/pci0");
    let (dm, raid) = (format!("{virtual_}/dm-0"), format!("{virtual_}/md0"));
    let disk = format!("{pci}/virtio1/block/vda/vda1");
    made.file(&format!("{dm}/dm/uuid"), "CRYPT-LUKS2-1-root\n");
    made.file(&format!("{raid}/md/level"), "raid5\n");
    made.links(&[
        ("sys/dev/block/254:0", &dm),
        (&format!("{dm}/slaves/md0"), &raid),
        (&format!("{raid}/slaves/vda1"), &disk),
        (
            "sys/devices/pci0/virtio1/driver",
            "sys/bus/virtio/drivers/blk",
        ),
        ("sys/bus/virtio/drivers/blk/module", "sys/module/virtio_blk"),
        ("sys/devices/pci0/driver", "sys/bus/pci/drivers/virtio"),
        ("sys/bus/pci/drivers/virtio/module", "sys/module/virtio_pci"),
        // A loop of slaves ends.
        (&format!("{disk}/slaves/dm-0"), &dm),
    ]);
    let why = "root file system";
    made.assert_needs(&[
        ("xfs", &[why]),
        ("dm_crypt", &[why]),
        ("md_mod", &[why]),
        ("raid456", &[why]),
        ("virtio_blk", &[why]),
        ("virtio_pci", &[why]),
        ("dm_mod", &[why, "dm_crypt depends on it"]),
        ("ext4", &[]),
    ]);
}

#[test]
fn a_file_system_without_a_number_is_found_by_its_source() {
    let made = with_release();
    made.file(
        "proc/self/mountinfo",
        "21 1 0:30 /@ / rw - btrfs /dev/vda2 rw,subvol=/@\n",
    );
    made.file("dev/vda2", "");
    made.links(&[
        ("sys/class/block/vda2", "sys/devices/virtio1/block/vda/vda2"),
        ("sys/devices/virtio1/driver/module", "sys/module/virtio_blk"),
    ]);
    made.assert_needs(&[("virtio-blk", &["root file system"])]);
}

#[test]
fn devices_ask_by_their_aliases() {
    let made = with_release();
    for (name, alias) in [
        ("0000:1", "pci:v00001AF4d00001041sv0sd0bc02sc00i00"),
        ("0000:2", "pci:v000010DEd00000001sv0sd0bc03sc00i00"),
        ("virtio0", "virtio:d00000001v00001AF4"),
        ("1-1", "usb:v0BDAp8153d3000dc00dsc00dp00ic02isc06ip00in00"),
        ("1-2", "usb:v0BDAp8153d4000dc00dsc00dp00ic02isc06ip00in00"),
    ] {
        let (bus, _) = alias.split_once(':').unwrap();
        let device = format!("sys/devices/{name}");
        made.file(&format!("{device}/modalias"), &format!("{alias}\n"));
        made.links(&[(&format!("sys/bus/{bus}/devices/{name}"), &device)]);
    }
    made.assert_needs(&[
        (
            "virtio_pci",
            &["device pci:v00001AF4d00001041sv0sd0bc02sc00i00"],
        ),
        ("virtio_net", &["device virtio:d00000001v00001AF4"]),
    ]);
    let needs = made.needs();
    assert_eq!(needs.of("r8153_ecm").len(), 1);
    assert_eq!(needs.of("nouveau").len(), 1);
    made.files(&[
        ("etc/modprobe.d/a.conf", "blacklist nouveau\n"),
        ("proc/cmdline", "quiet modprobe.blacklist=virtio-net,x\n"),
    ]);
    let needs = made.needs();
    assert_eq!(needs.of("nouveau").len(), 0);
    assert_eq!(needs.of("virtio_net").len(), 0);
    assert_eq!(needs.of("virtio_pci").len(), 1);
}

#[test]
fn network_interfaces_have_drivers_or_makers() {
    let made = with_release();
    made.links(&[
        ("sys/class/net/eth0", "sys/devices/virtio0/net/eth0"),
        ("sys/devices/virtio0/driver/module", "sys/module/virtio_net"),
        ("sys/class/net/bond0", "sys/devices/virtual/net/bond0"),
        ("sys/class/net/lo", "sys/devices/virtual/net/lo"),
    ]);
    let event = "DEVTYPE=bond\nINTERFACE=bond0\n";
    made.file("sys/devices/virtual/net/bond0/uevent", event);
    made.assert_needs(&[
        ("virtio_net", &["network interface eth0"]),
        ("bonding", &["network interface bond0"]),
    ]);
    assert_eq!(made.needs().modules().count(), 2);
}

#[test]
fn another_release_tells_where_the_own_one_cannot_yet() {
    let made = with_release();
    made.file("etc/fstab", "UUID=1 / xfs defaults 0 1\n");
    let machine = Machine::read(made.root());
    let dirs = ["6.2", "6.1"].map(|release| made.root().join("lib/modules").join(release));
    let needs = machine.needs(&dirs);
    assert_eq!(needs.of("libcrc32c"), ["xfs depends on it"]);
    let names_only = machine.needs(&[]);
    assert_eq!(names_only.of("xfs"), ["fstab /"]);
    assert_eq!(names_only.of("libcrc32c"), [""; 0]);
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let made = Made::new();
    fs::create_dir_all(made.root().join("etc/modules-load.d")).unwrap();
    let mode = rustix::fs::Mode::RUSR;
    let pipe = made.root().join("etc/modules-load.d/a.conf");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
    fs::create_dir_all(made.root().join("etc/fstab")).unwrap();
    assert_eq!(made.needs().modules().count(), 0);
    assert_eq!(super::etc::text(Path::new("/proc/self/status"), 3), None);
}

#[test]
fn what_only_another_module_needs_is_not_asked_for_itself() {
    let made = with_release();
    made.files(&[
        (
            "proc/modules",
            "fat 1 1 vfat, Live 0x0\nvfat 1 0 - Live 0x0\nwireguard 1 0 - Live 0x0\n",
        ),
        ("etc/modules", "md-mod\nrtnl-link-bond\n"),
    ]);
    let root = Root::new(made.root()).unwrap();
    let own = HostNeeds::new(&root, "6.1").own_uses("6.1");
    let names: Vec<&str> = own.keys().map(String::as_str).collect();
    assert_eq!(names, ["bonding", "md_mod", "vfat", "wireguard"]);
    assert_eq!(
        own["bonding"].aliases,
        BTreeSet::from(["rtnl-link-bond".to_owned()])
    );
    assert!(own["md_mod"].aliases.is_empty());
}
