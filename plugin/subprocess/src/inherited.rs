// SPDX-License-Identifier: GPL-2.0-or-later
//! Descriptors that this process was started with, by their numbers.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};

use rustix::io::fcntl_dupfd_cloexec;

/// A descriptor that was inherited, as a file of our own; the position in it is shared
/// with it. No file system is needed for that, as it is for `/proc/self/fd`.
///
/// # Errors
/// The number is none of an open descriptor, or there is no room for one more.
pub fn inherited(descriptor: RawFd) -> io::Result<File> {
    if descriptor < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: it is used for one system call only, which refuses a number of none.
    let inherited = unsafe { BorrowedFd::borrow_raw(descriptor) };
    Ok(File::from(fcntl_dupfd_cloexec(inherited, 3)?))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn only_open_descriptors_are_inherited() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        inherited(writer.as_raw_fd())
            .unwrap()
            .write_all(b"x")
            .unwrap();
        writer.write_all(b"y").unwrap();
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "xy");
        for none in [-1, i32::MIN, 1 << 20] {
            let error = inherited(none).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EBADF));
        }
    }
}
