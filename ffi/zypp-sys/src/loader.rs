// SPDX-License-Identifier: GPL-2.0-or-later
//! Loading the shim.

use std::path::Path;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use crate::Error;
use crate::bindings::{BGZ_ABI, BGZ_FAILED, BGZ_LOCKED, BGZ_OK, BGZ_STOPPED, Table, bgz_code};
use crate::text;

/// The shim's functions at `path`, an absolute one: the loader searches for
/// any other.
///
/// Once loaded it stays: libzypp's globals do not survive being unloaded.
pub(crate) fn load(path: &Path) -> Result<Table, Error> {
    text::absolute(path)?;
    let failed = |source| Error::Load {
        path: path.to_owned(),
        source,
    };
    let flags = RTLD_NOW | RTLD_LOCAL | libc::RTLD_NODELETE;
    // SAFETY: runs the initialisers of the shim and of libzypp, which are
    // trusted as this program itself is: all are root's files.
    let library = unsafe { Library::open(Some(path), flags) }.map_err(failed)?;
    // SAFETY: the signatures are those of the shim's header; a shim with
    // another version of it is refused below, before anything else is called.
    let table = unsafe { Table::from_library(library) }.map_err(failed)?;
    // SAFETY: takes nothing and returns a constant.
    let found = unsafe { table.bgz_abi() };
    if found == BGZ_ABI {
        Ok(table)
    } else {
        Err(Error::Interface {
            path: path.to_owned(),
            found,
            wanted: BGZ_ABI,
        })
    }
}

/// The funnel for what the shim's functions return.
pub(crate) fn checked(table: &Table, code: i32) -> Result<(), Error> {
    // SAFETY: the shim's words live until its next call; null is handled.
    let words = || unsafe { text::copied_or_empty(table.bgz_error()) };
    match bgz_code::try_from(code) {
        Ok(BGZ_OK) => Ok(()),
        Ok(BGZ_LOCKED) => Err(Error::Locked(words())),
        Ok(BGZ_STOPPED) => Err(Error::Stopped),
        Ok(BGZ_FAILED) => Err(Error::Failed(words())),
        _ => Err(Error::Nonsense("an unknown code")),
    }
}
