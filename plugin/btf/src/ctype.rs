// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernel's character classes and its rules for names.
//!
//! `lib/ctype.c` is a Latin-1 table, so bytes above 0x7f can be letters.

const ALPHA: u8 = 1;
const DIGIT: u8 = 2;
const PRINT: u8 = 4;

/// `_ctype[]`, as far as names need it.
// Indexed while compiling: out of bounds would not build.
#[allow(clippy::indexing_slicing)]
static CLASS: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut i = 0usize;
    while i < 256 {
        let c = i as u8;
        let latin1 = c >= 0xc0 && c != 0xd7 && c != 0xf7;
        if c.is_ascii_alphabetic() || latin1 {
            table[i] |= ALPHA;
        }
        if c.is_ascii_digit() {
            table[i] |= DIGIT;
        }
        if (c >= 0x20 && c < 0x7f) || c >= 0xa0 {
            table[i] |= PRINT;
        }
        i += 1;
    }
    table
};

#[inline(always)]
fn class(c: u8) -> u8 {
    // The table has an entry for each byte.
    CLASS.get(usize::from(c)).copied().unwrap_or(0)
}

/// `isprint()`.
pub(crate) fn is_print(c: u8) -> bool {
    class(c) & PRINT != 0
}

/// `__btf_name_char_ok(c, first = true)`, dots allowed: may a name start so?
// Indexed while compiling: out of bounds would not build.
#[allow(clippy::indexing_slicing)]
static STARTS: [bool; 256] = {
    let mut table = [false; 256];
    let mut i = 0usize;
    while i < 256 {
        table[i] = CLASS[i] & ALPHA != 0 || i == b'_' as usize || i == b'.' as usize;
        i += 1;
    }
    table
};

/// `__btf_name_char_ok(c, first = true)`.
#[inline(always)]
pub(crate) fn starts_identifier(c: u8, dot: bool) -> bool {
    STARTS.get(usize::from(c)).copied().unwrap_or(false) && (dot || c != b'.')
}

/// `__btf_name_char_ok(c, first = false)`.
#[inline(always)]
pub(crate) fn continues_identifier(c: u8, dot: bool) -> bool {
    class(c) & (ALPHA | DIGIT) != 0 || c == b'_' || (dot && c == b'.')
}

/// The string that starts at `bytes`, without its NUL.
pub(crate) fn c_string(bytes: &[u8]) -> &[u8] {
    bytes.split(|&c| c == 0).next().unwrap_or(&[])
}
