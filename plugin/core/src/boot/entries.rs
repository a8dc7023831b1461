// SPDX-License-Identifier: GPL-2.0-or-later
//! Entries of the Boot Loader Specification: files that name an image, and
//! unified kernel images.

use std::fmt::Display;
use std::path::Path;

use btf_guard_sysroot::Root;
use btf_guard_sysroot::file_role::release_of_boot_image;

use super::bls::{self, EntryName, Program, Type1Entry};
use super::collector::{Collector, Slot};
use super::error::{BootProblem, Fault};
use super::systemd_boot::LoaderEntry;
use super::uki::{NoUki, UkiTexts};
use super::volume::Volume;
use super::{BootMethod, BootPath};

/// Reads a unified kernel image.
type ReadUki<'a> = &'a dyn Fn(&Path) -> Result<UkiTexts, NoUki>;

/// Where entries of type 1 lie.
const ENTRIES: &str = "loader/entries";

/// Where unified kernel images lie.
const UKIS: &str = "EFI/Linux";

/// An entry as the menu of a boot loader has it.
#[derive(Debug)]
pub(super) struct MenuEntry {
    /// What orders it, and names it.
    pub(crate) item: LoaderEntry,
    /// What a menu shows.
    pub(crate) title: Option<String>,
    /// True of a file `*.conf`.
    pub(crate) type1: bool,
    /// What it boots; `None` if that is not on this machine or not there.
    pub(crate) slot: Option<Slot>,
    /// True if systemd-boot lists it. It leaves out what names a file that is not
    /// there, and unified kernel images without os-release.
    pub(crate) listed: bool,
}

/// The entries of type 1 of a volume, their images taken.
pub(crate) fn type1(
    volume: &Volume,
    read_uki: ReadUki<'_>,
    collector: &mut Collector<'_>,
) -> Vec<MenuEntry> {
    let is_entry = |name: &str| EntryName::of(name, ".conf").is_some();
    let names = volume.list(ENTRIES, is_entry, &mut collector.problems);
    if names.is_empty() || !are_type1(volume, collector) {
        return Vec::new();
    }
    let machine_id = machine_id(collector.root);
    let mut candidates = Vec::new();
    for name in names.iter().filter_map(|name| EntryName::of(name, ".conf")) {
        let path = format!("{ENTRIES}/{}", name.file);
        let shown = volume.show(&path);
        let entry = match volume.read(&path, bls::MAX_ENTRY) {
            Err(problem) => Err(problem),
            Ok(None) => Err(Fault::whole("a link that leads to a file").of(&shown)),
            Ok(Some(text)) => Type1Entry::parse(&text).map_err(|fault| fault.of(&shown)),
        };
        let entry = match entry {
            Ok(entry) => entry,
            Err(problem) => {
                collector.problem(problem);
                continue;
            }
        };
        let mut via = BootPath::new(BootMethod::Entry, shown);
        via.line = Some(entry.program.line);
        via.id = Some(name.id.clone());
        via.title.clone_from(&entry.title);
        via.options.clone_from(&entry.options);
        via.is_linux = !matches!(entry.program.value, Program::Efi(_));
        let others = entry.machine_id.as_ref().zip(machine_id.as_ref());
        via.other_system = others.is_some_and(|(one, own)| !one.eq_ignore_ascii_case(own));
        let slot = image(volume, &entry, via, read_uki, collector);
        candidates.push(MenuEntry {
            item: LoaderEntry {
                name,
                sort_key: entry.sort_key,
                machine_id: entry.machine_id,
                version: entry.version,
            },
            title: entry.title,
            type1: true,
            listed: slot.is_some() || matches!(entry.program.value, Program::UkiUrl(_)),
            slot,
        });
    }
    candidates
}

