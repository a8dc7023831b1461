// SPDX-License-Identifier: GPL-2.0-or-later
//! Why the kernel refuses a BTF, as data: the rule that failed first and what it
//! was applied to. [`crate::log_format`] makes the kernel's log of it.

use serde::{Deserialize, Serialize};

use crate::log_buffer::unescape;
use crate::raw::kind;

const E2BIG: i32 = 7;
const EINVAL: i32 = 22;
const ENOENT: i32 = 2;
const ELOOP: i32 = 40;
/// Not in userspace's errno.h; `finit_module(2)` returns it all the same.
const ENOTSUPP: i32 = 524;

/// The first rule that a BTF breaks, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{rule}")]
pub struct VerifyError {
    /// The rule.
    #[serde(flatten)]
    pub rule: BtfRule,
    /// Which section breaks it.
    pub section: BtfSection,
    /// The type that breaks it, where it is one type's rule.
    #[serde(rename = "type")]
    pub subject: Option<Box<TypeInfo>>,
    /// The element of that type which breaks it.
    pub element: Option<TypePart>,
}

/// Why modules' BTF cannot be held against a kernel's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseFault {
    /// The kernel itself refuses its own, and with it that of every module.
    Invalid(VerifyError),
    /// The kernel knows kinds of BTF that are not known here.
    Newer,
}

/// The sections of modules and kernels that hold BTF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BtfSection {
    /// The module's types.
    #[serde(rename = ".BTF")]
    Split,
    /// The distilled base.
    #[serde(rename = ".BTF.base")]
    Base,
    /// The kernel's own types, which every module's continue.
    #[serde(rename = "vmlinux")]
    Kernel,
}

