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
    let found = contents.of_release(release).into_iter();
    found
        .map(|(path, content)| (path.to_owned(), content.clone()))
        .collect()
}

fn of(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs
        .map(|(path, content)| ((*path).to_owned(), (*content).to_owned()))
        .collect()
}

#[test]
fn what_is_no_module_is_passed_over() {
    let names = [
        "/usr/lib/modules/6.1/a.ko",
        "./lib/modules/6.1/extra/b.ko.zst",
        "././/usr/lib/modules/6.1/c.ko.xz",
        "usr/lib/modules/6.1/d.ko.gz",
    ];
    let others = [
        "usr/lib/modules/6.1/modules.dep",
        "usr/lib/modules/e.ko",
        "usr/lib/modules/../modules/6.1/f.ko",
        "modules/6.1/g.ko",
        "usr/lib/firmware/6.1/h.ko",
        "kernel/i.ko",
        "usr/lib/modules/6.1/.ko",
    ];
    let all = names.iter().chain(&others);
    let all = entries(all.map(|name| (*name, FILE, &b"x"[..])));
    let paths: Vec<_> = found(&all, "6.1")
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    assert_eq!(
        paths,
        [
            "usr/lib/modules/6.1/a.ko",
            "usr/lib/modules/6.1/c.ko.xz",
            "usr/lib/modules/6.1/d.ko.gz",
            "lib/modules/6.1/extra/b.ko.zst",
        ]
    );
    assert_eq!(found(&all, "6.2"), []);
}

#[test]
fn only_files_and_links_are_modules() {
    let directory = 0o040_755;
    let device = 0o020_644;
    let all = entries([
        (&ko("dir")[..], directory, &b""[..]),
        (&ko("dev"), device, b""),
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
    assert_eq!(
        found(&all, "6.1"),
        of(&[("lib/modules/6.1/kernel/a.ko", "new"), (&ko("b"), "b")])
    );
    // A link in place of a file, and a file in place of a link.
    let gone = entries([(&ko("a")[..], LINK, &b"/nowhere"[..])]);
    let back = archive(&[(&ko("a"), b"again")]);
    let all = [&first[..], &gone].concat();
    assert_eq!(found(&all, "6.1"), of(&[(&ko("b"), "b")]));
    let all = [&all[..], &back].concat();
    assert_eq!(
        found(&all, "6.1"),
        of(&[(&ko("a"), "again"), (&ko("b"), "b")])
    );
}

#[test]
fn links_lead_to_other_releases_modules() {
    let weak = "usr/lib/modules/6.1/weak-updates";
    let all = entries([
        ("usr/lib/modules/6.0/extra/kmp.ko", FILE, &b"kmp"[..]),
        ("usr/lib/modules/6.0/extra/own.ko", FILE, b"own"),
        (
            &format!("{weak}/kmp.ko"),
            LINK,
            b"/lib/modules/6.0/extra/kmp.ko",
        ),
        (&format!("{weak}/again.ko"), LINK, b"../../6.0/extra/kmp.ko"),
        (&format!("{weak}/chain.ko"), LINK, b"again.ko"),
        (&format!("{weak}/dangling.ko"), LINK, b"../nothing.ko"),
        (&format!("{weak}/loop.ko"), LINK, b"loop.ko"),
        (
            &format!("{weak}/out.ko"),
            LINK,
            b"../../../../../../../../etc/passwd",
        ),
        (&ko("a"), FILE, b"a"),
        (&format!("{weak}/same.ko"), LINK, b"../kernel/a.ko"),
    ]);
    // Each file once.
    assert_eq!(
        found(&all, "6.1"),
        of(&[(&ko("a"), "a"), (&format!("{weak}/again.ko"), "kmp")])
    );
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
        assert_eq!(
            found(&out, "6.1"),
            of(&[(&ko("a"), "text"), (&ko("lonely"), "alone")]),
            "{turn}"
        );
        assert_eq!(found(&out, "6.0"), of(&[(other, "text")]), "{turn}");
    }
    // Numbers of inodes hold up to the trailer.
    let one = trailer(link(Vec::new(), &ko("a"), 7, b"1")).unwrap();
    let two = trailer(link(Vec::new(), &ko("b"), 7, b"2")).unwrap();
    assert_eq!(
        found(&[one, two].concat(), "6.1"),
        of(&[(&ko("a"), "1"), (&ko("b"), "2")])
    );
}
