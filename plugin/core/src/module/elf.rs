// SPDX-License-Identifier: GPL-2.0-or-later
//! ELF as the kernel's module loader reads it: a header, a section table, and
//! sections found by name.
//!
//! The rules are those of `elf_validity_check()` and `find_any_sec()` in the
//! kernel's `kernel/module/main.c` (6.1 and 6.12). Extended section numbering
//! (`e_shnum` of 0) does not exist there, so it does not exist here.

use std::borrow::Cow;

use btf_guard_btf::Order;
use btf_guard_btf::error::Malformed;
use object::elf::{
    FileHeader32, FileHeader64, SHT_NOBITS, SHT_NULL, SectionHeader32, SectionHeader64,
};
use object::read::elf::{FileHeader, SectionHeader};
use object::{Endianness, pod};

use super::ElfTarget;
use super::elf_error::{ElfError, SectionError};
use super::source::ByteSource;

/// Bytes of the longer of the two file headers.
pub(crate) const HEADER: usize = size_of::<FileHeader64<Endianness>>();

/// The longest table of section names that is read, in bytes. A module built
/// with `-ffunction-sections` has some ten kilobytes.
const MAX_NAMES: u64 = 16 << 20;

/// True of the start of an ELF file.
pub(crate) fn is_elf(head: &[u8]) -> bool {
    head.starts_with(b"\x7fELF")
}

/// The file header: what it was built for, and where its section table is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ElfHeader {
    pub(crate) target: ElfTarget,
    endian: Endianness,
    table: u64,
    entry: u16,
    count: u16,
    names: u16,
}

/// Where a section's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ElfSection {
    /// `sh_offset`.
    pub(crate) offset: u64,
    /// `sh_size`.
    pub(crate) size: u64,
    /// `SHT_NOBITS`: the file holds no bytes of it.
    pub(crate) empty: bool,
}

impl ElfHeader {
    /// Reads the header from the first [`HEADER`] bytes, or from all of a
    /// shorter file.
    pub(crate) fn parse(head: &[u8]) -> Result<Self, Malformed> {
        match head.get(4..6) {
            Some([1, 1 | 2]) => Self::of::<FileHeader32<Endianness>>(head),
            Some([2, 1 | 2]) => Self::of::<FileHeader64<Endianness>>(head),
            Some([1 | 2, _]) => Err(Malformed::new(5_u64, "the ELF byte order 1 or 2")),
            _ => Err(Malformed::new(4_u64, "the ELF class 1 or 2")),
        }
    }

    fn of<H: FileHeader<Endian = Endianness>>(head: &[u8]) -> Result<Self, Malformed> {
        let short = || Malformed::new(head.len() as u64, "the rest of the ELF header");
        let (header, _) = pod::from_bytes::<H>(head).map_err(|()| short())?;
        let (endian, order) = match header.is_big_endian() {
            true => (Endianness::Big, Order::Big),
            false => (Endianness::Little, Order::Little),
        };
        Ok(Self {
            target: ElfTarget {
                machine: header.e_machine(endian).0,
                is_64: header.is_type_64(),
                order,
                elf_type: header.e_type(endian).0,
            },
            endian,
            table: header.e_shoff(endian).into(),
            entry: header.e_shentsize(endian),
            count: header.e_shnum(endian),
            names: header.e_shstrndx(endian).0,
        })
    }

    /// Finds sections: for each name the first section so called, whatever its
    /// type and flags, as `find_any_sec()` does. [`Malformed`] if the section table, the
    /// names, or any section that has bytes is not inside the file, as in
    /// `elf_validity_check()`.
    pub(crate) fn find<const N: usize>(
        &self,
        source: &(impl ByteSource + ?Sized),
        wanted: [&[u8]; N],
    ) -> Result<[Option<ElfSection>; N], SectionError> {
        if self.target.is_64 {
            self.find_in::<SectionHeader64<Endianness>, N>(source, wanted)
        } else {
            self.find_in::<SectionHeader32<Endianness>, N>(source, wanted)
        }
    }

