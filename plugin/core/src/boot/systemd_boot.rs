// SPDX-License-Identifier: GPL-2.0-or-later
//! Which entry systemd-boot starts when nobody chooses: `loader.conf`, EFI
//! variables, and the order of its menu.

use std::cmp::Ordering;
use std::io;
use std::path::Path;

use super::BootProblem;
use super::bls::{EntryName, lines};
use super::collector::Slot;
use crate::module::{self, source::Regular};
use crate::{fnmatch, vercmp};

/// The vendor id of the boot loader interface's variables
/// (<https://systemd.io/BOOT_LOADER_INTERFACE/>).
const VENDOR: &str = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

/// The longest variable that is read, in bytes.
const MAX_VARIABLE: u64 = 64 << 10;

/// The longest pattern that is matched, in bytes: entries are files of FAT,
/// whose names have at most 255 characters.
const MAX_PATTERN: usize = 1 << 10;

/// The boot loader interface's variables that choose an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EfiVariables {
    /// `LoaderInfo`: which boot loader started this system, as `systemd-boot 257`.
    pub info: Option<String>,
    /// `LoaderEntryOneShot`: for the next boot alone.
    pub one_shot: Option<String>,
    /// `LoaderEntryDefault`.
    pub default: Option<String>,
    /// `LoaderEntryLastBooted`: what `@saved` means.
    pub last_booted: Option<String>,
}

impl EfiVariables {
    /// Reads them from a directory such as `/sys/firmware/efi/efivars`; those
    /// that are not there are not set.
    pub(crate) fn read(dir: &Path, problems: &mut Vec<BootProblem>) -> Self {
        let mut read = |name: &str| {
            let path = dir.join(format!("{name}-{VENDOR}"));
            let mut bytes = Vec::new();
            let read = match Regular::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
                opened => opened.map_err(module::Error::from),
            };
            let text = match read.and_then(|file| file.read_all(MAX_VARIABLE, &mut bytes)) {
                Ok(()) => Self::text(&bytes).map_err(str::to_owned),
                Err(error) => Err(format!("a readable variable: {error}")),
            };
            let problem = |what| problems.push(BootProblem::new(&path, what));
            text.map_err(problem).ok()
        };
        Self {
            info: read("LoaderInfo"),
            one_shot: read("LoaderEntryOneShot"),
            default: read("LoaderEntryDefault"),
            last_booted: read("LoaderEntryLastBooted"),
        }
    }

    /// The text of a variable: four bytes of attributes, as efivarfs shows
    /// them, then UTF-16 with a NUL at the end; or what was expected.
    pub fn text(bytes: &[u8]) -> Result<String, &'static str> {
        let what = "four bytes of attributes and a text in UTF-16";
        let text = bytes.get(4..).ok_or(what)?;
        let (units, rest) = text.as_chunks::<2>();
        let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
        let text: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
        let text = String::from_utf16(&text).map_err(|_| what)?;
        if rest.is_empty() { Ok(text) } else { Err(what) }
    }
}

/// `default` of a `loader.conf`.
pub fn loader_conf_default(text: &str) -> Option<&str> {
    let usable = |value: &str| !value.starts_with('@') || value.eq_ignore_ascii_case("@saved");
    let defaults = lines(text).filter(|(_, key, _)| *key == "default");
    let values = defaults.map(|(_, _, value)| value);
    values
        .filter(|value| !value.is_empty() && usable(value))
        .last()
}

/// What a boot loader takes for the id of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// The name of its file without the suffix: systemd-boot before 245.
    Stems,
    /// The name of its file, boot counter and all: systemd-boot since 245
    /// (6cd12ebcfe4594; seen with 252).
    Files,
    /// That without the boot counter, as `bootctl` has always had it: later
    /// versions (systemd's pull request 38897, of September 2025), and others.
    Plain,
}

impl Ids {
    /// The id of the entry with this name, its case folded.
    fn of(self, name: &EntryName) -> String {
        let id = match self {
            Self::Stems => name.file.rsplit_once('.').map_or("", |(stem, _)| stem),
            Self::Files => &name.file,
            Self::Plain => &name.id,
        };
        id.to_ascii_lowercase()
    }

    /// What it may be for a boot loader that calls itself so, as `LoaderInfo`
    /// does; `None` if that is not known. Then it is taken to be younger than
    /// BTF in modules, which came a year after systemd 245.
    pub fn possible(info: Option<&str>) -> &'static [Self] {
        let version = match info.map(|info| info.strip_prefix("systemd-boot ")) {
            Some(None) => return &[Self::Plain],
            Some(Some(version)) => version.split(|c: char| !c.is_ascii_digit()).next(),
            None => None,
        };
        match version.and_then(|version| version.parse().ok()) {
            Some(..245_u32) => &[Self::Stems],
            Some(245..257) => &[Self::Files],
            Some(_) | None => &[Self::Files, Self::Plain],
        }
    }
}

/// A pattern that is to name the default entry, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultPattern {
    /// An entry's id, or a pattern over ids.
    pub(crate) pattern: String,
    /// Where it stands, in words for a report.
    pub(crate) by: String,
}

