//! A child process that is listened to: until its end, a deadline, or too much.
//!
//! It may crash, hang, or write without end; whatever happens, it is gone when
//! the caller goes on.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Serialize;

use crate::isolation::{self, Group};
use crate::said::Said;

/// What is kept of the end of a child's standard error.
const MAX_SAID: usize = 4 << 10;

/// How long a killed child may take to die. One that waits for a dead disk
/// cannot be reaped, and the caller need not wait for that disk.
const DEATH: Duration = Duration::from_secs(2);

/// Longer than anybody waits.
const FOREVER: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// On what terms a child runs.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// What messages call it, as in "the judge".
    pub who: &'static str,
    /// How long it may take.
    pub timeout: Duration,
    /// How much it may write to standard output, in bytes.
    pub limit: usize,
}

/// A child that came to its own end.
#[derive(Debug)]
pub struct Ended {
    /// All of its standard output.
    pub output: Vec<u8>,
    /// `None` where the client ignores `SIGCHLD` or reaps every child itself.
    pub status: Option<ExitStatus>,
    /// The end of its standard error.
    pub said: Said,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Failure {
    #[error("what {who} is to read cannot be handed over: {source}")]
    HandOver {
        who: &'static str,
        source: io::Error,
    },
    #[error("{} does not start: {source}", program.display())]
    Start { program: PathBuf, source: io::Error },
    #[error("{who} cannot be listened to: {source}")]
    Listen {
        who: &'static str,
        source: io::Error,
    },
    #[error("{who} gave no answer within {} s and was stopped{said}", .timeout.as_secs())]
    Late {
        who: &'static str,
        timeout: Duration,
        said: Said,
    },
    #[error("{who}'s answer is longer than {} MiB{said}", .limit >> 20)]
    TooLong {
        who: &'static str,
        limit: usize,
        said: Said,
    },
    #[error("{who} ended with {status}{said}")]
    Ended {
        who: &'static str,
        status: ExitStatus,
        said: Said,
    },
    #[error("{who}'s answer is not understood ({reason}){said}")]
    Answer {
        who: &'static str,
        reason: String,
        said: Said,
    },
}

impl Ended {
    /// The output of a child that succeeded.
    ///
    /// # Errors
    /// [`Failure::Ended`].
    pub fn success(self, terms: &Terms) -> Result<(Vec<u8>, Said), Failure> {
        match self.status.filter(|status| !status.success()) {
            None => Ok((self.output, self.said)),
            Some(status) => Err(Failure::Ended {
                who: terms.who,
                status,
                said: self.said,
            }),
        }
    }
}

/// Runs the command with `input` on its standard input and these descriptors
/// open under the numbers that they have here. Whatever happens, the child is
/// gone when this returns.
///
/// # Errors
/// Where it cannot be started or listened to, is late, or writes too much.
pub fn run(
    command: Command,
    input: File,
    inherited: Vec<OwnedFd>,
    terms: &Terms,
) -> Result<Ended, Failure> {
    let mut output = Vec::new();
    let mut whole = |piece: &[u8]| {
        output.extend_from_slice(piece);
        output.len() <= terms.limit
    };
    let (status, said) = hear(command, input, inherited, Group::Own, terms, &mut whole)?;
    Ok(Ended {
        output,
        status,
        said,
    })
}

/// The same for a child that belongs to this process's job, so that an interrupt
/// from the terminal is for both: each line that it writes goes to `each` when it
/// is whole, without its line break. The limit is that of one line, and there is
/// no output in the end.
///
/// # Errors
/// As [`run`].
pub fn lines(
    command: Command,
    input: File,
    terms: &Terms,
    each: &mut dyn FnMut(&[u8]),
) -> Result<Ended, Failure> {
    let mut open = Vec::new();
    let mut line_by_line = |piece: &[u8]| {
        let mut pieces = piece.split(|&byte| byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            open.extend_from_slice(piece);
            if pieces.peek().is_some() {
                each(&open);
                open.clear();
            }
        }
        open.len() <= terms.limit
    };
    let heard = hear(
        command,
        input,
        Vec::new(),
        Group::Ours,
        terms,
        &mut line_by_line,
    );
    let (status, said) = heard?;
    if !open.is_empty() {
        each(&open);
    }
    Ok(Ended {
        output: Vec::new(),
        status,
        said,
    })
}

/// Takes a piece of the child's output; `false` where it is too much.
type Hear<'h> = &'h mut dyn FnMut(&[u8]) -> bool;

fn hear(
    mut command: Command,
    input: File,
    inherited: Vec<OwnedFd>,
    group: Group,
    terms: &Terms,
    each: Hear<'_>,
) -> Result<(Option<ExitStatus>, Said), Failure> {
    // One that waits for years is one that waits for ever.
    let now = Instant::now();
    let deadline = now.checked_add(terms.timeout).unwrap_or(now + FOREVER);
    command
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    isolation::isolate(&mut command, &inherited, group);
    let child = command.spawn();
    drop(inherited);
    let mut child = child.map_err(|source| Failure::Start {
        program: command.get_program().into(),
        source,
    })?;
    let mut running = Running {
        stdout: child.stdout.take(),
        stderr: child.stderr.take(),
        said: Vec::new(),
        child: Some(child),
    };
    let heard = listen(&mut running, deadline, each);
    let said = running.last_words();
    let who = terms.who;
    match heard {
        Ok(status) => Ok((status, said)),
        Err(Deaf::Late) => {
            let timeout = terms.timeout;
            Err(Failure::Late { who, timeout, said })
        }
        Err(Deaf::TooLong) => {
            let limit = terms.limit;
            Err(Failure::TooLong { who, limit, said })
        }
        Err(Deaf::System(source)) => Err(Failure::Listen { who, source }),
    }
}

/// A value as JSON in a file without a name: of any length, and nobody has to
/// write while the child reads.
///
/// # Errors
/// Those of the system.
pub fn memory(value: &impl Serialize) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"btf-guard input", MemfdFlags::CLOEXEC)?);
    let mut writer = io::BufWriter::new(&file);
    serde_json::to_writer(&mut writer, value)?;
    writer.flush()?;
    drop(writer);
    file.rewind()?;
    Ok(file)
}

