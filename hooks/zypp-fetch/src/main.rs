// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard-zypp-fetch`: asks libzypp which packages a transaction brings,
//! and brings them into its cache.
//!
//! A program of its own, because libzypp may hang or crash, and who asks must
//! not: one request on standard input, lines of JSON on standard output, as
//! [`btf_guard_protocol::zypp`] says. It installs nothing.
//!
//! [`kernel_package`] tells which packages matter, [`all_kernel_packages`] which of
//! all there are, and [`resolve`] talks to libzypp.

mod all_kernel_packages;
mod deadline;
mod error;
mod kernel_package;
mod request;
mod resolve;

use std::fs::File;
use std::io::{self, Write};
use std::process::ExitCode;

use btf_guard_protocol::zypp::{Line, MAX_LINE};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::stdio::{dup2_stdout, stderr, stdout};

use error::plain;

fn main() -> ExitCode {
    let Ok(mut output) = own_stdout() else {
        // There is nowhere to say it.
        return ExitCode::FAILURE;
    };
    let answer = request::read(io::stdin().lock())
        .and_then(|request| {
            let mut tell = |progress| write(&mut output, &Line::Progress(progress)).is_ok();
            resolve::answer(&request, &mut tell)
        })
        .and_then(|resolution| {
            write(&mut output, &Line::Result(resolution))
                .map_err(|error| plain(format!("the answer cannot be written: {error}")))
        });
    match answer {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Where even this cannot be written, the exit status has to do.
            let _ = write(&mut output, &Line::Error(failure));
            ExitCode::FAILURE
        }
    }
}

/// Takes standard output away from everything else in this process: what
/// libzypp or a program it starts prints goes to standard error.
fn own_stdout() -> io::Result<File> {
    let ours = fcntl_dupfd_cloexec(stdout(), 3)?;
    dup2_stdout(stderr())?;
    Ok(ours.into())
}

fn write(output: &mut File, line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    if text.len() as u64 > MAX_LINE {
        return Err(io::Error::other("the line is too long"));
    }
    output.write_all(&text)
}
