// SPDX-License-Identifier: GPL-2.0-or-later
//! The patterns that name a default entry.

/// True if `pattern` matches the whole of `text`.
///
/// `*`, `?`, `[set]` with ranges, and `\`, as systemd-boot's `efi_fnmatch()`
/// reads them (src/boot/efi-string.c): a set is not negated, and a
/// pattern that ends inside a set or after `\` matches nothing. Both sides are
/// to have their case folded.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut pattern, mut text) = (pattern.as_slice(), text.as_slice());
    // Between two stars a piece is best matched as early as possible, so only
    // the last star ever has to give way.
    let mut last_star = None;
    loop {
        let step = match (pattern, text) {
            ([], []) => return true,
            (['*', rest @ ..], _) => {
                last_star = Some((rest, text));
                Some((rest, text))
            }
            (_, []) => return false,
            (_, [found, after @ ..]) => one(pattern, *found).map(|rest| (rest, after)),
        };
        (pattern, text) = match (step, last_star) {
            (Some(step), _) => step,
            (None, Some((rest, [_, after @ ..]))) => {
                last_star = Some((rest, after));
                (rest, after)
            }
            (None, _) => return false,
        };
    }
}

/// What follows the first element of `pattern`, which is no `*`, if that matches `found`.
fn one(pattern: &[char], found: char) -> Option<&[char]> {
    match pattern {
        ['\\', plain, rest @ ..] => (*plain == found).then_some(rest),
        ['\\'] | [] => None,
        ['?', rest @ ..] => Some(rest),
        ['[', set @ ..] => in_set(set, found),
        [plain, rest @ ..] => (*plain == found).then_some(rest),
    }
}

fn in_set(set: &[char], found: char) -> Option<&[char]> {
    let mut left = set;
    let mut is_in = false;
    // The character that a `-` would make a range with.
    let mut low: Option<char> = None;
    loop {
        let range = match left {
            ['-', '\\', high, rest @ ..] => low.map(|low| (low..=*high, rest)),
            ['-', high, rest @ ..] if *high != ']' => low.map(|low| (low..=*high, rest)),
            _ => None,
        };
        left = match (range, left) {
            (Some((range, rest)), _) => {
                is_in |= range.contains(&found);
                low = None;
                rest
            }
            (None, [']', rest @ ..]) if left.len() < set.len() => return is_in.then_some(rest),
            (None, ['\\', plain, rest @ ..] | [plain, rest @ ..]) => {
                is_in |= *plain == found;
                low = Some(*plain);
                rest
            }
            (None, []) => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("a*", "a.conf", true),
            ("a*", "b.conf", false),
            ("*-6.1*.conf", "id-6.1.0-55-amd64.conf", true),
            ("*-6.1*.conf", "id-6.2.0.conf", false),
            ("*a*a*b", "aaaaaaaab", true),
            ("*a*a*b", "aaaaaaaac", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a?", "a", false),
            (r"a\*", "a*", true),
            (r"a\*", "ab", false),
            (r"a\", "a", false),
            ("[a-c]x", "bx", true),
            ("[a-c]x", "dx", false),
            ("[a-c-f]", "f", true),
            ("[a-c-f]", "e", false),
            ("[]a]", "]", true),
            (r"[\]a]", "]", true),
            ("[-a]", "-", true),
            ("[a-]", "-", true),
            ("[abc", "a", false),
            ("[!a]", "b", false),
            ("*[0-9].conf", "id-6.conf", true),
            ("plain.conf", "plain.conf", true),
            ("plain", "plain.conf", false),
            ("b*é", "bé", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_end_soon() {
        let pattern = "*a".repeat(500) + "b";
        assert!(!matches(&pattern, &"a".repeat(5_000)));
    }
}
