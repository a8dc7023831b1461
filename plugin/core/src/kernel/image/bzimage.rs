// SPDX-License-Identifier: GPL-2.0-or-later
//! The x86 bzImage: setup code, then a decompressor with the kernel as its payload.
//!
//! Field by field as in the kernel's `Documentation/arch/x86/boot.rst`. The
//! payload is where the setup header says, and nowhere else: what looks like
//! a payload elsewhere may be anything.

use std::ops::Range;

use btf_guard_btf::error::Malformed;

use super::banner::KernelVersion;
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
const PROTOCOL: u32 = 0x0208;

/// True of the start of a bzImage: by `boot_flag` and `header`.
pub(crate) fn is_bzimage(head: &[u8]) -> bool {
    head.get(0x1fe..0x200) == Some(&[0x55, 0xaa]) && head.get(0x202..0x206) == Some(b"HdrS")
}

/// What the bzImage in `source` tells from outside, and where its payload is; `head` is
/// its first [`HEAD`] bytes.
///
/// # Errors
/// [`Error::Malformed`] if its header does not say where the payload is. What
/// is wrong with the payload is in the second half of the result: a file that
/// is cut short still shows its version.
pub(crate) fn outline(
    source: &(impl ByteSource + ?Sized),
    head: &[u8],
) -> Result<(KernelVersion, Result<Range<u64>, Malformed>), Error> {
    let short = || Malformed::new(head.len() as u64, "the rest of the bzImage setup header");
    let word = |at: usize| {
        let bytes = head.get(at..).and_then(|rest| rest.first_chunk());
        bytes
            .map(|&bytes| u32::from_le_bytes(bytes))
            .ok_or_else(short)
    };
    let half = |at: usize| word(at).map(|word| word & 0xffff);
    if half(0x206)? < PROTOCOL {
        let what = "boot protocol 2.08 or newer, which says where the payload is";
        return Err(Malformed::new(0x206_u64, what).into());
    }
    // `setup_sects`: setup code older than the field has four. The boot sector comes on
    // top; behind both the protected-mode code begins.
    let sectors = match half(0x1f1)? & 0xff {
        0 => 4,
        sectors => u64::from(sectors),
    };
    let setup = (sectors + 1) * SECTOR;
    let size = source.size();
    // `kernel_version`; 0 if there is none.
    let at = Some(half(0x20e)?).filter(|&at| at != 0);
    let at = at.map(|at| SETUP + u64::from(at));
    let version = match at.filter(|&at| at < setup.min(size)) {
        Some(at) => {
            let text = source.range(at, setup.min(size) - at, "a version string")?;
            // Without its NUL it may be cut short, and be taken for another version.
            let whole = text.contains(&0).then(|| KernelVersion::parse(&text));
            whole.filter(|version| version.build.is_some())
        }
        None => None,
    };
    let start = setup + u64::from(word(0x248)?);
    let length = u64::from(word(0x24c)?);
    let promised = start + length;
    let payload = if promised > size {
        let what = format!(
            "a bzImage of at least {promised} bytes, as its header promises; it ends after {size}"
        );
        Err(Malformed::new(size, what))
    } else if length == 0 {
        let what = "the length of the bzImage's payload, not 0";
        Err(Malformed::new(0x24c_u64, what))
    } else {
        Ok(start..promised)
    };
    Ok((version.unwrap_or_default(), payload))
}
