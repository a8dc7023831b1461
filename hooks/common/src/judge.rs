//! The child process that judges: `btf-guard judge`.
//!
//! Plan on its standard input, packages as inherited descriptors, answer on
//! its standard output. It ends with status 0 once it has answered, whatever
//! the decision. It may also crash, hang, or write without end.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use btf_guard::place::plan::{Answer, Plan, SCHEMA};
use btf_guard::policy::Decision;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::child;

/// A report on every module of a few kernels has some megabytes.
const MAX_ANSWER: usize = 16 << 20;

/// What is kept of the end of the judge's standard error.
const MAX_SAID: usize = 4 << 10;

/// How long a killed judge may take to die. One that waits for a dead disk
/// cannot be reaped, and rpm need not wait for that disk.
const DEATH: Duration = Duration::from_secs(2);

/// Where the judge is installed; the build may name another directory.
const DIRECTORY: &str = match option_env!("BTF_GUARD_BINDIR") {
    Some(directory) => directory,
    None => "/usr/bin",
};

/// How long the judge may take. A 4,000-module kernel takes it a few seconds;
/// an admin waits a minute, not longer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The judge that is asked.
#[derive(Debug, PartialEq, Eq)]
pub struct Judge {
    /// The `btf-guard` program.
    pub program: PathBuf,
    /// How long it may take.
    pub timeout: Duration,
}

/// The judge as it is installed.
impl Default for Judge {
    fn default() -> Self {
        Self {
            program: Path::new(DIRECTORY).join("btf-guard"),
            timeout: TIMEOUT,
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Failure {
    #[error("the plan cannot be handed over: {0}")]
    HandOver(io::Error),
    #[error("{} does not start: {source}", program.display())]
    Start { program: PathBuf, source: io::Error },
    #[error("the judge cannot be listened to: {0}")]
    Listen(io::Error),
    #[error("the judge gave no answer within {} s and was stopped{said}", .timeout.as_secs())]
    Late { timeout: Duration, said: Said },
    #[error("the judge's answer is longer than {} MiB{said}", MAX_ANSWER >> 20)]
    TooLong { said: Said },
    #[error("the judge ended with {status}{said}")]
    Ended { status: ExitStatus, said: Said },
    #[error("the judge's answer is not understood ({reason}){said}")]
    Answer { reason: String, said: Said },
}

/// Asks the judge. Whatever happens, the child is gone when this returns.
///
/// The plan names the packages by their descriptors' numbers.
///
/// # Errors
///
/// Where the judge cannot be started or listened to, or its answer is not one.
pub fn ask(judge: &Judge, plan: &Plan, packages: Vec<OwnedFd>) -> Result<Answer, Failure> {
    let deadline = Instant::now() + judge.timeout;
    let input = memory(plan).map_err(Failure::HandOver)?;
    let mut running = start(judge, input, packages)?;
    let heard = listen(&mut running, deadline);
    let said = running.last_words();
    let (answer, status) = match heard {
        Ok(heard) => heard,
        Err(Deaf::Late) => {
            let timeout = judge.timeout;
            return Err(Failure::Late { timeout, said });
        }
        Err(Deaf::TooLong) => return Err(Failure::TooLong { said }),
        Err(Deaf::System(error)) => return Err(Failure::Listen(error)),
    };
    if let Some(status) = status.filter(|status| !status.success()) {
        return Err(Failure::Ended { status, said });
    }
    understand(&answer).map_err(|reason| Failure::Answer { reason, said })
}

/// The plan as a file without a name: of any length, and nobody has to write
/// while the judge reads.
fn memory(plan: &Plan) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"btf-guard plan", MemfdFlags::CLOEXEC)?);
    let mut writer = io::BufWriter::new(&file);
    serde_json::to_writer(&mut writer, plan)?;
    writer.flush()?;
    drop(writer);
    file.rewind()?;
    Ok(file)
}

fn start(judge: &Judge, input: File, packages: Vec<OwnedFd>) -> Result<Running, Failure> {
    let mut command = Command::new(&judge.program);
    command
        .arg("judge")
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LANG", "C.UTF-8")
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    child::isolate(&mut command, &packages);
    let child = command.spawn();
    drop(packages);
    match child {
        Ok(mut child) => Ok(Running {
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            said: Vec::new(),
            child: Some(child),
        }),
        Err(source) => Err(Failure::Start {
            program: judge.program.clone(),
            source,
        }),
    }
}

/// Why the judge was not heard to the end.
enum Deaf {
    Late,
    TooLong,
    System(io::Error),
}

/// Reads the answer to its end and waits for the judge's. No status where the
/// client ignores `SIGCHLD` or reaps every child itself.
fn listen(running: &mut Running, deadline: Instant) -> Result<(Vec<u8>, Option<ExitStatus>), Deaf> {
    let mut answer = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    while let Some(stdout) = &mut running.stdout {
        let left = deadline.saturating_duration_since(Instant::now());
        let ready = wait(stdout, running.stderr.as_ref(), left).map_err(Deaf::System)?;
        if ready.stderr {
            running.hear_stderr(&mut buffer);
        }
        // What is there at the deadline still counts: rpm may have been
        // suspended while the judge was not.
        if ready.stdout {
            let read = running.hear_stdout(&mut buffer).map_err(Deaf::System)?;
            answer.extend_from_slice(buffer.get(..read).unwrap_or_default());
            if answer.len() > MAX_ANSWER {
                return Err(Deaf::TooLong);
            }
        } else if left.is_zero() {
            return Err(Deaf::Late);
        }
    }
    match running.end(deadline) {
        End::Status(status) => Ok((answer, Some(status))),
        End::Unknown => Ok((answer, None)),
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

fn understand(answer: &[u8]) -> Result<Answer, String> {
    let answer: Answer = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    if answer.schema != SCHEMA {
        return Err(format!("schema {}, not {SCHEMA}", answer.schema));
    }
    if answer.decision == Decision::Block && answer.messages.is_empty() {
        return Err("a block without a reason".to_owned());
    }
    Ok(answer)
}

/// A judge that was started. Dropping it kills and reaps it.
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

    /// Waits for the judge's end, until the deadline.
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

    /// Stops the judge if it still runs, and returns what it said last.
    fn last_words(&mut self) -> Said {
        self.stop();
        // What is in the pipe now, and no more: something the judge started
        // may still write.
        let mut buffer = vec![0; 64 << 10];
        if let Some(stderr) = &self.stderr {
            let ready = PollFd::new(stderr, PollFlags::IN);
            if poll(&mut [ready], Some(&Timespec::default())) == Ok(1) {
                self.hear_stderr(&mut buffer);
            }
        }
        Said::last_line(&self.said)
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

/// The last line of the judge's standard error, ready to follow a sentence.
#[derive(Debug, PartialEq, Eq)]
pub struct Said(Option<String>);

impl Said {
    fn last_line(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty());
        // One line on a screen, not all that fits into a pipe.
        Self(line.map(|line| line.chars().take(300).collect()))
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(line) => write!(f, ", saying {line:?}"),
            None => Ok(()),
        }
    }
}
