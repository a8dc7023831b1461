// SPDX-License-Identifier: GPL-2.0-or-later
//! Strings to and from C.

use std::ffi::{CStr, CString, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::Error;

/// What is copied of one string, in bytes. Names, versions and addresses of
/// packages are far shorter, and the kernel takes no longer path.
const LONGEST: usize = 4096;

/// A copy of the string, cut to its bound; what is no UTF-8 is replaced.
/// `None` for null.
///
/// # Safety
/// `text` is null or a C string that lives during the call.
pub(crate) unsafe fn copied(text: *const c_char) -> Option<String> {
    // SAFETY: as required of the caller.
    let bytes = unsafe { bounded(text) }?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

/// A copy of the path. `None` for null, the empty string, and what is too long
/// to be one.
///
/// # Safety
/// As for [`copied`].
pub(crate) unsafe fn copied_path(text: *const c_char) -> Option<PathBuf> {
    // SAFETY: as required of the caller.
    let bytes = unsafe { bounded(text) }?;
    if bytes.is_empty() || bytes.len() == LONGEST {
        return None;
    }
    Some(PathBuf::from(OsStr::from_bytes(bytes)))
}

/// # Safety
/// `text` is null or a C string that lives and does not change for `'a`.
unsafe fn bounded<'a>(text: *const c_char) -> Option<&'a [u8]> {
    if text.is_null() {
        return None;
    }
    // SAFETY: reads up to the string's end or the bound, whichever comes first.
    let length = unsafe { libc::strnlen(text, LONGEST) };
    // SAFETY: that many bytes were just read.
    Some(unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) })
}

/// A path for C.
pub(crate) fn absolute(path: &Path) -> Result<CString, Error> {
    let argument = || Error::Argument(path.display().to_string());
    if !path.is_absolute() {
        return Err(argument());
    }
    CString::new(path.as_os_str().as_bytes()).map_err(|_| argument())
}

/// A text for C.
pub(crate) fn given(text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::Argument(text.to_owned()))
}

/// The shim's string for what it never leaves out; empty where it did.
///
/// # Safety
/// As for [`copied`].
pub(crate) unsafe fn copied_or_empty(text: *const c_char) -> String {
    // SAFETY: as required of the caller.
    unsafe { copied(text) }.unwrap_or_default()
}

/// For what a callback is shown: no copy.
///
/// # Safety
/// `text` is null or a C string that lives and does not change for `'a`.
pub(crate) unsafe fn shown<'a>(text: *const c_char) -> Option<&'a CStr> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, and the caller vouches for the rest.
    Some(unsafe { CStr::from_ptr(text) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_from_c_are_bounded_and_made_printable() {
        let long = CString::new(vec![b'a'; LONGEST + 1]).unwrap();
        let cases: [(&CStr, usize); 3] = [(c"", 0), (c"abc", 3), (&long, LONGEST)];
        for (text, length) in cases {
            // SAFETY: the strings live.
            let copy = unsafe { copied(text.as_ptr()) };
            assert_eq!(copy.map(|text| text.len()), Some(length));
        }
        // SAFETY: the string lives; null is allowed.
        unsafe {
            assert_eq!(copied(c"a\xffb".as_ptr()), Some("a\u{fffd}b".to_owned()));
            assert_eq!(copied(std::ptr::null()), None);
        }
    }

    #[test]
    fn a_path_is_copied_as_it_is_or_not_at_all() {
        let long = CString::new(vec![b'a'; LONGEST]).unwrap();
        // SAFETY: the strings live; null is allowed.
        unsafe {
            let path = copied_path(c"/a\xff".as_ptr());
            assert_eq!(path, Some(PathBuf::from(OsStr::from_bytes(b"/a\xff"))));
            assert_eq!(copied_path(c"".as_ptr()), None);
            assert_eq!(copied_path(long.as_ptr()), None);
            assert_eq!(copied_path(std::ptr::null()), None);
        }
    }

    #[test]
    fn what_is_no_c_string_or_no_absolute_path_is_refused() {
        assert!(absolute(Path::new("relative")).is_err());
        assert!(absolute(Path::new("/a\0b")).is_err());
        assert!(absolute(Path::new("/a b")).is_ok());
        assert!(given("a\0b").is_err());
    }
}
