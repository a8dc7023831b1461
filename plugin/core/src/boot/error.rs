// SPDX-License-Identifier: GPL-2.0-or-later
//! What is wrong with a file that boots kernels.

use std::fmt;
use std::path::{Path, PathBuf};

/// Text that is not what its format requires; who opened the file adds its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fault {
    /// The line, from 1; `None` if it is no single line's fault.
    pub(crate) line: Option<usize>,
    /// What the format requires there.
    pub(crate) expected: String,
}

impl Fault {
    pub(crate) fn at(line: usize, expected: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            expected: expected.into(),
        }
    }

    pub(crate) fn whole(expected: impl Into<String>) -> Self {
        Self {
            line: None,
            expected: expected.into(),
        }
    }

    /// This fault in the file `path`.
    pub(crate) fn of(self, path: &Path) -> BootProblem {
        BootProblem {
            path: path.to_owned(),
            fault: self,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "expected {}", self.expected)
    }
}

/// Something that cannot boot or cannot be read, for a report. What it concerns
/// is left out; everything else is still found.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub(crate) struct BootProblem {
    /// The file, as a path of this process, links not followed.
    pub(crate) path: PathBuf,
    /// What should have been there.
    pub(crate) fault: Fault,
}
