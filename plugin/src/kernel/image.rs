//! Kernel images: from a file to its base BTF.
//!
//! Read are a vmlinux (ELF; plain, or compressed as a whole), an x86 bzImage,
//! and a raw BTF file such as a copy of `/sys/kernel/btf/vmlinux`. Which of
//! them a file is, is told by its magic. A plain vmlinux may be gigabytes long
//! with its DWARF: only the sections that matter are read.

mod banner;
mod bzimage;

use std::path::Path;

use memchr::memmem;
use object::elf::ET_REL;

use super::Error;
use crate::Malformed;
use crate::compression::{self, Format};
use crate::module::Target;
use crate::module::elf::{self, Header, Section};
use crate::module::source::{Regular, Source, too_long};

/// The longest kernel that is decompressed, in bytes. Distributions' have 30
/// to 60 MB; one with DWARF inside is only read where it is not compressed.
pub const MAX_KERNEL: usize = 512 << 20;

/// The longest base BTF that is read, in bytes. Real ones have 4 to 6 MB.
pub const MAX_BTF: u64 = 256 << 20;

/// The longest `.rodata` that is searched for banner and config, in bytes.
const RODATA: u64 = 256 << 20;

/// The longest embedded config that is read, in bytes; real ones have 300 KB.
const CONFIG: usize = 8 << 20;

/// What an image tells of its kernel.
#[derive(Debug, Clone)]
pub struct Image {
    /// The base BTF: section `.BTF`, or the whole of a raw BTF file.
    pub base_btf: Vec<u8>,
    /// `uname -r` of this kernel. `None` if the image does not say.
    pub release: Option<String>,
    /// `uname -v` of this kernel: `#1 SMP … date`. `None` if the image does not say.
    pub build: Option<String>,
    /// What its modules must be built for; `None` for raw BTF, which does not say.
    pub target: Option<Target>,
    /// The text of the config inside the image (`CONFIG_IKCONFIG=y`), if there is one.
    pub config: Option<String>,
}

/// Reads the image at `path`.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read or is no regular file,
/// [`Error::Malformed`] if it is not of a format read here, cut short or
/// corrupt, [`Error::NoBtf`] if it is a kernel without BTF.
pub fn open(path: &Path) -> Result<Image, Error> {
    read(&Regular::open(path)?)
}

/// Reads an image that came from elsewhere, such as a package.
///
/// # Errors
/// Those of [`open`], without [`Error::Io`].
pub fn parse(bytes: &[u8]) -> Result<Image, Error> {
    read(bytes)
}

pub(super) fn read(source: &(impl Source + ?Sized)) -> Result<Image, Error> {
    let head = source.read(0, source.size().min(bzimage::HEAD) as usize)?;
    if let Some(image) = plain(source, &head)? {
        return Ok(image);
    }
    if bzimage::is_bzimage(&head) {
        return bzimage::read(source, &head);
    }
    let Some(format) = Format::detect(&head) else {
        return Err(Malformed::new(
            0_u64,
            "a kernel: a vmlinux (ELF, plain or compressed by gzip, xz, zstd, lz4, \
             lzma or bzip2), an x86 bzImage, or raw BTF",
        )
        .into());
    };
    if source.size() > MAX_KERNEL as u64 {
        return Err(too_long(MAX_KERNEL as u64).into());
    }
    let mut kernel = Vec::new();
    {
        let packed = source.range(0, source.size(), "a compressed kernel")?;
        compression::decompress(format, &packed, MAX_KERNEL, &mut kernel)?;
    }
    plain(&kernel[..], &kernel)?.ok_or_else(|| {
        let what = "a vmlinux (ELF) or raw BTF after decompression";
        Malformed::new(0_u64, what).into()
    })
}

/// A vmlinux or raw BTF that is not compressed; `None` if it is neither.
fn plain(source: &(impl Source + ?Sized), head: &[u8]) -> Result<Option<Image>, Error> {
    if elf::is_elf(head) {
        return vmlinux(source, head, None).map(Some);
    }
    // `BTF_MAGIC` of `include/uapi/linux/btf.h` in either byte order, and version 1.
    if !matches!(head, [0x9f, 0xeb, 1, ..] | [0xeb, 0x9f, 1, ..]) {
        return Ok(None);
    }
    if source.size() > MAX_BTF {
        return Err(too_long(MAX_BTF).into());
    }
    Ok(Some(Image {
        base_btf: source.range(0, source.size(), "BTF")?.into_owned(),
        release: None,
        build: None,
        target: None,
        config: None,
    }))
}

/// A vmlinux. Its banner is only looked for if `version` is not known yet.
fn vmlinux(
    source: &(impl Source + ?Sized),
    head: &[u8],
    version: Option<banner::Version>,
) -> Result<Image, Error> {
    let header = Header::parse(head)?;
    if header.target.elf_type == ET_REL.0 {
        let what = "a vmlinux: an ELF executable, not a relocatable file such as a module";
        return Err(Malformed::new(0x10_u64, what).into());
    }
    let [btf, rodata] = header.find(source, [b".BTF", b".rodata"])?;
    let holds_bytes = |section: &Section| !section.empty && section.size > 0;
    let btf = btf.filter(holds_bytes).ok_or(Error::NoBtf)?;
    if btf.size > MAX_BTF {
        let what = format!("a .BTF of at most {MAX_BTF} bytes, not {}", btf.size);
        return Err(Malformed::new(btf.offset, what).into());
    }
    let base_btf = source.range(btf.offset, btf.size, ".BTF")?.into_owned();

    let rodata = match rodata.filter(holds_bytes) {
        Some(section) if section.size <= RODATA => {
            source.range(section.offset, section.size, ".rodata")?
        }
        _ => Default::default(),
    };
    let version = version
        .or_else(|| banner::find(&rodata))
        .unwrap_or_default();
    Ok(Image {
        base_btf,
        release: version.release,
        build: version.build,
        target: Some(Target {
            elf_type: ET_REL.0,
            ..header.target
        }),
        config: embedded_config(&rodata),
    })
}

/// The config that `kernel/configs.c` of the kernel puts into `.rodata`
/// between `IKCFG_ST` and `IKCFG_ED`, compressed by gzip.
fn embedded_config(rodata: &[u8]) -> Option<String> {
    let marker = b"IKCFG_ST";
    // With gzip's magic behind it, the marker cannot be met by chance.
    let at = memmem::find(rodata, b"IKCFG_ST\x1f\x8b\x08")?;
    let mut text = Vec::new();
    let packed = rodata.get(at + marker.len()..)?;
    compression::decompress(Format::Gzip, packed, CONFIG, &mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests;
