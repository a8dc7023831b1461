// SPDX-License-Identifier: GPL-2.0-or-later
//! What the file systems are on that a machine boots from.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::Machine;
use super::etc::{self, entries};
use super::sysfs::{PAGE, drivers};

const MAX_MOUNTS: u64 = 16 << 20;

/// Block devices below one file system: RAIDs and pools have some hundred.
const MAX_DEVICES: usize = 1024;

/// Where a machine is dead without what is mounted there, and what it is called.
const PLACES: [(&str, &str); 5] = [
    ("/", "root file system"),
    ("/usr", "file system of /usr"),
    ("/boot", "file system of /boot"),
    ("/boot/efi", "file system of /boot/efi"),
    ("/efi", "file system of /efi"),
];

/// Devices without a driver behind them: their own names name the module.
const VIRTUAL: [&str; 6] = ["loop", "nbd", "zram", "bcache", "rbd", "nvme"];

/// The file systems and block devices that a machine boots from, as
/// `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`) tells of them.
pub(crate) fn read(root: &Path, machine: &mut Machine) {
    let mounts = etc::text(&root.join("proc/self/mountinfo"), MAX_MOUNTS).unwrap_or_default();
    for (place, why) in PLACES {
        // What was mounted there last is what is seen.
        let mounted = mounts.lines().rev().find_map(|line| mount(line, place));
        let Some((number, kind, source)) = mounted else {
            continue;
        };
        machine.want_file_system(kind, why);
        if let Some(device) = block_device(root, number, source) {
            below(root, device, why, machine);
        }
    }
}

/// The device number, type and source of a file system, if it is mounted at `place`.
fn mount<'l>(line: &'l str, place: &str) -> Option<(&'l str, &'l str, &'l str)> {
    let (mount, kind) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(2);
    let number = mount.next()?;
    if mount.nth(1)? != place {
        return None;
    }
    let mut kind = kind.split(' ');
    Some((number, kind.next()?, kind.next()?))
}

/// Where sysfs has a block device: by its number, or, where a file system has none of
/// its own (btrfs), by the name in `/dev`.
fn block_device(root: &Path, number: &str, source: &str) -> Option<PathBuf> {
    if !number.starts_with("0:") {
        return Some(root.join("sys/dev/block").join(number));
    }
    let node = source.strip_prefix("/dev/")?;
    let node = root.join("dev").join(node).canonicalize().ok()?;
    Some(root.join("sys/class/block").join(node.file_name()?))
}

/// Everything that a block device is made of.
fn below(root: &Path, device: PathBuf, why: &str, machine: &mut Machine) {
    let mut seen = BTreeSet::new();
    let mut ahead = vec![device];
    while let Some(device) = ahead.pop() {
        let Ok(device) = fs::canonicalize(device) else {
            continue;
        };
        if seen.len() >= MAX_DEVICES || !seen.insert(device.clone()) {
            continue;
        }
        let name = device.file_name().unwrap_or_default().to_string_lossy();
        mapped(&device, why, machine);
        raid(&device, why, machine);
        let is_it = |kind: &&&str| {
            let rest = name.strip_prefix(**kind);
            rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
        };
        if let Some(kind) = VIRTUAL.iter().find(is_it) {
            machine.want_name(kind, why);
        }
        drivers(root, &device, why, machine);
        ahead.extend(entries(&device.join("slaves"), MAX_DEVICES));
    }
}

/// The device mapper, and its target by the prefix that cryptsetup, LVM and
/// multipath-tools give their devices.
fn mapped(device: &Path, why: &str, machine: &mut Machine) {
    let Some(uuid) = etc::text(&device.join("dm/uuid"), PAGE) else {
        return;
    };
    machine.want_name("dm-mod", why);
    for (prefix, target) in [
        ("CRYPT-VERITY", "dm-verity"),
        ("CRYPT-", "dm-crypt"),
        ("mpath-", "dm-multipath"),
    ] {
        if uuid.trim().starts_with(prefix) {
            return machine.want_name(target, why);
        }
    }
}

/// What a RAID of the kernel's own asks for (`MODULE_ALIAS("md-raid1")` and others).
fn raid(device: &Path, why: &str, machine: &mut Machine) {
    let level = etc::text(&device.join("md/level"), PAGE).unwrap_or_default();
    if !level.trim().is_empty() {
        machine.want_name("md-mod", why);
        machine.want_alias(&format!("md-{}", level.trim()), why);
    }
}
