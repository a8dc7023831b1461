// SPDX-License-Identifier: GPL-2.0-or-later
//! Boot entries of type 1: `loader/entries/*.conf` of the Boot Loader
//! Specification (UAPI.1).

use std::mem::discriminant;

use super::conf_lines::{ConfLine, lines};
use super::error::Fault;

/// The longest entry that is read, in bytes. Real ones have a few hundred.
pub(crate) const MAX_ENTRY: u64 = 64 << 10;

/// The most initrds of one entry that are taken.
const MAX_INITRDS: usize = 64;

/// What an entry starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Program {
    /// `linux`: a kernel image.
    Linux(String),
    /// `uki`: a unified kernel image.
    Uki(String),
    /// `uki-url`: a unified kernel image that the boot loader fetches.
    UkiUrl(String),
    /// `efi`: any EFI program, which may be a kernel.
    Efi(String),
}

/// A value, and the line that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AtLine<T> {
    /// The line, from 1.
    pub(crate) line: usize,
    /// The value.
    pub(crate) value: T,
}

/// What an entry says. Paths are as they stand there: relative to the root of
/// the file system that the entry is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Type1Entry {
    /// What it starts: the one key that an entry must have.
    pub(crate) program: AtLine<Program>,
    /// `title`: what a menu shows.
    pub title: Option<String>,
    /// `version`: mostly the kernel's release; it orders entries.
    pub version: Option<String>,
    /// `machine-id`: of the system that it boots.
    pub machine_id: Option<String>,
    /// `sort-key`: orders entries before all else.
    pub sort_key: Option<String>,
    /// `initrd`, repeated.
    pub(crate) initrds: Vec<AtLine<String>>,
    /// `options`, repeated: the kernel's command line, joined by blanks.
    pub options: Option<String>,
    /// `devicetree`.
    pub(crate) devicetree: Option<String>,
    /// `devicetree-overlay`: paths, parted by blanks.
    pub(crate) devicetree_overlay: Option<String>,
    /// `architecture`: `x64`, `aa64`, … in any case. The entry is hidden on others.
    pub(crate) architecture: Option<String>,
    /// `profile`: which of a UKI's profiles.
    pub(crate) profile: Option<u32>,
    /// `extra`, repeated: what goes along with a UKI.
    pub(crate) extra: Vec<String>,
}