    fn find_in<S: SectionHeader<Endian = Endianness>, const N: usize>(
        &self,
        source: &(impl ByteSource + ?Sized),
        wanted: [&[u8]; N],
    ) -> Result<[Option<ElfSection>; N], SectionError> {
        let count = usize::from(self.count);
        let length = size_of::<S>();
        if usize::from(self.entry) != length {
            let at = if self.target.is_64 { 0x3a_u64 } else { 0x2e };
            let found = Malformed::new(at, format!("section headers of {length} bytes"));
            let rule = ElfError::InvalidSectionHeaderSize;
            return Err(SectionError::Refused(rule, found));
        }
        let outside = |error| SectionError::of(error, ElfError::SectionTableOutside);
        let table = source.range(self.table, (count * length) as u64, "a section table");
        let table = table.map_err(outside)?;
        let (sections, _) = pod::slice_from_bytes::<S>(&table, count)
            .map_err(|()| outside(Malformed::new(self.table, "a section table").into()))?;
        let names = self.names(source, sections)?;

        let mut found = [None; N];
        for (index, section) in sections.iter().enumerate().skip(1) {
            let here = ElfSection {
                offset: section.sh_offset(self.endian).into(),
                size: section.sh_size(self.endian).into(),
                empty: section.sh_type(self.endian) == SHT_NOBITS,
            };
            let end = here.offset.checked_add(here.size);
            let inside = end.is_some_and(|end| end <= source.size());
            if !inside && !here.empty && section.sh_type(self.endian) != SHT_NULL {
                let at = self.table + (index * length) as u64;
                let (size, offset) = (here.size, here.offset);
                let what =
                    format!("section {index} inside the file, not {size} bytes at {offset:#x}");
                let rule = ElfError::SectionOutside {
                    section: index as u16,
                    section_type: section.sh_type(self.endian).0,
                };
                return Err(SectionError::Refused(rule, Malformed::new(at, what)));
            }
            let name = names.get(section.sh_name(self.endian) as usize..);
            for (slot, wanted) in found.iter_mut().zip(wanted) {
                let rest = name.and_then(|name| name.strip_prefix(wanted));
                if slot.is_none() && rest.is_some_and(|rest| rest.first() == Some(&0)) {
                    *slot = Some(here);
                }
            }
        }
        Ok(found)
    }

    /// The section name table, NUL at its end.
    fn names<'s, S: SectionHeader<Endian = Endianness>>(
        &self,
        source: &'s (impl ByteSource + ?Sized),
        sections: &[S],
    ) -> Result<Cow<'s, [u8]>, SectionError> {
        let section = match sections.get(usize::from(self.names)) {
            Some(section) if self.names != 0 => section,
            _ => {
                let at = if self.target.is_64 { 0x3e_u64 } else { 0x32 };
                let what = format!("the index of the section name table, below {}", self.count);
                let rule = ElfError::InvalidSectionNameIndex {
                    index: self.names,
                    count: self.count,
                };
                return Err(SectionError::Refused(rule, Malformed::new(at, what)));
            }
        };
        let offset: u64 = section.sh_offset(self.endian).into();
        let size: u64 = section.sh_size(self.endian).into();
        if offset
            .checked_add(size)
            .is_none_or(|end| end > source.size())
        {
            let found = Malformed::new(offset, format!("section names of {size} bytes"));
            let rule = ElfError::SectionOutside {
                section: self.names,
                section_type: section.sh_type(self.endian).0,
            };
            return Err(SectionError::Refused(rule, found));
        }
        if size > MAX_NAMES {
            let what = format!("section names of at most {MAX_NAMES} bytes, not {size}");
            return Err(SectionError::Unread(Malformed::new(offset, what).into()));
        }
        let names = source.range(offset, size, "section names");
        let names = names.map_err(SectionError::Unread)?;
        if names.last() != Some(&0) {
            let at = offset + size.saturating_sub(1);
            let found = Malformed::new(at, "a NUL at the end of the section names");
            let rule = match names.is_empty() {
                true => ElfError::EmptySectionNames,
                false => ElfError::UnterminatedSectionNames,
            };
            return Err(SectionError::Refused(rule, found));
        }
        Ok(names)
    }
}
