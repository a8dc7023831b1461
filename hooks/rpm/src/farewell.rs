//! Lines that are shown when the program ends.
//!
//! On a terminal, dnf 5 draws its progress over whatever was written below it
//! since it drew last: up some lines, and all is cleared from there. What is to
//! stay there is written after that, when nothing is drawn any more.

#![allow(unsafe_code)]

use std::ffi::{CStr, OsStr, c_void};
use std::os::unix::ffi::OsStrExt;
use std::process;
use std::sync::{Mutex, Once, PoisonError};

use btf_guard::place::plan::Message;
use libloading::os::unix::{Library, RTLD_LAZY};

use crate::door;
use crate::voice::to_stderr;

/// What is to be shown, and the process that is to show it.
static LINES: Mutex<Option<(u32, Vec<Message>)>> = Mutex::new(None);

static ARRANGED: Once = Once::new();

/// Shows the lines at the program's end; gives them back where that cannot be
/// arranged.
pub(crate) fn say(lines: &[Message]) -> bool {
    ARRANGED.call_once(|| {
        if stay() {
            // SAFETY: the function stays where it is until the process ends.
            let arranged = unsafe { libc::atexit(show) } == 0;
            *lock() = arranged.then(|| (process::id(), Vec::new()));
        }
    });
    match &mut *lock() {
        Some((_, kept)) => {
            kept.extend_from_slice(lines);
            true
        }
        None => false,
    }
}

fn lock() -> std::sync::MutexGuard<'static, Option<(u32, Vec<Message>)>> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps this library where it is: librpm unloads it with its last transaction
/// set, which is before the program ends.
fn stay() -> bool {
    let mut about = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    let own: *const c_void = (&raw const LINES).cast();
    // SAFETY: both pointers are valid; `about` is written to.
    let found = unsafe { libc::dladdr(own, &raw mut about) } != 0;
    if !found || about.dli_fname.is_null() {
        return false;
    }
    // SAFETY: the loader's own name of a library that is loaded.
    let name = unsafe { CStr::from_ptr(about.dli_fname) };
    let flags = RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
    // SAFETY: with RTLD_NOLOAD no code of a library runs.
    unsafe { Library::open(Some(OsStr::from_bytes(name.to_bytes())), flags) }.is_ok()
}

extern "C" fn show() {
    let _ = door::behind(|| {
        let kept = lock().take();
        // A child that was forked off and ends by exit() has nothing to say.
        if let Some((process, lines)) = kept
            && process == process::id()
        {
            for line in &lines {
                to_stderr(line);
            }
        }
    });
}
