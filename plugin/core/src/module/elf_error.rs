// SPDX-License-Identifier: GPL-2.0-or-later
//! What the kernel's loader finds wrong with a module file before it looks for BTF.

use btf_guard_btf::error::Malformed;
use object::elf::ET_REL;
use serde::{Deserialize, Serialize};

use super::Error;

const ENOEXEC: i32 = -8;
const EINVAL: i32 = -22;

/// The first complaint of the loader about a file, with the fields as the kernel reads
/// them: `elf_validity_check()` of `kernel/module/main.c`, in the words and the order of
/// 6.12 and later, behind `kernel_read_file()`, and behind decompression by kmod or by
/// `kernel/module/decompress.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "rule", rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum ElfError {
    #[error("the file is empty")]
    EmptyFile,
    /// It begins as gzip, xz or zstd, but cannot be unpacked.
    #[error("its compressed content is damaged")]
    DamagedCompression,
    #[error("Invalid ELF header len {length}")]
    InvalidElfLength { length: u64 },
    // In the form of /dev/kmsg.
    #[error("Invalid ELF header magic: != \\x7fELF")]
    InvalidElfMagic,
    #[error("Invalid ELF header type: {elf_type} != {}", ET_REL.0)]
    InvalidElfType { elf_type: u16 },
    #[error("Invalid architecture in ELF header: {machine}")]
    InvalidMachine { machine: u16 },
    /// It is that of the other word size.
    #[error("Invalid ELF section header size")]
    InvalidSectionHeaderSize,
    #[error("Invalid ELF section header overflow")]
    SectionTableOutside,
    #[error("Invalid ELF section in module (section {section} type {section_type})")]
    SectionOutside { section: u16, section_type: u32 },
    #[error("Invalid ELF section name index: {index} || e_shstrndx ({index}) >= e_shnum ({count})")]
    InvalidSectionNameIndex { index: u16, count: u16 },
    #[error("empty section name table")]
    EmptySectionNames,
    #[error("ELF Spec violation: section name table isn't null terminated")]
    UnterminatedSectionNames,
}

impl ElfError {
    /// The negative errno that loading ends with.
    pub(crate) fn errno(self) -> i32 {
        match self {
            Self::EmptyFile | Self::DamagedCompression => EINVAL,
            _ => ENOEXEC,
        }
    }

    /// What the kernel logs; nothing where it is not asked or says nothing.
    pub(crate) fn log(self) -> Vec<String> {
        match self {
            Self::EmptyFile | Self::DamagedCompression => Vec::new(),
            _ => vec![self.to_string()],
        }
    }

    /// It is a whole module, for another machine.
    pub(crate) fn is_for_another_machine(self) -> bool {
        matches!(
            self,
            Self::InvalidElfType { .. }
                | Self::InvalidMachine { .. }
                | Self::InvalidSectionHeaderSize
        )
    }
}

/// Why sections are not found.
#[derive(Debug)]
pub(crate) enum SectionError {
    /// The loader refuses the file for this reason; where, and what should stand there.
    Refused(ElfError, Malformed),
    /// It could not be read here.
    Unread(Error),
}

impl SectionError {
    /// Out of what cannot be read inside the file: the loader refuses it for `reason`.
    pub(crate) fn of(error: Error, reason: ElfError) -> Self {
        match error {
            Error::Malformed(found) => Self::Refused(reason, found),
            Error::Io(_) => Self::Unread(error),
        }
    }
}

/// A kernel's image is not read by the loader of modules.
impl From<SectionError> for Error {
    fn from(error: SectionError) -> Self {
        match error {
            SectionError::Refused(_, found) => found.into(),
            SectionError::Unread(error) => error,
        }
    }
}
