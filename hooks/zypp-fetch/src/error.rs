// SPDX-License-Identifier: GPL-2.0-or-later
//! Errors as the one who asked is told of them.

use std::error::Error as _;
use std::iter::successors;

use btf_guard_protocol::zypp::FetchFailure;
use zypp_sys::Error;

/// The words of an error in two parts: the first line, and the rest of them
/// with what caused it.
pub(crate) fn failure(error: &Error) -> FetchFailure {
    let text = error.to_string();
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let causes: Vec<String> = successors(error.source(), |&cause| cause.source())
        .map(ToString::to_string)
        .collect();
    FetchFailure {
        what: first.trim_end().to_owned(),
        detail: match &causes[..] {
            [] => rest.trim().to_owned(),
            causes => causes.join(": "),
        },
    }
}

pub(crate) fn plain(what: impl Into<String>) -> FetchFailure {
    FetchFailure {
        what: what.into(),
        detail: String::new(),
    }
}

/// A problem on one line: libzypp writes in paragraphs.
pub(crate) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libzypps_paragraphs_are_parted_and_joined() {
        let error = Error::Failed("Valid metadata not found\nHistory:\n - no such host\n".into());
        let failure = failure(&error);
        assert_eq!(failure.what, "Valid metadata not found");
        assert_eq!(failure.detail, "History:\n - no such host");
        assert_eq!(one_line("a\n - b\n\tc \n"), "a - b c");
    }
}
