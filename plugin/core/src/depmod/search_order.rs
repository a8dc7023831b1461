// SPDX-License-Identifier: GPL-2.0-or-later
//! The lines of `depmod.d(5)`, and how high they rank a file.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use btf_guard_sysroot::Root;
use regex::bytes::RegexBuilder;

use crate::conf_files::{ConfFiles, conf_files};
use crate::module::source::Regular;

/// Where depmod looks for its configuration, in its order (`default_cfg_paths`; the
/// fourth is what distributions set as `DISTCONFDIR`).
const CONFIG_DIRS: [&str; 5] = [
    "/etc/depmod.d",
    "/run/depmod.d",
    "/usr/local/lib/depmod.d",
    "/usr/lib/depmod.d",
    "/lib/depmod.d",
];

/// The longest file of these that is read, in bytes.
const MAX_CONFIG: u64 = 1 << 20;

/// How high the directory of a file ranks; of two files of a name, the higher is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Nothing is said of it.
    None,
    /// The places in the lines of `search` and of `external`, the first the highest.
    Search { word: usize, external: usize },
    /// An `override` line, of which the last read counts.
    Override(usize),
}

/// One word after `search`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum SearchWord {
    /// A directory below the release's own.
    Directory(PathBuf),
    /// `built-in`: everything that no other word names.
    BuiltIn,
    /// `external`: the directories of the `external` lines.
    External,
}

/// What depmod's configuration says for one release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SearchOrder {
    /// In the order of the files.
    search: Vec<SearchWord>,
    /// Files without their ending, below the release's directory.
    overrides: Vec<PathBuf>,
    /// Directories outside of the release's.
    external: Vec<PathBuf>,
    /// Names of directories that are passed over.
    excluded: BTreeSet<String>,
    /// Configuration that cannot be read, and why: without it the order is a guess.
    pub(crate) unreadable: Vec<(PathBuf, String)>,
}

impl SearchOrder {
    /// Reads the configuration of a root for one release.
    pub(crate) fn read(root: &Root, release: &str) -> Self {
        let ConfFiles { files, unreadable } = conf_files(root, &CONFIG_DIRS);
        let mut order = Self::default();
        for (dir, error) in unreadable {
            order.unreadable.push((dir, error.to_string()));
        }
        for inside in files {
            match text(root, &inside) {
                Ok(text) => order.add(&text, release),
                Err(error) => order.unreadable.push((root.outside(&inside), error)),
            }
        }
        order.or_default()
    }

    /// `updates` ranks highest where nothing is configured (`cfg_load()`).
    fn or_default(mut self) -> Self {
        if self.search.is_empty() {
            self.search.push(SearchWord::Directory("updates".into()));
        }
        self
    }

