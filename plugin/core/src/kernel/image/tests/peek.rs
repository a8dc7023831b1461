// SPDX-License-Identifier: GPL-2.0-or-later
//! Images seen from outside.

use std::path::PathBuf;

use btf_guard_btf::Order;

use super::assemble::{arm64, s390x, uki, zboot};
use super::*;
use crate::kernel::image::detect::Outline;
use crate::kernel::image::peek::payload_digest;

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn peek(&self, bytes: &[u8]) -> Outline {
        super::peek(&self.put("peek", bytes)).unwrap()
    }
}

fn kernel(version: &[u8]) -> Vec<u8> {
    bzimage(&payload(Format::Zstd), version)
}

#[test]
fn release_and_build_of_what_shows_them() {
    let files = Files::new();
    let shown = files.peek(&kernel(VERSION));
    assert_eq!(shown.release.as_deref(), Some("6.18.15-x"));
    assert_eq!(shown.build.as_deref(), Some("#9 SMP y"));
    assert!(shown.uki.is_none() && shown.body.is_ok());

    // A UKI's kernel knows better than who built the UKI.
    let shown = files.peek(&uki(&[(".uname", b"7.0"), (".linux", &kernel(VERSION))]));
    assert_eq!(shown.release.as_deref(), Some("6.18.15-x"));
    assert_eq!(shown.uki.unwrap().uname.as_deref(), Some("7.0"));
    let arm64_uki = uki(&[(".uname", b"7.0"), (".linux", &arm64(Order::Little, true))]);
    let shown = files.peek(&arm64_uki);
    assert_eq!((shown.release.as_deref(), shown.build), (Some("7.0"), None));

    for bytes in [
        vmlinux_elf().bytes(),
        pack(Format::Gzip, &vmlinux_elf().bytes()),
        arm64(Order::Little, true),
        zboot(&pack(Format::Gzip, &arm64(Order::Little, true))),
        s390x(b""),
        kernel(b""),
    ] {
        let shown = files.peek(&bytes);
        assert_eq!((shown.release, shown.build), (None, None));
        assert!(shown.uki.is_none() && shown.body.is_ok());
    }
    let none = super::peek(&files.put("none", b"#!/bin/sh"));
    assert!(matches!(none, Err(Error::Malformed(_))));
}

#[test]
fn an_image_that_is_cut_short_still_shows_its_version() {
    let files = Files::new();
    let whole = kernel(VERSION);
    let cut = &whole[..whole.len() / 2 + 400];
    let shown = files.peek(cut);
    assert_eq!(shown.release.as_deref(), Some("6.18.15-x"));
    assert_eq!(shown.body.unwrap_err(), malformed(both(cut)));

    let whole = uki(&[(".cmdline", b"a"), (".uname", b"7.0"), (".linux", &whole)]);
    let cut = &whole[..whole.len() - 600];
    let shown = files.peek(cut);
    assert_eq!(shown.release.as_deref(), Some("6.18.15-x"));
    assert_eq!(shown.uki.unwrap().cmdline.as_deref(), Some("a"));
    assert_eq!(shown.body.unwrap_err(), malformed(both(cut)));

    // Of the kernel itself nothing is left but its place.
    let start = files.peek(&whole).uki.unwrap().linux.start;
    let shown = files.peek(&whole[..start as usize]);
    assert_eq!(shown.release.as_deref(), Some("7.0"));
    let damage = shown.body.unwrap_err();
    assert!(damage.expected.contains(".linux inside the file"));

    // A version string that is cut is none.
    let text = &kernel(VERSION)[..0x323 + VERSION.len() - 1];
    assert_eq!(files.peek(text).release, None);
    let text = &kernel(VERSION)[..0x323 + VERSION.len()];
    assert_eq!(files.peek(text).release.as_deref(), Some("6.18.15-x"));
}

#[test]
fn a_payload_keeps_its_digest() {
    let digest = |bytes: &[u8]| payload_digest(bytes).unwrap();
    let plain = kernel(VERSION);
    // Signed, and as a UKI: the payload is where it was.
    let mut signed = plain.clone();
    signed.extend_from_slice(&[0x5a; 512]);
    signed[0x98] = 1;
    assert_eq!(digest(&plain), digest(&signed));
    assert_eq!(digest(&plain), digest(&uki(&[(".linux", &signed)])));
    let other = bzimage(&payload(Format::Xz), VERSION);
    assert_ne!(digest(&plain), digest(&other));

    // "abc", of which the digest is known, as payload and as a whole file.
    let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(digest(&bzimage(b"abc", VERSION)), known);
    assert_eq!(digest(&zboot(b"abc")), known);
    let raw = arm64(Order::Little, true);
    assert_eq!(digest(&uki(&[(".linux", &raw)])), digest(&raw));

    // In more than one piece, and from a file.
    let long = bzimage(&vec![7; (5 << 20) + 1], VERSION);
    let files = Files::new();
    let file = Regular::open(&files.put("long", &long)).unwrap();
    assert_eq!(payload_digest(&file).unwrap(), digest(&long));
    assert_ne!(digest(&long), digest(&bzimage(&vec![7; 5 << 20], VERSION)));
    assert!(payload_digest(&plain[..plain.len() - 101]).is_err());
}

#[test]
fn the_same_build_is_told_by_content() {
    let files = Files::new();
    let one = files.put("one", &kernel(VERSION));
    let link = files.0.path().join("link");
    fs::hard_link(&one, &link).unwrap();
    let same = |bytes: &[u8]| same_build(&one, &files.put("other", bytes)).unwrap();
    assert!(same_build(&one, &one).unwrap() && same_build(&one, &link).unwrap());
    assert!(same(&kernel(VERSION)));
    assert!(same(&uki(&[(".linux", &kernel(VERSION))])));
    // Packed another way, it is known by its BTF.
    assert!(same(&bzimage(&payload(Format::Xz), VERSION)));
    assert!(same(&vmlinux_elf().bytes()));
    // Another build, by its own words; and one that keeps its version.
    let version = b"6.18.15-x (a@b) #10 SMP y\0";
    assert!(!same(&bzimage(&payload(Format::Xz), version)));
    let mut rebuilt = vmlinux_elf();
    rebuilt.sections[2].2 = b"other btf".to_vec();
    let payload = pack(Format::Zstd, &rebuilt.bytes());
    assert!(!same(&bzimage(&payload, VERSION)));
    // Without BTF there is still the payload, and the file.
    let bare = |byte| {
        let mut kernel = vmlinux_elf();
        kernel.sections.truncate(1);
        kernel.sections[0].2[0] = byte;
        bzimage(&pack(Format::Zstd, &kernel.bytes()), VERSION)
    };
    let (one_bare, other_bare) = (files.put("a", &bare(1)), files.put("b", &bare(1)));
    assert!(same_build(&one_bare, &other_bare).unwrap());
    let other_bare = files.put("b", &bare(2));
    assert!(same_build(&one_bare, &other_bare).is_err());
    let broken = files.put("broken", b"no kernel");
    fs::hard_link(&broken, files.0.path().join("broken too")).unwrap();
    assert!(same_build(&broken, &files.0.path().join("broken too")).unwrap());
    assert!(same_build(&one, &files.put("cut", &kernel(VERSION)[..1700])).is_err());
    assert!(same_build(&one, &files.0.path().join("missing")).is_err());
}
