// SPDX-License-Identifier: GPL-2.0-or-later
//! A cache of the bench's own where the judge looks for it, so that rpm can run the
//! judge as it does on any machine: without a shell that hands over another place.

use std::ffi::CStr;
use std::path::PathBuf;
use std::ptr;

/// Puts an empty file system over `/var/cache`, for this process and what it starts,
/// and returns the judge's place in it. `None` where that is not permitted.
///
/// To be called while there is one thread.
pub fn cache() -> Option<PathBuf> {
    // SAFETY: no memory is handed over.
    let apart = unsafe { libc::unshare(libc::CLONE_NEWNS) } == 0;
    let ready = apart
        && mount(c"none", c"/", libc::MS_REC | libc::MS_PRIVATE)
        && mount(c"tmpfs", c"/var/cache", 0);
    ready.then(|| PathBuf::from("/var/cache/btf-guard"))
}

fn mount(what: &CStr, place: &CStr, flags: libc::c_ulong) -> bool {
    // SAFETY: strings that outlive the call, the last one none.
    let status = unsafe {
        libc::mount(
            what.as_ptr(),
            place.as_ptr(),
            what.as_ptr(),
            flags,
            ptr::null(),
        )
    };
    status == 0
}