    /// Reads the lines of one file (`cfg_file_parse()`); depmod passes over bad ones.
    fn add(&mut self, text: &str, release: &str) {
        for line in text
            .replace("\\\n", "")
            .lines()
            .filter(|line| !line.starts_with('#'))
        {
            let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
            match words.next() {
                Some("search") => self.search.extend(words.map(|word| match word {
                    "built-in" => SearchWord::BuiltIn,
                    "external" => SearchWord::External,
                    directory => SearchWord::Directory(directory.into()),
                })),
                Some("override") => {
                    if let (Some(module), Some(pattern), Some(directory)) =
                        (words.next(), words.next(), words.next())
                        && is_for(pattern, release)
                    {
                        self.overrides.push(Path::new(directory).join(module));
                    }
                }
                Some("external") => {
                    if let (Some(pattern), Some(directory)) = (words.next(), words.next())
                        && is_for(pattern, release)
                    {
                        self.external.push(directory.into());
                    }
                }
                Some("exclude") => self.excluded.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
    }

    /// Directories outside of the release's own that depmod searches as well, as
    /// paths inside the root.
    pub(crate) fn external(&self) -> &[PathBuf] {
        &self.external
    }

    /// The rank of a file (`depmod_module_is_higher_priority()`) by its path below the
    /// release's directory, or, in an external one, its path inside the root.
    fn rank(&self, path: &Path) -> Rank {
        // As the file spells it: only in names are `-` and `_` the same.
        let file = path.file_name().unwrap_or_default().as_bytes();
        let stem = file.split(|byte| *byte == b'.').next().unwrap_or(file);
        let named = path.with_file_name(OsStr::from_bytes(stem));
        if let Some(last) = self.overrides.iter().rposition(|known| *known == named) {
            return Rank::Override(last);
        }
        let external = self.external.iter();
        let external = external.rev().rposition(|dir| path.starts_with(dir));
        let is_here = |word: &SearchWord| match word {
            SearchWord::Directory(directory) => path.starts_with(directory),
            SearchWord::External => external.is_some(),
            SearchWord::BuiltIn => false,
        };
        let is_built_in = |word: &SearchWord| *word == SearchWord::BuiltIn;
        let from_end = |found: usize| self.search.len() - found;
        let position = |is: &dyn Fn(&SearchWord) -> bool| self.search.iter().position(is);
        match (position(&is_here), position(&is_built_in)) {
            (Some(at), _) => Rank::Search {
                word: from_end(at),
                external: external.unwrap_or_default(),
            },
            (None, Some(at)) => Rank::Search {
                word: from_end(at),
                external: 0,
            },
            (None, None) => Rank::None,
        }
    }

    /// depmod passes over this file: a directory on the way is `build`, `source` or
    /// excluded (`should_exclude_dir()`).
    pub(crate) fn excludes(&self, path: &Path) -> bool {
        let mut external = self.external.iter();
        let below = external.find_map(|dir| path.strip_prefix(dir).ok());
        let parents = below.unwrap_or(path).parent();
        let mut parents = parents.into_iter().flat_map(Path::components);
        parents.any(|part| {
            let name = part.as_os_str().to_str();
            name.is_some_and(|name| {
                matches!(name, "build" | "source") || self.excluded.contains(name)
            })
        })
    }

    /// Of files of one name keeps those that can be the one that is loaded: one, or
    /// several of one rank, of which depmod takes the one that the file system names
    /// first. All, where the order is not known.
    pub(crate) fn keep_highest<T>(&self, files: &mut Vec<(&Path, T)>) {
        if !self.unreadable.is_empty() || files.len() < 2 {
            return;
        }
        let ranks = files.iter().map(|(path, _)| self.rank(path));
        let highest = ranks.max().unwrap_or(Rank::None);
        files.retain(|(path, _)| self.rank(path) == highest);
    }
}

/// What a pattern may come to, in bytes: a release has no more than 64 characters.
const MAX_PATTERN: usize = 64 << 10;

/// True if a line is for a release: the pattern is `*`, or a POSIX extended regular
/// expression that matches some part of it (`cfg_kernel_matches()`).
fn is_for(pattern: &str, release: &str) -> bool {
    let matches = || {
        let mut pattern = RegexBuilder::new(pattern);
        let pattern = pattern.unicode(false).size_limit(MAX_PATTERN).build();
        pattern.is_ok_and(|pattern| pattern.is_match(release.as_bytes()))
    };
    pattern == "*" || matches()
}

/// The text of a file of the configuration. One that is not there says nothing, nor does
/// a directory or a device: `/dev/null` takes the place of a vendor's file.
fn text(root: &Root, inside: &Path) -> Result<String, String> {
    let file = match root
        .resolve(inside)
        .and_then(|file| Ok((fs::metadata(&file)?, file)))
    {
        Ok((metadata, file)) if metadata.is_file() => file,
        Ok(_) => return Ok(String::new()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(error.to_string()),
    };
    let mut text = Vec::new();
    let file = Regular::open(&file).map_err(|error| error.to_string())?;
    let read = file.read_all(MAX_CONFIG, &mut text);
    read.map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests;
