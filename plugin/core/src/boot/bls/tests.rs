// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn every_key_is_read() {
    let entry = Type1Entry::parse(
        "# Boot Loader Specification type#1 entry\r\n\
         title      openSUSE Tumbleweed\r\n\
         version    5@6.16.3-1-default\r\n\
         machine-id 0123456789abcdef0123456789abcdef\r\n\
         sort-key   opensuse\r\n\
         options    root=UUID=1 quiet\r\n\
         options    rootflags=subvol=@/.snapshots/5/snapshot\r\n\
         linux      /old\r\n\
         linux      /opensuse/6.16.3-1-default/linux-0a1b\r\n\
         initrd     /a\r\n\
         initrd     /b $tuned_initrd\r\n\
         grub_class opensuse\r\n",
    )
    .unwrap();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        entry,
        Type1Entry {
            program: Program::Linux,
            path: "/opensuse/6.16.3-1-default/linux-0a1b".into(),
            line: 9,
            title: some("openSUSE Tumbleweed"),
            version: some("5@6.16.3-1-default"),
            machine_id: some("0123456789abcdef0123456789abcdef"),
            sort_key: some("opensuse"),
            initrds: vec![(10, "/a".into()), (11, "/b".into())],
            options: some("root=UUID=1 quiet rootflags=subvol=@/.snapshots/5/snapshot"),
        }
    );
    assert_eq!(entry.release(), Some("6.16.3-1-default"));
}

#[test]
fn what_is_started() {
    for (text, program, path) in [
        ("uki /a.efi", Program::Uki, "/a.efi"),
        ("efi /a.efi", Program::Efi, "/a.efi"),
        ("uki-url http://x/", Program::UkiUrl, "http://x/"),
    ] {
        let entry = Type1Entry::parse(text).unwrap();
        assert_eq!((entry.program, entry.path.as_str()), (program, path));
    }
    let version = |v: &str| {
        let entry = Type1Entry::parse(&format!("linux /a\nversion {v}")).unwrap();
        entry.release().unwrap().to_owned()
    };
    assert_eq!(version("6.1.0"), "6.1.0");
    assert_eq!(version("a@6.1.0"), "a@6.1.0");
}

#[test]
fn a_broken_entry_is_told_by_its_line() {
    let nothing = "expected a line that says what to start: linux, uki, uki-url or efi, and a path";
    let two = "line 3: expected one of linux, uki, uki-url and efi, not two of them";
    let many = "linux /a\n".to_owned() + &"initrd /b\n".repeat(65);
    for (text, fault) in [
        ("", nothing),
        ("\0\0\0\0", nothing),
        ("title x\nLINUX /a", nothing),
        ("title x\nlinux\n", "line 2: expected a path after linux"),
        ("linux /a\ntitle x\nefi /b", two),
        (&many, "line 66: expected at most 64 initrds"),
    ] {
        assert_eq!(Type1Entry::parse(text).unwrap_err(), fault);
    }
}

#[test]
fn names_and_counters() {
    for (file, id, expected) in [
        ("a.conf", "a.conf", None),
        ("a+3.conf", "a.conf", Some((3, 0))),
        ("a+2-1.conf", "a.conf", Some((2, 1))),
        ("a+b+0-3.CONF", "a+b.CONF", Some((0, 3))),
        ("a+3x.conf", "a+3x.conf", None),
        ("a+.conf", "a+.conf", None),
        ("a+3-.conf", "a+3-.conf", None),
        ("a+3--1.conf", "a+3--1.conf", None),
        ("a++3.conf", "a+.conf", Some((3, 0))),
        ("a+2147483648.conf", "a+2147483648.conf", None),
        ("6.1.0-3+deb13.conf", "6.1.0-3+deb13.conf", None),
    ] {
        let name = EntryName::of(file, ".conf").unwrap();
        assert_eq!((name.id.as_str(), name.tries), (id, expected), "{file}");
    }
    for file in ["a", "conf", ".a.conf", "a.conf.bak", "Auto-x.conf", "é"] {
        assert_eq!(EntryName::of(file, ".conf"), None, "{file}");
    }
    assert_eq!(EntryName::of("a+3-0.efi", ".efi").unwrap().id, "a.efi");
}

#[test]
fn a_line_is_a_key_and_the_rest() {
    let text = "# comment\r\n\r\ntitle  A \"B\" c \r\n\tlinux\t/x # no comment\n\
                options \"a b\"\ntitle 'c'\ntitle \"d'\nalone\na 1\rb 2\n\0after the end";
    let found: Vec<_> = lines(text).collect();
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
