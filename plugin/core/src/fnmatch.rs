// SPDX-License-Identifier: GPL-2.0-or-later
//! The patterns that name a default entry.

/// True if `pattern` matches the whole of `text`.
///
/// `*`, `?`, `[set]` with ranges, and `\`, as systemd-boot's `efi_fnmatch()`
/// reads them (src/boot/efi-string.c): a set is not negated, and a
/// pattern that ends inside a set or after `\` matches nothing. Both sides are
/// to have their case folded.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    // Between two stars a piece is best matched as early as possible, so only
    // the last star ever has to give way.
    let mut last_star: Option<(usize, usize)> = None;
    let (mut at, mut in_text) = (0, 0);
    loop {
        let step = match (pattern.get(at), text.get(in_text)) {
            (None, None) => return true,
            (Some('*'), _) => {
                at += 1;
                last_star = Some((at, in_text));
                continue;
            }
            (Some(_), Some(found)) => one(pattern.get(at..).unwrap_or_default(), *found),
            (Some(_), None) => return false,
            (None, Some(_)) => None,
        };
        if let Some(length) = step {
            at += length;
            in_text += 1;
        } else if let Some((after, start)) = last_star {
            (at, in_text) = (after, start + 1);
            last_star = Some((at, in_text));
        } else {
            return false;
        }
    }
}

/// The length of the first element of `pattern`, which is no `*`, if it
/// matches `found`.
fn one(pattern: &[char], found: char) -> Option<usize> {
    match pattern {
        ['\\', escaped, ..] => (*escaped == found).then_some(2),
        ['\\'] => None,
        ['?', ..] => Some(1),
        ['[', set @ ..] => in_set(set, found).map(|length| 1 + length),
        [plain, ..] => (*plain == found).then_some(1),
        [] => None,
    }
}

/// The length of a set up to and with its `]`, if `found` is in it.
fn in_set(set: &[char], found: char) -> Option<usize> {
    let mut at = 0;
    let mut is_in = false;
    // The character that a `-` would make a range with.
    let mut low: Option<char> = None;
    loop {
        match set.get(at..)? {
            [']', ..] if at > 0 => return is_in.then_some(at + 1),
            ['-', high, ..] if low.is_some() && *high != ']' => {
                let high = match high {
                    '\\' => {
                        at += 1;
                        set.get(at + 1)?
                    }
                    plain => plain,
                };
                is_in |= low.is_some_and(|low| (low..=*high).contains(&found));
                low = None;
                at += 2;
            }
            ['\\', escaped, ..] => {
                is_in |= *escaped == found;
                low = Some(*escaped);
                at += 2;
            }
            ['\\'] | [] => return None,
            [plain, ..] => {
                is_in |= *plain == found;
                low = Some(*plain);
                at += 1;
            }
        }
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
