// SPDX-License-Identifier: GPL-2.0-or-later
//! A directory that only root writes: what one hook leaves for another.
//!
//! What lies there makes a root process block or let pass a transaction, so
//! nothing is believed that anybody else could have written, linked or placed.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, Stat, fstat, mkdirat, openat, renameat};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::replace_file::{remove_file, replace_file};

/// Where it is: gone after a reboot, as everything in it is meant to be.
pub const RUN: &str = "/run/btf-guard";

/// Names that are looked at; nobody but root can put more there.
const MAX_NAMES: usize = 4096;

/// Why what is kept in a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is not believed, or cannot be read.
    #[error(transparent)]
    NotTrusted(#[from] NotTrusted),
    /// Its text is not what it should be.
    #[error("it is not understood: {0}")]
    Json(#[from] serde_json::Error),
    /// It has another version.
    #[error("it is not understood: it has schema {0}")]
    Schema(u32),
    /// It is another one's, under this name.
    #[error("it is not understood: it belongs under another name")]
    Name,
}

/// Why a file or directory is not believed.
#[derive(Debug, thiserror::Error)]
pub enum NotTrusted {
    /// The system refused.
    #[error(transparent)]
    System(#[from] io::Error),
    /// A link, pipe, device, or a directory for a file.
    #[error("it is not a {0}")]
    Kind(&'static str),
    /// Somebody else's.
    #[error("it belongs to user {0}")]
    Owner(u32),
    /// Others may write it.
    #[error("others can write it (mode {0:o})")]
    Writable(u32),
    /// It has another name, somewhere.
    #[error("it has {0} names")]
    Links(u64),
    /// It is longer than the reader allows.
    #[error("it is longer than {0} bytes")]
    TooLong(u64),
}

impl From<Errno> for NotTrusted {
    fn from(errno: Errno) -> Self {
        match errno {
            // What O_NOFOLLOW and O_DIRECTORY say of a link.
            Errno::LOOP => Self::Kind("file of its own"),
            Errno::NOTDIR => Self::Kind("directory"),
            errno => Self::System(errno.into()),
        }
    }
}

/// The directory, checked and open: what its path names later does not matter.
#[derive(Debug)]
pub struct Private {
    dir: OwnedFd,
    trust: Trust,
}

/// Whose files are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// This user's own.
    Own,
    /// Root's, too, and under any number of names: some systems link files that
    /// are the same.
    System,
}

impl Private {
    /// Opens a directory that is this user's alone; `None` where there is none.
    pub fn open(path: &Path) -> Result<Option<Self>, NotTrusted> {
        Self::open_as(path, Trust::Own)
    }

    /// Opens a directory of root's, or of this user's, that others may read, not write;
    /// `None` where there is none.
    pub fn of_system(path: &Path) -> Result<Option<Self>, NotTrusted> {
        Self::open_as(path, Trust::System)
    }

    fn open_as(path: &Path, trust: Trust) -> Result<Option<Self>, NotTrusted> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = match openat(CWD, path, flags, Mode::empty()) {
            Ok(dir) => dir,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        trust.check(&fstat(&dir)?)?;
        Ok(Some(Self { dir, trust }))
    }

    /// [Opens](Self::open) the directory, and makes it first where there is none. Its
    /// parent must be there.
    pub fn create(path: &Path) -> Result<Self, NotTrusted> {
        match mkdirat(CWD, path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        Self::open(path)?.ok_or_else(|| Errno::NOENT.into())
    }

    /// Opens a file; `None` where there is none.
    pub fn open_file(&self, name: &str) -> Result<Option<File>, NotTrusted> {
        // Without NONBLOCK a pipe in its place would hold the reader.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&self.dir, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        let stat = fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(NotTrusted::Kind("file"));
        }
        self.trust.check(&stat)?;
        let file = File::from(file);
        let names = file.metadata()?.nlink();
        if names != 1 && self.trust == Trust::Own {
            return Err(NotTrusted::Links(names));
        }
        Ok(Some(file))
    }

    /// Reads a file of at most `limit` bytes; `None` where there is none.
    pub fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, NotTrusted> {
        let Some(file) = self.open_file(name)? else {
            return Ok(None);
        };
        // With room for one more, so that the end is seen at the second look.
        let room = file.metadata()?.len().min(limit) + 1;
        let mut bytes = Vec::new();
        // An allocation that fails must not end rpm.
        bytes
            .try_reserve_exact(usize::try_from(room).unwrap_or_default())
            .map_err(|error| io::Error::new(io::ErrorKind::OutOfMemory, error))?;
        file.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(NotTrusted::TooLong(limit));
        }
        Ok(Some(bytes))
    }

    /// Writes a file: whoever reads `name` sees all of it or what was before.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        replace_file(&self.dir, name, bytes, Mode::RUSR | Mode::WUSR)
    }

    /// Makes an empty file; `false` where something has that name already.
    pub fn mark(&self, name: &str) -> io::Result<bool> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        match openat(&self.dir, name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(_) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Removes a file; `false` where there is none. Of several who try, one
    /// succeeds.
    pub fn take(&self, name: &str) -> io::Result<bool> {
        remove_file(&self.dir, name)
    }

    /// Gives a file another name, in place of what has it; `false` where there is none. Of
    /// several who try, one succeeds.
    pub fn rename(&self, name: &str, other: &str) -> io::Result<bool> {
        match renameat(&self.dir, name, &self.dir, other) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Removes a file; there need be none.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        self.take(name).map(drop)
    }

    /// The names in the directory, without those that are not UTF-8.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.dir)?.take(MAX_NAMES) {
            names.extend(entry?.file_name().to_str().ok().map(str::to_owned));
        }
        Ok(names)
    }
}

