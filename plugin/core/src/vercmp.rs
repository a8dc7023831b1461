// SPDX-License-Identifier: GPL-2.0-or-later
//! Which of two versions is newer: the UAPI group's version format
//! specification, by which boot loaders sort entries.

use std::cmp::Ordering;

/// Compares two versions; the greater is the newer one.
///
/// The rules of "UAPI.10 Version Format Specification": segments of digits and
/// of letters, where `~` makes older than the end, then come `-`, `^` and `.`;
/// what is none of these only parts segments.
pub fn compare(mut a: &str, mut b: &str) -> Ordering {
    loop {
        a = a.trim_start_matches(is_separator);
        b = b.trim_start_matches(is_separator);
        if let Some(order) = older_with('~', &mut a, &mut b) {
            return order;
        }
        if a.is_empty() || b.is_empty() {
            return (!a.is_empty()).cmp(&!b.is_empty());
        }
        for mark in ['-', '^', '.'] {
            if let Some(order) = older_with(mark, &mut a, &mut b) {
                return order;
            }
        }
        let digit = |c: char| c.is_ascii_digit();
        let order = if a.starts_with(digit) || b.starts_with(digit) {
            let (one, two) = (take(&mut a, digit), take(&mut b, digit));
            // A number is newer than none.
            let some = (!one.is_empty()).cmp(&!two.is_empty());
            let (one, two) = (one.trim_start_matches('0'), two.trim_start_matches('0'));
            some.then(one.len().cmp(&two.len())).then(one.cmp(two))
        } else {
            let letter = |c: char| c.is_ascii_alphabetic();
            take(&mut a, letter).cmp(take(&mut b, letter))
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn is_separator(c: char) -> bool {
    !c.is_ascii_alphanumeric() && !"~-^.".contains(c)
}

/// If only one starts with `mark`, that one is older; if both do, both are
/// taken a step further.
fn older_with(mark: char, a: &mut &str, b: &mut &str) -> Option<Ordering> {
    match (a.strip_prefix(mark), b.strip_prefix(mark)) {
        (Some(_), None) => Some(Ordering::Less),
        (None, Some(_)) => Some(Ordering::Greater),
        (Some(one), Some(two)) => {
            (*a, *b) = (one, two);
            None
        }
        (None, None) => None,
    }
}

/// Takes the first characters that are `wanted` off `s`.
fn take<'a>(s: &mut &'a str, wanted: impl Fn(char) -> bool) -> &'a str {
    let rest = s.trim_start_matches(wanted);
    let taken = s.strip_suffix(rest).unwrap_or_default();
    *s = rest;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's own examples, and kernels; each older than the next.
    #[test]
    fn versions_have_an_order() {
        for line in [
            &["122.1", "123~rc1-1", "123", "123-a", "123-a.1"][..],
            &["123-a.1", "123-1", "123-1.1", "123^post1", "123.a-1"],
            &["123.a-1", "123.1-1", "123a-1", "124-1"],
            &["5.14.0-9", "5.14.0-10", "6.1.0-47-amd64", "6.1.0-55-amd64"],
            &["6.9.12-200.fc40", "6.10.0-0.rc1.fc41", "6.10.0-1.fc41"],
            &["0-rescue", "1", "1.A", "1.a", "01.1", "1.2"],
        ] {
            for pair in line.windows(2) {
                if let [old, new] = pair {
                    assert_eq!(compare(old, new), Ordering::Less, "{old} {new}");
                    assert_eq!(compare(new, old), Ordering::Greater, "{new} {old}");
                }
            }
        }
        for (one, two) in [("1.02", "1.2"), ("a_b", "a b"), ("", "__"), ("1_", "1")] {
            assert_eq!(compare(one, two), Ordering::Equal, "{one} {two}");
        }
    }
}
