// SPDX-License-Identifier: GPL-2.0-or-later
//! The end of a child's standard error.

use std::fmt;

/// The end of a child's standard error. Displayed, its last line, ready to
/// follow a sentence.
#[derive(Debug, PartialEq, Eq)]
pub struct StderrTail(String);

impl StderrTail {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(String::from_utf8_lossy(bytes).trim().to_owned())
    }

    /// All of it, without blanks around it.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StderrTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(line) = self.0.lines().next_back() else {
            return Ok(());
        };
        // One line on a screen, not all that fits into a pipe.
        let line: String = line.trim().chars().take(300).collect();
        write!(f, ", saying {line:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_follows_a_sentence() {
        let tail = StderrTail::of(b"first\n  last word \n\n");
        assert_eq!(tail.to_string(), ", saying \"last word\"");
        assert_eq!(tail.text(), "first\n  last word");
        assert_eq!(StderrTail::of(b" \n").to_string(), "");
        assert_eq!(StderrTail::of(&[b'x'; 500]).to_string().len(), 300 + 11);
    }
}
