// SPDX-License-Identifier: GPL-2.0-or-later
//! Loading and unloading one module.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::system::{delete_module, finit_module};

/// How long a module's own init may take. Only real drivers have one that waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// What `finit_module(2)` did.
pub(crate) struct Loaded {
    /// 0, or what it returned; `ETIMEDOUT` if it did not return.
    pub(crate) errno: i32,
    /// The list of modules has grown.
    pub(crate) added: bool,
}

/// Loads the module in `file`.
pub(crate) fn load(file: &Path) -> Result<Loaded> {
    let before = count()?;
    let opened = File::open(file).with_context(|| file.display().to_string())?;
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let result = finit_module(&opened, c"", 0);
        // Nobody listens any more if it took too long.
        let _ = tell.send(result);
    });
    let result = told.recv_timeout(PATIENCE).unwrap_or(Err(Errno::TIMEDOUT));
    Ok(Loaded {
        errno: result.err().map_or(0, Errno::raw_os_error),
        added: count()? > before,
    })
}

/// The module that was loaded last: the list is in that order.
pub(crate) fn newest() -> io::Result<Option<String>> {
    let list = fs::read_to_string("/proc/modules")?;
    Ok(list
        .split(' ')
        .next()
        .filter(|n| !n.is_empty())
        .map(str::to_owned))
}

fn count() -> io::Result<usize> {
    Ok(fs::read_to_string("/proc/modules")?.lines().count())
}

/// How many bytes of BTF the kernel keeps under this name.
pub(crate) fn btf_bytes(name: &str) -> Option<u64> {
    let file = fs::metadata(Path::new("/sys/kernel/btf").join(name));
    file.ok().map(|file| file.len())
}

/// Unloads a module, as `rmmod` does.
pub(crate) fn unload(name: &str) -> Result<(), Errno> {
    let name = CString::new(name).map_err(|_| Errno::INVAL)?;
    let flags = OFlags::NONBLOCK.bits() as i32;
    // Its own init may not have let go of it yet.
    for _ in 0..5 {
        match delete_module(&name, flags) {
            Err(Errno::AGAIN | Errno::BUSY) => thread::sleep(Duration::from_millis(2)),
            result => return result,
        }
    }
    delete_module(&name, flags)
}
