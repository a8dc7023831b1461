// SPDX-License-Identifier: GPL-2.0-or-later
//! The section table of a PE file, the format of whatever EFI can start.
//!
//! Microsoft's "PE Format"; sections are found as systemd-stub finds them
//! (`src/boot/pe.c` of systemd 257).

use std::ops::Range;

use btf_guard_btf::error::Malformed;
use btf_guard_btf::printable;
use object::pe::{IMAGE_DOS_SIGNATURE, ImageDosHeader, ImageFileHeader, ImageSectionHeader};
use object::{LittleEndian as LE, pod};

use crate::kernel::Error;
use crate::module::source::ByteSource;

/// The signature `PE\0\0`, and the file header behind it, in bytes.
const HEADERS: u64 = 4 + size_of::<ImageFileHeader>() as u64;

/// A section of a PE file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PeSection {
    /// Its name, without the NULs that fill it up to eight bytes.
    pub(crate) name: Vec<u8>,
    /// Where its bytes are in the file.
    pub(crate) offset: u64,
    /// How many there are: `VirtualSize`, or `SizeOfRawData` if that is less.
    /// The file pads sections to its alignment.
    pub(crate) size: u64,
    /// Where its header is in the file.
    header: u64,
    /// `SizeOfRawData`.
    raw: u64,
}

impl PeSection {
    pub(crate) fn range(&self) -> Range<u64> {
        self.offset..self.offset + self.size
    }

    /// The error of a section that should be otherwise.
    pub(crate) fn expected(&self, what: &str) -> Malformed {
        let name = printable(&self.name);
        Malformed::new(self.header, format!("a section {name} {what}"))
    }

    /// Refuses a section that is not inside a file of `size` bytes.
    pub(crate) fn check(&self, size: u64) -> Result<(), Malformed> {
        let end = self.offset + self.raw;
        if self.raw == 0 || end <= size {
            return Ok(());
        }
        let short = end - size;
        Err(self.expected(&format!(
            "inside the file, which ends {short} bytes short of it"
        )))
    }
}

/// What a PE file is made for, and its sections.
pub(crate) struct Pe {
    /// `Machine` of the file header.
    pub(crate) machine: u16,
    /// In the order of the table; 65,535 at most.
    pub(crate) sections: Vec<PeSection>,
}

/// Reads the headers of the PE file in `source`; `None` if it is none, [`Malformed`] if
/// its section table is not inside the file.
pub(crate) fn read(source: &(impl ByteSource + ?Sized)) -> Result<Option<Pe>, Error> {
    let length = source.size().min(size_of::<ImageDosHeader>() as u64);
    let dos = source.read(0, length as usize)?;
    let Ok((dos, _)) = pod::from_bytes::<ImageDosHeader>(&dos) else {
        return Ok(None);
    };
    if dos.e_magic.get(LE) != IMAGE_DOS_SIGNATURE {
        return Ok(None);
    }
    let start = u64::from(dos.nt_headers_offset());
    let Ok(headers) = source.range(start, HEADERS, "PE headers") else {
        return Ok(None);
    };
    let Some(file) = headers.strip_prefix(b"PE\0\0") else {
        return Ok(None);
    };
    let Ok((file, _)) = pod::from_bytes::<ImageFileHeader>(file) else {
        return Ok(None);
    };
    let count = usize::from(file.number_of_sections.get(LE));
    let entry = size_of::<ImageSectionHeader>() as u64;
    let table = start + HEADERS + u64::from(file.size_of_optional_header.get(LE));
    let bytes = source.range(table, count as u64 * entry, "a PE section table")?;
    let (sections, _) = pod::slice_from_bytes::<ImageSectionHeader>(&bytes, count)
        .map_err(|()| Malformed::new(table, "a PE section table"))?;
    let sections = sections.iter().zip(0..).map(|(section, index)| {
        let (offset, size) = section.pe_file_range();
        PeSection {
            name: section.raw_name().to_vec(),
            offset: offset.into(),
            size: size.into(),
            header: table + index * entry,
            raw: section.size_of_raw_data.get(LE).into(),
        }
    });
    Ok(Some(Pe {
        machine: file.machine.get(LE).0,
        sections: sections.collect(),
    }))
}