/// What the kernel demands of BTF (`kernel/bpf/btf.c`,
/// `tools/lib/bpf/btf_relocate.c`), each rule named after what the kernel logs
/// when it fails. Names are escaped as in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "rule", rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum BtfRule {
    // btf_parse_hdr(), btf_check_sec_info(), btf_parse_str_sec()
    #[error("hdr_len not found")]
    HdrLenNotFound,
    #[error("btf_header not found")]
    HeaderNotFound,
    #[error("Unsupported btf_header")]
    UnsupportedHeader,
    #[error("Invalid magic")]
    InvalidMagic,
    #[error("Unsupported version")]
    UnsupportedVersion { version: u8 },
    #[error("Unsupported flags")]
    UnsupportedFlags { flags: u8 },
    #[error("No data")]
    NoData,
    #[error("Invalid section offset")]
    InvalidSectionOffset,
    #[error("Unsupported section found")]
    UnsupportedSection,
    #[error("Section overlap found")]
    SectionOverlap,
    #[error("Total section length too long")]
    SectionsTooLong,
    #[error("String section is not at the end")]
    StringsNotAtEnd,
    #[error("Invalid string section")]
    InvalidStrings,
    // btf_check_all_metas()
    #[error("[{id}] meta_left:{left} meta_needed:{needed}")]
    CutTypeHead { id: u32, left: usize, needed: usize },
    #[error("meta_left:{left} meta_needed:{needed}")]
    CutType { left: usize, needed: usize },
    #[error("[{id}] Invalid btf_info:{info:x}")]
    InvalidInfo { id: u32, info: u32 },
    #[error("[{id}] Invalid kind:{kind}")]
    InvalidKind { id: u32, kind: u8 },
    #[error("[{id}] Invalid name_offset:{offset}")]
    InvalidNameOffset { id: u32, offset: u32 },
    #[error("\tInvalid name_offset:{offset}")]
    InvalidEnumeratorNameOffset { id: u32, offset: u32 },
    #[error("Invalid member name_offset:{offset}")]
    InvalidMemberNameOffset { offset: u32 },
    #[error("vlen != 0")]
    VlenNotZero,
    #[error("Invalid btf_info kind_flag")]
    InvalidKindFlag,
    #[error("Invalid name")]
    InvalidName,
    #[error("Invalid int_data:{data:x}")]
    InvalidIntData { data: u32 },
    #[error("nr_bits exceeds 128")]
    BitsExceed128,
    #[error("nr_bits exceeds type_size")]
    BitsExceedType,
    #[error("Unsupported encoding")]
    UnsupportedEncoding,
    #[error("Invalid type_id")]
    InvalidTypeId,
    #[error("size != 0")]
    SizeNotZero,
    #[error("Invalid elem")]
    InvalidElementType,
    #[error("Invalid index")]
    InvalidIndexType,
    #[error("Invalid member bits_offset")]
    InvalidMemberOffset,
    #[error("Member bits_offset exceeds its struct size")]
    MemberOutside,
    #[error("Unexpected size")]
    UnexpectedSize,
    #[error("type != 0")]
    TypeNotZero,
    #[error("Invalid func linkage")]
    InvalidFuncLinkage,
    #[error("Linkage not supported")]
    UnsupportedLinkage,
    #[error("size == 0")]
    SizeZero,
    #[error("Invalid offset")]
    InvalidOffset,
    #[error("Invalid size")]
    InvalidSize,
    #[error("Invalid offset+size")]
    InvalidOffsetAndSize,
    #[error("Invalid btf_info size")]
    InvalidInfoSize,
    #[error("Invalid type_size")]
    InvalidTypeSize,
    #[error("Invalid value")]
    InvalidTagValue,
    #[error("Invalid component_idx")]
    InvalidComponent,
    // btf_add_type()
    #[error("Exceeded max num of types")]
    TooManyTypes,
    #[error("btf_add_type() writes past its array at type {id}")]
    TypeArrayOverrun { id: u32 },
    // btf_check_type_tags(), btf_check_modifier_chain_length()
    #[error("")]
    ChainLeavesTypes { id: u32 },
    #[error("Max chain length or cycle detected")]
    ChainTooLong { id: u32 },
    #[error("Type tags don't precede modifiers")]
    TypeTagsUnordered { id: u32 },
    // btf_relocate()
    #[error("type [{id}], kind [{kind}] is invalid for distilled base BTF; it is anonymous")]
    DistilledAnonymous { id: u32, kind: u8 },
    #[error("type [{id}] in distilled based BTF has unexpected kind [{kind}]")]
    DistilledUnexpectedKind { id: u32, kind: u8 },
    #[error("distilled base BTF type '{name}' [{id}] is not mapped to base BTF id")]
    DistilledUnmapped { id: u32, name: String },
    #[error("base BTF id [{base_id}] maps to invalid distilled base BTF id [0]")]
    DistilledMapsToVoid { base_id: u32 },
    #[error("distilled base BTF type '{name}' [{id}], size {size} has multiple candidates of the same size (ids [{}, {}]) in base BTF", base_ids[0], base_ids[1])]
    DistilledAmbiguous {
        id: u32,
        name: String,
        size: u32,
        base_ids: [u32; 2],
    },
    #[error("string '' [offset {offset}] is not mapped to base BTF")]
    StringUnmapped { offset: u32 },
    #[error(
        "btf_mark_embedded_composite_type_ids() reads type id {id}, which does not exist, through a NULL pointer"
    )]
    EmbeddedNullPointer { id: u32 },
    #[error(
        "btf_mark_embedded_composite_type_ids() never leaves the circle of arrays at type id {id}"
    )]
    EmbeddedEndless { id: u32 },
    #[error("btf_relocate_rewrite_type_id() reads past its map of {ids} ids for type id {id}")]
    IdMapOverrun { id: u32, ids: u32 },
}

