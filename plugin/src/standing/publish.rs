//! Files for others to read, in directories that may be theirs: node_exporter's
//! textfiles, the message of the day.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, ResolveFlags, fchmod, openat, openat2, renameat, unlinkat,
};
use rustix::io::Errno;

/// What others may do with it: read.
const MODE: u32 = 0o644;

/// Writes a file that anybody may read: whoever opens `name` sees all of it or what
/// was before.
///
/// Whoever owns the directory can put anything there, so no link is followed on the way
/// to it or in it, and nothing that is there is written to.
///
/// # Errors
/// Those of the system, among them a link on the way to `dir`.
pub fn publish(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let dir = open(dir)?;
    let temporary = format!(".{name}.{}", std::process::id());
    remove(&dir, &temporary)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(MODE);
    let mut file = File::from(openat(&dir, &temporary, flags, mode)?);
    let written = file
        .write_all(bytes)
        // Whatever the umask is.
        .and_then(|()| Ok(fchmod(&file, mode)?))
        .and_then(|()| Ok(renameat(&dir, &temporary, &dir, name)?));
    if written.is_err() {
        let _ = remove(&dir, &temporary);
    }
    written
}

/// Removes such a file; there need be none.
///
/// # Errors
/// As [`publish`].
pub fn withdraw(dir: &Path, name: &str) -> io::Result<()> {
    remove(&open(dir)?, name)
}

fn open(dir: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(openat2(CWD, dir, flags, Mode::empty(), resolve)?)
}

fn remove(dir: &OwnedFd, name: &str) -> io::Result<()> {
    match unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
