// SPDX-License-Identifier: GPL-2.0-or-later
//! A string section, sorted once into "plain" and "look closer".
//!
//! The kernel checks every name character by character, and the same strings
//! are named over and over. One pass marks the stretches that hold nothing but
//! identifier characters; there the first character of a name decides.

use crate::ctype;

/// Bytes per mark; also the bits of a word of [`StringStarts`].
const BLOCK: usize = 64;

/// A run without a NUL that fills an aligned stretch of this many bytes may
/// belong to a name that is too long.
const LONG: usize = 256;

/// The longest name that [`StringIndex::is_fast_identifier`] vouches for. `KSYM_NAME_LEN` is
/// 512 since Linux 6.1.
const VOUCHED: usize = 512;

/// Blocks that a name of [`VOUCHED`] bytes can touch.
const REACH: u8 = (VOUCHED / BLOCK) as u8 + 1;

/// How far it is from each block to the next one that needs a closer look.
#[derive(Debug, Default, Clone)]
pub(crate) struct StringIndex {
    /// In blocks, saturating; 0 for a block that itself needs a closer look.
    distance: Vec<u8>,
}

/// Is this byte an ASCII identifier character, a dot or NUL?
#[inline(always)]
fn is_fast_byte(c: u8) -> bool {
    // No shortcuts, so that the compiler can look at many bytes at once.
    let letter = (c | 0x20).wrapping_sub(b'a') < 26;
    let digit = c.wrapping_sub(b'0') < 10;
    letter | digit | (c == 0) | (c == b'_') | (c == b'.')
}

/// Is every byte plain, and is one of them NUL?
#[inline(always)]
fn survey(block: &[u8]) -> (bool, bool) {
    // Bytes, not bools, so that sixteen of them are one operation.
    let look = |block: &[u8]| {
        block.iter().fold((0u8, 0u8), |(odd, nul), &c| {
            (odd | u8::from(!is_fast_byte(c)), nul | u8::from(c == 0))
        })
    };
    let (odd, nul) = match block.first_chunk::<BLOCK>() {
        Some(whole) => look(whole),
        None => look(block),
    };
    (odd == 0, nul != 0)
}

impl StringIndex {
    pub(crate) fn of(strings: &[u8]) -> Self {
        let mut distance = vec![u8::MAX; strings.len().div_ceil(BLOCK)];
        for (stretch, marks) in strings.chunks(LONG).zip(distance.chunks_mut(LONG / BLOCK)) {
            let mut broken = stretch.len() < LONG;
            for (block, mark) in stretch.chunks(BLOCK).zip(&mut *marks) {
                let (all_plain, any_nul) = survey(block);
                broken |= any_nul;
                if !all_plain {
                    *mark = 0;
                }
            }
            if !broken {
                marks.fill(0);
            }
        }
        let mut next = u8::MAX;
        for mark in distance.iter_mut().rev() {
            next = if *mark == 0 {
                0
            } else {
                next.saturating_add(1)
            };
            *mark = next;
        }
        Self { distance }
    }

    /// Does the string at `offset` hold nothing but ASCII identifier characters
    /// and dots, and at most 512 of them? `false` means "look closer".
    #[inline(always)]
    pub(crate) fn is_fast_identifier(&self, offset: usize) -> bool {
        self.distance
            .get(offset / BLOCK)
            .is_some_and(|&blocks| blocks >= REACH)
    }
}

/// Bits for each byte of a string section: is this the start of a string, and
/// one that is an identifier by [`StringIndex::is_fast_identifier`]'s word? For a base, whose strings do not
/// fit into a processor's nearer caches while these bits do.
#[derive(Debug, Default, Clone)]
pub(crate) struct StringStarts {
    any: Vec<u64>,
    identifiers: Vec<u64>,
}

impl StringStarts {
    pub(crate) fn of(strings: &[u8], census: &StringIndex) -> Self {
        // The byte before the first one counts as NUL.
        let mut behind = 1u64;
        let words = strings.chunks(BLOCK).zip(0usize..).map(|(block, index)| {
            let (first, nul) = block.iter().rev().fold((0u64, 0u64), |(first, nul), &c| {
                let starts = u64::from(ctype::starts_identifier(c, true));
                (first << 1 | starts, nul << 1 | u64::from(c == 0))
            });
            let starts = nul << 1 | behind;
            behind = nul >> (BLOCK - 1);
            match census.is_fast_identifier(index * BLOCK) {
                true => (starts, first & starts),
                false => (starts, 0),
            }
        });
        let (any, identifiers) = words.unzip();
        Self { any, identifiers }
    }

    /// Does a string start here? `false` beyond the last block.
    #[inline(always)]
    pub(crate) fn any(&self, offset: u32) -> bool {
        bit(&self.any, offset as usize)
    }

    /// `false` means "look closer".
    #[inline(always)]
    pub(crate) fn identifier(&self, offset: usize) -> bool {
        bit(&self.identifiers, offset)
    }
}

#[inline(always)]
fn bit(words: &[u64], at: usize) -> bool {
    words
        .get(at / BLOCK)
        .is_some_and(|bits| bits >> (at % BLOCK) & 1 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_never_vouches_for_an_odd_or_long_string() {
        for odd_at in (0..3000).step_by(7) {
            let mut strings = b"abc_de.9\0".repeat(340);
            strings[odd_at] = b'-';
            let census = StringIndex::of(&strings);
            for offset in 0..strings.len() {
                let end = strings[offset..]
                    .iter()
                    .position(|&c| c == 0)
                    .map(|n| offset + n);
                let hit = end.is_some_and(|end| (offset..end).contains(&odd_at));
                assert!(
                    !(hit && census.is_fast_identifier(offset)),
                    "odd byte at {odd_at}, name at {offset}"
                );
            }
        }
        for start in 0..300 {
            let mut strings = b"ab\0".repeat(1000);
            strings[start..start + 513].fill(b'x');
            let census = StringIndex::of(&strings);
            assert!(
                !census.is_fast_identifier(start),
                "a name of 513 at {start}"
            );
        }
    }

    #[test]
    fn starts_are_what_the_census_and_the_first_character_say() {
        let mut strings = b"abc_de.9\0-x\0".repeat(500);
        strings.truncate(5000);
        let census = StringIndex::of(&strings);
        let starts = StringStarts::of(&strings, &census);
        for (offset, &c) in strings.iter().enumerate() {
            let start = offset == 0 || strings[offset - 1] == 0;
            let expected =
                start && census.is_fast_identifier(offset) && ctype::starts_identifier(c, true);
            assert_eq!(starts.identifier(offset), expected, "{offset}");
            assert_eq!(starts.any(offset as u32), start, "{offset}");
        }
        assert!(!starts.identifier(strings.len() + 64));
        assert!(!starts.any(strings.len() as u32 + 64));
        let strings = b"abc_de.9\0".repeat(4000);
        let starts = StringStarts::of(&strings, &StringIndex::of(&strings));
        assert!(starts.identifier(0) && starts.identifier(9) && !starts.identifier(1));
    }

    #[test]
    fn plain_vouches_for_ordinary_sections() {
        let strings = b"abc_de.9\0".repeat(4000);
        let census = StringIndex::of(&strings);
        assert!((0..strings.len()).all(|o| census.is_fast_identifier(o)));
    }
}
