// SPDX-License-Identifier: GPL-2.0-or-later
//! Which of several files of one name `modprobe` loads.
//!
//! A module is a name; `depmod` decides which file of a release's directory has it,
//! and writes that into `modules.dep`. The rules are those of kmod 34
//! (tools/depmod.c), the lines those of `depmod.d(5)`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use btf_guard_sysroot::Root;
use regex::Regex;

use super::name_of_file;

/// Where depmod looks for its configuration, in its order (`default_cfg_paths`; the
/// fourth is what distributions set as `DISTCONFDIR`). Of files of one name the first
/// counts.
const CONFIG_DIRS: [&str; 5] = [
    "/etc/depmod.d",
    "/run/depmod.d",
    "/usr/local/lib/depmod.d",
    "/usr/lib/depmod.d",
    "/lib/depmod.d",
];

/// The longest file of these that is read, in bytes.
const MAX_CONFIG: u64 = 1 << 20;

/// The longest `modules.dep` that is read, in bytes.
const MAX_DEPENDENCIES: u64 = 64 << 20;

/// How high the directory of a file ranks; of two files of a name, the higher is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// The place among the words after `search`, the first the highest.
    Search(isize),
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SearchOrder {
    /// In the order of the files.
    search: Vec<SearchWord>,
    /// Files without their ending, below the release's directory.
    overrides: Vec<PathBuf>,
    /// Directories outside of the release's.
    external: Vec<PathBuf>,
    /// Names of directories that are passed over.
    excluded: BTreeSet<String>,
}

impl SearchOrder {
    /// Reads the configuration of a root for one release. Files that cannot be read
    /// are told in the second part: without them the order is a guess.
    pub(crate) fn read(root: &Root, release: &str) -> (Self, Vec<(PathBuf, io::Error)>) {
        let mut by_name: BTreeMap<_, PathBuf> = BTreeMap::new();
        let mut unreadable = Vec::new();
        for dir in CONFIG_DIRS {
            let entries = match root.resolve(Path::new(dir)).and_then(fs::read_dir) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    unreadable.push((root.outside(Path::new(dir)), error));
                    continue;
                }
            };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let is_config = name.to_str().is_some_and(|name| {
                    name.len() > ".conf".len() && name.ends_with(".conf") && !name.starts_with('.')
                });
                if is_config {
                    let inside = Path::new(dir).join(&name);
                    by_name.entry(name).or_insert(inside);
                }
            }
        }
        let mut order = Self::empty();
        for inside in by_name.into_values() {
            let text = root
                .resolve(&inside)
                .and_then(|file| text(&file, MAX_CONFIG));
            match text {
                Ok(text) => order.add(&text, release),
                Err(error) => unreadable.push((root.outside(&inside), error)),
            }
        }
        (order.or_default(), unreadable)
    }

    fn empty() -> Self {
        Self {
            search: Vec::new(),
            overrides: Vec::new(),
            external: Vec::new(),
            excluded: BTreeSet::new(),
        }
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
            .filter(|l| !l.starts_with('#'))
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

    /// The rank of a file by its path below the release's directory
    /// (`depmod_module_is_higher_priority()`).
    fn rank(&self, below: &Path) -> Rank {
        let name = name_of_file(below);
        let path = below.parent().unwrap_or(Path::new("")).join(&name);
        // What depmod compares is as long as the name, and has the file's own letters.
        let as_named = below
            .file_name()
            .and_then(|file| file.to_str()?.get(..name.len()));
        let last = self
            .overrides
            .iter()
            .rposition(|known| *known == path && as_named == Some(name.as_str()));
        if let Some(last) = last {
            return Rank::Override(last);
        }
        let from_end = |at: usize| (self.search.len() - at) as isize;
        let places = self.search.iter().enumerate();
        let named = places.clone().find(|(_, word)| match word {
            SearchWord::Directory(directory) => below.starts_with(directory),
            SearchWord::BuiltIn | SearchWord::External => false,
        });
        let built_in = places
            .clone()
            .find(|(_, word)| **word == SearchWord::BuiltIn);
        let place = named.or(built_in);
        Rank::Search(place.map_or(-1, |(at, _)| from_end(at)))
    }

    /// depmod passes over this file: a directory on the way is `build`, `source` or
    /// excluded (`should_exclude_dir()`).
    fn excludes(&self, below: &Path) -> bool {
        let mut parents = below.parent().into_iter().flat_map(Path::components);
        parents.any(|part| {
            let name = part.as_os_str().to_str();
            name.is_some_and(|name| {
                matches!(name, "build" | "source") || self.excluded.contains(name)
            })
        })
    }

    /// Of the files of each name, those that can be the one that is loaded: one, or
    /// several of one rank, of which depmod takes the one that the file system names
    /// first. `files` are paths below the release's directory.
    pub(crate) fn winners<'f>(
        &self,
        files: impl IntoIterator<Item = &'f Path>,
    ) -> BTreeMap<String, Vec<&'f Path>> {
        let mut winners: BTreeMap<String, (Rank, Vec<&Path>)> = BTreeMap::new();
        for below in files {
            if self.excludes(below) {
                continue;
            }
            let rank = self.rank(below);
            let (best, paths) = winners
                .entry(name_of_file(below))
                .or_insert_with(|| (rank, Vec::new()));
            if rank > *best {
                (*best, *paths) = (rank, Vec::new());
            }
            if rank == *best {
                paths.push(below);
            }
        }
        let winners = winners.into_iter();
        winners.map(|(name, (_, paths))| (name, paths)).collect()
    }
}

