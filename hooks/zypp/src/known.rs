//! With which packages modules or kernels may come or go, as libzypp told at an
//! earlier commit: where nothing has changed since, it need not be asked again,
//! which costs as much as zypper itself.
//!
//! What repositories say of their packages changes with their metadata, what is
//! installed with every transaction. libzypp keeps a cookie of both, which says by
//! what its own caches were made. So the names are kept with what those cookies,
//! and the files that name the repositories, looked like. A commit that touches
//! none of the names leaves them as they are, so that at its end they are kept with
//! the new cookie of what is installed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use btf_guard::place::private::{Private, Refused};
use btf_guard::stamp::FileId;
use serde::{Deserialize, Serialize};

/// The version of [`Known`], and of the rules by which its names were found.
const SCHEMA: &str = concat!("3 of ", env!("CARGO_PKG_VERSION"));

/// Its file in the cache.
const NAME: &str = "zypp-carriers";

/// The longest that is read, in bytes.
const MAX_KNOWN: u64 = 16 << 20;

/// Repositories, and files that name some; nobody has so many.
const MAX_ENTRIES: usize = 4096;

/// Longer than any cookie, in bytes: it is a checksum and a time.
const MAX_COOKIE: u64 = 256;

/// libzypp's name for what is installed, among the repositories.
const SYSTEM: &str = "@System";

/// The names, and what they were found by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    schema: String,
    state: State,
    names: BTreeSet<String>,
}

/// What libzypp's caches are made of, as it is and not as a digest: it is some lines
/// of text, and in a virtual machine it takes longer to find out by which
/// instructions SHA-256 is computed than to compare them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The cookie of each repository, empty where it has none.
    repositories: BTreeMap<String, String>,
    /// What the files that name the repositories look like.
    files: BTreeMap<String, FileId>,
    /// The cookie of what is installed.
    installed: String,
}

/// Where libzypp keeps the things that tell.
#[derive(Debug, Clone)]
pub struct Sources {
    /// A directory for each repository, with its cookie.
    pub solv: PathBuf,
    /// Files that name the repositories.
    pub repositories: PathBuf,
}

impl State {
    /// What they look like now. `None` where that cannot be told.
    pub fn now(sources: &Sources) -> Option<Self> {
        let mut repositories = BTreeMap::new();
        for name in names(&sources.solv).ok()? {
            if name != SYSTEM {
                let cookie = cookie(&sources.solv.join(&name)).ok()?;
                repositories.insert(text(name.as_bytes()), cookie.unwrap_or_default());
            }
        }
        let mut files = BTreeMap::new();
        for name in names(&sources.repositories).ok()? {
            let found = fs::symlink_metadata(sources.repositories.join(&name)).ok()?;
            files.insert(text(name.as_bytes()), FileId::from(&found));
        }
        let installed = cookie(&sources.solv.join(SYSTEM)).ok()??;
        (!repositories.is_empty()).then_some(Self {
            repositories,
            files,
            installed,
        })
    }

    fn has_repositories_of(&self, other: &Self) -> bool {
        self.repositories == other.repositories && self.files == other.files
    }
}

impl Known {
    /// That these are the names for this state.
    pub fn new(state: State, names: impl IntoIterator<Item = String>) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            state,
            names: names.into_iter().collect(),
        }
    }

    /// What is known for this state; `None` where nothing is.
    pub fn read(cache: &Path, state: &State) -> Option<Self> {
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

    /// May modules or kernels come or go with a package of this name?
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
        let now = State::now(sources)?;
        let is_same = now.has_repositories_of(&self.state);
        self.state = now;
        is_same.then_some(self)
    }
}

/// The names in a directory.
fn names(dir: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        if names.len() == MAX_ENTRIES {
            return Err(io::Error::other("too many names"));
        }
        names.push(entry?.file_name());
    }
    Ok(names)
}

