// SPDX-License-Identifier: GPL-2.0-or-later
//! With which packages modules or kernels may come or go, as libzypp told at an
//! earlier commit: where nothing has changed since, it need not be asked again,
//! which costs as much as zypper itself.
//!
//! What repositories say of their packages changes with their metadata, what is
//! installed with every transaction; of both libzypp keeps a solver file, which it
//! makes anew after each change. So the names are kept with what those files, and
//! the files that name the repositories, looked like. A commit that touches none of
//! the names leaves them as they are, so that at its end they are kept with the new
//! file of what is installed.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use btf_guard_protocol::state::trusted_dir::{Private, Refused};
use btf_guard_sysroot::file_id::FileId;
use serde::{Deserialize, Serialize};

/// The version of [`CarrierCache`], and of the rules by which its names were found.
const SCHEMA: &str = concat!("3 of ", env!("CARGO_PKG_VERSION"));

/// Its file in the cache.
const NAME: &str = "zypp-carriers";

/// The longest that is read, in bytes.
const MAX_KNOWN: u64 = 16 << 20;

/// Repositories, and files that name some; nobody has so many.
const MAX_ENTRIES: usize = 4096;

/// libzypp's name for what is installed, among the repositories.
const SYSTEM: &str = "@System";

/// The names, and what they were found by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarrierCache {
    schema: String,
    state: RepositoryState,
    names: BTreeSet<String>,
}

/// What libzypp's own files looked like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryState {
    /// The solver file of each repository; `None` where it has none.
    repositories: BTreeMap<String, Option<FileId>>,
    /// The files that name the repositories.
    files: BTreeMap<String, Option<FileId>>,
    /// The solver file of what is installed.
    installed: FileId,
}

/// Where libzypp keeps them.
#[derive(Debug, Clone)]
pub struct Sources {
    /// A directory for each repository, with its solver file.
    pub solv: PathBuf,
    /// Files that name the repositories.
    pub repositories: PathBuf,
}

impl RepositoryState {
    /// What they look like now. `None` where that cannot be told.
    pub fn now(sources: &Sources) -> Option<Self> {
        let mut repositories = stamps(&sources.solv, Some("solv")).ok()?;
        let installed = repositories.remove(SYSTEM)??;
        (!repositories.is_empty()).then_some(Self {
            repositories,
            files: stamps(&sources.repositories, None).ok()?,
            installed,
        })
    }
}

impl CarrierCache {
    /// That these are the names for this state.
    pub fn new(state: RepositoryState, names: impl IntoIterator<Item = String>) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            state,
            names: names.into_iter().collect(),
        }
    }

    /// What is known for this state; `None` where nothing is.
    pub fn read(cache: &Path, state: &RepositoryState) -> Option<Self> {
        let dir = Private::open(cache).ok()??;
        let text = dir.read(NAME, MAX_KNOWN).ok()??;
        let known: Self = serde_json::from_slice(&text).ok()?;
        (known.schema == SCHEMA && known.state == *state).then_some(known)
    }

    /// Keeps it, in place of what was known before.
    ///
    /// # Errors
    /// Where it cannot be written, or the directory is not this user's alone.
    pub fn keep(&self, cache: &Path) -> Result<(), Refused> {
        let text = serde_json::to_vec(self).map_err(io::Error::from)?;
        Ok(Private::create(cache)?.write(NAME, &text)?)
    }

    /// True of a package with which modules or kernels may come or go.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Adds the names of packages that proved to carry some.
    pub fn add(&mut self, names: impl IntoIterator<Item = String>) {
        self.names.extend(names);
    }

    /// The same after a commit, which has changed what is installed. `None` where
    /// something else has changed as well.
    pub fn after(mut self, sources: &Sources) -> Option<Self> {
        let now = RepositoryState::now(sources)?;
        self.state.installed = now.installed;
        (self.state == now).then_some(self)
    }
}

