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
use std::path::Path;
use std::{fs, io};

use btf_guard_protocol::state::trusted_dir::{NotTrusted, Private};
use btf_guard_sysroot::file_id::FileId;
use serde::{Deserialize, Serialize};

/// The version of [`CarrierCache`], and of the rules by which its names were found.
const SCHEMA: &str = concat!("4 of ", env!("CARGO_PKG_VERSION"));

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
    /// The solver file of each repository, where it has one, and the files that name
    /// the repositories, by their paths.
    repositories: BTreeMap<String, Option<FileId>>,
    installed: FileId,
}

/// Where libzypp keeps them.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'s> {
    /// A directory for each repository, with its solver file.
    pub solv: &'s Path,
    /// Files that name the repositories.
    pub repositories: &'s Path,
}

impl RepositoryState {
    /// What they look like now. `None` where that cannot be told.
    pub fn now(sources: Sources<'_>) -> Option<Self> {
        let mut repositories = stamps(sources.solv, Some("solv")).ok()?;
        let installed = repositories.remove(&text(&sources.solv.join(SYSTEM)))??;
        if repositories.is_empty() {
            return None;
        }
        repositories.extend(stamps(sources.repositories, None).ok()?);
        Some(Self {
            repositories,
            installed,
        })
    }
}

impl CarrierCache {
    /// What libzypp has told, which was asked in this state. `None` where something has
    /// changed meanwhile: of which state it was is not known.
    pub fn new(
        state: RepositoryState,
        sources: Sources<'_>,
        names: impl IntoIterator<Item = String>,
    ) -> Option<Self> {
        let is_same = RepositoryState::now(sources).as_ref() == Some(&state);
        is_same.then(|| Self {
            schema: SCHEMA.to_owned(),
            state,
            names: names.into_iter().collect(),
        })
    }

    /// What is known for this state; `None` where nothing is.
    pub fn read(cache: &Path, state: &RepositoryState) -> Option<Self> {
        let dir = Private::open(cache).ok()??;
        let text = dir.read(NAME, MAX_KNOWN).ok()??;
        let known: Self = serde_json::from_slice(&text).ok()?;
        (known.schema == SCHEMA && known.state == *state).then_some(known)
    }

    /// Keeps it after a commit, which has changed what is installed, in place of what
    /// was known before; not where something else has changed as well.
    pub fn keep(mut self, cache: &Path, sources: Sources<'_>) -> Result<(), NotTrusted> {
        let Some(now) = RepositoryState::now(sources) else {
            return Ok(());
        };
        if now.repositories != self.state.repositories {
            return Ok(());
        }
        self.state = now;
        let text = serde_json::to_vec(&self).map_err(io::Error::from)?;
        Ok(Private::create(cache)?.write(NAME, &text)?)
    }

    /// True of a package with which modules or kernels may come or go: one that is
    /// known for it, or named like kernels of all distributions and module packages of
    /// SUSE and of Red Hat.
    pub fn may_touch(&self, name: &str) -> bool {
        self.names.contains(name)
            || name == "kernel"
            || name.starts_with("kernel-")
            || name.starts_with("kmod-")
            || name.ends_with("-kmp")
            || name.contains("-kmp-")
    }

    /// Adds the names of packages that proved to carry some.
    pub(crate) fn add(&mut self, names: impl IntoIterator<Item = String>) {
        self.names.extend(names);
    }
}

/// What each entry of a directory looks like, or the file of this name in it.
fn stamps(dir: &Path, file: Option<&str>) -> io::Result<BTreeMap<String, Option<FileId>>> {
    use io::ErrorKind::{NotADirectory, NotFound};
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        if found.len() == MAX_ENTRIES {
            return Err(io::Error::other("too many names"));
        }
        let path = entry?.path();
        let stamp = match FileId::of(&file.map_or_else(|| path.clone(), |file| path.join(file))) {
            Ok(stamp) => Some(stamp),
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => None,
            Err(error) => return Err(error),
        };
        found.insert(text(&path), stamp);
    }
    Ok(found)
}

