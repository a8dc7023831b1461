// SPDX-License-Identifier: GPL-2.0-or-later
//! How long the names of types are in all: any number of them may be ends of one string.

/// The most that is compared of the names of types, in bytes in all. The names of a
/// kernel's 115,000 types come to two million.
const MAX_NAMES: usize = 64 << 20;

/// Do names come to no more than [`MAX_NAMES`]? As soon as they do, no more are measured.
pub(crate) fn are_short<'n>(names: impl Iterator<Item = &'n [u8]>) -> bool {
    let mut left = MAX_NAMES;
    let mut lengths = names.map(<[u8]>::len);
    lengths.all(|length| match left.checked_sub(length + 1) {
        Some(less) => {
            left = less;
            true
        }
        None => false,
    })
}
