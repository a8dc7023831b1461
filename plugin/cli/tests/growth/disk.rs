// SPDX-License-Identifier: GPL-2.0-or-later
//! What lies on the disk.

use crate::common::{Build, Place, RELEASE, module};
use crate::{check, grows_linearly};

#[test]
fn modules() {
    grows_linearly(150, |count| {
        let root = Place::booting(Build::New);
        for number in 0..count {
            root.install(&format!("module_{number}"), Build::Old);
        }
        check(&root, &[])
    });
}

#[test]
fn files_of_one_name() {
    grows_linearly(200, |count| {
        let root = Place::booting(Build::New);
        for number in 0..count {
            let path = format!("lib/modules/{RELEASE}/updates/{number}/one.ko");
            root.file(&path, module("one", Build::Old));
        }
        check(&root, &[])
    });
}

#[test]
fn lines_of_depmod() {
    grows_linearly(1_000, |count| {
        let root = Place::booting(Build::New);
        root.install("one", Build::Old);
        let directories = (0..count).map(|number| format!("search dir_{number}\n"));
        root.file("etc/depmod.d/many.conf", directories.collect::<String>());
        check(&root, &[])
    });
}

#[test]
fn lines_of_grub() {
    grows_linearly(200, |count| {
        let root = Place::booting(Build::New);
        root.install("one", Build::Old);
        let entries = (0..count).map(|number| {
            format!("menuentry {number} {{\n linux /boot/vmlinuz-{RELEASE} root={number}\n}}\n")
        });
        root.file("boot/grub/grub.cfg", entries.collect::<String>());
        check(&root, &[])
    });
}
