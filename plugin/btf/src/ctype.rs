// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernel's character classes and its rules for names.
//!
//! `lib/ctype.c` is a Latin-1 table, so bytes above 0x7f can be letters.

/// `isprint()`.
pub(crate) fn is_print(c: u8) -> bool {
    matches!(c, 0x20..0x7f | 0xa0..)
}

/// `__btf_name_char_ok(c, first = true)`.
pub(crate) fn starts_identifier(c: u8, dot: bool) -> bool {
    continues_identifier(c, dot) && !c.is_ascii_digit()
}

/// `__btf_name_char_ok(c, first = false)`.
pub(crate) fn continues_identifier(c: u8, dot: bool) -> bool {
    let is_allowed = IDENTIFIER.get(usize::from(c)).copied().unwrap_or(false);
    is_allowed && (dot || c != b'.')
}

/// What [`continues_identifier`] says where dots are allowed: a table is twice as fast.
// Indexed while compiling: out of bounds would not build.
#[allow(clippy::indexing_slicing)]
static IDENTIFIER: [bool; 256] = {
    let mut table = [false; 256];
    let mut c = 0u8;
    loop {
        let latin1 = c >= 0xc0 && c != 0xd7 && c != 0xf7;
        table[c as usize] = c.is_ascii_alphanumeric() || c == b'_' || c == b'.' || latin1;
        if c == u8::MAX {
            break table;
        }
        c += 1;
    }
};

/// The string that starts at `bytes`, without its NUL.
pub(crate) fn c_string(bytes: &[u8]) -> &[u8] {
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    bytes.get(..end).unwrap_or(&[])
}
