// SPDX-License-Identifier: GPL-2.0-or-later
//! Which of two versions is newer: the UAPI group's version format
//! specification, by which boot loaders sort entries.

use std::cmp::Ordering;

/// Compares two versions; the greater is the newer one.
///
/// The rules of "UAPI.10 Version Format Specification": segments of digits and
/// of letters, where `~` makes older than the end, then come `-`, `^` and `.`;
/// what is none of these only parts segments.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        a = skip_while(a, is_separator);
        b = skip_while(b, is_separator);
        if let Some(order) = older_with(b'~', &mut a, &mut b) {
            return order;
        }
        if a.is_empty() || b.is_empty() {
            return (!a.is_empty()).cmp(&!b.is_empty());
        }
        for mark in *b"-^." {
            if let Some(order) = older_with(mark, &mut a, &mut b) {
                return order;
            }
        }
        let digits = |s: &[u8]| s.first().is_some_and(u8::is_ascii_digit);
        let order = if digits(a) || digits(b) {
            let (one, two) = (
                take(&mut a, u8::is_ascii_digit),
                take(&mut b, u8::is_ascii_digit),
            );
            // A number is newer than none.
            let some = (!one.is_empty()).cmp(&!two.is_empty());
            let (one, two) = (
                skip_while(one, |c| *c == b'0'),
                skip_while(two, |c| *c == b'0'),
            );
            some.then(one.len().cmp(&two.len())).then(one.cmp(two))
        } else {
            let one = take(&mut a, u8::is_ascii_alphabetic);
            let two = take(&mut b, u8::is_ascii_alphabetic);
            one.cmp(two)
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn is_separator(byte: &u8) -> bool {
    !byte.is_ascii_alphanumeric() && !b"~-^.".contains(byte)
}

/// If only one starts with `mark`, that one is older; if both do, both are
/// taken a step further.
fn older_with(mark: u8, a: &mut &[u8], b: &mut &[u8]) -> Option<Ordering> {
    match (a.strip_prefix(&[mark]), b.strip_prefix(&[mark])) {
        (Some(_), None) => Some(Ordering::Less),
        (None, Some(_)) => Some(Ordering::Greater),
        (Some(one), Some(two)) => {
            (*a, *b) = (one, two);
            None
        }
        (None, None) => None,
    }
}

fn skip_while(s: &[u8], skipped: impl Fn(&u8) -> bool) -> &[u8] {
    let end = s.iter().position(|byte| !skipped(byte));
    s.get(end.unwrap_or(s.len())..).unwrap_or_default()
}

/// Takes the first bytes that are `wanted` off `s`.
fn take<'a>(s: &mut &'a [u8], wanted: impl Fn(&u8) -> bool) -> &'a [u8] {
    let end = s.iter().position(|byte| !wanted(byte)).unwrap_or(s.len());
    let (taken, rest) = s.split_at_checked(end).unwrap_or((s, &[]));
    *s = rest;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's own examples, and the kernels this is about; each
    /// older than the next.
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
