// SPDX-License-Identifier: GPL-2.0-or-later
//! The x86 bzImage: setup code, then a decompressor with the kernel as its payload.
//!
//! Field by field as in the kernel's `Documentation/arch/x86/boot.rst`. The
//! payload is where the setup header says, and nowhere else: what looks like
//! a payload elsewhere may be anything.

use btf_guard_btf::error::Malformed;

use super::banner::KernelVersion;
use super::layers::{Body, Form, Wrapper};
use crate::kernel::Error;
use crate::module::source::ByteSource;

/// Bytes from the file's start to the end of the fields read here.
pub(crate) const HEAD: u64 = 0x250;

/// The unit of `setup_sects`.
const SECTOR: u64 = 512;

/// What `kernel_version` is relative to.
const SETUP: u64 = 0x200;

/// The boot protocol that brought `payload_offset` and `payload_length` (2.08,
/// Linux 2.6.26).
const PROTOCOL: u16 = 0x0208;

/// True of the start of a bzImage: by `boot_flag` and `header`.
pub(crate) fn is_bzimage(head: &[u8]) -> bool {
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

/// What the bzImage in `source` tells from outside; `head` is its first
/// [`HEAD`] bytes.
///
/// # Errors
/// [`Error::Malformed`] if its header does not say where the payload is. What
/// is wrong with the payload is in the second half of the result: a file that
/// is cut short still shows its version.
pub(crate) fn outline(
    source: &(impl ByteSource + ?Sized),
    head: &[u8],
) -> Result<(Option<KernelVersion>, Result<Body, Malformed>), Error> {
    let setup = Setup::parse(head)?;
    let size = source.size();
    let version = match setup.version.filter(|&at| at < size) {
        Some(at) => {
            let length = setup.length.min(size) - at;
            let text = source.range(at, length, "a version string")?;
            // Without its NUL it may be cut short, and be taken for another version.
            let whole = text.contains(&0).then(|| KernelVersion::parse(&text));
            whole.filter(|version| version.build.is_some())
        }
        None => None,
    };
    let (offset, length) = setup.payload;
    let promised = offset + length;
    let body = if promised > size {
        let what = format!(
            "a bzImage of at least {promised} bytes, as its header promises; it ends after {size}"
        );
        Err(Malformed::new(size, what))
    } else if length == 0 {
        let what = "the length of the bzImage's payload, not 0";
        Err(Malformed::new(0x24c_u64, what))
    } else {
        Ok(Body {
            payload: offset..promised,
            form: Form::Packed(Wrapper::BzImage),
        })
    };
    Ok((version, body))
}
