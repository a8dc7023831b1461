// SPDX-License-Identifier: GPL-2.0-or-later
//! What shows that a split BTF which the kernel accepts belongs to another base.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::equivalence::Difference;

/// A type of a split BTF, as a sentence names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("[{id}] {is}")]
pub struct TypeRef {
    /// Its id on the base at hand.
    pub(crate) id: u32,
    /// Kind and name.
    pub(crate) is: String,
}

/// One piece of evidence: the first of its class, and how many more there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What was found.
    #[serde(flatten)]
    pub clue: Mismatch,
    /// How often something of its class was found, this one included.
    pub count: u32,
}

/// What does not fit, by class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "rule", rename_all = "kebab-case")]
pub enum Mismatch {
    /// Its own strings continue a string section of another length.
    #[error("its strings continue a base with {built_for} bytes of strings, not {here}")]
    Length {
        /// Bytes of the section that they continue.
        built_for: u32,
        /// Bytes of this base's.
        here: u32,
    },
    /// A name begins inside a string. BTF is deduplicated by whole strings, so
    /// on its own base every name is the start of one.
    #[error(
        "{of}: name offset {offset} lies inside {} string '{inside}', not at its start",
        if *own { "its own" } else { "this base's" }
    )]
    Name {
        /// The type that bears it, or whose member, enumerator or parameter does.
        of: TypeRef,
        /// The name's offset.
        offset: u32,
        /// The string that it lies inside.
        inside: String,
        /// Is that one of the split BTF's own strings?
        own: bool,
    },
    /// A type leads to one of a kind to which its kind never leads.
    #[error("{of}: {by} leads to [{to}], here {found}, not {wanted}")]
    Kind {
        /// The type.
        of: TypeRef,
        /// What leads there: `its type`, `member x`, `parameter 2`.
        by: String,
        /// The id that it leads to.
        to: u32,
        /// What that is here.
        found: String,
        /// What it would have to be.
        wanted: String,
    },
    /// A type does not fit where the split BTF puts it.
    #[error("{of}: {by} is of type [{to}], here {found}: {problem}")]
    Layout {
        /// The struct, union, array, variable or section.
        of: TypeRef,
        /// What leads there.
        by: String,
        /// The id that it leads to.
        to: u32,
        /// What that is here, with its size.
        found: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The base has this type already: deduplication would have left it out.
    #[error(
        "{of} leads to [{to}], here {found}: this base has such a type, and it would not be repeated"
    )]
    Duplicate {
        /// The type.
        of: TypeRef,
        /// The id that it leads to.
        to: u32,
        /// What that is here.
        found: String,
    },
    /// On the base that it was built against it means something else.
    #[error("on {built_for}, whose release it names, {difference}")]
    Meaning {
        /// Which base that is, for people.
        built_for: String,
        /// The first difference.
        difference: Difference,
    },
}

impl Mismatch {
    /// The class by name, for counting.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Length { .. } => "length",
            Self::Name { .. } => "name",
            Self::Kind { .. } => "kind",
            Self::Layout { .. } => "layout",
            Self::Duplicate { .. } => "duplicate",
            Self::Meaning { .. } => "meaning",
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.clue.fmt(f)?;
        match self.count.saturating_sub(1) {
            0 => Ok(()),
            more => write!(f, " (and {more} more like it)"),
        }
    }
}
