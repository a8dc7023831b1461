// SPDX-License-Identifier: GPL-2.0-or-later
//! What a file is, as far as its parts tell that are not compressed.
//!
//! A kernel may be wrapped twice: in a UKI, and in there by its own
//! decompressor. The first pass, here, finds where the kernel lies in the
//! file and what the wrappings say of it, and reads a few kilobytes at most;
//! only the second, [`read`], looks inside.

use std::ops::Range;

use btf_guard_btf::error::Malformed;

use super::banner::KernelVersion;
use super::uki::{self, Uki};
use super::{Image, MAX_BTF, MAX_KERNEL, bzimage, raw, vmlinux, zboot};
use crate::compression::{self, Format};
use crate::kernel::Error;
use crate::module::elf;
use crate::module::source::{ByteSource, Window, too_long};

/// How much of a file's start tells what it is, in bytes: up to the end of the
/// longest header.
const HEAD: u64 = bzimage::HEAD;

/// A kernel image, seen from outside.
#[derive(Debug)]
pub struct Outline {
    /// `uname -r`: of a bzImage by its version string, else of a UKI by its
    /// `.uname`. Other formats do not show it.
    pub release: Option<String>,
    /// `uname -v`, of a bzImage by its version string.
    pub(crate) build: Option<String>,
    /// What the UKI around the kernel says, if there is one.
    pub uki: Option<Uki>,
    /// Where the kernel's bytes are in the file, and what they are; or what is wrong with
    /// an image that could still be told to be one.
    pub(crate) body: Result<(Range<u64>, Form), Malformed>,
}

impl Outline {
    /// Tells what the file in `source` is.
    pub(crate) fn of(source: &(impl ByteSource + ?Sized)) -> Result<Self, Error> {
        if let Some(outline) = Self::of_kernel(source)? {
            return Ok(outline);
        }
        let Some((uki, damage)) = uki::read(source)? else {
            return Err(Malformed::new(
                0_u64,
                "a kernel: a vmlinux (ELF, plain or compressed by gzip, xz, zstd, lz4, lzma, \
                 bzip2 or lzop), an x86 bzImage, an arm64, riscv64, loongarch64 or s390x Image, \
                 an EFI zboot image, a UKI, or raw BTF",
            )
            .into());
        };
        // A cut file may still show the start of its kernel.
        let end = uki.linux.end.min(source.size());
        let start = uki.linux.start.min(end);
        let inside = Window::new(source, start..end);
        let kernel = Self::of_kernel(&inside)
            .and_then(|found| found.ok_or_else(|| no_kernel(&inside).into()));
        let (release, build, body) = match kernel {
            Ok(kernel) => (kernel.release, kernel.build, kernel.body),
            Err(Error::Malformed(error)) if damage.is_some() => (None, None, Err(error)),
            Err(error) => return Err(moved(error, start)),
        };
        let body = match damage {
            Some(damage) => Err(damage),
            None => body
                .map(|(payload, form)| (payload.start + start..payload.end + start, form))
                .map_err(|error| placed(error, start)),
        };
        Ok(Self {
            release: release.or_else(|| uki.uname.clone()),
            build,
            uki: Some(uki),
            body,
        })
    }

    /// The outline of a kernel that is not in a UKI; `None` if it is none.
    fn of_kernel(source: &(impl ByteSource + ?Sized)) -> Result<Option<Self>, Error> {
        let head = source.read(0, source.size().min(HEAD) as usize)?;
        let whole = 0..source.size();
        let mut version = KernelVersion::default();
        let (payload, form) = if bzimage::is_bzimage(&head) {
            let (told, payload) = bzimage::outline(source, &head)?;
            version = told;
            (payload, Form::BzImage)
        } else if zboot::is_zboot(&head) {
            let payload = zboot::payload(source.size(), &head);
            (payload, Form::Zboot)
        } else if let Some(form) = Form::of(source, &head)? {
            let sound = match form {
                Form::Raw(_) => raw::check(source)?,
                // Their readers find out.
                _ => Ok(()),
            };
            (sound.map(|()| whole), form)
        } else if Format::detect(&head).is_some() {
            (Ok(whole), Form::Compressed)
        } else {
            return Ok(None);
        };
        Ok(Some(Self {
            release: version.release,
            build: version.build,
            uki: None,
            body: payload.map(|payload| (payload, form)),
        }))
    }
}

/// What to say of a UKI's `.linux` that is no kernel.
fn no_kernel(linux: &(impl ByteSource + ?Sized)) -> Malformed {
    let what = match uki::read(linux) {
        Ok(Some(_)) | Err(Error::Malformed(_)) => "a kernel as the UKI's .linux, not another UKI",
        _ => "a kernel as the UKI's .linux: a bzImage, an Image, a vmlinux or EFI zboot",
    };
    Malformed::new(0_u64, what)
}

