// SPDX-License-Identifier: GPL-2.0-or-later
//! Text that others have written, for a terminal or a log.

/// Escapes the control characters, line breaks and directional formatting
/// characters of a text as `\u{…}`, so that it stays one line, in its order, and
/// moves no cursor. For every name, path and error text that comes from a package,
/// a file, or another program.
///
/// The directional ones are those of Unicode Standard Annex #9, section 2.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        let breaks_line = matches!(character, '\u{2028}' | '\u{2029}');
        let reorders = matches!(
            character,
            '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        );
        if character.is_control() || breaks_line || reorders {
            escaped.extend(character.escape_unicode());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// The longest line that is told while packages are installed, in characters. A record of
/// the kernel's log is no longer (`PRINTKRB_RECORD_MAX`, kernel/printk/printk.c).
const MAX_LINE: usize = 1024;

/// The same, cut off behind [`MAX_LINE`] characters.
pub fn escape_line(text: &str) -> String {
    let mut line = escape(text);
    if let Some((end, _)) = line.char_indices().nth(MAX_LINE) {
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_an_end() {
        let long = "ä".repeat(MAX_LINE);
        assert_eq!(escape_line(&long), long);
        assert_eq!(escape_line(&(long.clone() + "b")), long + "…");
    }

    #[test]
    fn only_what_steers_a_terminal_is_escaped() {
        for (text, escaped) in [
            ("", ""),
            ("ä “%s” \\n ok", "ä “%s” \\n ok"),
            ("a\x1b[2Jb\nc\td", "a\\u{1b}[2Jb\\u{a}c\\u{9}d"),
            ("\0\u{7f}\u{9b}", "\\u{0}\\u{7f}\\u{9b}"),
            ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
            ("x\u{202e}ok.\u{2066}", "x\\u{202e}ok.\\u{2066}"),
            (
                "\u{61c}\u{200e}\u{200f}\u{2069}",
                "\\u{61c}\\u{200e}\\u{200f}\\u{2069}",
            ),
        ] {
            assert_eq!(escape(text), escaped, "{text:?}");
        }
    }
}
