// SPDX-License-Identifier: GPL-2.0-or-later
//! Which libraries this process has mapped, by the dynamic linker's own list:
//! `/proc/self/maps`, which the kernel writes anew for each reader, takes a
//! millisecond in a dnf.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_int, c_void};
use std::ptr;

use libc::dl_phdr_info;

/// What is done with a library's path, and what for.
struct LibVisitor<'v, T> {
    seen: &'v mut T,
    look: fn(&mut T, &[u8]),
}

/// Has each library's path looked at, the program's own, which is empty, among them.
/// `look` must not panic: the C library would not survive that.
pub(crate) fn each<T>(seen: &mut T, look: fn(&mut T, &[u8])) {
    let mut visit = LibVisitor { seen, look };
    // SAFETY: the callback takes what it is handed here, which outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(visited::<T>), ptr::from_mut(&mut visit).cast()) };
}

/// Called for each library.
unsafe extern "C" fn visited<T>(info: *mut dl_phdr_info, _: usize, data: *mut c_void) -> c_int {
    // SAFETY: `data` is what `each()` has handed over, and nobody else has it now.
    let visit = unsafe { data.cast::<LibVisitor<'_, T>>().as_mut() };
    // SAFETY: the linker describes a library, which stays while this runs.
    let name = unsafe { info.as_ref() }.map(|info| info.dlpi_name);
    if let (Some(visit), Some(name)) = (visit, name)
        && !name.is_null()
    {
        // SAFETY: not null, and the linker's own string.
        (visit.look)(visit.seen, unsafe { CStr::from_ptr(name) }.to_bytes());
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_maps_is_seen() {
        let mut seen: Vec<Vec<u8>> = Vec::new();
        each(&mut seen, |seen, path| seen.push(path.to_owned()));
        let c_library = |path: &Vec<u8>| path.ends_with(b"/libc.so.6");
        assert_eq!(seen.iter().filter(|path| c_library(path)).count(), 1);
        let again = seen.len();
        each(&mut seen, |seen, path| seen.push(path.to_owned()));
        assert_eq!(seen.len(), 2 * again);
    }
}
