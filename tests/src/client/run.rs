// SPDX-License-Identifier: GPL-2.0-or-later
//! One run of a client in a root: its environment, its time, and who answers.

use std::process::{Command, Stdio};

use super::namespace::Namespace;
use super::terminal::{self, Answer};
use crate::Outcome;

/// What every client gets: nothing of this machine's own environment.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/root"),
    ("LC_ALL", "C.UTF-8"),
    ("TERM", "dumb"),
];

/// Longer than any run takes, in seconds.
const PATIENCE: u32 = 120;

/// How `timeout` says that it had to end what it ran.
const TOO_LATE: i32 = 124;

/// A client about to run; made by [`super::ClientRoot::client`].
#[must_use]
pub struct Run<'a> {
    namespace: &'a Namespace,
    arguments: Vec<String>,
    variables: Vec<(&'a str, &'a str)>,
    patience: u32,
    killed: Option<u32>,
}

/// What puts files into place and takes them away: the calls at which
/// [`Run::killed_at`] counts.
const CALLS: &str = "?rename,?renameat,renameat2,?unlink,unlinkat,?rmdir";

impl<'a> Run<'a> {
    pub(crate) fn new(namespace: &'a Namespace, arguments: Vec<String>) -> Self {
        Self {
            namespace,
            arguments,
            variables: ENVIRONMENT.to_vec(),
            patience: PATIENCE,
            killed: None,
        }
    }

    /// With a variable in its environment.
    pub fn env(mut self, name: &'a str, value: &'a str) -> Self {
        self.variables.push((name, value));
        self
    }

    /// To be ended after so many seconds; the test then fails.
    pub fn within(mut self, seconds: u32) -> Self {
        self.patience = seconds;
        self
    }

    /// Each of its processes is to be killed, by SIGKILL, at its call of this number
    /// that renames or removes a file. The first is 1.
    pub fn killed_at(mut self, call: u32) -> Self {
        self.killed = Some(call);
        self
    }

    /// Runs it without a terminal and without input.
    pub fn run(self) -> Outcome {
        let mut command = self.command();
        let output = command.stdin(Stdio::null()).output();
        let output = output.expect("nsenter starts");
        self.in_time(Outcome {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs it at a terminal, at which somebody sits who waits for each text in
    /// turn and types the answer to it. All that was shown is the outcome's
    /// standard output. A text that never comes fails the test.
    pub fn answering(self, answers: &[Answer<'_>]) -> Outcome {
        let outcome = terminal::talk(self.command(), answers);
        self.in_time(outcome)
    }

    fn command(&self) -> Command {
        let enter = self.namespace.enter(&self.variables);
        let mut command = match self.killed {
            None => enter,
            Some(call) => {
                let mut traced = Command::new("strace");
                traced
                    .args(["-f", "-qqq", "--output=/dev/null"])
                    .arg(format!("--trace={CALLS}"))
                    .arg(format!("--inject={CALLS}:signal=SIGKILL:when={call}"))
                    .arg(enter.get_program())
                    .args(enter.get_args());
                traced
            }
        };
        command
            // The signals of a terminal are for the client, not for timeout's group.
            .args(["timeout", "--foreground", "--kill-after=5"])
            .arg(self.patience.to_string())
            .args(&self.arguments);
        command
    }

    fn in_time(&self, outcome: Outcome) -> Outcome {
        let arguments = self.arguments.join(" ");
        let late = outcome.status.code() == Some(TOO_LATE);
        assert!(
            !late,
            "{arguments}: still ran after {} s: {outcome:?}",
            self.patience
        );
        outcome
    }
}