impl Type1Entry {
    /// Reads an entry. Of a key that is not to be repeated the last one counts;
    /// keys that are not known are passed over, as the specification wants it.
    ///
    /// # Errors
    /// [`Fault`] if nothing is to be started, or two kinds of thing, or a value
    /// is missing: systemd-boot hides such an entry (`boot_entry_add_type1()`,
    /// src/boot/boot.c).
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut entry = Self::starting(program(text)?);
        for line in lines(text).filter(|line| !line.value.is_empty()) {
            entry.take(line)?;
        }
        Ok(entry)
    }

    fn starting(program: AtLine<Program>) -> Self {
        Self {
            program,
            title: None,
            version: None,
            machine_id: None,
            sort_key: None,
            initrds: Vec::new(),
            options: None,
            devicetree: None,
            devicetree_overlay: None,
            architecture: None,
            profile: None,
            extra: Vec::new(),
        }
    }

    fn take(&mut self, line: ConfLine<'_>) -> Result<(), Fault> {
        let owned = line.value.to_owned();
        match line.key {
            "title" => self.title = Some(owned),
            "version" => self.version = Some(owned),
            "machine-id" => self.machine_id = Some(owned),
            "sort-key" => self.sort_key = Some(owned),
            "devicetree" => self.devicetree = Some(owned),
            "devicetree-overlay" => self.devicetree_overlay = Some(owned),
            "architecture" => self.architecture = Some(owned),
            "extra" => self.extra.push(owned),
            "options" => match &mut self.options {
                Some(options) => {
                    options.push(' ');
                    options.push_str(line.value);
                }
                none => *none = Some(owned),
            },
            "initrd" => {
                if self.initrds.len() == MAX_INITRDS {
                    let what = format!("at most {MAX_INITRDS} initrds");
                    return Err(Fault::at(line.number, what));
                }
                // Fedora's have ` $tuned_initrd` behind the path, which GRUB
                // fills in.
                let path = line.value.split(" $").next().unwrap_or_default();
                self.initrds.push(AtLine {
                    line: line.number,
                    value: path.trim_end().to_owned(),
                });
            }
            "profile" => {
                let what = "the number of a profile";
                let number = line.value.parse();
                self.profile = Some(number.map_err(|_| Fault::at(line.number, what))?);
            }
            _ => {}
        }
        Ok(())
    }

    /// The path of what is started, if it is a file.
    pub(crate) fn path(&self) -> Option<&str> {
        match &self.program.value {
            Program::Linux(path) | Program::Uki(path) | Program::Efi(path) => Some(path),
            Program::UkiUrl(_) => None,
        }
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

/// What an entry starts: its `linux`, `uki`, `uki-url` or `efi`.
fn program(text: &str) -> Result<AtLine<Program>, Fault> {
    let mut program: Option<AtLine<Program>> = None;
    for line in lines(text) {
        let variant = match line.key {
            "linux" => Program::Linux,
            "uki" => Program::Uki,
            "uki-url" => Program::UkiUrl,
            "efi" => Program::Efi,
            _ => continue,
        };
        if line.value.is_empty() {
            let what = format!("a path after {}", line.key);
            return Err(Fault::at(line.number, what));
        }
        let value = variant(line.value.to_owned());
        let kind = discriminant(&value);
        if program.is_some_and(|known| discriminant(&known.value) != kind) {
            let what = "one of linux, uki, uki-url and efi, not two of them";
            return Err(Fault::at(line.number, what));
        }
        program = Some(AtLine {
            line: line.number,
            value,
        });
    }
    let what = "a line that says what to start: linux, uki, uki-url or efi, and a path";
    program.ok_or_else(|| Fault::whole(what))
}

/// How often an entry may still be tried, and was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tries {
    /// Boots that are left; with 0 the entry goes to the end of the menu.
    pub(crate) left: i32,
    /// Boots that did not succeed.
    pub(crate) done: i32,
}

/// The name of an entry: of its file, or of its UKI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryName {
    /// The file name.
    pub(crate) file: String,
    /// The file name without the boot counter: what `bootctl` calls the entry.
    pub(crate) id: String,
    /// The boot counter, `+LEFT[-DONE]` before the suffix.
    pub(crate) tries: Option<Tries>,
}

impl EntryName {
    /// The name of an entry whose file has this name; `suffix` is `.conf` or
    /// `.efi`. `None` if boot loaders pass it over: hidden files, other
    /// suffixes, and `auto-`, which is systemd-boot's own
    /// (`valid_type1_filename()`).
    pub fn of(file: &str, suffix: &str) -> Option<Self> {
        let length = file.len().checked_sub(suffix.len())?;
        let (stem, end) = file.split_at_checked(length)?;
        let auto = file
            .get(..5)
            .is_some_and(|s| s.eq_ignore_ascii_case("auto-"));
        if !end.eq_ignore_ascii_case(suffix) || file.starts_with('.') || auto {
            return None;
        }
        let counted = stem.rsplit_once('+').and_then(|(plain, counter)| {
            let (left, done) = counter.split_once('-').unwrap_or((counter, "0"));
            let tries = Tries {
                left: number(left)?,
                done: number(done)?,
            };
            Some((format!("{plain}{end}"), tries))
        });
        let (id, tries) = match counted {
            Some((id, tries)) => (id, Some(tries)),
            None => (file.to_owned(), None),
        };
        Some(Self {
            file: file.to_owned(),
            id,
            tries,
        })
    }
}

/// A counter. One that does not fit `INT_MAX` is none.
fn number(digits: &str) -> Option<i32> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// True if the entries beside an `entries.srel` with this text are those of the
/// specification. Every other word means entries of another kind.
pub(crate) fn are_type1(srel: &str) -> bool {
    srel.trim_end() == "type1"
}

#[cfg(test)]
mod tests;
