// SPDX-License-Identifier: GPL-2.0-or-later
//! A file with a line for each event.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use btf_guard_protocol::event::Event;
use rustix::fs::{
    AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, flock, fstat, openat, statat,
};
use rustix::process::geteuid;

/// Adds an event. Whoever reads the file sees whole lines.
///
/// # Errors
/// Those of the system, and where the file, or its directory, is not this user's
/// or can be written by others.
pub(super) fn append(path: &Path, event: &Event) -> io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    // A line is one line, whatever the judge has written.
    line.retain(|byte| *byte != b'\n');
    line.push(b'\n');
    let file = open(path)?;
    flock(&file, FlockOperation::LockExclusive)?;
    File::from(file).write_all(&line)
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other("it is not a file"));
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = openat(CWD, parent, flags, Mode::empty())?;
    let found = fstat(&dir)?;
    // A group of the system's may keep logs there: what it may put there is looked at.
    let group = Mode::WGRP.as_raw_mode();
    check(found.st_uid, found.st_mode & !group, "its directory")?;
    // Where something waits that is no file, opening it may wait, too.
    if let Ok(found) = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)
        && FileType::from_raw_mode(found.st_mode) != FileType::RegularFile
    {
        return Err(io::Error::other("it is not a file of its own"));
    }
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::CLOEXEC;
    let file = openat(&dir, name, flags, Mode::RUSR | Mode::WUSR)?;
    let found = fstat(&file)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile || found.st_nlink != 1 {
        return Err(io::Error::other("it is not a file of its own"));
    }
    check(found.st_uid, found.st_mode, "it")?;
    Ok(file)
}

fn check(uid: u32, mode: u32, what: &str) -> io::Result<()> {
    if uid != geteuid().as_raw() {
        return Err(io::Error::other(format!("{what} belongs to user {uid}")));
    }
    if Mode::from_raw_mode(mode).intersects(Mode::WOTH | Mode::WGRP) {
        return Err(io::Error::other(format!("others can write {what}")));
    }
    Ok(())
}
