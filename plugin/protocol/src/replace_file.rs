// SPDX-License-Identifier: GPL-2.0-or-later
//! Writing a file as a whole.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, Mode, OFlags, fchmod, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::thread::gettid;

/// Writes a file of this mode, whatever the umask is: whoever opens `name` sees all
/// of it or what was there before. No link is followed in the directory, and nothing
/// that is there is written to. Where this fails, nothing new is there.
pub fn replace_file(dir: impl AsFd, name: &str, bytes: &[u8], mode: Mode) -> io::Result<()> {
    let dir = dir.as_fd();
    // No two threads that live have the same number.
    let temporary = format!(".{name}.{}", gettid().as_raw_nonzero());
    // Left by one that had this number before and was killed.
    remove_file(dir, &temporary)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut file = File::from(openat(dir, &temporary, flags, mode)?);
    let written = file
        .write_all(bytes)
        .and_then(|()| Ok(fchmod(&file, mode)?))
        .and_then(|()| Ok(renameat(dir, &temporary, dir, name)?));
    if written.is_err() {
        let _ = remove_file(dir, &temporary);
    }
    written
}

/// Removes a file of a directory; `false` where there is none. Of several who try,
/// one succeeds.
pub fn remove_file(dir: impl AsFd, name: &str) -> io::Result<bool> {
    match unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const MODE: Mode = Mode::RUSR.union(Mode::WUSR).union(Mode::RGRP);

    fn names(dir: &tempfile::TempDir) -> usize {
        fs::read_dir(dir.path()).unwrap().count()
    }

    #[test]
    fn what_was_there_is_replaced_and_not_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let (fd, path) = (File::open(dir.path()).unwrap(), dir.path().join("a"));
        for text in ["one", "two"] {
            replace_file(&fd, "a", text.as_bytes(), MODE).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        let victim = dir.path().join("victim");
        fs::write(&victim, "kept").unwrap();
        let left = format!(".a.{}", gettid().as_raw_nonzero());
        for name in ["a", &left] {
            let _ = fs::remove_file(dir.path().join(name));
            symlink("victim", dir.path().join(name)).unwrap();
            replace_file(&fd, "a", b"three", MODE).unwrap();
            assert!(!path.is_symlink(), "{name}");
        }
        assert_eq!(fs::read_to_string(victim).unwrap(), "kept");
        assert_eq!(names(&dir), 2, "nothing else is left");
    }

    #[test]
    fn where_it_cannot_be_replaced_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let fd = File::open(dir.path()).unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        replace_file(&fd, "a", b"x", MODE).unwrap_err();
        assert_eq!(names(&dir), 1);
        assert!(!remove_file(&fd, "b").unwrap());
    }

    #[test]
    fn many_at_once_leave_one_whole_file() {
        let dir = tempfile::tempdir().unwrap();
        let fd = File::open(dir.path()).unwrap();
        std::thread::scope(|scope| {
            for number in 0..4_u8 {
                let fd = &fd;
                scope.spawn(move || {
                    for _ in 0..50 {
                        replace_file(fd, "a", &[number; 4096], MODE).unwrap();
                    }
                });
            }
        });
        let bytes = fs::read(dir.path().join("a")).unwrap();
        assert_eq!(bytes, [*bytes.first().unwrap(); 4096]);
        assert_eq!(names(&dir), 1);
    }
}
