// SPDX-License-Identifier: GPL-2.0-or-later
//! What a file is, as far as its parts tell that are not compressed.
//!
//! A kernel may be wrapped twice: in a UKI, and in there by its own
//! decompressor. The first pass, here, finds where the kernel lies in the
//! file and what the wrappings say of it, and reads a few kilobytes at most;
//! only the second, [`super::read`], looks inside.

use btf_guard_btf::error::Malformed;

use super::banner::KernelVersion;
use super::layers::{Body, Form, KernelContent, Wrapper};
use super::uki::{self, Uki};
use super::window::{Window, moved, placed};
use super::{Image, MAX_BTF, MAX_KERNEL, bzimage, raw, vmlinux, zboot};
use crate::compression::{self, Format};
use crate::kernel::Error;
use crate::module::elf;
use crate::module::source::{ByteSource, too_long};

/// How much of a file's start tells what it is, in bytes: up to the end of the
/// longest header.
const HEAD: u64 = bzimage::HEAD;

/// How much longer than its payload a kernel is, at most, for its appended
/// length to be trusted as a first allocation. Real ones are 3 to 8 times as long.
const MAX_RATIO: usize = 64;

/// A kernel image, seen from outside.
#[derive(Debug)]
pub(crate) struct Outline {
    /// The UKI around the kernel, if there is one.
    pub(crate) uki: Option<Uki>,
    /// What the outside says of release and build.
    pub(crate) version: Option<KernelVersion>,
    /// Where the kernel is; or what is wrong with an image that could still be
    /// told to be one.
    pub(crate) body: Result<Body, Malformed>,
}

impl Outline {
    /// Tells what the file in `source` is.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Malformed`] if it is no
    /// kernel image or its headers are cut short.
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
        let kernel = Self::of_kernel(&inside).and_then(|found| match found {
            Some(kernel) => Ok(kernel),
            None => Err(no_kernel(&inside)?.into()),
        });
        let (version, body) = match (kernel, damage) {
            (Ok(kernel), Some(damage)) => (kernel.version, Err(damage)),
            (Err(Error::Malformed(_)), Some(damage)) => (None, Err(damage)),
            (Ok(kernel), None) => (kernel.version, moved_body(kernel.body, start)),
            (Err(error), _) => return Err(moved(error, start)),
        };
        Ok(Self {
            version,
            body,
            uki: Some(uki),
        })
    }

    /// The outline of a kernel that is not in a UKI; `None` if it is none.
    fn of_kernel(source: &(impl ByteSource + ?Sized)) -> Result<Option<Self>, Error> {
        let head = source.read(0, source.size().min(HEAD) as usize)?;
        let whole = 0..source.size();
        let (version, body) = if bzimage::is_bzimage(&head) {
            bzimage::outline(source, &head)?
        } else if zboot::is_zboot(&head) {
            (None, zboot::payload(source.size(), &head))
        } else if let Some(content) = KernelContent::of(source, &head)? {
            let form = Form::Plain(content);
            (
                None,
                content.check(source)?.map(|()| Body {
                    payload: whole,
                    form,
                }),
            )
        } else if Format::detect(&head).is_some() {
            let form = Form::Packed(Wrapper::Nothing);
            (
                None,
                Ok(Body {
                    payload: whole,
                    form,
                }),
            )
        } else {
            return Ok(None);
        };
        Ok(Some(Self {
            uki: None,
            version,
            body,
        }))
    }
}

/// What a part of a file holds that begins at `start`, by offsets in the file.
fn moved_body(body: Result<Body, Malformed>, start: u64) -> Result<Body, Malformed> {
    match body {
        Ok(Body { payload, form }) => Ok(Body {
            payload: payload.start + start..payload.end + start,
            form,
        }),
        Err(error) => Err(placed(error, start)),
    }
}

/// What to say of a UKI's `.linux` that is no kernel.
fn no_kernel(linux: &(impl ByteSource + ?Sized)) -> Result<Malformed, Error> {
    let nested = matches!(uki::read(linux), Ok(Some(_)) | Err(Error::Malformed(_)));
    let what = match nested {
        true => "a kernel as the UKI's .linux, not another UKI",
        false => "a kernel as the UKI's .linux: a bzImage, an Image, a vmlinux or EFI zboot",
    };
    Ok(Malformed::new(0_u64, what))
}

