// SPDX-License-Identifier: GPL-2.0-or-later
//! The child process that judges: `btf-guard judge`.
//!
//! Plan on its standard input, packages as inherited descriptors, answer on
//! its standard output. It ends with status 0 once it has answered, whatever
//! the decision.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use btf_guard_subprocess::{ChildError, Limits, StderrTail};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::decision::Decision;
use crate::plan::{Answer, Plan, SCHEMA};

/// A report on every module of a few kernels has some megabytes.
pub(crate) const MAX_ANSWER: usize = 16 << 20;

/// Where the judge is installed; the build may name another directory.
const DIRECTORY: &str = match option_env!("BTF_GUARD_BINDIR") {
    Some(directory) => directory,
    None => "/usr/bin",
};

/// How long the judge may take. A 4,000-module kernel takes it a few seconds;
/// an admin waits a minute, not longer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The judge that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judge {
    /// The `btf-guard` program.
    pub program: PathBuf,
    /// How long it may take.
    pub timeout: Duration,
}

impl Default for Judge {
    fn default() -> Self {
        Self {
            program: Path::new(DIRECTORY).join("btf-guard"),
            timeout: TIMEOUT,
        }
    }
}

impl Judge {
    /// Runs one of the program's subcommands with JSON on its standard input; what it
    /// writes, before it fails too, is in `stdout`. Whatever happens, the child is gone
    /// when this returns.
    pub(crate) fn run(
        &self,
        arguments: &[&str],
        input: &impl Serialize,
        inherited: Vec<OwnedFd>,
        limits: &Limits,
        stdout: &mut Vec<u8>,
    ) -> Result<StderrTail, ChildError> {
        let who = limits.who;
        let input = btf_guard_subprocess::json_memfd(input)
            .map_err(|source| ChildError::HandOver { who, source })?;
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LANG", "C.UTF-8");
        btf_guard_subprocess::run_into(command, input, inherited, limits, stdout)
    }
}

/// Asks the judge. Whatever happens, the child is gone when this returns. The plan names
/// the packages by their descriptors' numbers.
pub fn ask(judge: &Judge, plan: &Plan, packages: Vec<OwnedFd>) -> Result<Answer, ChildError> {
    let who = "the judge";
    let limits = Limits {
        who,
        timeout: judge.timeout,
        limit: MAX_ANSWER,
    };
    let mut answer = Vec::new();
    let timeout = format!("--timeout={}", judge.timeout.as_millis());
    let arguments = ["judge", &timeout];
    let stderr = judge.run(&arguments, plan, packages, &limits, &mut answer)?;
    understand(answer).map_err(|reason| ChildError::Answer {
        who,
        reason,
        stderr,
    })
}

/// The judge's answer in `text`, which is kept as it is, too; or why it is none.
pub fn understand(text: Vec<u8>) -> Result<Answer, String> {
    // What is skipped in bytes is not looked at closely enough to be kept as text.
    let text = String::from_utf8(text).map_err(|_| "it is not UTF-8")?;
    let json = |error: serde_json::Error| error.to_string();
    let mut answer: Answer = serde_json::from_str(&text).map_err(json)?;
    if answer.schema != SCHEMA {
        return Err(format!("schema {}, not {SCHEMA}", answer.schema));
    }
    if answer.decision == Decision::Block && answer.messages.is_empty() {
        return Err("a block without a reason".to_owned());
    }
    answer.whole = Some(RawValue::from_string(text).map_err(json)?);
    Ok(answer)
}

/// One line for whatever went wrong on our side before a transaction.
pub fn not_judged(what: &str) -> String {
    format!(
        "btf-guard: {what}; the transaction goes on, its kernel modules are not judged; \
         run 'btf-guard check' after it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_as_a_whole_or_is_none() {
        let text = r#"{"schema":2,"decision":"warn","messages":[],"kernels":["6.1"]}"#;
        let answer = understand(text.into()).unwrap();
        assert_eq!(answer.whole.unwrap().get(), text);
        // In what a hook does not read itself.
        let mut broken = text.as_bytes().to_vec();
        let digit = text.find("6.1").unwrap();
        broken[digit] = 0xff;
        assert_eq!(understand(broken).unwrap_err(), "it is not UTF-8");
    }
}