/// Takes the image that an entry names.
fn image(
    volume: &Volume,
    entry: &Type1Entry,
    mut via: BootPath,
    read_uki: ReadUki<'_>,
    collector: &mut Collector<'_>,
) -> Option<Slot> {
    let path = entry.path()?;
    let source = via.source.clone();
    let fault =
        |line, what: &dyn Display| -> BootProblem { Fault::at(line, what.to_string()).of(&source) };
    let image = match volume.find(path) {
        Ok(image) => image,
        Err(error) => {
            collector.problem(fault(entry.program.line, &error));
            return None;
        }
    };
    let mut release = entry.release().map(str::to_owned);
    if let Program::Uki(_) = entry.program.value {
        via.unified = true;
        match read_uki(&image.file) {
            Ok(uki) => {
                // What the entry says is handed to the image in place of its own.
                via.options = via.options.or(uki.options);
                release = uki.release.or(release);
            }
            Err(error) => {
                let what = format!("a unified kernel image: {error}");
                collector.problem(fault(entry.program.line, &what));
            }
        }
    }
    for initrd in &entry.initrds {
        match volume.find(&initrd.value) {
            Ok(initrd) => via.initrds.push(initrd.file),
            Err(error) => {
                // One line is enough: without it, the entry does not boot.
                collector.problem(fault(initrd.line, &error));
                break;
            }
        }
    }
    let release = release.or_else(|| release_in_path(path).map(str::to_owned));
    collector.take(image, release.as_deref(), via)
}

/// The release in a path such as kernel-install and sdbootutil write:
/// `<token>/<release>/linux`, `…/linux-<sha1>`; or in the file's name.
fn release_in_path(path: &str) -> Option<&str> {
    let (dirs, file) = path.rsplit_once(['/', '\\'])?;
    if file == "linux" || file.starts_with("linux-") {
        let mut dirs = dirs.rsplit(['/', '\\']);
        let release = dirs.next()?;
        let has_token = dirs.next().is_some_and(|token| !token.is_empty());
        return has_token.then_some(release);
    }
    // kernelstub's `vmlinuz-previous.efi` has none.
    release_of_boot_image(file).filter(|release| !release.ends_with(".efi"))
}

/// The unified kernel images of a volume, which are entries themselves.
pub(crate) fn ukis(
    volume: &Volume,
    read_uki: ReadUki<'_>,
    collector: &mut Collector<'_>,
) -> Vec<MenuEntry> {
    let is_uki = |name: &str| EntryName::of(name, ".efi").is_some();
    let names = volume.list(UKIS, is_uki, &mut collector.problems);
    let mut candidates = Vec::new();
    for name in names.iter().filter_map(|name| EntryName::of(name, ".efi")) {
        let path = format!("{UKIS}/{}", name.file);
        let shown = volume.show(&path);
        let image = match volume.find(&path) {
            Ok(image) => image,
            Err(error) => {
                collector.problem(Fault::whole(error.to_string()).of(&shown));
                continue;
            }
        };
        let uki = match read_uki(&image.file) {
            Ok(uki) => uki,
            Err(error) => {
                let what = format!("a unified kernel image: {error}");
                collector.problem(Fault::whole(what).of(&shown));
                continue;
            }
        };
        let mut via = BootPath::new(BootMethod::Uki, shown);
        via.id = Some(name.id.clone());
        via.title = uki.title();
        via.options.clone_from(&uki.options);
        let title = via.title.clone();
        candidates.push(MenuEntry {
            listed: title.is_some(),
            title,
            slot: collector.take(image, uki.release.as_deref(), via),
            item: LoaderEntry {
                name,
                sort_key: uki.sort_key(),
                machine_id: None,
                version: uki.version(),
            },
            type1: false,
        });
    }
    candidates
}

/// True if the entries of this volume are those of the specification; without
/// `entries.srel` they are.
fn are_type1(volume: &Volume, collector: &mut Collector<'_>) -> bool {
    let path = "loader/entries.srel";
    match volume.read(path, bls::MAX_ENTRY) {
        Ok(text) => text.is_none_or(|text| bls::are_type1(&text)),
        Err(problem) => {
            collector.problem(problem);
            true
        }
    }
}

/// `/etc/machine-id`, if it has one.
fn machine_id(root: &Root) -> Option<String> {
    let etc = Volume::part_of(root, Path::new("/etc"));
    let text = etc.read("machine-id", 4096).ok()??;
    let id = text.trim();
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| id.to_owned())
}
