// SPDX-License-Identifier: GPL-2.0-or-later
//! What is wrong with a file of the configuration.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One mistake, or why a file is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The file.
    pub path: PathBuf,
    /// Line and column in characters, both from 1, where the mistake has a place.
    pub place: Option<(usize, usize)>,
    /// What is wrong.
    pub what: String,
}

impl ConfigProblem {
    /// A mistake in a text, at a range of its bytes.
    pub(crate) fn at(path: &Path, text: &str, span: &Range<usize>, what: String) -> Self {
        Self {
            path: path.to_owned(),
            place: Some(place(text, span.start)),
            what,
        }
    }

    /// One that is about a whole file.
    pub(crate) fn of(path: &Path, what: &impl ToString) -> Self {
        Self {
            path: path.to_owned(),
            place: None,
            what: what.to_string(),
        }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// Line and column of a byte.
pub(crate) fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let begun = before.rsplit('\n').next().unwrap_or_default();
    (line, begun.chars().count() + 1)
}

/// The word that is most like another.
pub(crate) fn nearest<'w>(word: &str, words: &[&'w str]) -> Option<&'w str> {
    let distance = |known: &&&str| strsim::damerau_levenshtein(word, known);
    words.iter().min_by_key(distance).copied()
}
