// SPDX-License-Identifier: GPL-2.0-or-later
//! The plugin's options, from the macro `%__transaction_btf_guard`.

use std::path::PathBuf;
use std::time::Duration;

use btf_guard_protocol::judge_client::Judge;
use btf_guard_protocol::state::trusted_dir;

/// The plugin's options.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PluginOptions {
    /// The `btf-guard` program, and how long it may take.
    pub(crate) judge: Judge,
    /// Where hooks leave something for one another: `--handoff`.
    pub(crate) run_dir: PathBuf,
    /// A line for the admin each.
    pub(crate) complaints: Vec<String>,
}

/// Reads `--judge PATH`, `--timeout SECONDS` and `--handoff PATH`. What means nothing is
/// complained of and ignored.
pub(crate) fn options(text: &str) -> PluginOptions {
    let mut options = PluginOptions {
        judge: Judge::default(),
        run_dir: PathBuf::from(trusted_dir::RUN),
        complaints: Vec::new(),
    };
    let mut words = text.split_ascii_whitespace();
    while let Some(word) = words.next() {
        let mut path = || Some(PathBuf::from(words.next()?)).filter(|path| path.is_absolute());
        let understood = match word {
            "--judge" => path().map(|path| options.judge.program = path),
            "--handoff" => path().map(|path| options.run_dir = path),
            "--timeout" => words
                .next()
                .and_then(|seconds| seconds.parse().ok())
                .filter(|seconds| (1..=3600).contains(seconds))
                .map(|seconds| options.judge.timeout = Duration::from_secs(seconds)),
            _ => None,
        };
        if understood.is_none() {
            options.complaints.push(format!(
                "%__transaction_btf_guard: {word:?} is not --judge /PATH, \
                 --timeout 1..3600 or --handoff /PATH: ignored"
            ));
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let plain = options("");
        assert!(plain.judge.program.ends_with("btf-guard") && plain.judge.program.is_absolute());
        assert_eq!((plain.judge, plain.complaints.len()), (Judge::default(), 0));
        assert_eq!(plain.run_dir, PathBuf::from("/run/btf-guard"));
        let all = options("--timeout 5  --judge /opt/btf-guard --handoff /opt/run");
        assert_eq!(all.judge.program, PathBuf::from("/opt/btf-guard"));
        assert_eq!(all.run_dir, PathBuf::from("/opt/run"));
        assert_eq!((all.judge.timeout.as_secs(), all.complaints.len()), (5, 0));
    }

    #[test]
    fn options_that_mean_nothing_are_ignored_aloud() {
        for text in [
            "--judge",
            "--judge relative",
            "--timeout",
            "--timeout 0",
            "--timeout x",
            "--timeout 3601",
            "--handoff",
            "--handoff relative",
            "--verbose",
        ] {
            let read = options(text);
            assert_eq!(read.complaints.len(), 1, "{text}");
            assert_eq!(read.judge, Judge::default(), "{text}");
        }
    }
}