/// Why a child was not heard to the end.
enum Deaf {
    Late,
    TooLong,
    System(io::Error),
}

/// Reads the output to its end and waits for the child's.
fn listen(
    running: &mut Running,
    deadline: Instant,
    each: Hear<'_>,
) -> Result<Option<ExitStatus>, Deaf> {
    let mut buffer = vec![0; 64 << 10];
    while let Some(stdout) = &mut running.stdout {
        let left = deadline.saturating_duration_since(Instant::now());
        let ready = wait(stdout, running.stderr.as_ref(), left).map_err(Deaf::System)?;
        if ready.stderr {
            running.hear_stderr(&mut buffer);
        }
        // What is there at the deadline still counts: this process may have
        // been suspended while the child was not.
        if ready.stdout {
            let read = running.hear_stdout(&mut buffer).map_err(Deaf::System)?;
            if !each(buffer.get(..read).unwrap_or_default()) {
                return Err(Deaf::TooLong);
            }
        } else if left.is_zero() {
            return Err(Deaf::Late);
        }
    }
    match running.end(deadline) {
        End::Status(status) => Ok(Some(status)),
        End::Unknown => Ok(None),
        End::NotYet => Err(Deaf::Late),
    }
}

/// What can be read without waiting.
struct Ready {
    stdout: bool,
    stderr: bool,
}

fn wait(stdout: &ChildStdout, stderr: Option<&ChildStderr>, left: Duration) -> io::Result<Ready> {
    let mut watched = vec![PollFd::new(stdout, PollFlags::IN)];
    watched.extend(stderr.map(|stderr| PollFd::new(stderr, PollFlags::IN)));
    let left = Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: left.subsec_nanos().into(),
    };
    match poll(&mut watched, Some(&left)) {
        // A signal for the client: it has its own handler.
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let mut events = watched.iter().map(|watched| !watched.revents().is_empty());
    Ok(Ready {
        stdout: events.next().unwrap_or(false),
        stderr: events.next().unwrap_or(false),
    })
}

/// A child that was started. Dropping it kills and reaps it.
struct Running {
    child: Option<Child>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    said: Vec<u8>,
}

enum End {
    Status(ExitStatus),
    Unknown,
    NotYet,
}

impl Running {
    /// Reads once; the end of the stream closes it.
    fn hear_stdout(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self
            .stdout
            .as_mut()
            .map_or(Ok(0), |pipe| pipe.read(buffer))?;
        if read == 0 {
            self.stdout = None;
        }
        Ok(read)
    }

    /// Reads once, and keeps the last of it; the end or an error closes it.
    fn hear_stderr(&mut self, buffer: &mut [u8]) -> usize {
        let read = self.stderr.as_mut().map_or(Ok(0), |pipe| pipe.read(buffer));
        let read = read.unwrap_or(0);
        if read == 0 {
            self.stderr = None;
        }
        self.said
            .extend_from_slice(buffer.get(..read).unwrap_or_default());
        let surplus = self.said.len().saturating_sub(MAX_SAID);
        self.said.drain(..surplus);
        read
    }

    /// Waits for the child's end, until the deadline.
    fn end(&mut self, deadline: Instant) -> End {
        let Some(child) = &mut self.child else {
            return End::Unknown;
        };
        let mut pause = Duration::from_micros(100);
        loop {
            match child.try_wait() {
                Ok(Some(status)) => {
                    self.child = None;
                    return End::Status(status);
                }
                Ok(None) if Instant::now() >= deadline => return End::NotYet,
                Ok(None) => thread::sleep(pause),
                Err(_) => {
                    self.child = None;
                    return End::Unknown;
                }
            }
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Stops the child if it still runs, and returns what it said last.
    fn last_words(&mut self) -> Said {
        self.stop();
        // What is in the pipe now, and no more: something the child started
        // may still write.
        let mut buffer = vec![0; 64 << 10];
        if let Some(stderr) = &self.stderr {
            let ready = PollFd::new(stderr, PollFlags::IN);
            if poll(&mut [ready], Some(&Timespec::default())) == Ok(1) {
                self.hear_stderr(&mut buffer);
            }
        }
        Said::of(&self.said)
    }

    fn stop(&mut self) {
        let Some(child) = &mut self.child else {
            return;
        };
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
        // Where it has left its group.
        let _ = child.kill();
        self.end(Instant::now() + DEATH);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests;
