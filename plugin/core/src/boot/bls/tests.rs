// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used)]

use super::*;

fn fault(text: &str) -> String {
    Type1Entry::parse(text).unwrap_err().to_string()
}

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
         devicetree /x.dtb\r\n\
         devicetree-overlay /y.dtbo /z.dtbo\r\n\
         architecture X64\r\n\
         profile    2\r\n\
         extra      /e\r\n\
         grub_class opensuse\r\n",
    )
    .unwrap();
    let at = |line, value: &str| AtLine {
        line,
        value: value.to_owned(),
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        entry,
        Type1Entry {
            program: AtLine {
                line: 9,
                value: Program::Linux("/opensuse/6.16.3-1-default/linux-0a1b".into()),
            },
            title: some("openSUSE Tumbleweed"),
            version: some("5@6.16.3-1-default"),
            machine_id: some("0123456789abcdef0123456789abcdef"),
            sort_key: some("opensuse"),
            initrds: vec![at(10, "/a"), at(11, "/b")],
            options: some("root=UUID=1 quiet rootflags=subvol=@/.snapshots/5/snapshot"),
            devicetree: some("/x.dtb"),
            devicetree_overlay: some("/y.dtbo /z.dtbo"),
            architecture: some("X64"),
            profile: Some(2),
            extra: vec!["/e".into()],
        }
    );
    assert_eq!(entry.release(), Some("6.16.3-1-default"));
}

#[test]
fn what_is_started() {
    let program = |text| Type1Entry::parse(text).unwrap().program.value;
    assert_eq!(program("uki /a.efi"), Program::Uki("/a.efi".into()));
    assert_eq!(program("efi /a.efi"), Program::Efi("/a.efi".into()));
    assert_eq!(
        program("uki-url http://x/"),
        Program::UkiUrl("http://x/".into())
    );
    assert_eq!(Type1Entry::parse("uki-url http://x/").unwrap().path(), None);
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
    assert_eq!(fault(""), nothing);
    assert_eq!(fault("\0\0\0\0"), nothing);
    assert_eq!(fault("title x\nLINUX /a"), nothing);
    assert_eq!(
        fault("title x\nlinux\n"),
        "line 2: expected a path after linux"
    );
    assert_eq!(
        fault("linux /a\ntitle x\nefi /b"),
        "line 3: expected one of linux, uki, uki-url and efi, not two of them"
    );
    assert_eq!(
        fault("uki /a\nprofile x"),
        "line 2: expected the number of a profile"
    );
    assert_eq!(
        fault(&("linux /a\n".to_owned() + &"initrd /b\n".repeat(65))),
        "line 66: expected at most 64 initrds"
    );
}

#[test]
fn names_and_counters() {
    let tries = |left, done| Some(Tries { left, done });
    for (file, id, expected) in [
        ("a.conf", "a.conf", None),
        ("a+3.conf", "a.conf", tries(3, 0)),
        ("a+2-1.conf", "a.conf", tries(2, 1)),
        ("a+b+0-3.CONF", "a+b.CONF", tries(0, 3)),
        ("a+3x.conf", "a+3x.conf", None),
        ("a+.conf", "a+.conf", None),
        ("a+3-.conf", "a+3-.conf", None),
        ("a+3--1.conf", "a+3--1.conf", None),
        ("a++3.conf", "a+.conf", tries(3, 0)),
        ("a+2147483648.conf", "a+2147483648.conf", None),
        ("6.1.0-3+deb13.conf", "6.1.0-3+deb13.conf", None),
    ] {
        let name = EntryName::of(file, ".conf").unwrap();
        assert_eq!((name.id.as_str(), name.tries), (id, expected), "{file}");
    }
    for file in [
        "a",
        "conf",
        ".a.conf",
        "a.conf.bak",
        "Auto-windows.conf",
        "é",
    ] {
        assert_eq!(EntryName::of(file, ".conf"), None, "{file}");
    }
    assert_eq!(EntryName::of("a+3-0.efi", ".efi").unwrap().id, "a.efi");
}

#[test]
fn only_type1_is_read() {
    assert!(are_type1("type1\n"));
    assert!(!are_type1("type2\n"));
    assert!(!are_type1(""));
}