/// A path that may be no text, told apart from all others.
fn text(path: &Path) -> String {
    path.as_os_str().as_bytes().escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;

    /// libzypp's caches of one repository and of what is installed.
    struct Scene {
        _place: TempDir,
        solv: PathBuf,
        repositories: PathBuf,
        cache: PathBuf,
    }

    impl Scene {
        fn new() -> Self {
            let place = tempfile::tempdir().unwrap();
            let at = |name| place.path().join(name);
            let scene = Self {
                solv: at("solv"),
                repositories: at("repos.d"),
                cache: at("cache"),
                _place: place,
            };
            for (name, content) in [("one", "a"), (SYSTEM, "s")] {
                fs::create_dir_all(scene.solv.join(name)).unwrap();
                fs::write(scene.solv.join(name).join("solv"), content).unwrap();
            }
            fs::create_dir(&scene.repositories).unwrap();
            fs::write(scene.repositories.join("one.repo"), "[one]\nenabled=1\n").unwrap();
            scene
        }

        fn sources(&self) -> Sources<'_> {
            Sources {
                solv: &self.solv,
                repositories: &self.repositories,
            }
        }

        fn now(&self) -> RepositoryState {
            RepositoryState::now(self.sources()).unwrap()
        }

        /// What libzypp tells now.
        fn ask(&self, names: &[&str]) -> CarrierCache {
            let names = names.iter().map(|name| (*name).to_owned());
            CarrierCache::new(self.now(), self.sources(), names).unwrap()
        }

        fn keep(&self, known: CarrierCache) {
            known.keep(&self.cache, self.sources()).unwrap();
        }

        fn read(&self) -> Option<CarrierCache> {
            CarrierCache::read(&self.cache, &self.now())
        }

        fn install(&self, content: &str) {
            fs::write(self.solv.join(SYSTEM).join("solv"), content).unwrap();
        }
    }

    #[test]
    fn what_is_kept_holds_until_something_changes() {
        type Change<'a> = (&'a str, &'a dyn Fn(&Scene));
        let changes: [Change<'_>; 5] = [
            ("metadata", &|scene| {
                fs::write(scene.solv.join("one/solv"), "other").unwrap();
            }),
            ("what is installed", &|scene| scene.install("other")),
            ("a repository that comes", &|scene| {
                fs::create_dir(scene.solv.join("two")).unwrap();
            }),
            ("one that goes", &|scene| {
                fs::rename(scene.solv.join("one"), scene.solv.join("uno")).unwrap();
            }),
            ("one that is switched on", &|scene| {
                let file = scene.repositories.join("one.repo");
                fs::write(file, "[one]\nenabled=0\n").unwrap();
            }),
        ];
        for (what, change) in changes {
            let scene = Scene::new();
            assert_eq!(scene.read(), None);
            let known = scene.ask(&["a"]);
            scene.keep(known.clone());
            assert_eq!(scene.read(), Some(known));
            let before = scene.now();
            change(&scene);
            assert_eq!(scene.read(), None, "{what}");
            let late = CarrierCache::new(before, scene.sources(), []);
            assert_eq!(late, None, "{what}, while libzypp was asked");
        }
    }

    #[test]
    fn a_commit_changes_what_is_installed_and_nothing_else() {
        let scene = Scene::new();
        let mut known = scene.ask(&["a"]);
        known.add(["b".to_owned()]);
        scene.install("other");
        scene.keep(known.clone());
        let next = scene.read().unwrap();
        for (name, expected) in [
            ("a", true),
            ("b", true),
            ("plain", false),
            // Whatever libzypp has told.
            ("demo-kmp-default", true),
            ("kernel-default", true),
        ] {
            assert_eq!(next.may_touch(name), expected, "{name}");
        }
        fs::write(scene.solv.join("one/solv"), "other").unwrap();
        scene.keep(next);
        assert_eq!(scene.read(), None);
    }

    #[test]
    fn without_repositories_or_libzypps_caches_nothing_is_known() {
        for missing in [&["one"][..], &[SYSTEM], &["one", SYSTEM]] {
            let scene = Scene::new();
            for name in missing {
                fs::remove_dir_all(scene.solv.join(name)).unwrap();
            }
            assert_eq!(RepositoryState::now(scene.sources()), None, "{missing:?}");
        }
    }

    #[test]
    fn every_name_is_told_from_every_other() {
        let scene = Scene::new();
        let with = |name: &[u8], is_dir: bool| {
            let path = scene.solv.join(OsStr::from_bytes(name));
            match is_dir {
                true => fs::create_dir(&path).unwrap(),
                false => fs::write(&path, "").unwrap(),
            }
            let state = scene.now();
            let _ = fs::remove_dir(&path).or_else(|_| fs::remove_file(&path));
            state
        };
        let states = [
            scene.now(),
            with(b"a\xff", true),
            with(b"a\xfe", true),
            with(b"a\\xff", true),
            with(b"a file", false),
        ];
        for (index, one) in states.iter().enumerate() {
            assert!(!states[index + 1..].contains(one), "{index}");
        }
    }

    #[test]
    fn nobody_has_so_many_repositories() {
        let scene = Scene::new();
        for number in 2..=MAX_ENTRIES {
            fs::write(scene.repositories.join(format!("{number}.repo")), "").unwrap();
        }
        assert!(RepositoryState::now(scene.sources()).is_some());
        fs::write(scene.repositories.join("more.repo"), "").unwrap();
        assert_eq!(RepositoryState::now(scene.sources()), None);
    }

    #[test]
    fn what_others_have_written_is_not_believed() {
        let scene = Scene::new();
        scene.keep(scene.ask(&[]));
        let file = scene.cache.join(NAME);
        fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
        assert_eq!(scene.read(), None);
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        assert!(scene.read().is_some());
        let other = fs::read_to_string(&file).unwrap().replace("4 of", "3 of");
        fs::write(&file, other).unwrap();
        assert_eq!(scene.read(), None);
    }
}
