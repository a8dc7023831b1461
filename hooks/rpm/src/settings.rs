//! What the admin asked for: environment, rpm macro, plugin options.

use std::path::PathBuf;
use std::time::Duration;

use btf_guard::policy::Mode;

/// Where the judge is installed; the build may name another directory.
const JUDGE_DIRECTORY: &str = match option_env!("BTF_GUARD_BINDIR") {
    Some(directory) => directory,
    None => "/usr/bin",
};

/// How long the judge may take. A 4,000-module kernel takes it a few seconds;
/// an admin waits a minute, not longer.
const DEADLINE: Duration = Duration::from_secs(60);

/// The mode asked for, and what could not be understood.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// `None` leaves the choice to the judge's configuration.
    pub(crate) mode: Option<Mode>,
    /// A line for the admin each.
    pub(crate) complaints: Vec<String>,
}

/// The environment's `BTF_GUARD` goes before the macro `%_btf_guard`. A value
/// that means nothing is complained of and counts as absent.
pub(crate) fn wish(environment: Option<&str>, expand_macro: impl FnOnce() -> String) -> Wish {
    let mut wish = Wish::default();
    if let Some(value) = environment {
        wish.take("the environment's BTF_GUARD", value);
    }
    if wish.mode.is_none() {
        wish.take("the rpm macro %_btf_guard", &expand_macro());
    }
    wish
}

impl Wish {
    fn take(&mut self, source: &str, value: &str) {
        match value.trim().to_ascii_lowercase().as_str() {
            "" => {}
            "off" => self.mode = Some(Mode::Off),
            "warn" => self.mode = Some(Mode::Warn),
            "block" => self.mode = Some(Mode::Block),
            _ => self.complaints.push(format!(
                "{source} is {value:?}, not off, warn or block: ignored"
            )),
        }
    }
}

/// The plugin's options.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// The `btf-guard` program.
    pub(crate) judge: PathBuf,
    /// How long it may take.
    pub(crate) timeout: Duration,
    /// A line for the admin each.
    pub(crate) complaints: Vec<String>,
}

/// Reads `--judge PATH` and `--timeout SECONDS`. What means nothing is
/// complained of and ignored.
pub(crate) fn options(text: &str) -> Options {
    let mut options = Options {
        judge: PathBuf::from(format!("{JUDGE_DIRECTORY}/btf-guard")),
        timeout: DEADLINE,
        complaints: Vec::new(),
    };
    let mut words = text.split_ascii_whitespace();
    while let Some(word) = words.next() {
        let understood = match word {
            "--judge" => words
                .next()
                .filter(|path| path.starts_with('/'))
                .map(|path| options.judge = PathBuf::from(path)),
            "--timeout" => words
                .next()
                .and_then(|seconds| seconds.parse().ok())
                .filter(|&seconds| (1..=3600).contains(&seconds))
                .map(|seconds| options.timeout = Duration::from_secs(seconds)),
            _ => None,
        };
        if understood.is_none() {
            options.complaints.push(format!(
                "%__transaction_btf_guard: {word:?} is not --judge /PATH or \
                 --timeout 1..3600: ignored"
            ));
        }
    }
    options
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]

    use super::*;

    fn mode(environment: Option<&str>, expanded: &str) -> (Option<Mode>, usize) {
        let wish = wish(environment, || expanded.to_owned());
        (wish.mode, wish.complaints.len())
    }

    #[test]
    fn the_environment_goes_before_the_macro() {
        assert_eq!(mode(None, ""), (None, 0));
        assert_eq!(mode(None, "warn"), (Some(Mode::Warn), 0));
        assert_eq!(mode(Some("off"), "block"), (Some(Mode::Off), 0));
        assert_eq!(mode(Some(" Block\n"), "off"), (Some(Mode::Block), 0));
        assert_eq!(mode(Some(""), "off"), (Some(Mode::Off), 0));
    }

    #[test]
    fn a_mode_that_means_nothing_is_ignored_aloud() {
        assert_eq!(mode(Some("no"), "off"), (Some(Mode::Off), 1));
        assert_eq!(mode(Some("no"), "yes"), (None, 2));
        let wish = wish(Some("of"), String::new);
        assert_eq!(
            wish.complaints[0],
            "the environment's BTF_GUARD is \"of\", not off, warn or block: ignored"
        );
    }

    #[test]
    fn options_are_read() {
        let plain = options("");
        assert!(plain.judge.ends_with("btf-guard") && plain.judge.is_absolute());
        assert_eq!((plain.timeout, plain.complaints.len()), (DEADLINE, 0));
        let both = options("--timeout 5  --judge /opt/btf-guard");
        assert_eq!(both.judge, PathBuf::from("/opt/btf-guard"));
        assert_eq!((both.timeout.as_secs(), both.complaints.len()), (5, 0));
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
            "--verbose",
        ] {
            let read = options(text);
            assert_eq!(read.complaints.len(), 1, "{text}");
            assert_eq!(
                (read.judge, read.timeout),
                (options("").judge, DEADLINE),
                "{text}"
            );
        }
    }
}
