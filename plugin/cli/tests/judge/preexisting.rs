// SPDX-License-Identifier: GPL-2.0-or-later
//! What was broken before the transaction: it blocks nothing.

use std::fs;

use crate::common::judge::{install, kernel, kmp, kmp_of};
use crate::common::{Build, Place, RELEASE, base, module, module_path};

#[test]
fn what_was_broken_before_is_a_note_and_repairs_go_through() {
    let root = Place::booting(Build::New);
    root.install("broken", Build::Old);
    root.install("mended", Build::Old);
    let modules = [("broken", Build::Old), ("mended", Build::New)];
    let repair = kmp(&root, "repair", &modules);
    let answer = install(&root, &[&repair]);
    answer.is("allow").finds(&["broken refused info"]);
    answer.says("notice btf-guard: as before this transaction, 1 of 2 modules");

    // The same module at another place is the same module.
    let elsewhere = format!("/lib/modules/{RELEASE}/extra/broken.ko");
    let moved = root.package("moved", &[(elsewhere, module("broken", Build::Old))]);
    install(&root, &[&moved]).is("allow");

    // One that worked is made worse.
    root.install("broken", Build::New);
    install(&root, &[&repair]).is("block");

    // A module that was broken, before a kernel that replaces one that did not take it either.
    root.install("broken", Build::Old);
    let kernel = kernel(&root, "kernel", Build::New);
    let same = install(&root, &[&kernel]);
    same.is("allow");
    same.finds(&["broken refused info", "mended refused info"]);
}

#[test]
fn a_repair_of_an_image_that_cannot_be_read_is_not_stopped() {
    let root = Place::new();
    let image = root.boot(Build::New);
    root.install("kmp", Build::Old);
    let whole = fs::read(&image).unwrap();
    fs::write(&image, &whole[..whole.len() / 2]).unwrap();
    let kernel = kernel(&root, "kernel", Build::New);
    let answer = install(&root, &[&kernel]);
    answer.finds(&["kmp refused warn"]);
    answer.says("whether it was so before this transaction is not known: ");

    // A kernel that took the module is made worse, whatever lies beside it.
    let beside = root.file(&format!("lib/modules/{RELEASE}/vmlinuz"), base(Build::Old));
    install(&root, &[&kernel]).finds(&["kmp refused block"]);

    // Where there was no image at all, none took it, and none refused it.
    fs::remove_file(&beside).unwrap();
    fs::remove_file(&image).unwrap();
    install(&root, &[&kernel]).finds(&["kmp refused block"]);

    // A module that could not be read, being of a class that nobody knows, may have been
    // refused as well; one that is cut was.
    fs::write(&image, &whole).unwrap();
    let again = kmp_of(&root, "kmp", Build::Old);
    root.file(
        &module_path("kmp"),
        [&b"\x7fELF\x03"[..], &[0; 60]].concat(),
    );
    install(&root, &[&again]).finds(&["kmp refused warn"]);
    root.file(&module_path("kmp"), b"\x7fELF");
    install(&root, &[&again]).finds(&["kmp refused info"]);
}

#[test]
fn what_was_broken_before_is_found_wherever_the_directory_is() {
    let root = Place::booting(Build::Old);
    root.install("kmp", Build::New);
    fs::create_dir(root.path().join("srv")).unwrap();
    let [modules, moved] = ["lib/modules", "srv/modules"].map(|dir| root.path().join(dir));
    fs::rename(&modules, &moved).unwrap();
    root.link("lib/modules", "/srv/modules");
    // It stays, and is as bad before a kernel like the one that does not take it.
    let kernel = kernel(&root, "kernel", Build::Old);
    install(&root, &[&kernel]).finds(&["kmp refused info"]);
}

#[test]
fn what_was_broken_before_is_read_inside_the_root() {
    let root = Place::booting(Build::New);
    // Under this machine's `/` that would be another file, or none.
    root.file("srv/vendor/kmp.ko", module("kmp", Build::Old));
    root.link(&module_path("other-name"), "/srv/vendor/kmp.ko");
    let file = (module_path("other-name"), module("kmp", Build::Old));
    let same = root.package("same", &[file]);
    install(&root, &[&same]).finds(&["kmp refused info"]);
}

#[test]
fn a_guess_about_before_makes_nothing_worse() {
    let root = Place::booting(Build::New);
    root.install("broken", Build::Old);
    fs::remove_file(root.config(false)).unwrap();
    let kernel = kernel(&root, "kernel", Build::New);
    install(&root, &[&kernel]).finds(&["broken refused info"]);
}
