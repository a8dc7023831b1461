// SPDX-License-Identifier: GPL-2.0-or-later
//! The child's process between `fork` and `exec`.
//!
//! librpm blocks almost every signal while a transaction runs, and leaves
//! descriptors open across `exec` (its database's lock, for one). None of that
//! is the child's.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use libc::{CLOSE_RANGE_CLOEXEC, F_SETFD, SIG_DFL, SIG_IGN, SIG_SETMASK, SIGXFSZ, SYS_close_range};

/// Signals are numbered from 1 to this.
const LAST_SIGNAL: i32 = 64;

/// The process group of a child, to which a terminal sends its signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessGroup {
    /// Its own. An interrupt from the terminal is for rpm, which ends when it is
    /// safe to; it must not become a way around the judgement.
    Own,
    /// That of this process: an interrupt ends both.
    Ours,
}

/// Lets the command start with nothing of this process but its standard
/// descriptors and `inherited`: no signal blocked or ignored.
///
/// The caller keeps `inherited` open until the command has started.
pub(crate) fn isolate(command: &mut Command, inherited: &[OwnedFd], group: ProcessGroup) {
    let inherited: Vec<RawFd> = inherited.iter().map(AsRawFd::as_raw_fd).collect();
    if group == ProcessGroup::Own {
        command.process_group(0);
    }
    // SAFETY: the closure calls nothing but system calls and functions that
    // POSIX calls async-signal-safe, and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            default_signals();
            close_on_exec(&inherited)
        });
    }
}

/// Handlers first: none of the client's may run in this process.
fn default_signals() {
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: sets no handler. Signals that have none (SIGKILL, those of
        // the C library) are refused.
        unsafe { libc::signal(signal, SIG_DFL) };
    }
    // What it writes beyond the caller's limit for files is an error then, not its end.
    // SAFETY: sets no handler.
    unsafe { libc::signal(SIGXFSZ, SIG_IGN) };
    // SAFETY: the set is initialised before it is read.
    unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Marks every descriptor above the standard ones, but for those to keep.
/// Before Linux 5.11 stray descriptors of the client stay open.
fn close_on_exec(keep: &[RawFd]) -> io::Result<()> {
    // SAFETY: marks descriptors and closes none.
    unsafe { libc::syscall(SYS_close_range, 3, u32::MAX, CLOSE_RANGE_CLOEXEC) };
    for &descriptor in keep {
        // SAFETY: changes a flag of a descriptor that the caller keeps open.
        if unsafe { libc::fcntl(descriptor, F_SETFD, 0) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
