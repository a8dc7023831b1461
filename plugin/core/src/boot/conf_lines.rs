// SPDX-License-Identifier: GPL-2.0-or-later
//! The lines of `loader.conf` and of boot entries: a key, white space, a value.

/// One line that says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConfLine<'a> {
    /// Its number in the file, from 1.
    pub(crate) number: usize,
    /// The first word.
    pub(crate) key: &'a str,
    /// The rest; empty where there is none.
    pub(crate) value: &'a str,
}

/// The lines of a text, read as systemd-boot's `line_get_key_value()` does
/// (src/boot/efi-string.c): a carriage return ends a line as well, `#` starts a
/// comment only as a line's first character, quotes around the whole value are
/// no part of it, and a NUL ends the file.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = ConfLine<'_>> {
    let text = text.split('\0').next().unwrap_or_default();
    let numbered = text.split('\n').enumerate();
    let ended = numbered.flat_map(|(index, line)| line.split('\r').map(move |l| (index + 1, l)));
    ended.filter_map(|(number, line)| {
        let line = line.trim_matches([' ', '\t']);
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (key, value) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let value = value.trim_start_matches([' ', '\t']);
        Some(ConfLine {
            number,
            key,
            value: unquoted(value),
        })
    })
}

/// A value without the quotes around the whole of it.
pub(crate) fn unquoted(value: &str) -> &str {
    let inner = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_key_and_the_rest() {
        let text = "# comment\r\n\r\ntitle  A \"B\" c \r\n\tlinux\t/x # no comment\n\
                    options \"a b\"\ntitle 'c'\ntitle \"d'\nalone\na 1\rb 2\n\0after the end";
        let found: Vec<_> = lines(text).map(|l| (l.number, l.key, l.value)).collect();
        assert_eq!(
            found,
            [
                (3, "title", "A \"B\" c"),
                (4, "linux", "/x # no comment"),
                (5, "options", "a b"),
                (6, "title", "c"),
                (7, "title", "\"d'"),
                (8, "alone", ""),
                (9, "a", "1"),
                (9, "b", "2"),
            ]
        );
    }
}
