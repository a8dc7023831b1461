// SPDX-License-Identifier: GPL-2.0-or-later
//! Boot entries of type 1: `loader/entries/*.conf` of the Boot Loader
//! Specification (UAPI.1). Their lines are like those of `loader.conf`.

use super::fault_at;

/// The longest entry that is read, in bytes. Real ones have a few hundred.
pub(crate) const MAX_ENTRY: u64 = 64 << 10;

/// The most initrds of one entry that are taken.
const MAX_INITRDS: usize = 64;

/// What an entry starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Program {
    /// `linux`: a kernel image.
    #[default]
    Linux,
    /// `uki`: a unified kernel image.
    Uki,
    /// `uki-url`: a unified kernel image that the boot loader fetches.
    UkiUrl,
    /// `efi`: any EFI program, which may be a kernel.
    Efi,
}

/// What an entry says, as far as it is needed here. Paths are as they stand there:
/// relative to the root of the file system that the entry is on. Lines count from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Type1Entry {
    /// What it starts: the one key that an entry must have.
    pub(crate) program: Program,
    /// The path, or URL, of that; not empty.
    pub(crate) path: String,
    /// The line of that.
    pub(crate) line: usize,
    /// `title`: what a menu shows.
    pub title: Option<String>,
    /// `version`: mostly the kernel's release; it orders entries.
    pub version: Option<String>,
    /// `machine-id`: of the system that it boots.
    pub machine_id: Option<String>,
    /// `sort-key`: orders entries before all else.
    pub sort_key: Option<String>,
    /// `initrd`, repeated, each with its line.
    pub(crate) initrds: Vec<(usize, String)>,
    /// `options`, repeated: the kernel's command line, joined by blanks.
    pub options: Option<String>,
}

impl Type1Entry {
    /// Reads an entry. Of a key that is not to be repeated the last one counts;
    /// keys that are not known are passed over, as the specification wants it.
    ///
    /// # Errors
    /// What is wrong if nothing is to be started, or two kinds of thing, or its
    /// path is missing: systemd-boot hides such an entry (`boot_entry_add_type1()`,
    /// src/boot/boot.c).
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut entry = Self::default();
        for (number, key, value) in lines(text) {
            let program = match key {
                "linux" => Program::Linux,
                "uki" => Program::Uki,
                "uki-url" => Program::UkiUrl,
                "efi" => Program::Efi,
                _ if value.is_empty() => continue,
                _ => {
                    entry.take(number, key, value)?;
                    continue;
                }
            };
            if value.is_empty() {
                return Err(fault_at(number, format!("a path after {key}")));
            }
            if !entry.path.is_empty() && program != entry.program {
                let what = "one of linux, uki, uki-url and efi, not two of them";
                return Err(fault_at(number, what));
            }
            (entry.program, entry.path, entry.line) = (program, value.to_owned(), number);
        }
        if entry.path.is_empty() {
            let what = "a line that says what to start: linux, uki, uki-url or efi, and a path";
            return Err(format!("expected {what}"));
        }
        Ok(entry)
    }

    fn take(&mut self, line: usize, key: &str, value: &str) -> Result<(), String> {
        let owned = value.to_owned();
        match key {
            "title" => self.title = Some(owned),
            "version" => self.version = Some(owned),
            "machine-id" => self.machine_id = Some(owned),
            "sort-key" => self.sort_key = Some(owned),
            "options" => {
                let before = self.options.take().map(|options| options + " ");
                self.options = Some(before.unwrap_or_default() + value);
            }
            "initrd" => {
                if self.initrds.len() == MAX_INITRDS {
                    return Err(fault_at(line, format!("at most {MAX_INITRDS} initrds")));
                }
                // Fedora's have ` $tuned_initrd` behind the path, which GRUB
                // fills in.
                let path = value.split(" $").next().unwrap_or_default();
                self.initrds.push((line, path.trim_end().to_owned()));
            }
            _ => {}
        }
        Ok(())
    }

    /// The release that `version` claims. openSUSE's sdbootutil writes
    /// `SNAPSHOT@RELEASE` there.
    pub fn release(&self) -> Option<&str> {
        let version = self.version.as_deref()?;
        let number = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
        match version.split_once('@') {
            Some((snapshot, release)) if number(snapshot) => Some(release),
            _ => Some(version),
        }
    }
}

/// The name of an entry: of its file, or of its UKI.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryName {
    /// The file name.
    pub(crate) file: String,
    /// The file name without the boot counter: what `bootctl` calls the entry.
    pub(crate) id: String,
    /// The boot counter, `+LEFT[-DONE]` before the suffix: boots that are left, with
    /// 0 the entry goes to the end of the menu; and boots that did not succeed.
    pub(crate) tries: Option<(i32, i32)>,
}

impl EntryName {
    /// The name of an entry whose file has this name; `suffix` is `.conf` or
    /// `.efi`. `None` if boot loaders pass it over: hidden files, other
    /// suffixes, and `auto-`, which is systemd-boot's own
    /// (`valid_type1_filename()`).
    pub fn of(file: &str, suffix: &str) -> Option<Self> {
        let length = file.len().checked_sub(suffix.len())?;
        let (stem, end) = file.split_at_checked(length)?;
        let is_auto = file.to_ascii_lowercase().starts_with("auto-");
        if !end.eq_ignore_ascii_case(suffix) || file.starts_with('.') || is_auto {
            return None;
        }
        let counted = stem.rsplit_once('+').and_then(|(plain, counter)| {
            let (left, done) = counter.split_once('-').unwrap_or((counter, "0"));
            Some((format!("{plain}{end}"), (number(left)?, number(done)?)))
        });
        let (id, tries) = counted.unzip();
        Some(Self {
            file: file.to_owned(),
            id: id.unwrap_or_else(|| file.to_owned()),
            tries,
        })
    }
}

/// A counter. One that does not fit `INT_MAX` is none.
fn number(digits: &str) -> Option<i32> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// The lines of a text that say something: the number of each, from 1, its first
/// word, and the rest, which may be empty. They are read as systemd-boot's `line_get_key_value()` does
/// (src/boot/efi-string.c): a carriage return ends a line as well, `#` starts a
/// comment only as a line's first character, quotes around the whole value are
/// no part of it, and a NUL ends the file.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let text = text.split('\0').next().unwrap_or_default();
    let numbered = text.split('\n').enumerate();
    let ended = numbered.flat_map(|(index, line)| line.split('\r').map(move |l| (index + 1, l)));
    ended.filter_map(|(number, line)| {
        let line = line.trim_matches([' ', '\t']);
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (key, value) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let value = value.trim_start_matches([' ', '\t']);
        Some((number, key, unquoted(value)))
    })
}

/// A value without the quotes around the whole of it.
pub(crate) fn unquoted(value: &str) -> &str {
    let inner = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests;
