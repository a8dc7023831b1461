// SPDX-License-Identifier: GPL-2.0-or-later
//! What shows that a split BTF which the kernel accepts belongs to another base.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::equivalence::Difference;

/// A type of a split BTF, as a sentence names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeRef {
    /// Its id on the base at hand.
    pub(crate) id: u32,
    /// Kind and name.
    pub(crate) is: String,
}

impl fmt::Display for TypeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.id, self.is)
    }
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case")]
pub enum Mismatch {
    /// Its own strings continue a string section of another length.
    Length {
        /// Bytes of the section that they continue.
        built_for: u32,
        /// Bytes of this base's.
        here: u32,
    },
    /// A name begins inside a string. BTF is deduplicated by whole strings, so
    /// on its own base every name is the start of one.
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
    Duplicate {
        /// The type.
        of: TypeRef,
        /// The id that it leads to.
        to: u32,
        /// What that is here.
        found: String,
    },
    /// On the base that it was built against it means something else.
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

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { built_for, here } => write!(
                f,
                "its strings continue a base with {built_for} bytes of strings, not {here}"
            ),
            Self::Name {
                of,
                offset,
                inside,
                own,
            } => {
                let whose = if *own { "its own" } else { "this base's" };
                write!(
                    f,
                    "{of}: name offset {offset} lies inside {whose} string '{inside}', not at its start"
                )
            }
            Self::Kind {
                of,
                by,
                to,
                found,
                wanted,
            } => write!(f, "{of}: {by} leads to [{to}], here {found}, not {wanted}"),
            Self::Layout {
                of,
                by,
                to,
                found,
                problem,
            } => write!(f, "{of}: {by} is of type [{to}], here {found}: {problem}"),
            Self::Duplicate { of, to, found } => write!(
                f,
                "{of} leads to [{to}], here {found}: this base has such a type, and it would not be repeated"
            ),
            Self::Meaning {
                built_for,
                difference,
            } => write!(f, "on {built_for}, whose release it names, {difference}"),
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
