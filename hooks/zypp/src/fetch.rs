//! Asks the fetch program which packages the commit brings, and to bring those
//! that carry modules into libzypp's cache.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use btf_guard::place::fetch::{Ask, Commit, CommitStep, Extent, Line, MAX_LINE, Outcome, Request};
use btf_guard_hooks::run::{self, Failure, Terms};

const WHO: &str = "the fetch program";

/// The program ends by itself when its time is over; this much later it is ended.
const GRACE: Duration = Duration::from_secs(1);

/// Why there is nothing to go by.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Failure(#[from] Failure),
    #[error("libzypp: {0}")]
    Libzypp(String),
    #[error("there is no time to ask libzypp")]
    Time,
}

/// What is installed and removed by these steps, with the paths of the packages
/// that speak of modules or kernels, as far as they came within `timeout`.
pub(crate) fn fetch(
    program: &Path,
    root: &Path,
    steps: &[CommitStep],
    timeout: Duration,
) -> Result<Outcome, Error> {
    let deadline = timeout.saturating_sub(GRACE).as_secs();
    if deadline == 0 {
        return Err(Error::Time);
    }
    let steps = steps.to_vec();
    let request = Request {
        deadline: Some(deadline),
        fetch: Extent::Kernel,
        ..Request::new(root.to_owned(), Ask::Commit(Commit { steps }))
    };
    let terms = Terms {
        who: WHO,
        timeout,
        limit: usize::try_from(MAX_LINE).unwrap_or(usize::MAX),
    };
    let input = run::memory(&request).map_err(|source| Failure::HandOver { who: WHO, source })?;
    // libzypp asks the environment for proxies, for one.
    let ended = run::run(Command::new(program), input, Vec::new(), &terms)?;
    match last_line(&ended.output) {
        Some(Line::Result(outcome)) => Ok(outcome),
        Some(Line::Error(failure)) => Err(Error::Libzypp(failure.what)),
        Some(Line::Progress(_)) | None => {
            let (_, said) = ended.success(&terms)?;
            Err(Error::Failure(Failure::Answer {
                who: WHO,
                reason: "no result".to_owned(),
                said,
            }))
        }
    }
}

fn last_line(output: &[u8]) -> Option<Line> {
    let lines = output.split(|byte| *byte == b'\n');
    let last = lines.rev().find(|line| !line.is_empty())?;
    serde_json::from_slice(last).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts() {
        let progress = r#"{"progress":{"package":"a","done":1,"total":2,"index":1,"of":1}}"#;
        let result = r#"{"result":{"steps":[],"problems":[]}}"#;
        let both = format!("{progress}\n{result}\n");
        assert!(matches!(last_line(both.as_bytes()), Some(Line::Result(_))));
        let killed = format!("{result}\n{progress}\n");
        assert!(matches!(
            last_line(killed.as_bytes()),
            Some(Line::Progress(_))
        ));
        assert_eq!(last_line(b"garbage\n"), None);
        assert_eq!(last_line(b"\n"), None);
    }

    #[test]
    fn without_time_nothing_is_started() {
        let late = fetch(Path::new("/nonexistent"), Path::new("/"), &[], GRACE);
        assert!(matches!(late, Err(Error::Time)));
    }
}