impl KernelContent {
    /// Tells what is in `source`, which begins with `head`; `None` if it is no
    /// kernel, or a compressed one.
    pub(crate) fn of(
        source: &(impl ByteSource + ?Sized),
        head: &[u8],
    ) -> Result<Option<Self>, Error> {
        if elf::is_elf(head) {
            return Ok(Some(Self::Vmlinux));
        }
        // `BTF_MAGIC` of `include/uapi/linux/btf.h` in either byte order, and version 1.
        if matches!(head, [0x9f, 0xeb, 1, ..] | [0xeb, 0x9f, 1, ..]) {
            return Ok(Some(Self::Btf));
        }
        Ok(raw::RawHeader::of(source, head)?.map(Self::Raw))
    }

    /// Refuses a kernel that is cut short, as far as its headers tell.
    fn check(self, source: &(impl ByteSource + ?Sized)) -> Result<Result<(), Malformed>, Error> {
        match self {
            Self::Raw(_) => raw::check(source),
            // Their readers find out.
            Self::Vmlinux | Self::Btf => Ok(Ok(())),
        }
    }

    /// Reads the kernel in `source`. Its banner is only looked for if
    /// `version` is not known yet.
    pub(crate) fn read(
        self,
        source: &(impl ByteSource + ?Sized),
        version: Option<KernelVersion>,
    ) -> Result<Image, Error> {
        match self {
            Self::Vmlinux => vmlinux::read(source, version),
            Self::Btf => btf(source),
            Self::Raw(header) => raw::read(source, header),
        }
    }
}

/// Reads the compressed kernel that fills `payload`, which begins at `start`
/// in its file and came in `wrapper`, which told `version`.
pub(crate) fn read_packed(
    payload: &(impl ByteSource + ?Sized),
    start: u64,
    wrapper: Wrapper,
    version: Option<KernelVersion>,
) -> Result<Image, Error> {
    if payload.size() > MAX_KERNEL as u64 {
        return Err(too_long(MAX_KERNEL as u64).into());
    }
    let mut kernel = Vec::new();
    unpack(payload, start, wrapper, &mut kernel)?;
    let content = KernelContent::of(&kernel[..], &kernel)?
        .filter(|&content| wrapper.may_hold(content))
        .ok_or_else(|| Malformed::new(start, wrapper.holds()))?;
    content.read(&kernel[..], version)
}

/// Decompresses `payload`.
fn unpack(
    payload: &(impl ByteSource + ?Sized),
    start: u64,
    wrapper: Wrapper,
    kernel: &mut Vec<u8>,
) -> Result<(), Error> {
    let payload = payload.range(0, payload.size(), "a payload")?;
    let format = Format::detect(&payload).ok_or_else(|| {
        let what = "a payload compressed by gzip, xz, zstd, lz4, lzma, bzip2 or lzop";
        Malformed::new(start, what)
    })?;
    // The kernel's build ends a bzImage's payload in its unpacked length;
    // gzip's own trailer ends in the same. To hold it from the start spares
    // the memory that growing would take. One byte more lets the end be seen.
    let stated = match payload.last_chunk() {
        Some(&last) if wrapper == Wrapper::BzImage || format == Format::Gzip => {
            u32::from_le_bytes(last) as usize
        }
        _ => 0,
    };
    if stated <= MAX_KERNEL.min(payload.len().saturating_mul(MAX_RATIO)) {
        kernel
            .try_reserve_exact(stated + 1)
            .map_err(std::io::Error::other)?;
    }
    compression::decompress(format, &payload, MAX_KERNEL, kernel)
        .map_err(|error| placed(error, start))?;
    Ok(())
}

/// Reads the raw BTF in `source`.
fn btf(source: &(impl ByteSource + ?Sized)) -> Result<Image, Error> {
    if source.size() > MAX_BTF {
        return Err(too_long(MAX_BTF).into());
    }
    Ok(Image {
        base_btf: source.range(0, source.size(), "BTF")?.into_owned(),
        ..Image::default()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::compression::tests::pack;

    #[test]
    fn a_stated_length_is_only_a_hint() {
        for stated in [0_u32, 4, 5, 0x1000_0000, u32::MAX] {
            let mut payload = pack(Format::Zstd, b"hello");
            payload.extend_from_slice(&stated.to_le_bytes());
            let mut kernel = Vec::new();
            unpack(&payload[..], 0, Wrapper::BzImage, &mut kernel).unwrap();
            assert_eq!(kernel, b"hello");
            assert!(kernel.capacity() < 1 << 20, "{}", kernel.capacity());
        }
    }
}