/// What each entry of a directory looks like, or the file of this name in it. Names
/// that are no text are kept as others.
fn stamps(dir: &Path, file: Option<&str>) -> io::Result<BTreeMap<String, Option<FileId>>> {
    use io::ErrorKind::{NotADirectory, NotFound};
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        if found.len() == MAX_ENTRIES {
            return Err(io::Error::other("too many names"));
        }
        let entry = entry?;
        let path = entry.path();
        let stamp = match FileId::of(&file.map_or_else(|| path.clone(), |file| path.join(file))) {
            Ok(stamp) => Some(stamp),
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => None,
            Err(error) => return Err(error),
        };
        let name = entry.file_name().as_bytes().escape_ascii().to_string();
        found.insert(name, stamp);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    fn scene() -> (TempDir, Sources, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let sources = Sources {
            solv: place.path().join("solv"),
            repositories: place.path().join("repos.d"),
        };
        for (name, content) in [("one", "a"), (SYSTEM, "s")] {
            fs::create_dir_all(sources.solv.join(name)).unwrap();
            fs::write(sources.solv.join(name).join("solv"), content).unwrap();
        }
        fs::create_dir(&sources.repositories).unwrap();
        fs::write(sources.repositories.join("one.repo"), "[one]\nenabled=1\n").unwrap();
        let cache = place.path().join("cache");
        (place, sources, cache)
    }

    fn now(sources: &Sources) -> RepositoryState {
        RepositoryState::now(sources).unwrap()
    }

    #[test]
    fn what_is_kept_holds_until_something_changes() {
        type Change<'a> = (&'a str, &'a dyn Fn(&Sources));
        let changes: [Change<'_>; 5] = [
            ("metadata", &|sources| {
                fs::write(sources.solv.join("one/solv"), "other").unwrap();
            }),
            ("what is installed", &|sources| {
                fs::write(sources.solv.join(SYSTEM).join("solv"), "other").unwrap();
            }),
            ("a repository that comes", &|sources| {
                fs::create_dir(sources.solv.join("two")).unwrap();
            }),
            ("one that goes", &|sources| {
                fs::rename(sources.solv.join("one"), sources.solv.join("uno")).unwrap();
            }),
            ("one that is switched on", &|sources| {
                let file = sources.repositories.join("one.repo");
                fs::write(file, "[one]\nenabled=0\n").unwrap();
            }),
        ];
        for (what, change) in changes {
            let (_place, sources, cache) = scene();
            assert_eq!(CarrierCache::read(&cache, &now(&sources)), None);
            let known = CarrierCache::new(now(&sources), ["a".to_owned()]);
            known.keep(&cache).unwrap();
            assert_eq!(CarrierCache::read(&cache, &now(&sources)), Some(known));
            change(&sources);
            assert_eq!(CarrierCache::read(&cache, &now(&sources)), None, "{what}");
        }
    }

    #[test]
    fn a_commit_changes_what_is_installed_and_nothing_else() {
        let (_place, sources, _) = scene();
        let mut known = CarrierCache::new(now(&sources), ["a".to_owned()]);
        fs::write(sources.solv.join(SYSTEM).join("solv"), "other").unwrap();
        known.add(["b".to_owned()]);
        let after = known.clone().after(&sources).unwrap();
        assert!(after.has("a") && after.has("b") && !after.has("c"));
        assert_eq!(after.state, now(&sources));
        fs::write(sources.solv.join("one/solv"), "other").unwrap();
        assert_eq!(known.after(&sources), None);
    }

    #[test]
    fn without_libzypps_caches_nothing_is_known() {
        let (place, sources, _) = scene();
        fs::remove_file(sources.solv.join(SYSTEM).join("solv")).unwrap();
        assert_eq!(RepositoryState::now(&sources), None);
        let sources = Sources {
            solv: place.path().join("nowhere"),
            ..sources
        };
        assert_eq!(RepositoryState::now(&sources), None);
    }

    /// Nothing is on offer, or nothing has been read yet.
    #[test]
    fn without_repositories_nothing_is_known() {
        let (_place, sources, _) = scene();
        fs::remove_dir_all(sources.solv.join("one")).unwrap();
        assert_eq!(RepositoryState::now(&sources), None);
    }

    #[test]
    fn names_that_are_no_text_are_told_apart() {
        let (_place, sources, _) = scene();
        let with = |name: &[u8]| {
            let path = sources.solv.join(OsStr::from_bytes(name));
            fs::create_dir(&path).unwrap();
            let state = now(&sources);
            fs::remove_dir(&path).unwrap();
            state
        };
        assert_ne!(with(b"a\xff"), with(b"a\xfe"));
        assert_ne!(with(b"a\xff"), with(b"a\\xff"));
    }

    #[test]
    fn a_repository_without_a_file_is_one_all_the_same() {
        let (_place, sources, _) = scene();
        let before = now(&sources);
        fs::create_dir(sources.solv.join("two")).unwrap();
        let without = now(&sources);
        fs::write(sources.solv.join("a file"), "").unwrap();
        let beside = now(&sources);
        assert!(before != without && without != beside);
    }

    #[test]
    fn nobody_has_so_many_repositories() {
        let (_place, sources, _) = scene();
        for number in 2..=MAX_ENTRIES {
            fs::write(sources.repositories.join(format!("{number}.repo")), "").unwrap();
        }
        assert!(RepositoryState::now(&sources).is_some());
        fs::write(sources.repositories.join("more.repo"), "").unwrap();
        assert_eq!(RepositoryState::now(&sources), None);
    }

    #[test]
    fn what_others_have_written_is_not_believed() {
        let (_place, sources, cache) = scene();
        let known = CarrierCache::new(now(&sources), []);
        known.keep(&cache).unwrap();
        let file = cache.join(NAME);
        fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
        assert_eq!(CarrierCache::read(&cache, &now(&sources)), None);
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(CarrierCache::read(&cache, &now(&sources)), Some(known));
        let other = fs::read_to_string(&file).unwrap().replace("3 of", "2 of");
        fs::write(&file, other).unwrap();
        assert_eq!(CarrierCache::read(&cache, &now(&sources)), None);
    }
}