/// A type as the kernel's log shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeInfo {
    /// Its id.
    pub id: u32,
    /// `BTF_KIND_*` without the prefix.
    #[serde(with = "super::raw::kind::name")]
    pub kind: u8,
    /// Its name, or what stands for one; escaped.
    pub name: String,
    /// The third word of `struct btf_type`: which of the two depends on the kind.
    pub size_or_type: u32,
    /// How many elements it says it has.
    pub vlen: u32,
    /// The flag in its `info`.
    pub kind_flag: bool,
    /// What follows an INT, an ARRAY, a VAR or a DECL_TAG, word by word.
    pub words: Vec<u32>,
    /// The parameters of a FUNC_PROTO; of very many, the first and the last.
    pub parameters: Vec<Parameter>,
}

/// A parameter of a FUNC_PROTO.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name, escaped.
    pub name: String,
    /// The id of its type; 0 stands for `...` where it is the last.
    pub type_id: u32,
}

/// A part of a type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum TypePart {
    /// A member of a struct or union; `offset` is the word as it stands there.
    Member {
        index: u32,
        name: String,
        type_id: u32,
        offset: u32,
    },
    /// A variable of a DATASEC.
    Variable {
        index: u32,
        type_id: u32,
        offset: u32,
        size: u32,
    },
}

impl BtfRule {
    /// The negative errno of `btf_parse_module()`; 0 where the kernel's own bug
    /// keeps it from returning one.
    pub(crate) fn errno(&self) -> i32 {
        -match self {
            _ if self.is_kernel_bug() => 0,
            Self::UnsupportedHeader | Self::TooManyTypes => E2BIG,
            Self::UnsupportedVersion { .. }
            | Self::UnsupportedFlags { .. }
            | Self::UnsupportedEncoding => ENOTSUPP,
            Self::ChainTooLong { .. } => ELOOP,
            Self::StringUnmapped { .. } => ENOENT,
            _ => EINVAL,
        }
    }

    /// The kernel does not refuse: it may crash, hang, or take what it finds.
    pub fn is_kernel_bug(&self) -> bool {
        matches!(
            self,
            Self::TypeArrayOverrun { .. }
                | Self::EmbeddedNullPointer { .. }
                | Self::EmbeddedEndless { .. }
                | Self::IdMapOverrun { .. }
        )
    }

    /// `btf_relocate()` logs with `pr_warn()`, without the verifier's `BPF: `.
    pub(crate) fn is_logged_bare(&self) -> bool {
        matches!(
            self,
            Self::DistilledAnonymous { .. }
                | Self::DistilledUnexpectedKind { .. }
                | Self::DistilledUnmapped { .. }
                | Self::DistilledMapsToVoid { .. }
                | Self::DistilledAmbiguous { .. }
                | Self::StringUnmapped { .. }
        )
    }

    /// The kernel's words, raw; what it does instead where it misbehaves.
    pub(crate) fn words(&self) -> Vec<u8> {
        // It prints names as they are.
        unescape(&self.to_string())
    }
}

impl VerifyError {
    /// One that is about no single type.
    pub(crate) fn of(rule: BtfRule, section: BtfSection) -> Self {
        Self {
            rule,
            section,
            subject: None,
            element: None,
        }
    }

    /// The negative errno; see [`BtfRule::errno`].
    pub fn errno(&self) -> i32 {
        self.rule.errno()
    }

    /// The type and the rule that it breaks, in one line: `[95] STRUCT x, member y: Invalid
    /// name`.
    pub fn summary(&self) -> String {
        let Some(subject) = &self.subject else {
            return self.rule.to_string();
        };
        let (id, kind, name) = (subject.id, kind::word(subject.kind), &subject.name);
        let element = match &self.element {
            Some(TypePart::Member { name, .. }) => format!(", member {name}"),
            Some(TypePart::Variable { index, .. }) => format!(", variable {index}"),
            None => String::new(),
        };
        format!("[{id}] {kind} {name}{element}: {}", self.rule)
    }

    /// What the kernel does instead of refusing, where it misbehaves.
    pub fn kernel_bug(&self) -> Option<String> {
        let bug = self.rule.is_kernel_bug();
        bug.then(|| self.rule.to_string())
    }
}
