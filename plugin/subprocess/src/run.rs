// SPDX-License-Identifier: GPL-2.0-or-later
//! A child process that is listened to: until its end, a deadline, or too much.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Resource, getrlimit};
use serde::Serialize;

use crate::child::{ChildEnd, Running};
use crate::limits::{ChildError, Limits, Output, StderrTail};
use crate::pre_exec::{self, ProcessGroup};

/// Longer than anybody waits.
const MAX_TIMEOUT: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Runs the command with `input` on its standard input and these descriptors
/// open under the numbers that they have here. Whatever happens, the child is
/// gone when this returns.
pub fn run(
    command: Command,
    input: File,
    inherited: Vec<OwnedFd>,
    limits: &Limits,
) -> Result<Output, ChildError> {
    let mut stdout = Vec::new();
    let mut whole = |piece: &[u8]| keep(&mut stdout, piece, limits.limit);
    let group = ProcessGroup::Own;
    let (status, stderr) = hear(command, input, inherited, group, limits, &mut whole)?;
    Ok(Output {
        stdout,
        status,
        stderr,
    })
}

/// The same for a child that has to succeed, and of which counts what it writes
/// before: `stdout` has it, whatever comes of the child then.
pub fn run_into(
    command: Command,
    input: File,
    inherited: Vec<OwnedFd>,
    limits: &Limits,
    stdout: &mut Vec<u8>,
) -> Result<StderrTail, ChildError> {
    let mut whole = |piece: &[u8]| keep(stdout, piece, limits.limit);
    let group = ProcessGroup::Own;
    let (status, stderr) = hear(command, input, inherited, group, limits, &mut whole)?;
    limits.succeeded(status, stderr)
}

/// The same for a child of which each line goes to `each` when it is whole, without
/// its line break. The limit is that of one line, and there is no output in the end.
pub fn lines(
    command: Command,
    input: File,
    group: ProcessGroup,
    limits: &Limits,
    each: &mut dyn FnMut(&[u8]),
) -> Result<Output, ChildError> {
    let mut open = Vec::new();
    let mut line_by_line = |piece: &[u8]| {
        let mut pieces = piece.split(|&byte| byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            keep(&mut open, piece, usize::MAX)?;
            if pieces.peek().is_some() {
                each(&open);
                open.clear();
            }
        }
        keep(&mut open, &[], limits.limit)
    };
    let none = Vec::new();
    let (status, stderr) = hear(command, input, none, group, limits, &mut line_by_line)?;
    if !open.is_empty() {
        each(&open);
    }
    Ok(Output {
        stdout: Vec::new(),
        status,
        stderr,
    })
}

/// Takes a piece of the child's output, unless it is too much.
type Hear<'h> = &'h mut dyn FnMut(&[u8]) -> Result<(), OutputError>;

/// Adds a piece of output, of which there may be so much in all, in bytes. Where
/// there is no memory for it, that is an error and no abort of the client.
fn keep(output: &mut Vec<u8>, piece: &[u8], limit: usize) -> Result<(), OutputError> {
    if output.len().saturating_add(piece.len()) > limit {
        return Err(OutputError::TooLong);
    }
    let no_memory = |error| OutputError::System(io::Error::new(io::ErrorKind::OutOfMemory, error));
    output.try_reserve(piece.len()).map_err(no_memory)?;
    output.extend_from_slice(piece);
    Ok(())
}

fn hear(
    mut command: Command,
    input: File,
    inherited: Vec<OwnedFd>,
    group: ProcessGroup,
    limits: &Limits,
    each: Hear<'_>,
) -> Result<(Option<ExitStatus>, StderrTail), ChildError> {
    // One that waits for years is one that waits for ever.
    let now = Instant::now();
    let deadline = now.checked_add(limits.timeout).unwrap_or(now + MAX_TIMEOUT);
    command
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    pre_exec::isolate(&mut command, &inherited, group);
    let child = command.spawn();
    drop(inherited);
    let child = child.map_err(|source| ChildError::Start {
        program: command.get_program().into(),
        source,
    })?;
    let mut running = Running::new(child);
    let heard = listen(&mut running, deadline, each);
    let stderr = running.stderr_tail();
    let (who, timeout, limit) = (limits.who, limits.timeout, limits.limit);
    match heard {
        Ok(status) => Ok((status, stderr)),
        Err(OutputError::Late) => Err(ChildError::Late {
            who,
            timeout,
            stderr,
        }),
        Err(OutputError::TooLong) => Err(ChildError::TooLong { who, limit, stderr }),
        Err(OutputError::System(source)) => Err(ChildError::Listen { who, source }),
    }
}

/// A value as JSON in a file without a name: of any length, and nobody has to
/// write while the child reads.
pub fn json_memfd(value: &impl Serialize) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"btf-guard input", MemfdFlags::CLOEXEC)?);
    let left = getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX);
    let mut writer = io::BufWriter::new(LimitedFile { file: &file, left });
    serde_json::to_writer(&mut writer, value)?;
    writer.flush()?;
    drop(writer);
    file.rewind()?;
    Ok(file)
}

/// Why a child was not heard to the end.
/// A file that is not written beyond the process's limit for files. The kernel would send
/// `SIGXFSZ`, which ends a package manager that does not expect it.
struct LimitedFile<'f> {
    file: &'f File,
    left: u64,
}

impl Write for LimitedFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let written = self.file.write(bytes)?;
        self.left -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

enum OutputError {
    Late,
    TooLong,
    System(io::Error),
}

/// Reads the output to its end and waits for the child's.
fn listen(
    running: &mut Running,
    deadline: Instant,
    each: Hear<'_>,
) -> Result<Option<ExitStatus>, OutputError> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Some(ready) = running.wait(left).map_err(OutputError::System)? else {
            break;
        };
        if ready.stderr {
            running.read_stderr(&mut buffer);
        }
        // What is there at the deadline still counts: this process may have
        // been suspended while the child was not.
        if ready.stdout {
            let read = running
                .read_stdout(&mut buffer)
                .map_err(OutputError::System)?;
            each(buffer.get(..read).unwrap_or_default())?;
        } else if left.is_zero() {
            return Err(OutputError::Late);
        }
    }
    match running.end(deadline) {
        ChildEnd::Status(status) => Ok(Some(status)),
        ChildEnd::Unknown => Ok(None),
        ChildEnd::NotYet => Err(OutputError::Late),
    }
}

#[cfg(test)]
mod tests;
