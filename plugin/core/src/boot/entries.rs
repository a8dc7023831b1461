// SPDX-License-Identifier: GPL-2.0-or-later
//! Entries of the Boot Loader Specification: files that name an image, and
//! unified kernel images.

use std::path::Path;

use btf_guard_sysroot::file_role::release_of_boot_image;

use super::bls::{self, EntryName, Program, Type1Entry, unquoted};
use super::collector::{Collector, Slot};
use super::systemd_boot::LoaderEntry;
use super::volume::Volume;
use super::{BootMethod, BootPath, BootProblem};
use crate::kernel::image::{self, Uki};

/// Where entries of type 1 lie.
const ENTRIES: &str = "loader/entries";

/// Where unified kernel images lie.
const UKIS: &str = "EFI/Linux";

/// The entries of type 1 of a volume, their images taken.
pub(crate) fn type1(volume: &Volume, collector: &mut Collector<'_>) -> Vec<LoaderEntry> {
    let is_entry = |name: &str| EntryName::of(name, ".conf").is_some();
    let names = volume.list(ENTRIES, is_entry, &mut collector.problems);
    if names.is_empty() || !are_type1(volume, collector) {
        return Vec::new();
    }
    let mut candidates = Vec::new();
    for name in names.iter().filter_map(|name| EntryName::of(name, ".conf")) {
        let path = format!("{ENTRIES}/{}", name.file);
        let shown = volume.show(&path);
        let text = volume.read(&path, bls::MAX_ENTRY).and_then(|text| {
            text.ok_or_else(|| BootProblem::new(&shown, "a link that leads to a file"))
        });
        let entry = text.and_then(|text| {
            Type1Entry::parse(&text).map_err(|fault| BootProblem::with(&shown, fault))
        });
        let entry = match entry {
            Ok(entry) => entry,
            Err(problem) => {
                collector.problems.push(problem);
                continue;
            }
        };
        let via = BootPath {
            line: Some(entry.line),
            id: Some(name.id.clone()),
            title: entry.title.clone(),
            options: entry.options.clone(),
            is_linux: entry.program != Program::Efi,
            machine_id: entry.machine_id.clone(),
            ..BootPath::new(BootMethod::Entry, shown)
        };
        let (slot, is_there) = image(volume, &entry, via, collector);
        candidates.push(LoaderEntry {
            name,
            sort_key: entry.sort_key,
            machine_id: entry.machine_id,
            version: entry.version,
            title: entry.title,
            type1: true,
            listed: is_there || entry.program == Program::UkiUrl,
            lost: !is_there && slot.is_some(),
            slot,
        });
    }
    candidates
}

