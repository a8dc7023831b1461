//! The x86 bzImage: setup code, then a decompressor with the kernel as its payload.
//!
//! Field by field as in the kernel's `Documentation/arch/x86/boot.rst`. The
//! payload is where the setup header says, and nowhere else: what looks like
//! a payload elsewhere may be anything.

use super::banner::Version;
use super::{Error, Image, MAX_KERNEL, vmlinux};
use crate::Malformed;
use crate::compression::{self, Format};
use crate::module::elf;
use crate::module::source::{Source, too_long};

/// Bytes from the file's start to the end of the fields read here.
pub(super) const HEAD: u64 = 0x250;

/// The unit of `setup_sects`.
const SECTOR: u64 = 512;

/// What `kernel_version` is relative to.
const SETUP: u64 = 0x200;

/// The boot protocol that brought `payload_offset` and `payload_length` (2.08,
/// Linux 2.6.26).
const PROTOCOL: u16 = 0x0208;

/// How much longer than its payload a kernel is, at most, for its appended
/// length to be trusted as a first allocation. Real ones are 3 to 8 times as long.
const RATIO: usize = 64;

/// Does a bzImage begin like this? `boot_flag` and `header`.
pub(super) fn is_bzimage(head: &[u8]) -> bool {
    head.get(0x1fe..0x200) == Some(&[0x55, 0xaa]) && head.get(0x202..0x206) == Some(b"HdrS")
}

/// The fields of the setup header that lead to the kernel.
struct Setup {
    /// `setup_sects` and the boot sector, in bytes: where the protected-mode
    /// code begins.
    length: u64,
    /// `kernel_version`, as an offset into the file; `None` if there is none.
    version: Option<u64>,
    /// The payload's offset in the file, and its length, in bytes.
    payload: (u64, u64),
}

impl Setup {
    fn parse(head: &[u8]) -> Result<Self, Malformed> {
        let short = || Malformed::new(head.len() as u64, "the rest of the bzImage setup header");
        let half = |at: usize| {
            let bytes = head.get(at..).and_then(|rest| rest.first_chunk());
            bytes
                .map(|&bytes| u16::from_le_bytes(bytes))
                .ok_or_else(short)
        };
        let word = |at: usize| {
            let bytes = head.get(at..).and_then(|rest| rest.first_chunk());
            bytes
                .map(|&bytes| u64::from(u32::from_le_bytes(bytes)))
                .ok_or_else(short)
        };
        if half(0x206)? < PROTOCOL {
            let what = "boot protocol 2.08 or newer, which says where the payload is";
            return Err(Malformed::new(0x206_u64, what));
        }
        let sectors = match head.get(0x1f1) {
            // Setup code older than the field has four sectors.
            Some(0) => 4,
            Some(&sectors) => u64::from(sectors),
            None => return Err(short()),
        };
        let length = (sectors + 1) * SECTOR;
        let version = match u64::from(half(0x20e)?) {
            0 => None,
            at => Some(SETUP + at).filter(|&at| at < length),
        };
        Ok(Self {
            length,
            version,
            payload: (length + word(0x248)?, word(0x24c)?),
        })
    }
}

/// Reads the bzImage in `source`; `head` is its first [`HEAD`] bytes.
pub(super) fn read(source: &(impl Source + ?Sized), head: &[u8]) -> Result<Image, Error> {
    let setup = Setup::parse(head)?;
    let (offset, length) = setup.payload;
    let promised = offset + length;
    if promised > source.size() {
        let size = source.size();
        let what = format!(
            "a bzImage of at least {promised} bytes, as its header promises; it ends after {size}"
        );
        return Err(Malformed::new(size, what).into());
    }
    if length > MAX_KERNEL as u64 {
        return Err(too_long(MAX_KERNEL as u64).into());
    }
    let version = match setup.version {
        Some(at) => {
            let text = source.range(at, setup.length - at, "a version string")?;
            Some(Version::parse(&text)).filter(|version| version.build.is_some())
        }
        None => None,
    };
    let mut kernel = Vec::new();
    unpack(source, offset, length, &mut kernel)?;
    if !elf::is_elf(&kernel) {
        let what = "an ELF file (vmlinux) as the bzImage's payload, decompressed";
        return Err(Malformed::new(offset, what).into());
    }
    vmlinux(&kernel[..], &kernel, version)
}

/// Decompresses the payload of `length` bytes at `offset`.
fn unpack(
    source: &(impl Source + ?Sized),
    offset: u64,
    length: u64,
    kernel: &mut Vec<u8>,
) -> Result<(), Error> {
    let payload = source.range(offset, length, "a payload")?;
    let format = Format::detect(&payload).ok_or_else(|| {
        let what = "a payload compressed by gzip, xz, zstd, lz4, lzma or bzip2";
        Malformed::new(offset, what)
    })?;
    // The kernel's build ends every payload in its unpacked length; gzip's own
    // trailer ends in the same. To hold it from the start spares the memory
    // that growing would take. One byte more lets the end be seen.
    let stated = payload
        .last_chunk()
        .map_or(0, |&last| u32::from_le_bytes(last)) as usize;
    if stated <= MAX_KERNEL.min(payload.len().saturating_mul(RATIO)) {
        kernel
            .try_reserve_exact(stated + 1)
            .map_err(std::io::Error::other)?;
    }
    compression::decompress(format, &payload, MAX_KERNEL, kernel).map_err(|error| {
        // From an offset in the payload to one in the file.
        Malformed::new(offset + error.offset, error.expected)
    })?;
    Ok(())
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
            unpack(&payload[..], 0, payload.len() as u64, &mut kernel).unwrap();
            assert_eq!(kernel, b"hello");
            assert!(kernel.capacity() < 1 << 20, "{}", kernel.capacity());
        }
    }
}