/// True if a line is for a release: the pattern is `*`, or a POSIX extended regular
/// expression that matches some part of it (`cfg_kernel_matches()`).
fn is_for(pattern: &str, release: &str) -> bool {
    pattern == "*" || Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(release))
}

/// The files that `modules.dep` of a module directory names, below it, if depmod has
/// been run since the directories of `files` were changed last.
pub(crate) fn listed<'f>(
    dir: &Path,
    files: impl IntoIterator<Item = &'f Path>,
) -> Option<BTreeSet<PathBuf>> {
    let path = dir.join("modules.dep");
    let written = fs::metadata(&path).ok()?.modified().ok()?;
    let directories: BTreeSet<&Path> = files.into_iter().filter_map(Path::parent).collect();
    let is_newer = |directory: &&Path| {
        // depmod writes other files into the release's own directory when it is done.
        directory.as_os_str().is_empty()
            || fs::metadata(dir.join(directory))
                .and_then(|metadata| metadata.modified())
                .is_ok_and(|changed| changed <= written)
    };
    if !directories.iter().all(is_newer) {
        return None;
    }
    let text = text(&path, MAX_DEPENDENCIES).ok()?;
    let paths = text.lines().filter_map(|line| line.split_once(':'));
    Some(paths.map(|(path, _)| path.into()).collect())
}

