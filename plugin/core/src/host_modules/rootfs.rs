// SPDX-License-Identifier: GPL-2.0-or-later
//! What the file systems are on that a machine boots from.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::etc::{self, entries};
use super::sysfs::drivers;
use super::{ModuleRequest, What};

/// The longest `mountinfo` that is read, in bytes.
const MAX_MOUNTS: u64 = 16 << 20;

/// Block devices below one file system: RAIDs and pools have some hundred.
const MAX_DEVICES: usize = 1024;

/// A file of sysfs is no longer than a page.
const PAGE: u64 = 4096;

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
pub(crate) fn read(root: &Path, wishes: &mut Vec<ModuleRequest>) {
    let mounts = etc::text(&root.join("proc/self/mountinfo"), MAX_MOUNTS).unwrap_or_default();
    for (place, why) in PLACES {
        // What was mounted there last is what is seen.
        let mounted = mounts.lines().rev().find_map(|line| mount(line, place));
        let Some((number, kind, source)) = mounted else {
            continue;
        };
        wishes.extend(etc::file_system(kind, why.to_owned()));
        if let Some(device) = block_device(root, number, source) {
            below(root, device, why, wishes);
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
fn below(root: &Path, device: PathBuf, why: &str, wishes: &mut Vec<ModuleRequest>) {
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
        let what = mapped(&device)
            .into_iter()
            .chain(raid(&device))
            .chain(itself(&name));
        wishes.extend(what.map(|what| ModuleRequest {
            what,
            why: why.to_owned(),
        }));
        drivers(root, &device, why, wishes);
        ahead.extend(entries(&device.join("slaves"), MAX_DEVICES));
    }
}

/// The device mapper, and its target by the prefix that cryptsetup, LVM and
/// multipath-tools give their devices.
fn mapped(device: &Path) -> Vec<What> {
    let Some(uuid) = etc::text(&device.join("dm/uuid"), PAGE) else {
        return Vec::new();
    };
    let target = match uuid.trim() {
        uuid if uuid.starts_with("CRYPT-VERITY") => Some("dm-verity"),
        uuid if uuid.starts_with("CRYPT-") => Some("dm-crypt"),
        uuid if uuid.starts_with("mpath-") => Some("dm-multipath"),
        _ => None,
    };
    let names = ["dm-mod"].into_iter().chain(target);
    names.map(|name| What::Name(name.to_owned())).collect()
}

/// What a RAID of the kernel's own asks for (`MODULE_ALIAS("md-raid1")` and others).
fn raid(device: &Path) -> Vec<What> {
    let level = etc::text(&device.join("md/level"), PAGE);
    let Some(level) = level.filter(|level| !level.trim().is_empty()) else {
        return Vec::new();
    };
    let personality = What::Alias(format!("md-{}", level.trim()));
    vec![What::Name("md-mod".to_owned()), personality]
}

fn itself(name: &str) -> Option<What> {
    let is_it = |kind: &&&str| name.strip_prefix(**kind).is_some_and(starts_with_digit);
    let kind = VIRTUAL.iter().find(is_it)?;
    Some(What::Name((*kind).to_owned()))
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
}
