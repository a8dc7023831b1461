// SPDX-License-Identifier: GPL-2.0-or-later
//! The EFI zboot image: a PE file that unpacks the kernel it carries.
//!
//! Field by field as in `drivers/firmware/efi/libstub/zboot-header.S` (Linux
//! 6.1 and later); used by arm64, riscv64 and loongarch64.

use std::ops::Range;

use btf_guard_btf::error::Malformed;

/// True of the start of a zboot image: the DOS magic, and `zimg` behind it.
pub(crate) fn is_zboot(head: &[u8]) -> bool {
    head.starts_with(b"MZ") && head.get(4..8) == Some(b"zimg")
}

/// Where the compressed kernel is, in an image of `size` bytes that begins
/// with `head`. The compression's name at 0x18 is not needed: the payload
/// shows it.
pub(crate) fn payload(size: u64, head: &[u8]) -> Result<Range<u64>, Malformed> {
    let word = |at: usize| {
        let bytes = head.get(at..).and_then(|rest| rest.first_chunk());
        bytes
            .map(|&bytes| u64::from(u32::from_le_bytes(bytes)))
            .ok_or_else(|| Malformed::new(head.len(), "the rest of the EFI zboot header"))
    };
    let (start, length) = (word(8)?, word(0xc)?);
    if length == 0 {
        let what = "the length of the zboot payload, not 0";
        return Err(Malformed::new(0xc_u64, what));
    }
    let end = start + length;
    if end > size {
        let what = format!(
            "an EFI zboot image of at least {end} bytes, as its header promises; \
             it ends after {size}"
        );
        return Err(Malformed::new(size, what));
    }
    Ok(start..end)
}
