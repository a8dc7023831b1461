// SPDX-License-Identifier: GPL-2.0-or-later
//! What files ask for: the list of loaded modules, `modules-load.d`, `fstab`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use btf_guard_sysroot::Root;

use super::{LOADED, Machine};
use crate::conf_files::conf_files;
use crate::module::same_name;
use crate::module::source::Regular;

/// The longest of these files that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// Where `modules-load.d(5)` looks.
const MODULES_LOAD: [&str; 4] = [
    "/etc/modules-load.d",
    "/run/modules-load.d",
    "/usr/local/lib/modules-load.d",
    "/usr/lib/modules-load.d",
];

/// Where `modprobe.d(5)` looks.
const MODPROBE: [&str; 5] = [
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
];

/// What is no file system of a module's: `fstab(5)`'s own words.
const NO_TYPES: [&str; 4] = ["swap", "none", "auto", "ignore"];

/// A regular file as text, if it is there and no longer than `limit` bytes.
pub(crate) fn text(path: &Path, limit: u64) -> Option<String> {
    let mut bytes = Vec::new();
    let file = Regular::open(path).ok()?;
    file.read_all(limit, &mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The paths in a directory, sorted; of one that is not there, none.
pub(crate) fn entries(dir: &Path, most: usize) -> Vec<PathBuf> {
    let read = fs::read_dir(dir).into_iter().flatten().take(most);
    let mut paths: Vec<PathBuf> = read.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    paths
}

pub(crate) fn loaded(root: &Path, machine: &mut Machine) {
    let list = text(&root.join("proc/modules"), MAX_FILE).unwrap_or_default();
    for name in list.lines().filter_map(|line| line.split(' ').next()) {
        machine.want_name(name, LOADED);
    }
}

/// What is loaded at each boot because the admin or a package says so.
pub(crate) fn modules_load(root: &Path, machine: &mut Machine) {
    let old = text(&root.join("etc/modules"), MAX_FILE).unwrap_or_default();
    let old = ("/etc/modules".into(), old);
    for (file, lines) in configuration(root, &MODULES_LOAD).chain([old]) {
        let shown = file.display();
        for line in lines.lines().map(str::trim) {
            let name = line.split_whitespace().next();
            let name = name.filter(|name| !name.starts_with(['#', ';']));
            if let Some(name) = name {
                machine.want_name(name, &format!("named in {shown}"));
            }
        }
    }
}

/// The file systems of `fstab(5)` and the character sets that their options name: what
/// machines boot from first.
pub(crate) fn fstab(root: &Path, machine: &mut Machine) {
    let table = text(&root.join("etc/fstab"), MAX_FILE).unwrap_or_default();
    let mut mounts = Vec::new();
    for line in table.lines().map(str::trim) {
        if line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace().skip(1);
        if let (Some(place), Some(types)) = (words.next(), words.next()) {
            mounts.push((place, types, words.next().unwrap_or_default()));
        }
    }
    mounts.sort_by_key(|(place, ..)| match *place {
        "/" => 0,
        place if place == "/usr" || place.starts_with("/boot") || place == "/efi" => 1,
        _ => 2,
    });
    for (place, types, options) in mounts {
        let why = format!("fstab {place}");
        let types = types.split(',').filter(|kind| !NO_TYPES.contains(kind));
        for kind in types {
            machine.want_file_system(kind, &why);
        }
        for name in options.split(',').filter_map(character_set) {
            machine.want_name(&format!("nls_{name}"), &why);
        }
    }
}

/// The character set that a mount option names, as `load_nls()` asks for its module:
/// `nls_` and this (fs/nls/nls_base.c). FAT puts `cp` before a code page
/// (`fat_fill_super()`, fs/fat/inode.c), HFS has it in the option (fs/hfs/super.c).
fn character_set(option: &str) -> Option<String> {
    let (key, value) = option.split_once('=')?;
    let value = value.trim_matches('"');
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
    match key {
        _ if value.is_empty() => None,
        "codepage" if is_number => Some(format!("cp{value}")),
        "iocharset" | "nls" | "codepage" => Some(value.to_owned()),
        _ => None,
    }
}

/// Modules whose aliases modprobe does not follow.
pub(crate) fn blacklist(root: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, lines) in configuration(root, &MODPROBE) {
        for line in lines.lines() {
            let mut words = line.split_whitespace();
            if words.next() == Some("blacklist") {
                names.extend(words.next().map(same_name));
            }
        }
    }
    let line = text(&root.join("proc/cmdline"), MAX_FILE).unwrap_or_default();
    for word in line.split_whitespace() {
        let listed = ["modprobe.blacklist=", "module_blacklist="];
        let listed = listed.iter().find_map(|key| word.strip_prefix(key));
        let listed = listed.into_iter().flat_map(|list| list.split(','));
        names.extend(listed.map(same_name));
    }
    names
}

/// The texts of the `.conf` files of these directories, each with its path inside the
/// root.
fn configuration(root: &Path, dirs: &[&str]) -> impl Iterator<Item = (PathBuf, String)> {
    let root = Root::new(root).ok();
    let files = root.iter().flat_map(|root| conf_files(root, dirs).files);
    let files: Vec<PathBuf> = files.collect();
    files.into_iter().map(move |inside| {
        let file = root.as_ref().and_then(|root| root.resolve(&inside).ok());
        let text = file.and_then(|file| text(&file, MAX_FILE));
        (inside, text.unwrap_or_default())
    })
}
