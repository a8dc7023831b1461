//! Section `.modinfo`: `key=value` strings, each ended by NUL.

/// How much of one value is kept, in bytes. The kernel allows a module's name
/// 56 (`MODULE_NAME_LEN`); a vermagic is about as long.
const VALUE: usize = 512;

/// The value of the first tag `key`, as `get_modinfo()` in the kernel's
/// `kernel/module/main.c` finds it, made printable.
pub(super) fn value(modinfo: &[u8], key: &[u8]) -> Option<String> {
    modinfo
        .split(|&byte| byte == 0)
        .find_map(|tag| tag.strip_prefix(key)?.strip_prefix(b"="))
        .map(printable)
}

/// Text from an untrusted file as it can be shown: printable ASCII stays, any
/// other byte appears as `\xNN`. Long text is cut.
pub(crate) fn printable(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len().min(VALUE));
    for &byte in text.iter().take(VALUE) {
        if matches!(byte, b' '..=b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_tag_of_a_name_counts() {
        let info = b"\0\0names=x\0name=a b\0\0name=c\0vermagic=6.1 SMP \0license=name=d";
        assert_eq!(value(info, b"name").as_deref(), Some("a b"));
        assert_eq!(value(info, b"vermagic").as_deref(), Some("6.1 SMP "));
        assert_eq!(value(info, b"license").as_deref(), Some("name=d"));
        assert_eq!(value(info, b"nam"), None);
        assert_eq!(value(info, b"author"), None);
        assert_eq!(value(b"", b"name"), None);
        assert_eq!(value(b"name=", b"name").as_deref(), Some(""));
    }

    #[test]
    fn what_cannot_be_shown_is_escaped() {
        assert_eq!(printable(b"a\x1b[2J\n\x7f"), "a\\x1b[2J\\x0a\\x7f");
        assert_eq!(printable("\u{202e}k".as_bytes()), "\\xe2\\x80\\xaek");
        assert_eq!(printable(&[b'a'; 10_000]).len(), VALUE);
    }
}