/// The cookie in a directory; `None` where there is none.
fn cookie(dir: &Path) -> io::Result<Option<String>> {
    let file = match File::open(dir.join("cookie")) {
        Ok(file) => file,
        Err(error) if is_nowhere(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut cookie = Vec::with_capacity(MAX_COOKIE as usize + 1);
    file.take(MAX_COOKIE + 1).read_to_end(&mut cookie)?;
    match cookie.len() as u64 > MAX_COOKIE {
        true => Err(io::Error::other("no cookie is so long")),
        false => Ok(Some(text(&cookie))),
    }
}

/// Is there nothing of that name, or a file where its directory would be?
fn is_nowhere(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// Bytes as text, other ones as another text.
fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
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
        for (name, cookie) in [("one", "a 1"), (SYSTEM, "s 1")] {
            fs::create_dir_all(sources.solv.join(name)).unwrap();
            fs::write(sources.solv.join(name).join("cookie"), cookie).unwrap();
        }
        fs::create_dir(&sources.repositories).unwrap();
        fs::write(sources.repositories.join("one.repo"), "[one]\nenabled=1\n").unwrap();
        let cache = place.path().join("cache");
        (place, sources, cache)
    }

    fn now(sources: &Sources) -> State {
        State::now(sources).unwrap()
    }

    #[test]
    fn what_is_kept_holds_until_something_changes() {
        type Change<'a> = (&'a str, &'a dyn Fn(&Sources));
        let changes: [Change<'_>; 5] = [
            ("metadata", &|sources| {
                fs::write(sources.solv.join("one/cookie"), "b 2").unwrap();
            }),
            ("what is installed", &|sources| {
                fs::write(sources.solv.join(SYSTEM).join("cookie"), "s 2").unwrap();
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
            assert_eq!(Known::read(&cache, &now(&sources)), None);
            let known = Known::new(now(&sources), ["a".to_owned()]);
            known.keep(&cache).unwrap();
            assert_eq!(Known::read(&cache, &now(&sources)), Some(known));
            change(&sources);
            assert_eq!(Known::read(&cache, &now(&sources)), None, "{what}");
        }
    }

    #[test]
    fn a_commit_changes_what_is_installed_and_nothing_else() {
        let (_place, sources, _) = scene();
        let mut known = Known::new(now(&sources), ["a".to_owned()]);
        fs::write(sources.solv.join(SYSTEM).join("cookie"), "s 2").unwrap();
        known.add(["b".to_owned()]);
        let after = known.clone().after(&sources).unwrap();
        assert!(after.has("a") && after.has("b") && !after.has("c"));
        assert_eq!(after.state, now(&sources));
        fs::write(sources.solv.join("one/cookie"), "b 2").unwrap();
        assert_eq!(known.after(&sources), None);
    }

    #[test]
    fn without_libzypps_caches_nothing_is_known() {
        let (place, sources, _) = scene();
        fs::remove_file(sources.solv.join(SYSTEM).join("cookie")).unwrap();
        assert_eq!(State::now(&sources), None);
        let sources = Sources {
            solv: place.path().join("nowhere"),
            ..sources
        };
        assert_eq!(State::now(&sources), None);
    }

    /// Nothing is on offer, or nothing has been read yet.
    #[test]
    fn without_repositories_nothing_is_known() {
        let (_place, sources, _) = scene();
        fs::remove_dir_all(sources.solv.join("one")).unwrap();
        assert_eq!(State::now(&sources), None);
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
    fn what_is_too_long_to_be_a_cookie_tells_nothing() {
        let (_place, sources, _) = scene();
        for name in ["one", SYSTEM] {
            let cookie = sources.solv.join(name).join("cookie");
            fs::write(&cookie, "x".repeat(256)).unwrap();
            assert!(State::now(&sources).is_some(), "{name}");
            fs::write(&cookie, "x".repeat(257)).unwrap();
            assert_eq!(State::now(&sources), None, "{name}");
            fs::write(&cookie, "x").unwrap();
        }
    }

    #[test]
    fn a_repository_without_a_cookie_is_one_all_the_same() {
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
        assert!(State::now(&sources).is_some());
        fs::write(sources.repositories.join("more.repo"), "").unwrap();
        assert_eq!(State::now(&sources), None);
    }

    #[test]
    fn what_others_have_written_is_not_believed() {
        let (_place, sources, cache) = scene();
        let known = Known::new(now(&sources), []);
        known.keep(&cache).unwrap();
        let file = cache.join(NAME);
        fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
        assert_eq!(Known::read(&cache, &now(&sources)), None);
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(Known::read(&cache, &now(&sources)), Some(known));
        let other = fs::read_to_string(&file).unwrap().replace("3 of", "1 of");
        fs::write(&file, other).unwrap();
        assert_eq!(Known::read(&cache, &now(&sources)), None);
    }
}
