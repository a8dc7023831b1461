// SPDX-License-Identifier: GPL-2.0-or-later
//! The child process that asks libzypp: `btf-guard-zypp-fetch`, in terms of [`crate::zypp`].

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use btf_guard_subprocess::{ChildError, Limits, ProcessGroup};

use crate::zypp::{DownloadProgress, FetchFailure, Line, MAX_LINE, Request, Resolution};

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
    Child(#[from] ChildError),
    /// Its own words, and libzypp's where it said more.
    #[error("libzypp: {what}{}{detail}", if .detail.is_empty() { "" } else { ": " })]
    Libzypp { what: String, detail: String },
}

/// The program as it is installed.
pub fn installed() -> PathBuf {
    Path::new(DIRECTORY).join("btf-guard-zypp-fetch")
}

/// Asks it, and passes on how far it is: in the background of this process, for no
/// longer than `timeout`; without one as a part of this process's job, for as long
/// as it takes.
pub fn ask(
    program: &Path,
    request: &Request,
    timeout: Option<Duration>,
    tell: &mut dyn FnMut(&DownloadProgress),
) -> Result<Resolution, Error> {
    let limits = Limits {
        who: WHO,
        timeout: timeout.unwrap_or(Duration::MAX),
        limit: usize::try_from(MAX_LINE).unwrap_or(usize::MAX),
    };
    let group = match timeout {
        Some(_) => ProcessGroup::Own,
        None => ProcessGroup::Ours,
    };
    let input = btf_guard_subprocess::json_memfd(request)
        .map_err(|source| ChildError::HandOver { who: WHO, source })?;
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
    // libzypp asks the environment for proxies, for one.
    let command = Command::new(program);
    let ended = btf_guard_subprocess::lines(command, input, group, &limits, &mut each)?;
    match last {
        Some(Line::Result(outcome)) => Ok(outcome),
        Some(Line::Error(FetchFailure { what, detail })) => Err(Error::Libzypp { what, detail }),
        Some(Line::Progress(_)) | None => {
            let (_, stderr) = ended.success(&limits)?;
            Err(Error::Child(ChildError::Answer {
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

    /// What is made of a program that writes this, and how often it told how far it
    /// is: a test double, because libzypp cannot be made to write it.
    fn answer(script: &str) -> (usize, Result<Resolution, Error>) {
        let place = tempfile::tempdir().unwrap();
        let program = place.path().join("fetch");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        let request = Request::new("/".into(), Ask::Commit(Commit::default()));
        let mut told = 0;
        let answer = ask(&program, &request, None, &mut |progress| {
            assert_eq!(progress.done, 1);
            told += 1;
        });
        (told, answer)
    }

    #[test]
    fn the_last_line_counts() {
        let script = format!("echo '{PROGRESS}'; echo '{PROGRESS}'; echo '{RESULT}'; echo");
        let (told, outcome) = answer(&script);
        assert_eq!((told, outcome.unwrap().problems), (2, vec!["p".to_owned()]));
        for script in [
            format!("echo '{RESULT}'; echo '{PROGRESS}'; kill -KILL $$"),
            format!("echo '{RESULT}'; echo garbage; exit 3"),
            "exit 1".to_owned(),
        ] {
            let (_, answer) = answer(&script);
            let has_ended = matches!(answer, Err(Error::Child(ChildError::Ended { .. })));
            assert!(has_ended, "{script}: {answer:?}");
        }
        for (script, words) in [
            (r#"echo '{"error":{"what":"locked"}}'"#, "libzypp: locked"),
            (
                r#"echo '{"error":{"what":"no","detail":"why"}}'; exit 1"#,
                "libzypp: no: why",
            ),
            (
                "echo oops >&2",
                "the fetch program's answer is not understood (no result), saying \"oops\"",
            ),
        ] {
            assert_eq!(answer(script).1.unwrap_err().to_string(), words);
        }
    }
}
