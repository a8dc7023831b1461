// SPDX-License-Identifier: GPL-2.0-or-later
//! The child process that asks libzypp: `btf-guard-zypp-fetch`.
//!
//! [`crate::zypp`] says what it reads and writes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use btf_guard_subprocess::{Failure, Limits};

use crate::zypp::{DownloadProgress, Line, MAX_LINE, Request, Resolution};

const WHO: &str = "the fetch program";

/// Where it is installed; the build may name another directory.
const DIRECTORY: &str = match option_env!("BTF_GUARD_LIBDIR") {
    Some(directory) => directory,
    None => "/usr/lib/btf-guard",
};

/// Why there is nothing to go by.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    #[error(transparent)]
    Failure(#[from] Failure),
    /// Its own words, and libzypp's where it said more.
    #[error("libzypp: {what}{}{detail}", if .detail.is_empty() { "" } else { ": " })]
    Libzypp { what: String, detail: String },
}

/// The program as it is installed.
pub fn installed() -> PathBuf {
    Path::new(DIRECTORY).join("btf-guard-zypp-fetch")
}

/// Asks it in the background of this process, and waits for no longer than
/// `timeout`.
///
/// # Errors
/// Where the program cannot be started or listened to, or libzypp has no answer.
pub fn ask(program: &Path, request: &Request, timeout: Duration) -> Result<Resolution, Error> {
    let limits = limits(timeout);
    let input = btf_guard_subprocess::json_memfd(request)
        .map_err(|source| Failure::HandOver { who: WHO, source })?;
    // libzypp asks the environment for proxies, for one.
    let ended = btf_guard_subprocess::run(Command::new(program), input, Vec::new(), &limits)?;
    let lines = ended.stdout.split(|byte| *byte == b'\n');
    let last = lines.rev().find(|line| !line.is_empty());
    let last = last.and_then(|line| serde_json::from_slice(line).ok());
    conclude(last, ended, &limits)
}

/// Asks it as a part of this process's job, waits for as long as it takes, and
/// passes on how far it is.
///
/// # Errors
/// As [`ask`].
pub fn ask_aloud(
    program: &Path,
    request: &Request,
    tell: &mut dyn FnMut(&DownloadProgress),
) -> Result<Resolution, Error> {
    let limits = limits(Duration::MAX);
    let input = btf_guard_subprocess::json_memfd(request)
        .map_err(|source| Failure::HandOver { who: WHO, source })?;
    let mut last = None;
    let mut each = |line: &[u8]| {
        if line.is_empty() {
            return;
        }
        last = serde_json::from_slice(line).ok();
        if let Some(Line::Progress(progress)) = &last {
            tell(progress);
        }
    };
    let ended = btf_guard_subprocess::lines(Command::new(program), input, &limits, &mut each)?;
    conclude(last, ended, &limits)
}

fn limits(timeout: Duration) -> Limits {
    Limits {
        who: WHO,
        timeout,
        limit: usize::try_from(MAX_LINE).unwrap_or(usize::MAX),
    }
}

/// The last line counts.
fn conclude(
    last: Option<Line>,
    ended: btf_guard_subprocess::Output,
    limits: &Limits,
) -> Result<Resolution, Error> {
    match last {
        Some(Line::Result(outcome)) => Ok(outcome),
        Some(Line::Error(failure)) => Err(Error::Libzypp {
            what: failure.what,
            detail: failure.detail,
        }),
        Some(Line::Progress(_)) | None => {
            let (_, stderr) = ended.success(limits)?;
            Err(Error::Failure(Failure::Answer {
                who: WHO,
                reason: "no result".to_owned(),
                stderr,
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::zypp::{Ask, Commit};

    const PROGRESS: &str = r#"{"progress":{"package":"a","done":1,"total":2,"index":1,"of":1}}"#;
    const RESULT: &str = r#"{"result":{"steps":[],"problems":["p"]}}"#;

    /// What both ways of asking make of a program that writes this: a test
    /// double, because libzypp cannot be made to write it.
    fn answers(script: &str) -> [Result<Resolution, Error>; 2] {
        let place = tempfile::tempdir().unwrap();
        let program = place.path().join("fetch");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        let request = Request::new("/".into(), Ask::Commit(Commit::default()));
        [
            ask(&program, &request, Duration::from_secs(20)),
            ask_aloud(&program, &request, &mut |_| {}),
        ]
    }

    #[test]
    fn the_last_line_counts() {
        for answer in answers(&format!("echo '{PROGRESS}'; echo '{RESULT}'; echo")) {
            assert_eq!(answer.unwrap().problems, ["p"]);
        }
        for script in [
            format!("echo '{RESULT}'; echo '{PROGRESS}'; kill -KILL $$"),
            format!("echo '{RESULT}'; echo garbage; exit 3"),
            "exit 1".to_owned(),
        ] {
            for answer in answers(&script) {
                assert!(
                    matches!(answer, Err(Error::Failure(Failure::Ended { .. }))),
                    "{script}: {answer:?}"
                );
            }
        }
        for answer in answers("echo on standard error >&2") {
            let error = answer.unwrap_err().to_string();
            assert!(error.contains("no result") && error.contains("on standard error"));
        }
    }

    #[test]
    fn what_libzypp_says_is_passed_on() {
        for (line, words) in [
            (r#"{"error":{"what":"locked"}}"#, "libzypp: locked"),
            (
                r#"{"error":{"what":"no","detail":"why"}}"#,
                "libzypp: no: why",
            ),
        ] {
            for answer in answers(&format!("echo '{line}'; exit 1")) {
                assert_eq!(answer.unwrap_err().to_string(), words);
            }
        }
    }

    #[test]
    fn progress_is_told_as_it_comes() {
        let place = tempfile::tempdir().unwrap();
        let program = place.path().join("fetch");
        let script = format!("#!/bin/sh\necho '{PROGRESS}'\necho '{PROGRESS}'\necho '{RESULT}'\n");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        let request = Request::new("/".into(), Ask::Commit(Commit::default()));
        let mut told = Vec::new();
        let outcome = ask_aloud(&program, &request, &mut |progress| told.push(progress.done));
        assert_eq!((told, outcome.is_ok()), (vec![1, 1], true));
    }
}
