// SPDX-License-Identifier: GPL-2.0-or-later
//! Why a verdict is what it is, as data.

use std::fmt;
use std::mem::discriminant;

use btf_guard_btf::{Difference, Evidence, VerifyError};
use serde::{Deserialize, Serialize};

/// `ET_REL` of the ELF specification.
pub(crate) const ET_REL: u16 = 1;

/// Why a module loads without types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule")]
pub enum NoBtf {
    /// The module carries no `.BTF`, or an empty one.
    #[serde(rename = "no-btf")]
    Absent,
    /// The kernel ignores modules' BTF: no `btf_data` in its `struct module`, or
    /// no BTF and no `CONFIG_DEBUG_INFO_BTF_MODULES`.
    #[serde(rename = "btf-ignored")]
    Unsupported,
}

/// Why a verdict cannot be given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case")]
pub enum Unknown {
    /// The kernel shows no BTF. It may be there in a form that is not understood here.
    NoBaseBtf,
    /// The BTF fits several bases, on which it means different things.
    AmbiguousBase {
        /// The other bases, as people know them.
        others: Vec<String>,
        /// The first difference; `None` if it was too much to compare.
        difference: Option<Difference>,
    },
}

/// What decides a verdict that is not simply that the module loads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reason {
    /// The module is for another machine.
    Elf(ElfError),
    /// Its BTF breaks a rule of the kernel's.
    Btf(VerifyError),
    /// There are no types.
    NoBtf(NoBtf),
    /// Its BTF belongs to another base; the first piece of evidence.
    OtherBase(Evidence),
    /// Nothing can be said.
    Unknown(Unknown),
}

impl Reason {
    /// True if it is the same rule, on whatever type and with whatever numbers.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Elf(one), Self::Elf(other)) => discriminant(one) == discriminant(other),
            (Self::Btf(one), Self::Btf(other)) => {
                discriminant(&one.rule) == discriminant(&other.rule)
            }
            (Self::OtherBase(one), Self::OtherBase(other)) => {
                discriminant(&one.clue) == discriminant(&other.clue)
            }
            _ => self == other,
        }
    }

    /// What stands before each line that the kernel logs of it.
    pub(crate) fn log_prefix(&self) -> &'static str {
        match self {
            Self::Btf(error) => error.log_prefix(),
            _ => "",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elf(error) => error.fmt(f),
            Self::Btf(error) => error.fmt(f),
            Self::NoBtf(NoBtf::Absent) => f.write_str("the module has no BTF"),
            Self::NoBtf(NoBtf::Unsupported) => f.write_str("the kernel ignores modules' BTF"),
            Self::OtherBase(evidence) => evidence.fmt(f),
            Self::Unknown(Unknown::NoBaseBtf) => {
                f.write_str("no base BTF was found in this kernel")
            }
            Self::Unknown(Unknown::AmbiguousBase { others, difference }) => {
                let others = others.join(", ");
                write!(
                    f,
                    "its BTF fits this kernel and {others} alike, but does not mean the same: "
                )?;
                match difference {
                    Some(difference) => difference.fmt(f),
                    None => f.write_str("which was too much to compare"),
                }
            }
        }
    }
}

/// The complaint of `elf_validity_check()` (`elf_validity_ehdr()` since 6.13)
/// about a module for another machine, with the field as the kernel reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "rule", rename_all = "kebab-case")]
#[expect(
    clippy::enum_variant_names,
    reason = "the variants' names are those of the rules in a report"
)]
pub enum ElfError {
    /// `e_type` is not `ET_REL`.
    #[error("Invalid ELF header type: {elf_type} != {ET_REL}")]
    InvalidElfType {
        /// What it is.
        elf_type: u16,
    },
    /// `e_machine` is another.
    #[error("Invalid architecture in ELF header: {machine}")]
    InvalidMachine {
        /// What it is.
        machine: u16,
    },
    /// `e_shentsize` is that of the other word size.
    #[error("Invalid ELF section header size")]
    InvalidSectionHeaderSize,
}

/// Something that was not known and is taken to be the kernel's default, by its
/// name in the JSON report's `features`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Assumption {
    /// `CONFIG_MODULE_ALLOW_BTF_MISMATCH`.
    AllowMismatch,
}
