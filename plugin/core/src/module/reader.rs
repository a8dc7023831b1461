// SPDX-License-Identifier: GPL-2.0-or-later
//! From a module file to a [`Module`], touching as little of it as possible.

use std::borrow::Cow;
use std::path::Path;

use btf_guard_btf::error::Malformed;

use super::elf::{self, ElfHeader, ElfSection};
use super::source::{ByteSource, Regular, too_long};
use super::{Error, Module, modinfo, name_of_file};
use crate::compression::{self, Format};

/// The longest module that is read, in bytes, compressed or not. The largest
/// that distributions ship have about 30 MB.
pub(crate) const MAX_MODULE: usize = 256 << 20;

/// The longest `.modinfo` that is read, in bytes. Real ones hold some kilobytes.
const MAX_MODINFO: u64 = 1 << 20;

/// A buffer that grew beyond this is given back after the module that needed it.
const MAX_KEPT: usize = 8 << 20;

/// Reads modules one after the other, and keeps its buffers from one compressed
/// module to the next.
///
/// What comes compressed is told by its magic, never by its name. Modules are
/// compressed by gzip, xz or zstd (`CONFIG_MODULE_COMPRESS_*`; kmod and the
/// kernel's `kernel/module/decompress.c` read no others).
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// A compressed file.
    packed: Vec<u8>,
    /// The same decompressed.
    plain: Vec<u8>,
}

impl Reader {
    /// A reader whose buffers are still empty.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Reads the module file at `path`. Of a file that is not compressed only
    /// the headers, `.BTF`, `.BTF.base` and `.modinfo` are read.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read or is no regular file,
    /// [`Error::Malformed`] if it is no module, or one longer than [`MAX_MODULE`].
    pub(crate) fn open(&mut self, path: &Path) -> Result<Module, Error> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let file = Regular::open(path)?;
        if file.size() > MAX_MODULE as u64 {
            return Err(too_long(MAX_MODULE as u64).into());
        }
        let head = file.read(0, (elf::HEADER as u64).min(file.size()) as usize)?;
        if elf::is_elf(&head) {
            return read(&file, &head, &name);
        }
        let format = packed_as(&head)?;
        let mut packed = std::mem::take(&mut self.packed);
        let module = file
            .read_all(MAX_MODULE as u64, &mut packed)
            .and_then(|()| self.unpack(format, &packed, &name));
        if packed.capacity() <= MAX_KEPT {
            self.packed = packed;
        }
        module
    }

    /// Reads a module, compressed or not, that came from elsewhere, such as a
    /// package. `file_name` names it where it does not name itself.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it is no module, or one longer than [`MAX_MODULE`].
    pub(crate) fn parse(&mut self, bytes: &[u8], file_name: &str) -> Result<Module, Error> {
        if elf::is_elf(bytes) {
            return read(bytes, bytes, file_name);
        }
        self.unpack(packed_as(bytes)?, bytes, file_name)
    }

    /// Bytes of memory kept for the next module, compressed and not.
    #[cfg(test)]
    pub(crate) fn held(&self) -> (usize, usize) {
        (self.packed.capacity(), self.plain.capacity())
    }

    fn unpack(&mut self, format: Format, packed: &[u8], name: &str) -> Result<Module, Error> {
        let module = self.unpack_kept(format, packed, name);
        if self.plain.capacity() > MAX_KEPT {
            self.plain = Vec::new();
        }
        module
    }

    fn unpack_kept(&mut self, format: Format, packed: &[u8], name: &str) -> Result<Module, Error> {
        compression::decompress(format, packed, MAX_MODULE, &mut self.plain)?;
        if !elf::is_elf(&self.plain) {
            return Err(Malformed::new(0_u64, "an ELF file after decompression").into());
        }
        read(&self.plain[..], &self.plain, name)
    }
}

/// How a module that does not begin as ELF is compressed.
fn packed_as(head: &[u8]) -> Result<Format, Malformed> {
    match Format::detect(head) {
        Some(format @ (Format::Gzip | Format::Xz | Format::Zstd)) => Ok(format),
        _ => Err(Malformed::new(
            0_u64,
            "a kernel module: an ELF file, plain or compressed by gzip, xz or zstd",
        )),
    }
}

/// Reads what `source` holds; `head` is its begin.
fn read(
    source: &(impl ByteSource + ?Sized),
    head: &[u8],
    file_name: &str,
) -> Result<Module, Error> {
    let header = ElfHeader::parse(head)?;
    let mut module = Module {
        name: name_of_file(file_name),
        vermagic: None,
        in_tree: false,
        target: Some(header.target),
        btf: None,
        btf_base: None,
    };
    // The loader refuses any other type before it looks at a section.
    if header.target.elf_type != object::elf::ET_REL.0 {
        return Ok(module);
    }
    let [btf, base, info] = header.find(source, [b".BTF", b".BTF.base", b".modinfo"])?;
    module.btf = content(source, btf, ".BTF")?.map(Cow::into_owned);
    module.btf_base = content(source, base, ".BTF.base")?.map(Cow::into_owned);
    let info = match info {
        Some(info) if info.size > MAX_MODINFO => {
            let what = format!(
                "a .modinfo of at most {MAX_MODINFO} bytes, not {}",
                info.size
            );
            return Err(Malformed::new(info.offset, what).into());
        }
        info => content(source, info, ".modinfo")?.unwrap_or_default(),
    };
    if let Some(name) = modinfo::value(&info, b"name").filter(|name| !name.is_empty()) {
        module.name = name;
    }
    module.vermagic = modinfo::value(&info, b"vermagic");
    module.in_tree = modinfo::value(&info, b"intree").is_some();
    Ok(module)
}

/// A section's bytes. The loader takes them from the file whatever the
/// section's type, `SHT_NOBITS` included.
fn content<'s>(
    source: &'s (impl ByteSource + ?Sized),
    section: Option<ElfSection>,
    name: &str,
) -> Result<Option<Cow<'s, [u8]>>, Error> {
    section
        .map(|section| source.range(section.offset, section.size, name))
        .transpose()
}
