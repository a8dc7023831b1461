// SPDX-License-Identifier: GPL-2.0-or-later
//! GRUB: what `grub.cfg` offers to boot, and what it boots by default.
//!
//! The configuration is a script. It is followed as far as that is needed to
//! see the menu: assignments and conditions over variables of the script and
//! of `grubenv`, with three outcomes, since what only GRUB knows while booting
//! (its modules, its prefix) is not known here.

mod env;
mod lexer;
mod menu;
mod parser;
mod script;

pub use env::parse as parse_grubenv;
pub use menu::{BlsEntry, Menu};
pub(crate) use menu::{MenuItem, Selected};

/// The longest configuration that is read, in bytes; real ones have some KB.
pub(crate) const MAX_CONFIG: u64 = 16 << 20;

/// The longest `grubenv` that is read, in bytes; real ones have 1024.
pub const MAX_ENV: u64 = 64 << 10;

/// Whether something is so, as far as can be told. Ordered from no to yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Truth {
    /// It is not.
    No,
    /// It cannot be told.
    Maybe,
    /// It is.
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

#[cfg(test)]
mod tests;
