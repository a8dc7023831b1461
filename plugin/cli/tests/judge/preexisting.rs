// SPDX-License-Identifier: GPL-2.0-or-later
//! What was broken before the transaction: it blocks nothing.

use std::fs;

use crate::common::judge::{Transaction, kernel, kmp};
use crate::common::{Build, Place, RELEASE, base, module, module_path};

#[test]
fn what_was_broken_before_is_a_note_and_repairs_go_through() {
    let (root, files) = (Place::new(), Place::new());
    root.boot(Build::New);
    root.install("broken", Build::Old);
    root.install("mended", Build::Old);
    let repair = kmp(
        &files,
        "repair",
        &[("broken", Build::Old), ("mended", Build::New)],
    );
    let answer = Transaction::on(&root).install(&repair).judge();
    assert_eq!(answer.decision(), "allow");
    assert_eq!(answer.verdicts(), ["broken refused info"]);
    let messages = answer.messages();
    assert!(
        messages[0].starts_with("notice btf-guard: as before this transaction, 1 of 2 modules"),
        "{messages:?}"
    );

    // The same module at another place is the same module.
    let elsewhere = format!("/lib/modules/{RELEASE}/extra/broken.ko");
    let moved = files.package("moved", &[(elsewhere, module("broken", Build::Old))]);
    let moved = Transaction::on(&root).install(&moved).judge();
    assert_eq!(moved.decision(), "allow");

    // One that worked is made worse.
    root.install("broken", Build::New);
    let worse = Transaction::on(&root).install(&repair).judge();
    assert_eq!(worse.decision(), "block");

    // A module that was broken, before a kernel that replaces one that did not take it either.
    root.install("broken", Build::Old);
    let kernel = kernel(&files, "kernel", Build::New);
    let same = Transaction::on(&root).install(&kernel).judge();
    assert_eq!(same.decision(), "allow");
    assert_eq!(
        same.verdicts(),
        ["broken refused info", "mended refused info"]
    );
}

#[test]
fn a_repair_of_an_image_that_cannot_be_read_is_not_stopped() {
    let (root, files) = (Place::new(), Place::new());
    let image = root.boot(Build::New);
    root.install("kmp", Build::Old);
    let whole = fs::read(&image).unwrap();
    fs::write(&image, &whole[..whole.len() / 2]).unwrap();
    let kernel = kernel(&files, "kernel", Build::New);
    let answer = Transaction::on(&root).install(&kernel).judge();
    assert_eq!(answer.verdicts(), ["kmp refused warn"]);
    assert!(
        answer.says("whether it was so before this transaction is not known: "),
        "{:?}",
        answer.messages()
    );

    // A kernel that took the module is made worse, whatever lies beside it.
    let beside = root.file(&format!("lib/modules/{RELEASE}/vmlinuz"), base(Build::Old));
    let answer = Transaction::on(&root).install(&kernel).judge();
    assert_eq!(answer.verdicts(), ["kmp refused block"]);

    // Where there was no image at all, none took it, and none refused it.
    fs::remove_file(&beside).unwrap();
    fs::remove_file(&image).unwrap();
    let answer = Transaction::on(&root).install(&kernel).judge();
    assert_eq!(answer.verdicts(), ["kmp refused block"]);

    // A module that could not be read may have been refused as well.
    fs::write(&image, &whole).unwrap();
    root.file(&module_path("kmp"), b"\x7fELF");
    let again = kmp(&files, "again", &[("kmp", Build::Old)]);
    let answer = Transaction::on(&root).install(&again).judge();
    assert_eq!(answer.verdicts(), ["kmp refused warn"]);
}

#[test]
fn what_was_broken_before_is_found_wherever_the_directory_is() {
    let (root, files) = (Place::new(), Place::new());
    root.boot(Build::Old);
    root.install("kmp", Build::New);
    fs::create_dir(root.path().join("srv")).unwrap();
    let (modules, moved) = (
        root.path().join("lib/modules"),
        root.path().join("srv/modules"),
    );
    fs::rename(&modules, &moved).unwrap();
    std::os::unix::fs::symlink("/srv/modules", &modules).unwrap();
    // It stays, and is as bad before a kernel like the one that does not take it.
    let kernel = kernel(&files, "kernel", Build::Old);
    let answer = Transaction::on(&root).install(&kernel).judge();
    assert_eq!(answer.verdicts(), ["kmp refused info"]);
}

#[test]
fn what_was_broken_before_is_read_inside_the_root() {
    let (root, files) = (Place::new(), Place::new());
    root.boot(Build::New);
    // Under this machine's `/` that would be another file, or none.
    root.file("srv/vendor/kmp.ko", module("kmp", Build::Old));
    root.link(&module_path("other-name"), "/srv/vendor/kmp.ko");
    let file = (module_path("other-name"), module("kmp", Build::Old));
    let same = files.package("same", &[file]);
    let answer = Transaction::on(&root).install(&same).judge();
    assert_eq!(answer.verdicts(), ["kmp refused info"]);
}

#[test]
fn a_guess_about_before_makes_nothing_worse() {
    let (root, files) = (Place::new(), Place::new());
    let config = root.config(false);
    root.boot(Build::New);
    root.install("broken", Build::Old);
    fs::remove_file(config).unwrap();
    let kernel = kernel(&files, "kernel", Build::New);
    let answer = Transaction::on(&root).install(&kernel).judge();
    assert_eq!(answer.verdicts(), ["broken refused info"]);
}
