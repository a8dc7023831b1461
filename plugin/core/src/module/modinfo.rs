// SPDX-License-Identifier: GPL-2.0-or-later
//! Section `.modinfo`: `key=value` strings, each ended by NUL.

use btf_guard_btf::printable;

/// The value of the first tag `key`, as `get_modinfo()` in the kernel's
/// `kernel/module/main.c` finds it, made printable.
pub(crate) fn value(modinfo: &[u8], key: &[u8]) -> Option<String> {
    modinfo
        .split(|&byte| byte == 0)
        .find_map(|tag| tag.strip_prefix(key)?.strip_prefix(b"="))
        .map(printable)
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
}