fn text(path: &Path, limit: u64) -> io::Result<String> {
    let mut text = String::new();
    let file = fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("no regular file"));
    }
    let length = file.take(limit + 1).read_to_string(&mut text)?;
    match length as u64 > limit {
        true => Err(io::Error::other(format!("longer than {limit} bytes"))),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn order(config: &str) -> SearchOrder {
        let mut order = SearchOrder::empty();
        order.add(config, "6.1.0-1-default");
        order.or_default()
    }

    const SUSE: &str = "search updates extra weak-updates kgraft built-in\n";
    const RHEL: &str = "search updates extra built-in weak-updates\n";

    #[test]
    fn the_directory_that_ranks_highest_has_the_name() {
        for (config, files, loaded) in [
            (
                "",
                &["kernel/a.ko", "updates/a.ko.xz"][..],
                &["updates/a.ko.xz"][..],
            ),
            (
                "",
                &["kernel/a.ko", "extra/a.ko"],
                &["kernel/a.ko", "extra/a.ko"],
            ),
            (
                SUSE,
                &["weak-updates/updates/a.ko", "updates/a.ko"],
                &["updates/a.ko"],
            ),
            (
                SUSE,
                &["weak-updates/a.ko", "kernel/x/a.ko"],
                &["weak-updates/a.ko"],
            ),
            (
                RHEL,
                &["weak-updates/a.ko", "kernel/x/a.ko"],
                &["kernel/x/a.ko"],
            ),
            (RHEL, &["weak-updates/a.ko", "extra/a.ko"], &["extra/a.ko"]),
            (
                SUSE,
                &["updatesx/a-b.ko", "kgraft/a_b.ko"],
                &["kgraft/a_b.ko"],
            ),
            // A word that is a directory of another comes first only where it stands first.
            (
                "search a/b a built-in",
                &["a/x.ko", "a/b/x.ko"],
                &["a/b/x.ko"],
            ),
            (
                "search a a/b built-in",
                &["a/x.ko", "a/b/x.ko"],
                &["a/x.ko", "a/b/x.ko"],
            ),
            (
                "search built-in updates",
                &["updates/a.ko", "kernel/a.ko"],
                &["kernel/a.ko"],
            ),
            (
                "override a * extra",
                &["updates/a.ko", "extra/a.ko.gz"],
                &["extra/a.ko.gz"],
            ),
            (
                "override a ^6 extra",
                &["updates/a.ko", "extra/a.ko"],
                &["extra/a.ko"],
            ),
            (
                "override a ^5 extra",
                &["updates/a.ko", "extra/a.ko"],
                &["updates/a.ko"],
            ),
            (
                "override a [ extra",
                &["updates/a.ko", "extra/a.ko"],
                &["updates/a.ko"],
            ),
            (
                "override a * extra\noverride a * kernel",
                &["extra/a.ko", "kernel/a.ko"],
                &["kernel/a.ko"],
            ),
            (
                "exclude old\nsearch old built-in",
                &["old/a.ko", "kernel/a.ko"],
                &["kernel/a.ko"],
            ),
            (
                "#search extra\nsearch up\\\ndates extra",
                &["updates/a.ko", "extra/a.ko"],
                &["updates/a.ko"],
            ),
        ] {
            let winners = order(config).winners(files.iter().map(Path::new));
            let expected: Vec<_> = loaded.iter().map(Path::new).collect();
            assert_eq!(
                winners.into_values().collect::<Vec<_>>(),
                [expected],
                "{config}: {files:?}"
            );
        }
    }

    #[test]
    fn a_file_of_the_administrator_takes_the_place_of_the_vendors() {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("etc/depmod.d/00-system.conf", "search built-in updates"),
            ("usr/lib/depmod.d/00-system.conf", SUSE),
            ("usr/lib/depmod.d/.hidden.conf", "search x"),
            ("usr/lib/depmod.d/readme", "search x"),
            ("usr/lib/depmod.d/50-one.conf", "search extra"),
        ] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::create_dir_all(dir.path().join("run/depmod.d/99-dir.conf")).unwrap();
        let (read, unreadable) = SearchOrder::read(&Root::new(dir.path()).unwrap(), "6.1");
        assert_eq!(read, order("search built-in updates extra"));
        let unreadable: Vec<_> = unreadable.into_iter().map(|(path, _)| path).collect();
        assert_eq!(unreadable, [dir.path().join("run/depmod.d/99-dir.conf")]);
    }

    #[test]
    fn modules_dep_counts_until_a_directory_changes() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["updates/a.ko", "extra/a.ko"] {
            fs::create_dir_all(dir.path().join(file).parent().unwrap()).unwrap();
            fs::write(dir.path().join(file), "").unwrap();
        }
        let files = ["updates/a.ko", "extra/a.ko"].map(Path::new);
        assert_eq!(listed(dir.path(), files), None);
        fs::write(dir.path().join("modules.dep"), "extra/a.ko: kernel/b.ko\n").unwrap();
        let expected = BTreeSet::from(["extra/a.ko".into()]);
        assert_eq!(listed(dir.path(), files), Some(expected));
        fs::write(dir.path().join("updates/b.ko"), "").unwrap();
        assert_eq!(listed(dir.path(), files), None);
    }
}