/// Takes the image that an entry names. The second part is true if it is there.
fn image(
    volume: &Volume,
    entry: &Type1Entry,
    mut via: BootPath,
    collector: &mut Collector<'_>,
) -> (Option<Slot>, bool) {
    if entry.program == Program::UkiUrl {
        return (None, false);
    }
    let source = via.source.clone();
    let problem = |line, what: String| BootProblem::at(&source, line, what);
    let release = || {
        let own = entry.release().map(str::to_owned);
        own.or_else(|| release_in_path(&entry.path).map(str::to_owned))
    };
    let image = match volume.find(&entry.path) {
        Ok(image) => image,
        Err(what) => {
            via.fault = Some(problem(entry.line, what));
            let slot = collector.lost(volume.show(&entry.path), release().as_deref(), via);
            return (Some(slot), false);
        }
    };
    let mut release = release();
    if entry.program == Program::Uki {
        via.unified = true;
        match read_uki(&image.file) {
            Ok((own, uki)) => {
                // What the entry says is handed to the image in place of its own.
                via.options = via.options.or(uki.cmdline);
                release = own.or(release);
            }
            Err(what) => via.fault = Some(problem(entry.line, what)),
        }
    }
    for (line, initrd) in &entry.initrds {
        match volume.find(initrd) {
            Ok(initrd) => via.initrds.push(initrd.file),
            Err(what) => {
                // One is enough: without it, the entry does not boot.
                via.fault = Some(problem(*line, what));
                break;
            }
        }
    }
    (collector.take(image, release.as_deref(), via), true)
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
pub(crate) fn ukis(volume: &Volume, collector: &mut Collector<'_>) -> Vec<LoaderEntry> {
    let is_uki = |name: &str| EntryName::of(name, ".efi").is_some();
    let names = volume.list(UKIS, is_uki, &mut collector.problems);
    let mut candidates = Vec::new();
    for name in names.iter().filter_map(|name| EntryName::of(name, ".efi")) {
        let path = format!("{UKIS}/{}", name.file);
        let shown = volume.show(&path);
        let image = volume.find(&path);
        let found = image.and_then(|image| Ok((read_uki(&image.file)?, image)));
        let ((release, uki), image) = match found {
            Ok(found) => found,
            // systemd-boot passes over it: somebody meant to boot what lies here.
            Err(what) => {
                let via = BootPath {
                    fault: Some(BootProblem::new(&shown, what)),
                    id: Some(name.id.clone()),
                    ..BootPath::new(BootMethod::Uki, shown.clone())
                };
                let slot = collector.lost(shown, release_in_uki_name(&name.id), via);
                candidates.push(LoaderEntry {
                    slot: Some(slot),
                    lost: true,
                    ..LoaderEntry::named(name)
                });
                continue;
            }
        };
        // `bootspec_pick_name_version_sort_key()`, src/fundamental/bootspec-fundamental.c
        // of systemd.
        let text = uki.os_release.unwrap_or_default();
        let first_of = |keys: &[&str]| keys.iter().find_map(|key| os_release_value(&text, key));
        let title = first_of(&["PRETTY_NAME", "IMAGE_ID", "NAME", "ID"]);
        let via = BootPath {
            id: Some(name.id.clone()),
            title: title.clone(),
            options: uki.cmdline,
            ..BootPath::new(BootMethod::Uki, shown)
        };
        candidates.push(LoaderEntry {
            name,
            sort_key: first_of(&["IMAGE_ID", "ID"]),
            machine_id: None,
            version: first_of(&["IMAGE_VERSION", "VERSION", "VERSION_ID", "BUILD_ID"]),
            type1: false,
            listed: title.is_some(),
            lost: false,
            title,
            slot: collector.take(image, release.as_deref(), via),
        });
    }
    candidates
}

/// The release in the name that kernel-install gives a unified kernel image,
/// `TOKEN-RELEASE.efi` (90-uki-copy.install): from the first number behind a `-`.
fn release_in_uki_name(id: &str) -> Option<&str> {
    let stem = id.get(..id.len().checked_sub(".efi".len())?)?;
    let mut behind = stem
        .match_indices('-')
        .filter_map(|(at, _)| stem.get(at + 1..));
    behind.find(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// True if the entries of this volume are those of the specification: `entries.srel`
/// says `type1`, or is not there.
fn are_type1(volume: &Volume, collector: &mut Collector<'_>) -> bool {
    let text = volume.read("loader/entries.srel", bls::MAX_ENTRY);
    let text = text.map_err(|problem| collector.problems.push(problem));
    let text = text.ok().flatten();
    text.is_none_or(|text| text.trim_end() == "type1")
}

/// Reads the unified kernel image in the file `path`: its release, if it tells that,
/// and what it says; or what was expected, if it is something else.
fn read_uki(path: &Path) -> Result<(Option<String>, Uki), String> {
    let peek = image::peek(path);
    let peek = peek.map_err(|error| format!("a unified kernel image: {error}"))?;
    let none = "a unified kernel image: a PE file with a section .linux";
    let uki = peek.uki.ok_or(none)?;
    Ok((uki.uname.clone().or(peek.release), uki))
}

/// The value of a key in the text of an os-release(5); not empty.
pub(crate) fn os_release_value(text: &str, key: &str) -> Option<String> {
    let mut values = text.lines().filter_map(|line| {
        let (name, value) = line.trim().split_once('=')?;
        (name == key).then(|| unquoted(value))
    });
    let value = values.next_back().filter(|value| !value.is_empty());
    value.map(str::to_owned)
}
