//! Kernels that are compressed as a whole, alone or behind a decompressor;
//! and raw BTF.

use super::banner::Version;
use super::outline::{Content, Wrapper};
use super::window::placed;
use super::{Error, Image, MAX_BTF, MAX_KERNEL};
use crate::Malformed;
use crate::compression::{self, Format};
use crate::module::source::{Source, too_long};

/// How much longer than its payload a kernel is, at most, for its appended
/// length to be trusted as a first allocation. Real ones are 3 to 8 times as long.
const RATIO: usize = 64;

impl Wrapper {
    /// What is expected to come out of it.
    fn holds(self) -> &'static str {
        match self {
            Self::BzImage => "an ELF file (vmlinux) as the bzImage's payload, decompressed",
            Self::Zboot => "a vmlinux (ELF) or a raw Image as the zboot payload, decompressed",
            Self::Nothing => "a vmlinux (ELF), a raw Image or raw BTF after decompression",
        }
    }

    fn may_hold(self, content: Content) -> bool {
        match self {
            Self::BzImage => content == Content::Vmlinux,
            Self::Zboot => content != Content::Btf,
            Self::Nothing => true,
        }
    }
}

/// Reads the compressed kernel that fills `payload`, which begins at `start`
/// in its file and came in `wrapper`, which told `version`.
pub(super) fn read(
    payload: &(impl Source + ?Sized),
    start: u64,
    wrapper: Wrapper,
    version: Option<Version>,
) -> Result<Image, Error> {
    if payload.size() > MAX_KERNEL as u64 {
        return Err(too_long(MAX_KERNEL as u64).into());
    }
    let mut kernel = Vec::new();
    unpack(payload, start, wrapper, &mut kernel)?;
    let content = Content::of(&kernel[..], &kernel)?
        .filter(|&content| wrapper.may_hold(content))
        .ok_or_else(|| Malformed::new(start, wrapper.holds()))?;
    content.read(&kernel[..], version)
}

/// Decompresses `payload`.
fn unpack(
    payload: &(impl Source + ?Sized),
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
    if stated <= MAX_KERNEL.min(payload.len().saturating_mul(RATIO)) {
        kernel
            .try_reserve_exact(stated + 1)
            .map_err(std::io::Error::other)?;
    }
    compression::decompress(format, &payload, MAX_KERNEL, kernel)
        .map_err(|error| placed(error, start))?;
    Ok(())
}

/// Reads the raw BTF in `source`.
pub(super) fn btf(source: &(impl Source + ?Sized)) -> Result<Image, Error> {
    if source.size() > MAX_BTF {
        return Err(too_long(MAX_BTF).into());
    }
    Ok(Image {
        base_btf: source.range(0, source.size(), "BTF")?.into_owned(),
        base_sha256: None,
        release: None,
        build: None,
        build_id: None,
        target: None,
        config: None,
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
