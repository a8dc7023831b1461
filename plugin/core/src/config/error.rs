// SPDX-License-Identifier: GPL-2.0-or-later
//! What is wrong with a file of the configuration.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A mistake, or why a file is not believed.
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

    /// What serde says, with the known word that is nearest to an unknown one.
    pub(crate) fn of_toml(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let mut what = error.message().trim_end().replace('\n', "; ");
        let mut quoted = error.message().split('`').skip(1).step_by(2);
        if let Some(word) = quoted.next()
            && what.starts_with("unknown ")
            && let Some(nearest) =
                quoted.min_by_key(|known| strsim::damerau_levenshtein(word, known))
        {
            what.push_str(&format!(" (did you mean `{nearest}`?)"));
        }
        Self::at(path, text, &error.span().unwrap_or_default(), what)
    }

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

fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let begun = before.rsplit('\n').next().unwrap_or_default();
    (line, begun.chars().count() + 1)
}
