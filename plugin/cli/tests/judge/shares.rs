// SPDX-License-Identifier: GPL-2.0-or-later
//! What one package needs of time and memory, it does not take from another.

use crate::common::judge::Transaction;
use crate::common::{Build, Place, RELEASE, btf, in_tree, module, module_path};

const INT: u32 = 1 << 24;
const STRUCT: u32 = 4 << 24;

/// What does not get smaller by compression.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// A module that the kernel of the root refuses, in a package that is longer than others.
fn longest(root: &Place) -> std::path::PathBuf {
    let stale = (module_path("stale"), module("stale", Build::Old));
    root.package("bad", &[stale, ("/usr/share/noise".into(), noise(4 << 20))])
}

#[test]
fn a_slow_package_does_not_take_the_time_of_another() {
    let root = Place::booting(Build::New);
    let bad = longest(&root);
    // Some tenths of a second each.
    let mut slow = module("slow", Build::New);
    slow.resize(200 << 20, 0);
    let slow = zstd::encode_all(&slow[..], 1).unwrap();
    let path = |number| format!("{}.zst", module_path(&format!("slow_{number}")));
    let slow: Vec<_> = (0..100)
        .map(|number| (path(number), slow.clone()))
        .collect();
    let slow = root.package("slow", &slow);
    let transaction = Transaction::on(&root).install(&slow).install(&bad);
    let answer = transaction.within(4_000).judge();
    answer.is("block").says("(in bad-1-1.x86_64)");
    answer.says("there was no time left");
}

/// A base of so many types in so many bytes.
fn wide_base(types: usize, strings: usize) -> Vec<u8> {
    let one = [1, INT, 4, 32];
    let mut text = b"\0int\0".to_vec();
    text.resize(strings, b'x');
    text.push(0);
    btf(&one.repeat(types), &text)
}

#[test]
fn the_kernels_of_one_package_do_not_take_the_memory_of_another() {
    let root = Place::new();
    root.config(false);
    let wide = wide_base(600_000, 15 << 20);
    let images = (0..11).map(|number| (format!("/boot/vmlinuz-7.{number}"), wide.clone()));
    let images = root.package("images", &Vec::from_iter(images));
    let image = format!("/boot/vmlinuz-{RELEASE}");
    // The name lies behind all strings.
    let misfit = btf(&[1 << 24, STRUCT, 0], b"x\0");
    let kernel = root.package(
        "kernel",
        &[
            (image, wide_base(300_000, 15 << 20)),
            (
                format!("/boot/config-{RELEASE}"),
                crate::common::config(false).into(),
            ),
            (module_path("stale"), in_tree("stale", &[(".BTF", &misfit)])),
            ("/usr/share/noise".into(), noise(4 << 20)),
        ],
    );
    let transaction = Transaction::on(&root).install(&images).install(&kernel);
    let answer = transaction.judge();
    answer.is("block").says("(in kernel-1-1.x86_64)");
    answer.says("MiB of BTF in all");
}
