// SPDX-License-Identifier: GPL-2.0-or-later
//! Bytes of untrusted files as text.

/// How much of a name or value is kept, in bytes. The kernel allows a module's name
/// 56 (`MODULE_NAME_LEN`); a vermagic is about as long.
const MAX_TEXT: usize = 512;

/// The escaping of `/dev/kmsg` (`msg_add_ext_text()`, kernel/printk/printk.c):
/// whatever is not printable ASCII, and the backslash, as `\xNN`.
pub(crate) fn escape(text: &[u8]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for &byte in text {
        match byte {
            b' '..=b'~' if byte != b'\\' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("\\x{byte:02x}")),
        }
    }
    escaped
}

/// A name or a value, escaped likewise. Long text is cut.
pub fn printable(text: &[u8]) -> String {
    escape(text.get(..MAX_TEXT).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_shown_is_escaped() {
        assert_eq!(printable(b"a\x1b[2J\n\x7f\\"), "a\\x1b[2J\\x0a\\x7f\\x5c");
        assert_eq!(printable("\u{202e}k".as_bytes()), "\\xe2\\x80\\xaek");
        assert_eq!(printable(&[b'a'; 10_000]).len(), MAX_TEXT);
    }
}
