// SPDX-License-Identifier: GPL-2.0-or-later
//! What relocating costs: more than linear in the bytes where names are made for it.
//!
//! Every type may be named by another end of one long string, and of types of one name
//! each is held against each. The kernel takes the time; nothing here need wait for it.

use std::collections::HashMap;

use crate::base::Base;
use crate::ctype::c_string;
use crate::name_lengths::are_short;
use crate::split::Split;

/// The most types of one name that are held against each other: pairs, of all names.
const MAX_PAIRS: usize = 1 << 26;

/// Can a module with this `.BTF.base` be relocated to `base`, or be found not to fit it,
/// in time that grows with their sizes? Of one that is no BTF it can.
pub fn is_affordable(distilled: &[u8], base: &Base) -> bool {
    let Some(distilled) = Split::parse(distilled, base.order()) else {
        return true;
    };
    let name = |name_off: u32| {
        let strings = distilled.strings;
        c_string(strings.get(name_off as usize..).unwrap_or(&[]))
    };
    let names = || distilled.bodies().map(|(_, t, _)| name(t.name_off));
    if !are_short(names()) || base.sorted_by_name().is_none() {
        return false;
    }
    let mut by_name: HashMap<&[u8], usize> = HashMap::new();
    for name in names() {
        *by_name.entry(name).or_default() += 1;
    }
    let mut left = MAX_PAIRS;
    by_name.into_iter().all(|(name, count)| {
        let pairs = base.named(name).count().saturating_mul(count);
        left.checked_sub(pairs).is_some_and(|less| {
            left = less;
            true
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::raw::kind;

    /// A BTF of types of one kind without anything appended, named by these offsets.
    fn btf(names: impl Iterator<Item = u32>, strings: &[u8]) -> Vec<u8> {
        let info = u32::from(kind::FLOAT) << 24;
        let types = names.flat_map(|name| [name, info, 8]);
        let types: Vec<u8> = types.flat_map(u32::to_le_bytes).collect();
        let mut raw = vec![0x9f, 0xeb, 1, 0];
        let length = types.len() as u32;
        for word in [24, 0, length, length, strings.len() as u32] {
            raw.extend(word.to_le_bytes());
        }
        raw.extend(types);
        raw.extend(strings);
        raw
    }

    fn strings(length: usize) -> Vec<u8> {
        [b"\0", vec![b'a'; length].as_slice(), b"\0"].concat()
    }

    #[test]
    fn names_that_are_ends_of_one_string_are_not_compared() {
        let long = btf(1..50_001, &strings(50_000));
        let short = btf(1..2001, &strings(2000));
        let base = |raw: &[u8]| Base::parse(raw.to_vec()).unwrap();
        assert!(is_affordable(&short, &base(&short)));
        assert!(!is_affordable(&long, &base(&short)));
        assert!(!is_affordable(&short, &base(&long)));
        assert_eq!(base(&long).named(b"a").count(), 0);
        assert!(is_affordable(b"no BTF", &base(&short)));
    }

    #[test]
    fn types_of_one_name_are_not_all_held_against_all() {
        let many = |count| btf(std::iter::repeat_n(1, count), &strings(1));
        let base = |count| Base::parse(many(count)).unwrap();
        assert!(is_affordable(&many(1000), &base(1000)));
        assert!(!is_affordable(&many(10_000), &base(10_000)));
    }
}
