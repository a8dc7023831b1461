// SPDX-License-Identifier: GPL-2.0-or-later
//! A child that was started: what it writes, and its end.

use std::io::{self, Read};
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::limits::StderrTail;

/// What is kept of the end of a child's standard error.
const MAX_STDERR: usize = 4 << 10;

/// How long a killed child may take to die. One that waits for a dead disk
/// cannot be reaped, and the caller need not wait for that disk.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a child's end is looked for after that of its output: soon at first.
const FIRST_PAUSE: Duration = Duration::from_micros(100);
const MAX_PAUSE: Duration = Duration::from_millis(20);

/// What can be read without waiting.
pub(crate) struct Ready {
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

pub(crate) enum ChildEnd {
    Status(ExitStatus),
    /// Somebody else has reaped it.
    Unknown,
    NotYet,
}

/// A child that was started. Dropping it kills and reaps it.
pub(crate) struct Running {
    child: Option<Child>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    tail: Vec<u8>,
}

impl Running {
    pub(crate) fn new(mut child: Child) -> Self {
        Self {
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            tail: Vec::new(),
            child: Some(child),
        }
    }

    /// Waits until something can be read; `None` where its output has ended.
    pub(crate) fn wait(&self, left: Duration) -> io::Result<Option<Ready>> {
        let Some(stdout) = &self.stdout else {
            return Ok(None);
        };
        let mut watched = vec![PollFd::new(stdout, PollFlags::IN)];
        let stderr = self.stderr.iter();
        watched.extend(stderr.map(|stderr| PollFd::new(stderr, PollFlags::IN)));
        let left = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut watched, Some(&left)) {
            // A signal is for the client, which has its own handler.
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut events = watched.iter().map(|watched| !watched.revents().is_empty());
        Ok(Some(Ready {
            stdout: events.next().unwrap_or(false),
            stderr: events.next().unwrap_or(false),
        }))
    }

    /// Reads once; the end of the stream closes it.
    pub(crate) fn read_stdout(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let pipe = self.stdout.as_mut();
        let read = pipe.map_or(Ok(0), |pipe| pipe.read(buffer))?;
        if read == 0 {
            self.stdout = None;
        }
        Ok(read)
    }

    /// Reads once, and keeps the last of it; the end or an error closes it.
    pub(crate) fn read_stderr(&mut self, buffer: &mut [u8]) {
        let read = self.stderr.as_mut().map_or(Ok(0), |pipe| pipe.read(buffer));
        let read = read.unwrap_or(0);
        if read == 0 {
            self.stderr = None;
        }
        self.tail
            .extend_from_slice(buffer.get(..read).unwrap_or_default());
        let surplus = self.tail.len().saturating_sub(MAX_STDERR);
        self.tail.drain(..surplus);
    }

    pub(crate) fn end(&mut self, deadline: Instant) -> ChildEnd {
        let mut pause = FIRST_PAUSE;
        loop {
            let end = match self.child.as_mut().map(Child::try_wait) {
                Some(Ok(None)) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return ChildEnd::NotYet;
                    }
                    thread::sleep(pause.min(left));
                    pause = (pause * 2).min(MAX_PAUSE);
                    continue;
                }
                Some(Ok(Some(status))) => ChildEnd::Status(status),
                Some(Err(_)) | None => ChildEnd::Unknown,
            };
            self.child = None;
            return end;
        }
    }

    /// Stops the child if it still runs, and returns what it wrote to standard error last.
    pub(crate) fn stderr_tail(&mut self) -> StderrTail {
        self.stop();
        // What is in the pipe now, and no more: something the child started
        // may still write.
        let mut buffer = vec![0; 64 << 10];
        if let Some(stderr) = &self.stderr {
            let ready = PollFd::new(stderr, PollFlags::IN);
            if poll(&mut [ready], Some(&Timespec::default())) == Ok(1) {
                self.read_stderr(&mut buffer);
            }
        }
        StderrTail::of(&self.tail)
    }

    fn stop(&mut self) {
        let Some(child) = &mut self.child else {
            return;
        };
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        // Where it has left its group.
        let _ = child.kill();
        self.end(Instant::now() + KILL_TIMEOUT);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn an_end_long_after_the_last_word_is_waited_for_until_the_deadline() {
        let mut command = Command::new("sh");
        command.args(["-c", "exec >&- 2>&-; sleep 0.7; exit 5"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = Running::new(command.spawn().unwrap());
        let begun = Instant::now();
        let early = running.end(begun + Duration::from_millis(100));
        assert!(matches!(early, ChildEnd::NotYet));
        assert!(begun.elapsed() < Duration::from_millis(600));
        match running.end(begun + Duration::from_secs(20)) {
            ChildEnd::Status(status) => assert_eq!(status.code(), Some(5)),
            _ => unreachable!("it ends by itself"),
        }
    }
}
