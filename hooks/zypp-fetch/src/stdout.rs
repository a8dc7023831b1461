// SPDX-License-Identifier: GPL-2.0-or-later
//! Standard output, for nobody but us.

use std::fs::File;
use std::io::{self, Write};

use btf_guard_protocol::zypp::{Line, MAX_LINE};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::stdio::{dup2_stdout, stderr, stdout};

/// The exit status after [`Line::Result`].
pub(crate) const ANSWERED: u8 = 0;

/// The exit status after [`Line::Error`].
pub(crate) const FAILED: u8 = 1;

/// Where lines go.
pub(crate) struct Stdout(File);

impl Stdout {
    /// Takes standard output away from everything else in this process: what
    /// libzypp or a program it starts prints goes to standard error.
    pub(crate) fn of_this_process() -> io::Result<Self> {
        let ours = fcntl_dupfd_cloexec(stdout(), 3)?;
        dup2_stdout(stderr())?;
        Ok(Self(ours.into()))
    }

    /// Writes one line at once.
    pub(crate) fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        if text.len() as u64 > MAX_LINE {
            return Err(io::Error::other("the line is too long"));
        }
        self.0.write_all(&text)
    }
}
