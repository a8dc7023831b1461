// SPDX-License-Identifier: GPL-2.0-or-later
//! The loader's checks, and which of them are to be followed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The loader's checks, in the kernel's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The kernel is built without `CONFIG_MODULES`.
    NoModuleSupport,
    /// The file is no module that the loader could take: empty, cut, or something else.
    Elf,
    /// Built for another machine.
    Architecture,
    /// The BTF, or the distilled base, does not fit.
    Btf,
    /// The kernel itself misbehaves on this input: it may crash, hang or accept garbage.
    KernelBug,
}

impl Cause {
    /// The causes that can be asked for. Without a loader, or with a file that it cannot
    /// read, no other check is made; a kernel's own bug shows while its BTF check is
    /// followed and cannot be asked for apart from it.
    const CHECKS: [Self; 2] = [Self::Architecture, Self::Btf];
}

/// As in reports.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// Which of the loader's checks are to be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Causes(Vec<Cause>);

/// All of them: nothing is left out by oversight.
impl Default for Causes {
    fn default() -> Self {
        Self::all()
    }
}

impl Causes {
    /// Every check that is implemented.
    pub fn all() -> Self {
        Self(Cause::CHECKS.to_vec())
    }

    /// True if this check is to be followed.
    pub(crate) fn contains(&self, cause: Cause) -> bool {
        self.0.contains(&cause)
    }

    /// The checks that are left out.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = Cause> {
        Cause::CHECKS.into_iter().filter(|c| !self.contains(*c))
    }
}

impl FromStr for Causes {
    type Err = UnknownCause;

    /// Reads a list such as `architecture,btf`, or `all`.
    fn from_str(list: &str) -> Result<Self, Self::Err> {
        if list == "all" {
            return Ok(Self::all());
        }
        let words = list.split(',').map(str::trim).map(|word| {
            let mut checks = Cause::CHECKS.into_iter();
            let found = checks.find(|cause| cause.to_string() == word);
            found.ok_or_else(|| UnknownCause(word.to_owned()))
        });
        words.collect::<Result<_, _>>().map(Self)
    }
}

/// A word that names none of the checks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such cause: '{0}' (there are: architecture, btf, all)")]
pub struct UnknownCause(String);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn causes_are_read_from_a_list() {
        assert_eq!("all".parse(), Ok(Causes::all()));
        let both: Causes = "btf, architecture".parse().unwrap();
        assert_eq!(both.left_out().count(), 0);
        let btf: Causes = "btf".parse().unwrap();
        assert!(btf.contains(Cause::Btf));
        assert_eq!(btf.left_out().collect::<Vec<_>>(), [Cause::Architecture]);
        assert_eq!(
            "btf,crc".parse::<Causes>().unwrap_err().to_string(),
            "no such cause: 'crc' (there are: architecture, btf, all)"
        );
    }
}
