// SPDX-License-Identifier: GPL-2.0-or-later
//! librpm, as far as the plugin uses it, behind safe types.
//!
//! All `unsafe` of the plugin's work is here; every pointer is checked where
//! it comes in.

#![allow(unsafe_code)]

mod files;
mod transaction;

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;

use btf_guard_protocol::plan::Level;
use btf_guard_protocol::terminal::escape;
use libloading::os::unix::{Library, RTLD_LAZY};
use rpm_plugin_sys::{
    RPMLOG_ERR, RPMLOG_NOTICE, RPMLOG_WARNING, RTLD_NOLOAD, SONAMES, Table, rpmPlugin,
};

pub(crate) use files::Files;
pub(crate) use transaction::{TransactionElement, TransactionSet};

/// The librpm that called the plugin.
pub(crate) struct Librpm {
    table: Table,
}

/// Why librpm cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("this rpm's library is none of {}", SONAMES.join(", "))]
    Unknown,
    #[error("{soname} lacks a function: {source}")]
    Incomplete {
        soname: &'static str,
        source: libloading::Error,
    },
}

impl Librpm {
    /// Finds the librpm that is mapped into this process, without loading any.
    pub(crate) fn of_this_process() -> Result<Self, Unusable> {
        for soname in SONAMES {
            let flags = RTLD_LAZY | RTLD_NOLOAD.cast_signed();
            // SAFETY: with RTLD_NOLOAD no code of the library runs.
            let Ok(library) = (unsafe { Library::open(Some(soname), flags) }) else {
                continue;
            };
            // SAFETY: these functions have the same prototypes in every librpm
            // with one of these sonames, rpm 4.14 to 6.1.
            return match unsafe { Table::from_library(library) } {
                Ok(table) => Ok(Self { table }),
                Err(source) => Err(Unusable::Incomplete { soname, source }),
            };
        }
        Err(Unusable::Unknown)
    }

    /// Hands one line to rpm's log, which shows it with its own `error: ` or
    /// `warning: ` in front.
    ///
    /// Characters that steer a terminal are escaped: names in the line come
    /// from packages.
    pub(crate) fn log(&self, level: Level, line: &str) {
        let level = match level {
            Level::Error => RPMLOG_ERR,
            Level::Warning => RPMLOG_WARNING,
            Level::Notice => RPMLOG_NOTICE,
        };
        let Ok(line) = CString::new(escape(line)) else {
            return;
        };
        // SAFETY: the format takes one string, and one is passed.
        unsafe { (self.table.rpmlog)(level.cast_signed(), c"%s\n".as_ptr(), line.as_ptr()) }
    }

    /// What an rpm macro expression expands to; bytes that are not UTF-8 are replaced.
    pub(crate) fn expand(&self, expression: &CStr) -> String {
        // SAFETY: the arguments are strings up to a null pointer.
        let expanded =
            unsafe { (self.table.rpmExpand)(expression.as_ptr(), ptr::null::<c_char>()) };
        // SAFETY: librpm returns null or a string of its own.
        let text = unsafe { string(expanded) };
        let text = text.map_or_else(String::new, |text| text.to_string_lossy().into_owned());
        // SAFETY: the caller of rpmExpand() frees its result, and `text` is a copy.
        unsafe { rpm_plugin_sys::free(expanded.cast()) };
        text
    }

    /// What stands behind the plugin's path in `%__transaction_btf_guard`.
    ///
    /// # Safety
    /// `plugin` is null or the plugin handle that librpm called with.
    pub(crate) unsafe fn options(&self, plugin: rpmPlugin) -> String {
        // SAFETY: librpm answers null with null; the caller vouches for the rest.
        let options = unsafe { string(self.table.rpmPluginOpts(plugin)) };
        options.map_or_else(String::new, |options| {
            options.to_string_lossy().into_owned()
        })
    }
}

/// A C string, or `None` for null.
///
/// # Safety
/// `text` is null or points to a string that lives and does not change for `'a`.
unsafe fn string<'a>(text: *const c_char) -> Option<&'a CStr> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, and the caller vouches for the rest.
    Some(unsafe { CStr::from_ptr(text) })
}

/// librpm's counts are unsigned, its indices signed.
fn indices(count: u32) -> std::ops::Range<c_int> {
    0..c_int::try_from(count).unwrap_or(c_int::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_without_librpm_is_told_apart() {
        let Err(error) = Librpm::of_this_process() else {
            unreachable!("the test process does not load librpm");
        };
        let error = error.to_string();
        for soname in ["librpm.so.8", "librpm.so.9", "librpm.so.10"] {
            assert!(error.contains(soname), "{error}");
        }
    }
}
