//! What a child is asked for, and what comes of it.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use crate::said::Said;

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
