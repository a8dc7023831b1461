// SPDX-License-Identifier: GPL-2.0-or-later
//! A child that was started: what it writes, and its end.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::stderr_tail::StderrTail;

/// What is kept of the end of a child's standard error.
const MAX_STDERR: usize = 4 << 10;

/// How long a killed child may take to die. One that waits for a dead disk
/// cannot be reaped, and the caller need not wait for that disk.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);

/// How often an end is looked for that nothing tells of: soon at first.
const FIRST_PAUSE: Duration = Duration::from_micros(100);
const MAX_PAUSE: Duration = Duration::from_millis(20);

/// What can be read without waiting.
pub(crate) struct Ready {
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

/// How a child ended.
pub(crate) enum ChildEnd {
    Status(ExitStatus),
    /// Somebody else has reaped it.
    Unknown,
    NotYet,
}

/// A child that was started. Dropping it kills and reaps it.
pub(crate) struct Running {
    child: Option<Child>,
    /// Tells of its end; `None` where the system has no such thing (before Linux
    /// 5.3) or does not give it to this process.
    ended: Option<OwnedFd>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    tail: Vec<u8>,
}

impl Running {
    /// Takes over a child that has just been started.
    pub(crate) fn new(mut child: Child) -> Self {
        // Asked for now: later its number may be another's, where the client reaps it.
        let ended = pid(&child).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        Self {
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            tail: Vec::new(),
            child: Some(child),
            ended,
        }
    }

    /// Waits until something can be read; `None` where its output has ended.
    pub(crate) fn wait(&self, left: Duration) -> io::Result<Option<Ready>> {
        let Some(stdout) = &self.stdout else {
            return Ok(None);
        };
        let mut watched = vec![PollFd::new(stdout, PollFlags::IN)];
        watched.extend(
            self.stderr
                .as_ref()
                .map(|stderr| PollFd::new(stderr, PollFlags::IN)),
        );
        poll_for(&mut watched, left)?;
        let mut events = watched.iter().map(|watched| !watched.revents().is_empty());
        Ok(Some(Ready {
            stdout: events.next().unwrap_or(false),
            stderr: events.next().unwrap_or(false),
        }))
    }

    /// Reads once; the end of the stream closes it.
    pub(crate) fn read_stdout(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
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

    /// Waits for the child's end, until the deadline.
    pub(crate) fn end(&mut self, deadline: Instant) -> ChildEnd {
        let mut pause = FIRST_PAUSE;
        loop {
            let Some(child) = &mut self.child else {
                return ChildEnd::Unknown;
            };
            match child.try_wait() {
                Ok(Some(status)) => {
                    self.child = None;
                    return ChildEnd::Status(status);
                }
                Ok(None) => {}
                Err(_) => {
                    self.child = None;
                    return ChildEnd::Unknown;
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return ChildEnd::NotYet;
            }
            if !self.is_told_of_its_end(left) {
                thread::sleep(pause.min(left));
                pause = (pause * 2).min(MAX_PAUSE);
            }
        }
    }

    /// Waits as long until the system tells of the child's end; `false` where it does
    /// not tell.
    fn is_told_of_its_end(&mut self, left: Duration) -> bool {
        let Some(ended) = &self.ended else {
            return false;
        };
        let mut watched = [PollFd::new(ended, PollFlags::IN)];
        let heard = poll_for(&mut watched, left);
        // It is told once. Where there is no status then, a debugger has it first.
        if heard.is_err() || watched.iter().any(|ended| !ended.revents().is_empty()) {
            self.ended = None;
        }
        heard.is_ok()
    }

    /// Stops the child if it still runs, and returns what it tail last.
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
        if let Some(group) = pid(child) {
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

fn pid(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// Waits as long for one of these. A signal ends it early: that is for the client,
/// which has its own handler.
fn poll_for(watched: &mut [PollFd<'_>], left: Duration) -> io::Result<()> {
    let left = Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: left.subsec_nanos().into(),
    };
    match poll(watched, Some(&left)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// A child that says no more long before its end.
    fn silent() -> Running {
        let mut command = Command::new("sh");
        command.args(["-c", "exec >&- 2>&-; sleep 0.7; exit 5"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running::new(command.spawn().unwrap())
    }

    fn status(running: &mut Running, patience: Duration) -> Option<i32> {
        match running.end(Instant::now() + patience) {
            ChildEnd::Status(status) => status.code(),
            ChildEnd::Unknown => Some(-1),
            ChildEnd::NotYet => None,
        }
    }

    /// How often this thread has waited for something, by the kernel's count.
    fn waits() -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let count = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        count.unwrap().trim().parse().unwrap()
    }

    #[test]
    fn an_end_is_waited_for_once() {
        let mut running = silent();
        assert!(running.ended.is_some());
        let before = waits();
        assert_eq!(status(&mut running, Duration::from_secs(20)), Some(5));
        let waited = waits() - before;
        assert!(waited < 10, "{waited} times");
    }

    #[test]
    fn an_end_that_nothing_tells_of_is_found_all_the_same() {
        let mut running = silent();
        running.ended = None;
        assert_eq!(status(&mut running, Duration::from_secs(20)), Some(5));
        // As where a debugger has the status first: something is told, and not seen.
        let mut running = silent();
        let (told, _) = std::io::pipe().unwrap();
        running.ended = Some(told.into());
        assert_eq!(status(&mut running, Duration::from_secs(20)), Some(5));
        assert!(running.ended.is_none());
    }

    #[test]
    fn a_deadline_ends_the_wait_with_and_without_a_word_of_the_end() {
        for told in [true, false] {
            let mut running = silent();
            running.ended = running.ended.take().filter(|_| told);
            let begun = Instant::now();
            assert_eq!(status(&mut running, Duration::from_millis(100)), None);
            assert!(begun.elapsed() < Duration::from_millis(600));
        }
    }
}
