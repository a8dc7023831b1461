// SPDX-License-Identifier: GPL-2.0-or-later
//! Where the cache is.

use std::env;
use std::path::{Path, PathBuf};

use btf_guard_core::kernel::cache::Cache;

/// root's own, wherever root works from.
const SYSTEM: &str = "/var/cache/btf-guard";

/// The cache in `asked`, or else that of the user who runs.
pub(crate) fn open(asked: Option<&Path>) -> Option<Cache> {
    let dir = match asked {
        Some(dir) if dir == Path::new("none") => return None,
        Some(dir) => dir.to_owned(),
        None => place()?,
    };
    match Cache::open(&dir) {
        Ok(cache) => Some(cache),
        Err(error) => {
            log::info!("{}: {error}: no cache", dir.display());
            None
        }
    }
}

/// `/var/cache/btf-guard` for root, whatever the environment says; else the place
/// that the XDG base directory specification gives a user's caches.
fn place() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Some(SYSTEM.into());
    }
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|dir| dir.is_absolute())
    };
    let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(base.join("btf-guard"))
}
