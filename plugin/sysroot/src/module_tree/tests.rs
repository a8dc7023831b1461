// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::tests::touch;

fn names(tree: &ModuleTree, dir: &Path) -> Vec<String> {
    tree.modules
        .iter()
        .map(|m| m.path.strip_prefix(dir).unwrap().display().to_string())
        .collect()
}

#[test]
fn links_inside_are_followed_and_others_are_not() {
    let outer = tempfile::tempdir().unwrap();
    touch(outer.path().join("outside/evil.ko"));
    let base = outer.path().join("root");
    let dir = base.join("lib/modules/6.1");
    touch(dir.join("kernel/b.ko.xz"));
    touch(dir.join("kernel/a.ko"));
    touch(dir.join("kernel/a.txt"));
    touch(dir.join("build/scripts/host.ko"));
    touch(base.join("lib/modules/6.0/extra/kmp.ko.zst"));
    touch(base.join("srv/more/c.ko"));
    fs::create_dir(dir.join("weak-updates")).unwrap();
    symlink(
        "/lib/modules/6.0/extra/kmp.ko.zst",
        dir.join("weak-updates/kmp.ko.zst"),
    )
    .unwrap();
    symlink("/srv/more", dir.join("more")).unwrap();
    symlink("../../../srv", dir.join("source")).unwrap();
    symlink(".", dir.join("kernel/loop")).unwrap();
    symlink("/nowhere.ko", dir.join("dangling.ko")).unwrap();
    symlink(outer.path().join("outside"), dir.join("absolute")).unwrap();
    symlink("../../../../outside/evil.ko", dir.join("evil.ko")).unwrap();

    let root = Root::new(&base).unwrap();
    let tree = walk(&dir, &root);
    assert_eq!(tree.unreadable, []);
    assert_eq!(
        names(&tree, &dir),
        [
            "kernel/a.ko",
            "kernel/b.ko.xz",
            "more/c.ko",
            "weak-updates/kmp.ko.zst"
        ]
    );
}

#[test]
fn a_directory_that_is_not_in_the_root_is_its_own_boundary() {
    let outer = tempfile::tempdir().unwrap();
    fs::create_dir(outer.path().join("root")).unwrap();
    touch(outer.path().join("x.ko"));
    touch(outer.path().join("dir/y.ko"));
    symlink("../x.ko", outer.path().join("dir/x.ko")).unwrap();
    symlink("y.ko", outer.path().join("dir/0.ko")).unwrap();

    let root = Root::new(&outer.path().join("root")).unwrap();
    let dir = outer.path().join("dir");
    let tree = walk(&dir, &root);
    assert_eq!(names(&tree, &dir), ["0.ko"]);
    let other: Vec<_> = tree.other_paths.iter().map(|found| &found.path).collect();
    assert_eq!(other, [&dir.join("y.ko")]);
}

/// A module directory with two modules, links to two others of 20 files each and to one
/// file, and its root.
fn with_links_out(outer: &Path) -> (PathBuf, Root) {
    let base = outer.join("root");
    let dir = base.join("lib/modules/6.1");
    touch(dir.join("kernel/a.ko"));
    touch(dir.join("updates/b.ko"));
    touch(base.join("opt/c.ko"));
    for number in 0..20 {
        touch(base.join(format!("srv/{number}.ko")));
        touch(base.join(format!("var/{number}.ko")));
    }
    symlink("/srv", dir.join("more")).unwrap();
    symlink("/var", dir.join("kernel/more")).unwrap();
    symlink("/opt/c.ko", dir.join("updates/c.ko")).unwrap();
    (dir, Root::new(&base).unwrap())
}

