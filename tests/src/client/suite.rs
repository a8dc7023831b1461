// SPDX-License-Identifier: GPL-2.0-or-later
//! The suites of Debian whose clients are tested.

use std::fs;
use std::path::PathBuf;
use std::sync::Once;

use crate::artifacts::roots;
use crate::skip::skipped;

/// A missing root is told once, not by every test that wants it.
static SAID: [Once; Suite::ALL.len()] = [const { Once::new() }; Suite::ALL.len()];

/// A suite, and with it one generation of each client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Suite {
    /// rpm 4.18, dnf 4.14, zypper 1.14.42 with libzypp 17.25.
    Bookworm,
    /// rpm 4.20, dnf 4.23, zypper 1.14.89 with libzypp 17.36.
    Trixie,
    /// rpm 6.1, dnf5 5.4, zypper 1.14.101 with libzypp 17.38. It moves, so it
    /// may be missing.
    Forky,
}

impl Suite {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bookworm, Self::Trixie, Self::Forky];

    /// Its name, which is its root's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
            Self::Forky => "forky",
        }
    }

    /// The root to lay something over; must not be written to. `None`, aloud,
    /// where `roots.sh` could not build it and has said why.
    pub(crate) fn base(self) -> Option<PathBuf> {
        let roots = roots();
        let base = roots.join(self.name()).join("root");
        if base.is_dir() {
            return Some(base);
        }
        let reasons = fs::read_to_string(roots.join("SKIPPED")).unwrap_or_default();
        let own = format!("root {}: ", self.name());
        let why = reasons
            .lines()
            .find_map(|line| line.strip_prefix(&own).or(line.strip_prefix("roots: ")));
        let why = why.unwrap_or_else(|| panic!("no {}: run `make test`", base.display()));
        SAID[self as usize].call_once(|| {
            skipped(
                &format!("every test of the clients of {}", self.name()),
                why,
            );
        });
        None
    }
}