/// What the bytes of a kernel are, as they stand in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// An ELF executable.
    Vmlinux,
    /// A base BTF alone.
    Btf,
    /// A raw image, which begins with its architecture's header.
    Raw(raw::RawHeader),
    /// The compressed payload of an x86 bzImage.
    BzImage,
    /// The compressed payload of an EFI zboot image.
    Zboot,
    /// Compressed, with nothing around it.
    Compressed,
}

impl Form {
    /// Tells what is in `source`, which begins with `head`; `None` if it is no
    /// kernel, or a compressed one.
    fn of(source: &(impl ByteSource + ?Sized), head: &[u8]) -> Result<Option<Self>, Error> {
        if elf::is_elf(head) {
            return Ok(Some(Self::Vmlinux));
        }
        // `BTF_MAGIC` of `include/uapi/linux/btf.h` in either byte order, and version 1.
        if matches!(head, [0x9f, 0xeb, 1, ..] | [0xeb, 0x9f, 1, ..]) {
            return Ok(Some(Self::Btf));
        }
        Ok(raw::RawHeader::of(source, head)?.map(Self::Raw))
    }

    /// Decompresses the kernel in `source` and tells what it is; `None` if it is not
    /// compressed.
    fn unpack(self, source: &(impl ByteSource + ?Sized)) -> Result<Option<(Vec<u8>, Self)>, Error> {
        let holds = match self {
            Self::Vmlinux | Self::Btf | Self::Raw(_) => return Ok(None),
            Self::BzImage => "an ELF file (vmlinux) as the bzImage's payload, decompressed",
            Self::Zboot => "a vmlinux (ELF) or a raw Image as the zboot payload, decompressed",
            Self::Compressed => "a vmlinux (ELF), a raw Image or raw BTF after decompression",
        };
        if source.size() > MAX_KERNEL as u64 {
            return Err(too_long(MAX_KERNEL as u64).into());
        }
        let packed = source.range(0, source.size(), "a payload")?;
        let format = Format::detect(&packed).ok_or_else(|| {
            let what = "a payload compressed by gzip, xz, zstd, lz4, lzma, bzip2 or lzop";
            Malformed::new(0_u64, what)
        })?;
        let mut kernel = Vec::new();
        compression::decompress(format, &packed, MAX_KERNEL, &mut kernel)?;
        match (self, Self::of(&kernel[..], &kernel)?) {
            (_, None) | (Self::Zboot, Some(Self::Btf)) => {}
            (Self::BzImage, Some(Self::Btf | Self::Raw(_))) => {}
            (_, Some(form)) => return Ok(Some((kernel, form))),
        }
        Err(Malformed::new(0_u64, holds).into())
    }

    /// Reads the kernel in `source`, which is not compressed. Its banner is only looked
    /// for if `version` is not known yet.
    fn read(
        self,
        source: &(impl ByteSource + ?Sized),
        version: Option<KernelVersion>,
    ) -> Result<Image, Error> {
        match self {
            Self::Vmlinux => vmlinux::read(source, version),
            Self::Raw(header) => raw::read(source, header),
            _ if source.size() > MAX_BTF => Err(too_long(MAX_BTF).into()),
            _ => Ok(Image {
                base_btf: source.range(0, source.size(), "BTF")?.into_owned(),
                ..Image::default()
            }),
        }
    }
}

pub(crate) fn read(source: &(impl ByteSource + ?Sized)) -> Result<Image, Error> {
    let outline = Outline::of(source)?;
    // Only a bzImage tells the build.
    let version = outline.build.is_some().then_some(KernelVersion {
        release: outline.release,
        build: outline.build,
    });
    let (payload, form) = outline.body?;
    let start = payload.start;
    let payload = Window::new(source, payload);
    let in_file = |error| moved(error, start);
    match form.unpack(&payload).map_err(in_file)? {
        // What is wrong in there has no place in the file.
        Some((kernel, form)) => form.read(&kernel[..], version),
        None => form.read(&payload, version).map_err(in_file),
    }
}

/// An error at an offset in a part of a file that begins at `start`, as one in
/// the file.
fn moved(error: Error, start: u64) -> Error {
    match error {
        Error::Malformed(error) => placed(error, start).into(),
        other => other,
    }
}

/// [`moved`], of an error that is known to be about the bytes.
fn placed(error: Malformed, start: u64) -> Malformed {
    Malformed::new(error.offset.saturating_add(start), error.expected)
}
