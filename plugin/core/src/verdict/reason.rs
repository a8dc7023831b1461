// SPDX-License-Identifier: GPL-2.0-or-later
//! Why a verdict is what it is, as data.

use std::fmt;
use std::mem::discriminant;

use btf_guard_btf::features::VersionRule;
use btf_guard_btf::{Difference, Evidence, VerifyError};
use serde::{Deserialize, Serialize};

use crate::module::ElfError;
use crate::time_limit::LATE;

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
    /// The kernel knows kinds of BTF that nobody here knows, so that neither its own
    /// types nor its rules are known.
    NewerKernel,
    /// The names in its `.BTF.base`, or in the kernel's BTF, are made to take long.
    TooCostly,
    /// Other kernels took all of the time that there is for this module.
    NoTimeLeft,
    /// The BTF fits several bases, on which it means different things.
    AmbiguousBase {
        /// The other bases, as people know them.
        others: Vec<String>,
        /// The first difference; `None` if it was too much to compare.
        difference: Option<Difference>,
    },
}

/// What is wrong with the kernel, whatever the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case")]
pub enum KernelFault {
    /// It is built without `CONFIG_MODULES`: there is no such system call.
    NoModuleSupport,
    /// It refuses its own BTF, which that of every module continues.
    KernelBtfInvalid {
        /// What it finds wrong there.
        error: VerifyError,
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
    /// No module's BTF, or no module, is taken by this kernel.
    Kernel(KernelFault),
    /// There are no types.
    NoBtf(NoBtf),
    /// Its BTF belongs to another base; the first piece of evidence.
    OtherBase(Evidence),
    /// Nothing can be said.
    Unknown(Unknown),
}

impl Reason {
    /// It was not judged because that would have taken too much.
    pub(crate) fn is_given_up(&self) -> bool {
        matches!(
            self,
            Self::Unknown(Unknown::TooCostly | Unknown::NoTimeLeft)
        )
    }

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
            Self::Kernel(KernelFault::NoModuleSupport) => {
                f.write_str("the kernel is built without CONFIG_MODULES")
            }
            Self::Kernel(KernelFault::KernelBtfInvalid { error }) => {
                write!(f, "the kernel's own BTF: {}", error.summary())
            }
            Self::NoBtf(NoBtf::Absent) => f.write_str("the module has no BTF"),
            Self::NoBtf(NoBtf::Unsupported) => f.write_str("the kernel ignores modules' BTF"),
            Self::OtherBase(evidence) => evidence.fmt(f),
            Self::Unknown(Unknown::NoBaseBtf) => {
                f.write_str("no base BTF was found in this kernel")
            }
            Self::Unknown(Unknown::NewerKernel) => f.write_str(
                "this kernel is newer than this btf-guard: it knows kinds of BTF that are not \
                 known here",
            ),
            Self::Unknown(Unknown::TooCostly) => f.write_str(
                "the names of its .BTF.base, or of the kernel's types, are so long or so many \
                 alike that finding one by another would take too long",
            ),
            Self::Unknown(Unknown::NoTimeLeft) => f.write_str(LATE),
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

/// Why BTF does not fit, other than that it was built for another base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Misfit {
    /// It was built against this very base: it is wrong in itself.
    OwnBase,
    /// It has a `.BTF.base` to be relocated from, and the kernel takes its ids for those
    /// of its own base.
    NotRelocated,
}

/// Something that was not known, and without which the verdict could be another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Assumption {
    /// `CONFIG_MODULE_ALLOW_BTF_MISMATCH` is taken to be the kernel's default.
    AllowMismatch,
    /// The kernel is taken to have this rule, or not to have it, by its version alone.
    #[serde(untagged)]
    Version(VersionRule),
}

impl fmt::Display for Assumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = match self {
            Self::AllowMismatch => {
                return f.write_str(
                    "no config of this kernel was found: CONFIG_MODULE_ALLOW_BTF_MISMATCH is \
                     taken to be unset, as by default (--kernel-config FILE tells better)",
                );
            }
            Self::Version(rule) => rule,
        };
        let what = match rule {
            VersionRule::Kinds => "which kinds of BTF it knows",
            VersionRule::NameMax => "how long a name may be",
            VersionRule::DotInIdentifiers => "whether names may hold dots",
            VersionRule::PrintableSections => "how a DATASEC may be called",
            VersionRule::TagKflag => "whether tags may have kind_flag",
            VersionRule::ChecksChains => "whether it follows chains of modifiers",
            VersionRule::MarksAllEmbedded => "of which types inside structs it compares the sizes",
        };
        write!(
            f,
            "nothing in this kernel's BTF tells {what}: that is taken from its version, and \
             where it has none to be as in new kernels"
        )
    }
}
