// SPDX-License-Identifier: GPL-2.0-or-later
//! What is made to take the judge's time or memory, beside a module that the kernel on the
//! disk refuses: whatever becomes of the first, the second is stopped.

use std::fs::File;
use std::os::unix::fs::symlink;

use btf_guard_tests::btf::{Btf, Era, kind};
use btf_guard_tests::{Package, Root, elf};

use crate::paths::{KERNEL, dir, put, root};
use crate::real::{fitting, foreign, run};

/// Installs both; the refused module must not come, and `said` be among what is logged.
fn stopped(root: &Root, hostile: &Package, said: &str) {
    let bad = Package::new("bad").file(dir("extra/bad.ko"), foreign("bad"));
    let packages = [root.build(hostile), root.build(&bad)];
    let packages: Vec<_> = packages.iter().collect();
    let outcome = run(root, &["-U"], &packages);
    assert!(!outcome.status.success(), "{outcome:?}");
    assert_eq!(root.installed(), [""; 0]);
    let log = outcome.log();
    let is_stop = |line: &&&str| line.starts_with("error: btf-guard: blocked: ");
    assert!(log.iter().find(is_stop).is_some(), "{log:?}");
    assert!(log.iter().any(|line| line.contains(said)), "{log:?}");
}

/// So many INTs, each named by another end of one string of `length` bytes.
fn slow(types: u32, length: usize) -> Vec<u8> {
    let mut btf = Btf::base();
    let string = btf.string(vec![b'a'; length]);
    for end in 0..types {
        btf.add(string + end, kind::INT, 0, 4, &[32]);
    }
    btf.build()
}

/// A module with a distilled base that is slow to compare.
fn slow_module(types: u32) -> Vec<u8> {
    let split = Btf::split(&Btf::base()).build();
    let base = slow(types, types as usize * 24);
    elf::module(&[
        (".modinfo", b"name=slow\0"),
        (".BTF", &split),
        (".BTF.base", &base),
    ])
}

#[test]
fn names_that_are_ends_of_one_string() {
    let hostile = Package::new("slow").file(dir("extra/slow.ko"), slow_module(150_000));
    let said = "/extra/slow.ko: the names of its .BTF.base";
    stopped(&root(), &hostile, said);

    // The same in the BTF of a kernel of its own.
    let mut base = Era::V6_18.base();
    let string = base.string(vec![b'a'; 3_000_000]);
    for end in 0..125_000 {
        base.add(string + end, kind::INT, 0, 4, &[32]);
    }
    let own = "/lib/modules/6.18.99-own";
    let image = elf::vmlinux("6.18.99-own", &base.build());
    let hostile = Package::new("kernel").file(format!("{own}/vmlinuz"), image);
    let hostile = hostile.file(format!("{own}/kernel/slow.ko"), slow_module(10));
    stopped(&root(), &hostile, "bad");
}

#[test]
fn thousands_of_modules() {
    let count = 4000;
    let mut torn = Package::new("torn");
    let mut refused = Package::new("refused");
    for number in 0..count {
        let frame = b"\x28\xb5\x2f\xfd\xa0\x00\x00\x00\x10\x01\x02\x03";
        torn = torn.file(dir(&format!("extra/torn/{number}.ko.zst")), frame);
        let name = format!("refused_{number}");
        refused = refused.file(dir(&format!("extra/{name}.ko")), foreign(&name));
    }
    stopped(&root(), &torn, "(in bad-1-1.noarch)");
    let said = format!("{} of {0} modules", count + 1);
    stopped(&root(), &refused, &said);
}

#[test]
fn what_lies_on_the_disk() {
    let plain = || Package::new("good").file(dir("extra/good.ko"), fitting("good"));
    let linked = root();
    symlink(
        "/",
        linked
            .path()
            .join(dir("weak-updates").trim_start_matches('/')),
    )
    .unwrap();
    for number in 0..300 {
        put(&linked, &format!("/srv/{number}/kernel/file"), "");
    }
    stopped(&linked, &plain(), "bad");

    // Its header says that it is a vmlinux; there is a hole behind it.
    let sparse = root();
    let image = format!("/boot/vmlinuz-{KERNEL}");
    put(
        &sparse,
        &image,
        elf::vmlinux(KERNEL, &Era::V6_18.base().build()),
    );
    let file = File::options()
        .write(true)
        .open(sparse.path().join(&image[1..]));
    file.and_then(|file| file.set_len(1 << 40)).unwrap();
    stopped(&sparse, &plain(), "bad");
}
