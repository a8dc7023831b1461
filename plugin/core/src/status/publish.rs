// SPDX-License-Identifier: GPL-2.0-or-later
//! Files for others to read, in directories that may be theirs: node_exporter's
//! textfiles, the message of the day.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use btf_guard_protocol::replace_file::{remove_file, replace_file};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};

/// Writes a file that anybody may read: whoever opens `name` sees all of it or what
/// was before.
///
/// Whoever owns the directory can put anything there, so a link on the way to it or in it
/// is an error, and nothing that is there is written to.
pub fn publish(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    replace_file(open(dir)?, name, bytes, Mode::from_raw_mode(0o644))
}

/// Removes such a file; there need be none.
pub fn withdraw(dir: &Path, name: &str) -> io::Result<()> {
    remove_file(open(dir)?, name).map(drop)
}

fn open(dir: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(openat2(CWD, dir, flags, Mode::empty(), resolve)?)
}