impl Trust {
    /// Is it theirs who are trusted, and may nobody else write it?
    fn check(self, stat: &Stat) -> Result<(), NotTrusted> {
        let is_roots = self == Self::System && stat.st_uid == 0;
        if stat.st_uid != geteuid().as_raw() && !is_roots {
            return Err(NotTrusted::Owner(stat.st_uid));
        }
        let mode = Mode::from_raw_mode(stat.st_mode);
        if mode.intersects(Mode::WGRP | Mode::WOTH) {
            return Err(NotTrusted::Writable(mode.as_raw_mode()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::path::PathBuf;

    use super::*;

    /// A directory and its path; gone with the first.
    fn private() -> (tempfile::TempDir, PathBuf, Private) {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("private");
        let private = Private::create(&path).unwrap();
        (parent, path, private)
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Makes something another's, where this user can.
    fn give_away(path: &Path) -> bool {
        geteuid().is_root() && chown(path, Some(12345), None).is_ok()
    }

    fn why<T>(refused: Result<T, NotTrusted>) -> String {
        refused.map(drop).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read() {
        let (_parent, path, private) = private();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        assert!(private.read("a", 9).unwrap().is_none());
        private.write("a", b"one").unwrap();
        private.write("a", b"two").unwrap();
        assert_eq!(private.read("a", 3).unwrap().unwrap(), b"two");
        assert_eq!(why(private.read("a", 2)), "it is longer than 2 bytes");
        assert_eq!(fs::metadata(path.join("a")).unwrap().mode() & 0o777, 0o600);
        assert_eq!(private.names().unwrap().len(), 3, "., .., a");
        private.remove("a").unwrap();
        private.remove("a").unwrap();
        assert!(private.read("a", 9).unwrap().is_none());
    }

    #[test]
    fn a_mark_is_made_once() {
        let (_parent, path, private) = private();
        assert!(private.mark("m").unwrap());
        assert!(!private.mark("m").unwrap());
        symlink("nowhere", path.join("link")).unwrap();
        assert!(!private.mark("link").unwrap());
        assert!(!path.join("nowhere").exists());
    }

    #[test]
    fn a_directory_that_others_can_write_is_refused() {
        let (parent, path, _) = private();
        for open in [Private::create, |path: &Path| {
            Private::of_system(path).map(Option::unwrap)
        }] {
            for mode in [0o720, 0o702, 0o777] {
                chmod(&path, mode);
                let expected = format!("others can write it (mode {mode:o})");
                assert_eq!(why(open(&path)), expected);
            }
            chmod(&path, 0o755);
            open(&path).unwrap();
            for name in ["link", "file"] {
                let other = parent.path().join(name);
                let _ = symlink(&path, parent.path().join("link"));
                fs::write(parent.path().join("file"), "").unwrap();
                assert!(matches!(open(&other), Err(NotTrusted::Kind(_))), "{name}");
            }
        }
        assert!(Private::open(Path::new("/nonexistent")).unwrap().is_none());
        if give_away(&path) {
            assert_eq!(why(Private::create(&path)), "it belongs to user 12345");
            assert_eq!(why(Private::of_system(&path)), "it belongs to user 12345");
        }
        let usr = Private::of_system(Path::new("/usr"));
        assert!(usr.unwrap().is_some(), "of root, whoever asks");
    }

    #[test]
    fn a_file_that_others_could_have_made_is_refused() {
        let (parent, path, private) = private();
        let system = Private::of_system(&path).unwrap().unwrap();
        let file = path.join("a");
        private.write("a", b"text").unwrap();
        symlink("a", path.join("link")).unwrap();
        fs::create_dir(path.join("dir")).unwrap();
        rustix::fs::mkfifoat(CWD, path.join("pipe"), Mode::RUSR).unwrap();
        for dir in [&private, &system] {
            for mode in [0o620, 0o602] {
                chmod(&file, mode);
                let expected = format!("others can write it (mode {mode:o})");
                assert_eq!(why(dir.read("a", 9)), expected);
            }
            chmod(&file, 0o644);
            assert_eq!(dir.read("a", 9).unwrap().unwrap(), b"text");
            for name in ["link", "dir", "pipe"] {
                let refused = dir.read(name, 9);
                assert!(matches!(refused, Err(NotTrusted::Kind(_))), "{name}");
            }
        }
        fs::hard_link(&file, parent.path().join("elsewhere")).unwrap();
        assert_eq!(why(private.read("a", 9)), "it has 2 names");
        assert_eq!(system.read("a", 9).unwrap().unwrap(), b"text");
        fs::remove_file(parent.path().join("elsewhere")).unwrap();
        if give_away(&file) {
            assert_eq!(why(private.read("a", 9)), "it belongs to user 12345");
        }
    }

    #[test]
    fn one_of_several_takes_a_file() {
        let (_parent, _, private) = private();
        private.write("a", b"text").unwrap();
        let taken: usize = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| usize::from(private.take("a").unwrap())))
                .collect();
            all.into_iter().map(|one| one.join().unwrap()).sum()
        });
        assert_eq!(taken, 1);
    }
}
