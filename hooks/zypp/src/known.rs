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

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use btf_guard::place::private::{Private, Refused};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The version of [`Known`], and of the rules by which its names were found.
const SCHEMA: &str = concat!("1 of ", env!("CARGO_PKG_VERSION"));

/// Its file in the cache.
const NAME: &str = "zypp-carriers";

/// The longest that is read, in bytes.
const MAX_KNOWN: u64 = 16 << 20;

/// Repositories, and files that name some; nobody has so many.
const MAX_ENTRIES: usize = 4096;

/// Longer than any cookie, in bytes.
const MAX_COOKIE: u64 = 4096;

/// libzypp's name for what is installed, among the repositories.
const SYSTEM: &str = "@System";

/// The names, and what they were found by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    schema: String,
    state: State,
    names: BTreeSet<String>,
}

/// What libzypp's caches are made of: a digest each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    repositories: String,
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
        let mut repositories = Sha256::new();
        let mut any = false;
        for name in names(&sources.solv).ok()? {
            if name == SYSTEM.as_bytes() {
                continue;
            }
            let dir = sources.solv.join(std::ffi::OsStr::from_bytes(&name));
            any = true;
            part(&mut repositories, &name);
            part(&mut repositories, &cookie(&dir).unwrap_or_default());
        }
        for name in names(&sources.repositories).ok()? {
            let path = sources
                .repositories
                .join(std::ffi::OsStr::from_bytes(&name));
            let found = fs::symlink_metadata(path).ok()?;
            part(&mut repositories, &name);
            for figure in [found.ino(), found.size()] {
                repositories.update(figure.to_le_bytes());
            }
            for figure in [
                found.mtime(),
                found.mtime_nsec(),
                found.ctime(),
                found.ctime_nsec(),
            ] {
                repositories.update(figure.to_le_bytes());
            }
        }
        let installed = cookie(&sources.solv.join(SYSTEM)).ok()?;
        any.then(|| Self {
            repositories: hex(repositories),
            installed: hex(Sha256::new_with_prefix(installed)),
        })
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
        let is_same = now.repositories == self.state.repositories;
        self.state = now;
        is_same.then_some(self)
    }
}

/// The names in a directory, sorted.
fn names(dir: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        if names.len() == MAX_ENTRIES {
            return Err(io::Error::other("too many names"));
        }
        names.push(entry?.file_name().as_bytes().to_owned());
    }
    names.sort();
    Ok(names)
}

fn cookie(dir: &Path) -> io::Result<Vec<u8>> {
    let mut cookie = Vec::new();
    let file = File::open(dir.join("cookie"))?;
    file.take(MAX_COOKIE).read_to_end(&mut cookie)?;
    Ok(cookie)
}

/// So that two things, one after the other, are not taken for others.
fn part(digest: &mut Sha256, bytes: &[u8]) {
    digest.update((bytes.len() as u64).to_le_bytes());
    digest.update(bytes);
}

fn hex(digest: Sha256) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for byte in digest.finalize() {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
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
    fn where_one_name_ends_and_the_next_begins_counts() {
        let (_place, sources, _) = scene();
        let names = |names: [&str; 2]| {
            for name in names {
                fs::create_dir(sources.solv.join(name)).unwrap();
            }
            let state = now(&sources);
            for name in names {
                fs::remove_dir(sources.solv.join(name)).unwrap();
            }
            state
        };
        assert_ne!(names(["ab", "c"]), names(["a", "bc"]));
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
        let other = fs::read_to_string(&file).unwrap().replace("1 of", "2 of");
        fs::write(&file, other).unwrap();
        assert_eq!(Known::read(&cache, &now(&sources)), None);
    }
}
