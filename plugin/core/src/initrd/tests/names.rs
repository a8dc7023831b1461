// SPDX-License-Identifier: GPL-2.0-or-later
//! Which file has which name.

use super::*;

/// The paths that a kernel of a release finds modules under, with their content.
fn found(bytes: &[u8], release: &str) -> Vec<(String, String)> {
    let mut contents = Contents::default();
    for item in items(bytes) {
        match item {
            InitrdItem::Module { path, content } => {
                contents.file(path, String::from_utf8(content).unwrap());
            }
            InitrdItem::Link { path, target } => contents.link(path, &target),
        }
    }
    of(contents.of_release(release))
}

fn of<'a, T: ToString + 'a>(
    pairs: impl IntoIterator<Item = (&'a str, T)>,
) -> Vec<(String, String)> {
    let pairs = pairs.into_iter();
    pairs
        .map(|(path, content)| (path.to_owned(), content.to_string()))
        .collect()
}

#[test]
fn what_is_no_module_is_passed_over() {
    let all = archive(&[
        ("/usr/lib/modules/6.1/a.ko", b"1"),
        ("./lib/modules/6.1/extra/b.ko.zst", b"2"),
        ("././/usr/lib/modules/6.1/c.ko.xz", b"3"),
        ("usr/lib/modules/6.1/d.ko.gz", b"4"),
        ("usr/lib/modules/6.1/modules.dep", b""),
        ("usr/lib/modules/../modules/6.1/f.ko", b""),
        ("kernel/i.ko", b""),
    ]);
    let expected = of([
        ("usr/lib/modules/6.1/a.ko", "1"),
        ("usr/lib/modules/6.1/c.ko.xz", "3"),
        ("usr/lib/modules/6.1/d.ko.gz", "4"),
        ("lib/modules/6.1/extra/b.ko.zst", "2"),
    ]);
    assert_eq!(found(&all, "6.1"), expected);
    assert_eq!(found(&all, "6.2"), []);
}

#[test]
fn only_files_and_links_are_modules() {
    let all = entries([
        (&ko("dir")[..], 0o040_755, &b""[..]),
        (&ko("dev"), 0o020_644, b""),
        (&ko("strange"), 0, b"content"),
        (&ko("a"), FILE, b"1"),
    ]);
    assert_eq!(items(&all), [module("a", b"1")]);
}

#[test]
fn what_comes_later_replaces_what_came_before() {
    let first = archive(&[(&ko("a"), b"old"), (&ko("b"), b"b")]);
    let second = archive(&[("lib/modules/6.1/kernel/a.ko", b"new")]);
    let all = [&first[..], &pack(Format::Zstd, &second)].concat();
    let expected = of([("lib/modules/6.1/kernel/a.ko", "new"), (&ko("b"), "b")]);
    assert_eq!(found(&all, "6.1"), expected);
    // A link in place of a file, and a file in place of a link.
    let gone = entries([(&ko("a")[..], LINK, &b"/nowhere"[..])]);
    let back = archive(&[(&ko("a"), b"again")]);
    let all = [&first[..], &gone].concat();
    assert_eq!(found(&all, "6.1"), of([(&ko("b")[..], "b")]));
    let all = [&all[..], &back].concat();
    let expected = of([(&ko("a")[..], "again"), (&ko("b"), "b")]);
    assert_eq!(found(&all, "6.1"), expected);
}

#[test]
fn links_lead_to_other_releases_modules() {
    let weak_link = |name: &str| format!("usr/lib/modules/6.1/weak-updates/{name}.ko");
    let all = entries([
        ("usr/lib/modules/6.0/extra/kmp.ko", FILE, &b"kmp"[..]),
        ("usr/lib/modules/6.0/extra/own.ko", FILE, b"own"),
        (&weak_link("kmp"), LINK, b"/lib/modules/6.0/extra/kmp.ko"),
        (&weak_link("again"), LINK, b"../../6.0/extra/kmp.ko"),
        (&weak_link("chain"), LINK, b"again.ko"),
        (&weak_link("dangling"), LINK, b"../nothing.ko"),
        (&weak_link("loop"), LINK, b"loop.ko"),
        (
            &weak_link("out"),
            LINK,
            b"../../../../../../../../etc/passwd",
        ),
        (&ko("a"), FILE, b"a"),
        (&weak_link("same"), LINK, b"../kernel/a.ko"),
    ]);
    // Each file once.
    let expected = of([(&ko("a")[..], "a"), (&weak_link("again"), "kmp")]);
    assert_eq!(found(&all, "6.1"), expected);
    assert_eq!(found(&all, "6.0").len(), 2);
}

#[test]
fn hard_links_have_one_content() {
    let link = |out, name: &str, inode, content: &[u8]| {
        let builder = Builder::new(name).mode(FILE).ino(inode).nlink(3);
        with(out, builder, content)
    };
    let other = "usr/lib/modules/6.0/extra/x.ko";
    // The content comes last, first, or between.
    for turn in 0..3 {
        let mut out = Vec::new();
        for (index, name) in [&ko("a"), other, &ko("b")].into_iter().enumerate() {
            let content: &[u8] = if index == turn { b"text" } else { b"" };
            out = link(out, name, 7, content);
            out = link(out, &ko("lonely"), 8, b"alone");
        }
        let out = trailer(out).unwrap();
        let expected = of([(&ko("a")[..], "text"), (&ko("lonely"), "alone")]);
        assert_eq!(found(&out, "6.1"), expected, "{turn}");
        assert_eq!(found(&out, "6.0"), of([(other, "text")]), "{turn}");
    }
    // Numbers of inodes hold up to the trailer.
    let one = trailer(link(Vec::new(), &ko("a"), 7, b"1")).unwrap();
    let two = trailer(link(Vec::new(), &ko("b"), 7, b"2")).unwrap();
    let expected = of([(&ko("a")[..], "1"), (&ko("b"), "2")]);
    assert_eq!(found(&[one, two].concat(), "6.1"), expected);
}
