// SPDX-License-Identifier: GPL-2.0-or-later
//! GRUB: what `grub.cfg` offers to boot, and what it boots by default.
//!
//! The configuration is a script. It is followed as far as that is needed to
//! see the menu: assignments and conditions over variables of the script and
//! of `grubenv`, with three outcomes, since what only GRUB knows while booting
//! (its modules, its prefix) is not known here.

mod menu;
mod parser;
mod script;

use std::collections::BTreeMap;

pub use menu::{BlsEntry, Menu};
pub(crate) use menu::{MenuItem, Selected};

/// The longest configuration that is read, in bytes; real ones have some KB.
pub(crate) const MAX_CONFIG: u64 = 4 << 20;

/// The longest `grubenv` that is read, in bytes; real ones have 1024.
pub const MAX_ENV: u64 = 64 << 10;

/// Whether something is so, as far as can be told. Ordered from no to yes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Truth {
    No,
    /// It cannot be told.
    #[default]
    Maybe,
    Yes,
}

impl std::ops::Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Maybe => Self::Maybe,
            Self::Yes => Self::No,
        }
    }
}

impl From<bool> for Truth {
    fn from(is: bool) -> Self {
        if is { Self::Yes } else { Self::No }
    }
}

/// The variables of a `grubenv`, an environment block: lines `name=value`, a backslash
/// before a backslash or a line end that is part of the value, `#` lines and
/// padding. Without GRUB's signature it is none, and nothing is set
/// (grub-core/lib/envblk.c, 2.06).
pub fn parse_grubenv(text: &str) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let Some(body) = text.strip_prefix("# GRUB Environment Block\n") else {
        return variables;
    };
    let mut rest = body.chars();
    while !rest.as_str().is_empty() {
        let mut line = String::new();
        while let Some(char) = rest.next() {
            match char {
                '\n' => break,
                '\\' => line.extend(rest.next()),
                plain => line.push(plain),
            }
        }
        if let Some((name, value)) = line.split_once('=')
            && !line.starts_with('#')
        {
            variables.insert(name.to_owned(), value.to_owned());
        }
    }
    variables
}

#[cfg(test)]
mod tests;
