// SPDX-License-Identifier: GPL-2.0-or-later
//! From a module file to a [`Module`], touching as little of it as possible.

use std::borrow::Cow;
use std::path::Path;

use btf_guard_btf::error::Malformed;
use btf_guard_btf::printable;

use super::elf::{self, ElfHeader, ElfSection};
use super::source::{ByteSource, Regular, too_long};
use super::{Error, Module, name_of_file};
use crate::compression::{self, Format};

/// The longest module that is read, in bytes, compressed or not. The largest
/// that distributions ship have about 30 MB.
pub(crate) const MAX_MODULE: usize = 256 << 20;

/// The longest `.modinfo` that is read, in bytes. Real ones hold some kilobytes.
const MAX_MODINFO: u64 = 1 << 20;

/// Reads the module file at `path`. Of a file that is not compressed only
/// the headers, `.BTF`, `.BTF.base` and `.modinfo` are read.
///
/// What comes compressed is told by its magic, never by its name. Modules are
/// compressed by gzip, xz or zstd (`CONFIG_MODULE_COMPRESS_*`; kmod and the
/// kernel's `kernel/module/decompress.c` read no others).
///
/// # Errors
/// [`Error::Io`] if the file cannot be read or is no regular file,
/// [`Error::Malformed`] if it is no module, or one longer than [`MAX_MODULE`].
pub fn open(path: &Path) -> Result<Module, Error> {
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
    let mut packed = Vec::new();
    file.read_all(MAX_MODULE as u64, &mut packed)?;
    unpack(format, &packed, &name)
}

/// Reads a file that somebody names as a module; one with the suffix `.btf` is a split
/// BTF without a module around it.
pub(crate) fn open_any(path: &Path) -> Result<Module, Error> {
    if path.extension().is_none_or(|suffix| suffix != "btf") {
        return open(path);
    }
    let mut btf = Vec::new();
    Regular::open(path)?.read_all(MAX_MODULE as u64, &mut btf)?;
    // The loader skips an empty section; an empty file is a failed extraction.
    if btf.is_empty() {
        return Err(Malformed::new(0_u64, "BTF, found an empty file").into());
    }
    Ok(Module {
        btf: Some(btf),
        ..Module::named(name_of_file(path))
    })
}

/// Reads a module, compressed or not, that came from elsewhere, such as a
/// package. `file_name` names it where it does not name itself.
pub fn parse(bytes: &[u8], file_name: &str) -> Result<Module, Error> {
    if elf::is_elf(bytes) {
        return read(bytes, bytes, file_name);
    }
    unpack(packed_as(bytes)?, bytes, file_name)
}

fn unpack(format: Format, packed: &[u8], name: &str) -> Result<Module, Error> {
    let mut plain = Vec::new();
    compression::decompress(format, packed, MAX_MODULE, &mut plain)?;
    if !elf::is_elf(&plain) {
        return Err(Malformed::new(0_u64, "an ELF file after decompression").into());
    }
    read(&plain[..], &plain, name)
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
        target: Some(header.target),
        ..Module::named(name_of_file(file_name))
    };
    // The loader refuses any other type before it looks at a section.
    if header.target.elf_type != object::elf::ET_REL.0 {
        return Ok(module);
    }
    let [btf, base, info] = header.find(source, [b".BTF", b".BTF.base", b".modinfo"])?;
    module.btf = content(source, btf, ".BTF")?.map(Cow::into_owned);
    module.btf_base = content(source, base, ".BTF.base")?.map(Cow::into_owned);
    if let Some(info) = info.filter(|info| info.size > MAX_MODINFO) {
        let size = info.size;
        let what = format!("a .modinfo of at most {MAX_MODINFO} bytes, not {size}");
        return Err(Malformed::new(info.offset, what).into());
    }
    let info = content(source, info, ".modinfo")?.unwrap_or_default();
    if let Some(name) = modinfo_value(&info, b"name").filter(|name| !name.is_empty()) {
        module.name = name;
    }
    module.vermagic = modinfo_value(&info, b"vermagic");
    module.in_tree = modinfo_value(&info, b"intree").is_some();
    Ok(module)
}

/// The value of the first tag `key` in `.modinfo`, which has `key=value` strings, each
/// ended by NUL, as `get_modinfo()` in the kernel's `kernel/module/main.c` finds it,
/// made printable.
fn modinfo_value(modinfo: &[u8], key: &[u8]) -> Option<String> {
    modinfo
        .split(|&byte| byte == 0)
        .find_map(|tag| tag.strip_prefix(key)?.strip_prefix(b"="))
        .map(printable)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_tag_of_a_name_counts() {
        let info = b"\0\0names=x\0name=a b\0\0name=c\0vermagic=6.1 SMP \0license=name=d";
        for (key, value) in [
            (&b"name"[..], Some("a b")),
            (b"vermagic", Some("6.1 SMP ")),
            (b"license", Some("name=d")),
            (b"nam", None),
            (b"author", None),
        ] {
            assert_eq!(modinfo_value(info, key).as_deref(), value);
        }
        assert_eq!(modinfo_value(b"", b"name"), None);
        assert_eq!(modinfo_value(b"name=", b"name").as_deref(), Some(""));
    }
}
