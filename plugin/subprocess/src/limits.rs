// SPDX-License-Identifier: GPL-2.0-or-later
//! The limits of a child, its output, and why there is none.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// What a child may take: time and output.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// What messages call it, as in "the judge".
    pub who: &'static str,
    /// How long it may take.
    pub timeout: Duration,
    /// How much it may write to standard output, in bytes.
    pub limit: usize,
}

/// A child that came to its own end.
#[derive(Debug)]
pub struct Output {
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// `None` where the client ignores `SIGCHLD` or reaps every child itself.
    pub status: Option<ExitStatus>,
    /// The end of its standard error.
    pub stderr: StderrTail,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ChildError {
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
    #[error("{who} gave no answer within {} s and was stopped{stderr}", .timeout.as_secs())]
    Late {
        who: &'static str,
        timeout: Duration,
        stderr: StderrTail,
    },
    #[error("{who}'s answer is longer than {} MiB{stderr}", .limit >> 20)]
    TooLong {
        who: &'static str,
        limit: usize,
        stderr: StderrTail,
    },
    #[error("{who} ended with {status}{stderr}")]
    Ended {
        who: &'static str,
        status: ExitStatus,
        stderr: StderrTail,
    },
    #[error("{who}'s answer is not understood ({reason}){stderr}")]
    Answer {
        who: &'static str,
        reason: String,
        stderr: StderrTail,
    },
}

/// The end of a child's standard error. Displayed, its last line, ready to
/// follow a sentence.
#[derive(Debug, PartialEq, Eq)]
pub struct StderrTail(String);

impl StderrTail {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(String::from_utf8_lossy(bytes).trim().to_owned())
    }

    /// All of it, without blanks around it.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StderrTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(line) = self.0.lines().next_back() else {
            return Ok(());
        };
        // One line on a screen, not all that fits into a pipe.
        let line: String = line.trim().chars().take(300).collect();
        write!(f, ", saying {line:?}")
    }
}

impl Limits {
    pub(crate) fn succeeded(
        &self,
        status: Option<ExitStatus>,
        stderr: StderrTail,
    ) -> Result<StderrTail, ChildError> {
        match status.filter(|status| !status.success()) {
            None => Ok(stderr),
            Some(status) => Err(ChildError::Ended {
                who: self.who,
                status,
                stderr,
            }),
        }
    }
}

impl Output {
    /// The output of a child that succeeded.
    pub fn success(self, limits: &Limits) -> Result<(Vec<u8>, StderrTail), ChildError> {
        let stderr = limits.succeeded(self.status, self.stderr)?;
        Ok((self.stdout, stderr))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_follows_a_sentence() {
        let tail = StderrTail::of(b"first\n  last word \n\n");
        assert_eq!(tail.to_string(), ", saying \"last word\"");
        assert_eq!(tail.text(), "first\n  last word");
        assert_eq!(StderrTail::of(b" \n").to_string(), "");
        assert_eq!(StderrTail::of(&[b'x'; 500]).to_string().len(), 300 + 11);
    }
}