#[test]
fn links_out_of_the_directory_do_not_lead_to_the_whole_disk() {
    let outer = tempfile::tempdir().unwrap();
    let (dir, root) = with_links_out(outer.path());
    let walk = |all, outside| walk_within(&dir, &root, EntryBudget { all, outside }).0;

    let whole = walk(47, 40);
    assert_eq!((whole.modules.len(), whole.unreadable), (43, vec![]));

    let cut = walk(47, 25);
    let names = names(&cut, &dir);
    for own in ["kernel/a.ko", "updates/b.ko", "updates/c.ko"] {
        assert!(names.contains(&own.to_owned()), "{own}: {names:?}");
    }
    assert_eq!(names.len(), 3 + 25);
    let [(link, why)] = &cut.unreadable[..] else {
        panic!("{:?}", cut.unreadable);
    };
    assert!(
        ["more", "kernel/more"]
            .iter()
            .any(|name| *link == dir.join(name))
    );
    let dir = dir.display();
    let expected = format!(
        "more than 25 files and directories outside of {dir}; the others are not looked at"
    );
    assert_eq!(*why, expected);

    symlink("/", outer.path().join("root/lib/modules/6.1/root")).unwrap();
    assert_eq!(walk(1000, 25).unreadable.len(), 1);
}

#[test]
fn a_walk_ends_where_there_is_too_much() {
    let outer = tempfile::tempdir().unwrap();
    let (dir, root) = with_links_out(outer.path());
    for most in 0..7 {
        let (cut, looked_at) = walk_within(
            &dir,
            &root,
            EntryBudget {
                all: most,
                outside: 40,
            },
        );
        let expected = format!(
            "more than {most} files and directories below {}; the others are not looked at",
            dir.display()
        );
        let why: Vec<_> = cut.unreadable.iter().map(|(_, why)| why).collect();
        assert_eq!(why, [&expected]);
        assert_eq!(looked_at, most);
        assert!(cut.modules.len() <= most);
    }
}

#[test]
fn walks_share_what_is_looked_at() {
    let outer = tempfile::tempdir().unwrap();
    let (dir, root) = with_links_out(outer.path());
    let whole = walk(&dir, &root);
    assert_eq!(whole.cut, []);
    let walks = WalkBudget {
        left: AtomicUsize::new(60),
    };
    assert_eq!(walk_sharing(&dir, &root, &walks).modules, whole.modules);
    let second = walk_sharing(&dir, &root, &walks);
    assert!(!second.cut.is_empty() && second.modules.len() < whole.modules.len());
    let third = walk_sharing(&dir, &root, &walks);
    assert!(!third.cut.is_empty() && third.modules.is_empty());
}

#[test]
fn proc_and_sys_are_not_entered_by_links() {
    assert!(has_no_files(Path::new("/proc/self")));
    assert!(!has_no_files(Path::new("/usr")));
}

#[test]
fn links_out_of_module_directories_are_known_by_their_words() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("usr/lib/modules/6.1");
    touch(base.join("kernel/a.ko"));
    touch(base.join("modules.dep"));
    symlink("usr/lib", dir.path().join("lib")).unwrap();
    for (name, target) in [
        ("build", "/usr/src/linux"),
        ("extra", "/opt/kmp"),
        ("other", "../6.0/updates"),
        ("updates", "../../../../srv/./kmp/"),
    ] {
        symlink(target, base.join(name)).unwrap();
    }
    let mut found = linked_outside(&Root::new(dir.path()).unwrap());
    found.sort();
    assert_eq!(found, [Path::new("/opt/kmp"), Path::new("/srv/kmp")]);

    // Of too many entries to look at, any may lead anywhere.
    let found = linked_outside_within(&Root::new(dir.path()).unwrap(), 3);
    assert!(found.contains(&PathBuf::from("/")), "{found:?}");
}

#[test]
fn what_is_not_there_is_said() {
    let root = Root::new(Path::new("/")).unwrap();
    let tree = walk(Path::new("/no/such/directory"), &root);
    assert_eq!(tree.modules, []);
    assert_eq!(tree.unreadable.len(), 1);
}
