// SPDX-License-Identifier: GPL-2.0-or-later
//! From a module file to a [`Module`], touching as little of it as possible.

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use btf_guard_btf::error::Malformed;
use btf_guard_btf::printable;

use super::elf::{self, ElfHeader, ElfSection};
use super::elf_error::{ElfError, SectionError};
use super::source::{ByteSource, Regular, too_long};
use super::{Error, Module, name_of_file};
use crate::compression::{self, Format};

/// The longest module that is read, in bytes, compressed or not. The largest
/// that distributions ship have about 30 MB.
pub(crate) const MAX_MODULE: usize = 256 << 20;

/// What may be unpacked in several threads at a time, in bytes: of what is longer, one
/// module. Of 4,000 modules of a distribution none is.
const MAX_AT_ONCE: usize = 32 << 20;

/// Held while a module is unpacked that is longer.
static LONG: Mutex<()> = Mutex::new(());

/// The longest `.BTF` or `.BTF.base` that is read, in bytes. The base BTF of a whole
/// kernel has some 8 MB.
const MAX_BTF: u64 = 64 << 20;

/// The longest `.modinfo` that is read, in bytes. Real ones hold some kilobytes.
const MAX_MODINFO: u64 = 1 << 20;

/// Reads the module file at `path`. Of a file that is not compressed only
/// the headers, `.BTF`, `.BTF.base` and `.modinfo` are read. One that no kernel would
/// load is read as far as it goes, and says so in [`Module::fault`].
///
/// What comes compressed is told by its magic, never by its name. Modules are
/// compressed by gzip, xz or zstd (`CONFIG_MODULE_COMPRESS_*`; kmod and the
/// kernel's `kernel/module/decompress.c` read no others).
///
/// # Errors
/// [`Error::Io`] if the file cannot be read or is no regular file,
/// [`Error::Malformed`] if it is longer than [`MAX_MODULE`] or has parts that are too
/// long to be read.
pub fn open(path: &Path) -> Result<Module, Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let file = Regular::open(path)?;
    if file.size() > MAX_MODULE as u64 {
        return Err(too_long(MAX_MODULE as u64).into());
    }
    let head = file.read(0, (elf::HEADER as u64).min(file.size()) as usize)?;
    if packed_as(&head).is_none() {
        return read(&file, &head, &name);
    }
    let mut packed = Vec::new();
    file.read_all(MAX_MODULE as u64, &mut packed)?;
    parse(&packed, &name)
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
    let Some(format) = packed_as(bytes) else {
        return read(bytes, bytes, file_name);
    };
    let mut plain = Vec::new();
    let mut unpacked = compression::decompress(format, bytes, MAX_AT_ONCE, &mut plain);
    let is_long = unpacked.is_err() && plain.len() > MAX_AT_ONCE;
    let _held = is_long.then(|| LONG.lock().unwrap_or_else(PoisonError::into_inner));
    if is_long {
        unpacked = compression::decompress(format, bytes, MAX_MODULE, &mut plain);
    }
    let (error, found) = match unpacked {
        // Only where a file is read does the kernel have another errno for no bytes.
        Ok(()) if plain.is_empty() => (
            ElfError::InvalidElfLength { length: 0 },
            Malformed::new(0_u64, "a kernel module after decompression, found no bytes"),
        ),
        Ok(()) => return read(&plain[..], &plain, file_name),
        Err(error) if plain.len() > MAX_MODULE => return Err(error.into()),
        Err(found) => (ElfError::DamagedCompression, found),
    };
    Ok(Module {
        fault: Some((error, found.to_string())),
        ..Module::named(name_of_file(file_name))
    })
}

/// How a module is compressed; everything else goes to the kernel as it is.
fn packed_as(head: &[u8]) -> Option<Format> {
    let is_read = |format: &Format| matches!(format, Format::Gzip | Format::Xz | Format::Zstd);
    Format::detect(head).filter(is_read)
}

/// Reads what `source` holds; `head` is its begin.
fn read(
    source: &(impl ByteSource + ?Sized),
    head: &[u8],
    file_name: &str,
) -> Result<Module, Error> {
    let mut module = Module::named(name_of_file(file_name));
    match fill(&mut module, source, head) {
        Ok(()) => {}
        Err(SectionError::Refused(error, found)) => {
            module.fault = Some((error, found.to_string()));
        }
        Err(SectionError::Unread(error)) => return Err(error),
    }
    Ok(module)
}

/// The header, of which the loader asks the length and the magic first.
fn header(head: &[u8], size: u64) -> Result<ElfHeader, SectionError> {
    let is_whole = size >= elf::HEADER as u64;
    let (rule, expected) = match (size, elf::is_elf(head), ElfHeader::parse(head)) {
        (0, ..) => (ElfError::EmptyFile, "a kernel module, found an empty file"),
        (_, true, Ok(header)) => return Ok(header),
        // What the kernel would read there depends on the kernel.
        (_, true, Err(error)) if is_whole => return Err(SectionError::Unread(error.into())),
        (_, false, _) if is_whole => (
            ElfError::InvalidElfMagic,
            "a kernel module: an ELF file, plain or compressed by gzip, xz or zstd",
        ),
        _ => (
            ElfError::InvalidElfLength { length: size },
            "a kernel module, found less than the header of one",
        ),
    };
    Err(SectionError::Refused(rule, Malformed::new(0_u64, expected)))
}

fn fill(
    module: &mut Module,
    source: &(impl ByteSource + ?Sized),
    head: &[u8],
) -> Result<(), SectionError> {
    let header = header(head, source.size())?;
    module.target = Some(header.target);
    let elf_type = header.target.elf_type;
    if elf_type != object::elf::ET_REL.0 {
        let found = Malformed::new(0x10_u64, "the type of a relocatable ELF file");
        let rule = ElfError::InvalidElfType { elf_type };
        return Err(SectionError::Refused(rule, found));
    }
    let [btf, base, info] = header.find(source, [b".BTF", b".BTF.base", b".modinfo"])?;
    for (section, name, most) in [
        (&btf, ".BTF", MAX_BTF),
        (&base, ".BTF.base", MAX_BTF),
        (&info, ".modinfo", MAX_MODINFO),
    ] {
        let is_there = |section: &&ElfSection| {
            let end = section.offset.checked_add(section.size);
            end.is_some_and(|end| end <= source.size())
        };
        let section = section.as_ref().filter(is_there);
        if let Some(section) = section.filter(|section| section.size > most) {
            let size = section.size;
            let what = format!("a {name} of at most {most} bytes, not {size}");
            let error = Malformed::new(section.offset, what);
            return Err(SectionError::Unread(error.into()));
        }
    }
    let content = |section: Option<ElfSection>, name| content(source, section, name);
    module.btf = content(btf, ".BTF")?.map(Cow::into_owned);
    module.btf_base = content(base, ".BTF.base")?.map(Cow::into_owned);
    let info = content(info, ".modinfo")?.unwrap_or_default();
    if let Some(name) = modinfo_value(&info, b"name").filter(|name| !name.is_empty()) {
        module.name = name;
    }
    module.vermagic = modinfo_value(&info, b"vermagic");
    module.in_tree = modinfo_value(&info, b"intree").is_some();
    module.modinfo = info.into_owned();
    Ok(())
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
) -> Result<Option<Cow<'s, [u8]>>, SectionError> {
    section
        .map(|section| source.range(section.offset, section.size, name))
        .transpose()
        .map_err(SectionError::Unread)
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
