// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used)]

use super::*;

fn item(file: &str, key_and_version: Option<(&str, &str)>) -> LoaderEntry {
    let name = EntryName::of(file, ".conf").or_else(|| EntryName::of(file, ".efi"));
    LoaderEntry {
        name: name.unwrap(),
        sort_key: key_and_version.map(|(key, _)| key.to_owned()),
        version: key_and_version.map(|(_, version)| version.to_owned()),
        ..LoaderEntry::default()
    }
}

/// The file that is chosen.
fn chosen(items: &[LoaderEntry], patterns: &[&str], info: Option<&str>) -> String {
    let wishes = patterns.iter().map(|pattern| DefaultPattern {
        pattern: (*pattern).to_owned(),
        by: "wish".to_owned(),
    });
    match choose(items, &wishes.collect::<Vec<_>>(), Ids::possible(info)) {
        Ok((entry, by)) => format!("{} by {by}", entry.name.file),
        Err(why) => why,
    }
}

#[test]
fn the_menu_has_an_order() {
    let sorted = [
        item("z-6.2.conf", Some(("debian", "6.10"))),
        item("y-6.1.conf", Some(("debian", "6.9"))),
        item("x.conf", Some(("fedora", "6.11"))),
        item("id-6.10.conf", None),
        item("id-6.9.conf", None),
        item("Id-6.8.efi", None),
        item("tried+0-3.conf", Some(("debian", "6.20"))),
        item("tried+0-2.conf", None),
    ];
    let mut items = sorted.to_vec();
    items.reverse();
    items.sort_by(order);
    assert_eq!(items, sorted);

    let more = item("a+3.conf", None);
    let less = item("a+2-1.conf", None);
    assert_eq!(order(&more, &less), Ordering::Less);
    let mut other = sorted.first().unwrap().clone();
    other.machine_id = Some("1".into());
    assert_eq!(order(sorted.first().unwrap(), &other), Ordering::Less);
}

#[test]
fn the_first_wish_that_names_something_wins() {
    let files = [
        "Pop_OS-current.conf",
        "Pop_OS-oldkern.conf",
        "debian-6.1.efi",
    ];
    let items = files.map(|file| item(file, None));
    let chosen = |patterns| chosen(&items, patterns, Some("systemd-boot 252.39-1~deb12u2"));
    let first = "Pop_OS-oldkern.conf by the first entry";
    for (patterns, expected) in [
        (&[][..], first),
        (
            &["x*", "POP_os-CURRENT.conf"],
            "Pop_OS-current.conf by wish",
        ),
        (&["pop_os-*"], "Pop_OS-oldkern.conf by wish"),
        (&["debian-6.1.efi@1"], "debian-6.1.efi by wish"),
        (&["nothing"], first),
        (&["auto-x"], "wish is auto-x, which is no Linux entry"),
        (&[&"a".repeat(2000)], "wish has more than 1024 characters"),
    ] {
        assert_eq!(chosen(patterns), expected, "{patterns:?}");
    }
}

/// The case of 252 was tried with the program itself, started by OVMF.
#[test]
fn what_an_id_is_depends_on_the_version() {
    let items = ["a-6.1+2-1.conf", "b.conf", "c.conf"].map(|file| item(file, None));
    let first = "c.conf by the first entry";
    let counted = "a-6.1+2-1.conf by wish";
    let depends = "which entry wish names depends on systemd-boot's version";
    for (info, by_stem, by_file, by_id) in [
        ("systemd-boot 244.1", "b.conf by wish", first, first),
        ("systemd-boot 245", first, counted, first),
        ("systemd-boot 252.39", first, counted, first),
        ("systemd-boot 258-1", first, depends, depends),
        ("systemd-boot ?", first, depends, depends),
        ("GRUB 2.12", first, first, counted),
    ] {
        let chosen = |pattern| chosen(&items, &[pattern], Some(info));
        assert_eq!(chosen("B"), by_stem, "{info}");
        assert_eq!(chosen("A-6.1+2-1.conf"), by_file, "{info}");
        assert_eq!(chosen("a-6.1.conf"), by_id, "{info}");
    }
    assert_eq!(chosen(&items, &["b"], None), first);
    assert_eq!(chosen(&items, &["b.conf"], None), "b.conf by wish");
    assert_eq!(chosen(&items, &["c*"], None), "c.conf by wish");
    assert_eq!(chosen(&[], &["a"], None), "there is no entry");
}

#[test]
fn the_order_of_the_wishes() {
    let all = |one_shot: Option<&str>, default: Option<&str>, conf| {
        let variables = EfiVariables {
            info: None,
            one_shot: one_shot.map(str::to_owned),
            default: default.map(str::to_owned),
            last_booted: Some("c".to_owned()).filter(|_| default.is_none()),
        };
        let wishes = wishes(&variables, conf, "loader.conf").into_iter();
        let shown: Vec<_> = wishes.map(|w| format!("{}: {}", w.by, w.pattern)).collect();
        shown.join("; ")
    };
    assert_eq!(
        all(Some("a"), Some("b"), Some("d")),
        "EFI variable LoaderEntryOneShot: a; EFI variable LoaderEntryDefault: b; loader.conf: d"
    );
    assert_eq!(
        all(None, None, Some("@Saved")),
        "loader.conf, the last booted: c"
    );
    assert_eq!(all(None, Some("@saved"), None), "");
}

#[test]
fn loader_conf() {
    for (text, default) in [
        ("timeout 3\r\ndefault a\r\ndefault b\r\n", Some("b")),
        ("#default a\ndefault\n", None),
        ("default a\ndefault @other\n", Some("a")),
        ("default @SAVED", Some("@SAVED")),
    ] {
        assert_eq!(loader_conf_default(text), default, "{text}");
    }
}

#[test]
fn variables_are_utf16() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(format!("{name}-{VENDOR}"));
        std::fs::write(path, bytes).unwrap();
    };
    write("LoaderEntryDefault", b"\x07\0\0\0a\0-\0*\0\0\0");
    write("LoaderInfo", b"\x06\0\0\0s\0d\0\0\0x\0");
    write("LoaderEntryOneShot", b"\x06\0");
    write("LoaderEntryLastBooted", b"\x06\0\0\0\0\xd8\0\0");
    let mut problems = Vec::new();
    let variables = EfiVariables::read(dir.path(), &mut problems);
    assert_eq!(variables.default.as_deref(), Some("a-*"));
    assert_eq!(variables.info.as_deref(), Some("sd"));
    assert_eq!((variables.one_shot, variables.last_booted), (None, None));
    let what = "expected four bytes of attributes and a text in UTF-16";
    let faults: Vec<&str> = problems.iter().map(|p| p.fault.as_str()).collect();
    assert_eq!(faults, [what; 2]);
    assert!(EfiVariables::text(b"\0\0\0\0a").is_err());
    problems.clear();
    let none = EfiVariables::read(Path::new("/no/such/dir"), &mut problems);
    assert_eq!((none, problems), (EfiVariables::default(), vec![]));
}
