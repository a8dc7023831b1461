// SPDX-License-Identifier: GPL-2.0-or-later
//! The limits of a child, its output, and why there is none.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use crate::stderr_tail::StderrTail;

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

impl Limits {
    /// What is left of a child that succeeded.
    pub(crate) fn succeeded(
        &self,
        status: Option<ExitStatus>,
        stderr: StderrTail,
    ) -> Result<StderrTail, Failure> {
        match status.filter(|status| !status.success()) {
            None => Ok(stderr),
            Some(status) => Err(Failure::Ended {
                who: self.who,
                status,
                stderr,
            }),
        }
    }
}

impl Output {
    /// The output of a child that succeeded.
    ///
    /// # Errors
    /// [`Failure::Ended`].
    pub fn success(self, limits: &Limits) -> Result<(Vec<u8>, StderrTail), Failure> {
        let stderr = limits.succeeded(self.status, self.stderr)?;
        Ok((self.stdout, stderr))
    }
}