/// The wishes in the order in which they count
/// (`config_select_default_entry()`, src/boot/boot.c). `conf` is the
/// `default` of `loader.conf`, `conf_path` where that is.
pub fn wishes(
    variables: &EfiVariables,
    conf: Option<&str>,
    conf_path: &str,
) -> Vec<DefaultPattern> {
    let chosen = [
        ("LoaderEntryOneShot", &variables.one_shot),
        ("LoaderEntryDefault", &variables.default),
    ];
    let chosen = chosen.map(|(name, value)| (value.as_deref(), format!("EFI variable {name}")));
    let wishes = chosen.into_iter().chain([(conf, conf_path.to_owned())]);
    let wishes = wishes.filter_map(|(value, by)| {
        let (pattern, by) = match value? {
            saved if saved.eq_ignore_ascii_case("@saved") => {
                (variables.last_booted.as_deref()?, by + ", the last booted")
            }
            pattern => (pattern, by),
        };
        let pattern = pattern.to_owned();
        Some(DefaultPattern { pattern, by })
    });
    wishes.collect()
}

/// An entry as the menu of a boot loader has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoaderEntry {
    /// The name of its file.
    pub name: EntryName,
    /// `sort-key`; of a UKI `IMAGE_ID` or `ID` of its os-release.
    pub sort_key: Option<String>,
    /// `machine-id`.
    pub machine_id: Option<String>,
    /// `version`; of a UKI one of its os-release.
    pub version: Option<String>,
    /// What a menu shows.
    pub title: Option<String>,
    /// True of a file `*.conf`.
    pub(crate) type1: bool,
    /// What it boots; `None` if that is not on this machine or not there.
    pub(crate) slot: Option<Slot>,
    /// True if systemd-boot lists it. It leaves out what names a file that is not
    /// there, and unified kernel images without os-release.
    pub(crate) listed: bool,
    /// What it boots is not there, or damaged.
    pub(crate) lost: bool,
}

impl LoaderEntry {
    /// One that says nothing but its name.
    pub fn named(name: EntryName) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }
}

/// Chooses among `items`, in any order: what the first wish that can be
/// granted names, or the first of the menu. With more than one way to read an
/// id, they must all come to the same.
pub fn choose<'e>(
    items: impl IntoIterator<Item = &'e LoaderEntry>,
    wishes: &[DefaultPattern],
    ids: &[Ids],
) -> ChosenEntry<'e> {
    let mut menu: Vec<&LoaderEntry> = items.into_iter().collect();
    menu.sort_by(|a, b| order(a, b));
    let mut choices = ids.iter().map(|ids| choose_by(&menu, wishes, *ids));
    let first = choices.next().ok_or("no boot loader is known")?;
    let chosen = |choice: &ChosenEntry<'e>| match choice {
        Ok((entry, _)) => Some(std::ptr::from_ref(*entry)),
        Err(_) => None,
    };
    if choices.all(|other| chosen(&other) == chosen(&first)) {
        return first;
    }
    let by: Vec<&str> = wishes.iter().map(|wish| wish.by.as_str()).collect();
    Err(format!(
        "which entry {} names depends on systemd-boot's version",
        by.join(" and ")
    ))
}

/// The entry, and what chose it, in words for a report; or why that cannot be told.
type ChosenEntry<'e> = Result<(&'e LoaderEntry, String), String>;

fn choose_by<'e>(menu: &[&'e LoaderEntry], wishes: &[DefaultPattern], ids: Ids) -> ChosenEntry<'e> {
    for DefaultPattern { pattern, by } in wishes {
        let pattern = pattern.to_ascii_lowercase();
        if pattern.len() > MAX_PATTERN {
            return Err(format!("{by} has more than {MAX_PATTERN} characters"));
        }
        if let Some(entry) = find(menu, &pattern, ids) {
            return Ok((entry, by.clone()));
        }
        if pattern.starts_with("auto-") {
            return Err(format!("{by} is {pattern}, which is no Linux entry"));
        }
    }
    let entry = menu.first().ok_or("there is no entry")?;
    Ok((entry, "the first entry".to_owned()))
}

/// The first of the menu that `pattern` names.
fn find<'e>(menu: &[&'e LoaderEntry], pattern: &str, ids: Ids) -> Option<&'e LoaderEntry> {
    // The id of a UKI's further profile is that of the UKI, `@` and the profile.
    let bare = pattern.rsplit_once('@').map(|(bare, _)| bare);
    let is_named = |item: &&LoaderEntry| {
        let id = ids.of(&item.name);
        fnmatch::matches(pattern, &id)
            || bare.is_some_and(|bare| id.ends_with(".efi") && fnmatch::matches(bare, &id))
    };
    menu.iter().copied().find(|item| is_named(item))
}

/// The order of the menu (`boot_entry_compare()`, src/boot/boot.c).
pub(crate) fn order(a: &LoaderEntry, b: &LoaderEntry) -> Ordering {
    let exhausted = |item: &LoaderEntry| item.name.tries.is_some_and(|(left, _)| left == 0);
    let by_key = || match (&a.sort_key, &b.sort_key) {
        (Some(one), Some(two)) => {
            let version = |item: &LoaderEntry| item.version.clone().unwrap_or_default();
            one.cmp(two)
                .then_with(|| a.machine_id.cmp(&b.machine_id))
                .then_with(|| vercmp::compare(&version(b), &version(a)))
        }
        (one, two) => one.is_none().cmp(&two.is_none()),
    };
    let by_tries = || match (a.name.tries, b.name.tries) {
        (Some((one, done)), Some((two, other))) => two.cmp(&one).then(done.cmp(&other)),
        _ => Ordering::Equal,
    };
    let id = |item: &LoaderEntry| item.name.file.to_ascii_lowercase();
    exhausted(a)
        .cmp(&exhausted(b))
        .then_with(by_key)
        .then_with(|| vercmp::compare(&id(b), &id(a)))
        .then_with(by_tries)
}

#[cfg(test)]
mod tests;
