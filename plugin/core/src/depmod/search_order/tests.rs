// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::symlink;

use super::*;

fn order(config: &str) -> SearchOrder {
    let mut order = SearchOrder::default();
    order.add(config, "6.1.0-1-default");
    order.or_default()
}

const SUSE: &str = "search updates extra weak-updates kgraft built-in\n";
const RHEL: &str = "search updates extra built-in weak-updates\n";

#[test]
fn the_directory_that_ranks_highest_has_the_name() {
    for (config, files, loaded) in [
        (
            "",
            &["kernel/a.ko", "updates/a.ko.xz"][..],
            &["updates/a.ko.xz"][..],
        ),
        (
            "",
            &["kernel/a.ko", "extra/a.ko"],
            &["kernel/a.ko", "extra/a.ko"],
        ),
        (
            SUSE,
            &["weak-updates/updates/a.ko", "updates/a.ko"],
            &["updates/a.ko"],
        ),
        (
            SUSE,
            &["weak-updates/a.ko", "kernel/x/a.ko"],
            &["weak-updates/a.ko"],
        ),
        (
            RHEL,
            &["weak-updates/a.ko", "kernel/x/a.ko"],
            &["kernel/x/a.ko"],
        ),
        (RHEL, &["weak-updates/a.ko", "extra/a.ko"], &["extra/a.ko"]),
        (
            SUSE,
            &["updatesx/a-b.ko", "kgraft/a_b.ko"],
            &["kgraft/a_b.ko"],
        ),
        // A word that is a directory of another comes first only where it stands first.
        (
            "search a/b a built-in",
            &["a/x.ko", "a/b/x.ko"],
            &["a/b/x.ko"],
        ),
        (
            "search a a/b built-in",
            &["a/x.ko", "a/b/x.ko"],
            &["a/x.ko", "a/b/x.ko"],
        ),
        (
            "search built-in updates",
            &["updates/a.ko", "kernel/a.ko"],
            &["kernel/a.ko"],
        ),
        (
            "override a * extra",
            &["updates/a.ko", "extra/a.ko.gz"],
            &["extra/a.ko.gz"],
        ),
        (
            "override a-b * extra",
            &["updates/a_b.ko", "extra/a-b.ko"],
            &["extra/a-b.ko"],
        ),
        (
            "override a_b * extra",
            &["updates/a_b.ko", "extra/a-b.ko"],
            &["updates/a_b.ko"],
        ),
        (
            "override a ^6 extra",
            &["updates/a.ko", "extra/a.ko"],
            &["extra/a.ko"],
        ),
        (
            "override a ^5 extra",
            &["updates/a.ko", "extra/a.ko"],
            &["updates/a.ko"],
        ),
        (
            "override a [ extra",
            &["updates/a.ko", "extra/a.ko"],
            &["updates/a.ko"],
        ),
        (
            "override a * extra\noverride a * kernel",
            &["extra/a.ko", "kernel/a.ko"],
            &["kernel/a.ko"],
        ),
        (
            "external * /opt/b\nexternal ^6 /opt/a\nsearch external built-in",
            &["/opt/a/a.ko", "/opt/b/sub/a.ko", "kernel/a.ko"],
            &["/opt/b/sub/a.ko"],
        ),
        (
            "external * /opt/build\nexternal ^5 /opt/a\nsearch external built-in",
            &["/opt/a/a.ko", "/opt/build/a.ko", "kernel/a.ko"],
            &["/opt/build/a.ko"],
        ),
        (
            "external * /opt/a\nsearch updates built-in",
            &["/opt/a/updates/a.ko", "kernel/a.ko"],
            &["/opt/a/updates/a.ko", "kernel/a.ko"],
        ),
        (
            "exclude old\nsearch old built-in",
            &["old/a.ko", "kernel/a.ko"],
            &["kernel/a.ko"],
        ),
        (
            "#search extra\nsearch up\\\ndates extra",
            &["updates/a.ko", "extra/a.ko"],
            &["updates/a.ko"],
        ),
    ] {
        let order = order(config);
        let named = files.iter().map(|path| (Path::new(path), *path));
        let mut highest: Vec<_> = named.filter(|(path, _)| !order.excludes(path)).collect();
        order.keep_highest(&mut highest);
        let highest: Vec<_> = highest.into_iter().map(|(_, path)| path).collect();
        assert_eq!(highest, loaded, "{config}: {files:?}");
    }
}

#[test]
fn a_file_of_the_administrator_takes_the_place_of_the_vendors() {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    for (path, text) in [
        ("etc/depmod.d/00-system.conf", "search built-in updates"),
        ("usr/lib/depmod.d/00-system.conf", SUSE),
        ("usr/lib/depmod.d/.hidden.conf", "search x"),
        ("usr/lib/depmod.d/readme", "search x"),
        ("usr/lib/depmod.d/20-none.conf", "search x"),
        ("usr/lib/depmod.d/50-one.conf", "search extra"),
    ] {
        fs::create_dir_all(at(path).parent().unwrap()).unwrap();
        fs::write(at(path), text).unwrap();
    }
    fs::create_dir_all(at("run/depmod.d/99-dir.conf")).unwrap();
    symlink("/dev/null", at("etc/depmod.d/20-none.conf")).unwrap();
    let root = Root::new(dir.path()).unwrap();
    let read = || SearchOrder::read(&root, "6.1");
    assert_eq!(read(), order("search built-in updates extra"));

    let long = at("etc/depmod.d/50-one.conf");
    let file = fs::File::create(&long).unwrap();
    file.set_len(MAX_CONFIG + 1).unwrap();
    fs::write(at("usr/local"), "").unwrap();
    let order = read();
    let unreadable: Vec<_> = order.unreadable.iter().map(|(path, _)| path).collect();
    assert_eq!(unreadable, [&at("usr/local/lib/depmod.d"), &long]);
    // Nothing is known, and so nothing left out.
    let mut files = vec![
        (Path::new("kernel/a.ko"), ()),
        (Path::new("updates/a.ko"), ()),
    ];
    order.keep_highest(&mut files);
    assert_eq!(files.len(), 2);
}
