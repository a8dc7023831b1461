// SPDX-License-Identifier: GPL-2.0-or-later
//! How long the string section of a split BTF's base is, from the split BTF alone.
//!
//! Names that the base has are offsets into its strings; all others are offsets
//! into the split BTF's own, counted on from the base's length S. The own
//! strings start where they start, so the distances between the own name
//! offsets are the distances between own strings: laid over each other they
//! give S. Strings at the end that nothing refers to (Linux 6.12 has them) shift
//! the one against the other, so every place to lay them is tried.

use crate::split::Split;

/// Names to look up before a hostile file is given up on.
const PATIENCE: usize = 1 << 22;

/// Bits of evidence that a match must have not to be taken for chance. With 6,
/// one of 16,652 genuine modules that were robbed of all or most of their own
/// names still gave a length, a wrong one; with 12, none did.
const CERTAIN: f64 = 12.0;

/// The length in bytes of the string section of the base that `split` was built
/// against; `None` if that cannot be told for certain: it has no strings of its
/// own or too few that it refers to, or several lengths would fit.
pub fn base_strings(split: &Split<'_>) -> Option<u32> {
    let mut names: Vec<u32> = split.names().collect();
    names.sort_unstable();
    names.dedup();
    OwnStrings::of(split.strings).length(&names)
}

/// The own strings.
struct OwnStrings<'a> {
    strings: &'a [u8],
    /// Where those start that are not empty.
    starts: Vec<u32>,
    /// Bits that tell one more name on the start of a string from a random one.
    each: f64,
}

impl<'a> OwnStrings<'a> {
    fn of(strings: &'a [u8]) -> Self {
        // What starts at a NUL is empty, and no name of its own.
        let starts: Vec<u32> = (0u32..)
            .zip(strings)
            .filter(|&(offset, &first)| first != 0 && starts_at(strings, offset))
            .map(|(offset, _)| offset)
            .collect();
        let each = (strings.len() as f64 / starts.len().max(1) as f64).log2();
        Self {
            strings,
            starts,
            each,
        }
    }

    /// The one length of a base under which every one of the `names`, which are
    /// sorted, that lies behind it is the start of a string.
    fn length(&self, names: &[u32]) -> Option<u32> {
        let &highest = names.last()?;
        let mut patience = PATIENCE;
        let mut found = None;
        for start in self.starts.iter().rev() {
            let Some(length) = highest.checked_sub(*start).filter(|&length| length > 0) else {
                continue;
            };
            let mut matched = 0u32;
            let mut fits = true;
            for name in names.iter().rev().take_while(|&&name| name >= length) {
                patience = patience.checked_sub(1)?;
                if !starts_at(self.strings, name - length) {
                    fits = false;
                    break;
                }
                matched += 1;
            }
            if !fits || !self.convinces(matched) {
                continue;
            }
            if found.is_some() {
                return None;
            }
            found = Some(length);
        }
        found
    }

    /// Is it no chance that so many names met the start of a string?
    ///
    /// The first of them was laid there. Each of the others would be there by
    /// chance once in as many times as strings are long, and there were as many
    /// attempts as there are strings.
    fn convinces(&self, matched: u32) -> bool {
        let others = f64::from(matched.saturating_sub(1));
        others * self.each - (self.starts.len() as f64).log2() >= CERTAIN
    }
}

/// Does a string start here?
fn starts_at(strings: &[u8], offset: u32) -> bool {
    let at = offset as usize;
    at < strings.len() && (at == 0 || strings.get(at - 1) == Some(&0))
}
