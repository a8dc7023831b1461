// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod names;
mod trouble;

use std::io::Write;

use ::cpio::newc::{Builder, trailer};

use super::*;
use crate::compression::tests::{ALL, pack};

const FILE: u32 = 0o100_644;
const LINK: u32 = 0o120_777;

const KERNEL: &str = "usr/lib/modules/6.1/kernel";

/// An archive of files, as the crate `cpio` writes it.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let directory: (&str, u32, &[u8]) = ("usr", 0o040_755, b"");
    let files = files.iter().map(|(name, content)| (*name, FILE, *content));
    entries(std::iter::once(directory).chain(files))
}

/// An archive of names, modes and contents.
fn entries<'a>(all: impl IntoIterator<Item = (&'a str, u32, &'a [u8])>) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, (name, mode, content)) in all.into_iter().enumerate() {
        let builder = Builder::new(name).mode(mode).ino(index as u32).nlink(1);
        out = with(out, builder, content);
    }
    trailer(out).unwrap()
}

fn with(out: Vec<u8>, builder: Builder, content: &[u8]) -> Vec<u8> {
    let mut writer = builder.write(out, content.len() as u32);
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

fn ko(name: &str) -> String {
    format!("{KERNEL}/{name}.ko")
}

fn module(name: &str, content: &[u8]) -> InitrdItem {
    InitrdItem::Module {
        path: ko(name),
        content: content.to_vec(),
    }
}

/// What is read before an error, and the error.
fn items_of(bytes: &[u8]) -> (Vec<InitrdItem>, Result<(), Error>) {
    let mut items = Vec::new();
    let result = parse(bytes, &mut |item| items.push(item));
    (items, result)
}

fn items(bytes: &[u8]) -> Vec<InitrdItem> {
    let (items, result) = items_of(bytes);
    result.unwrap();
    items
}

fn error(bytes: &[u8]) -> String {
    items_of(bytes).1.unwrap_err().to_string()
}

#[test]
fn modules_lie_in_any_part() {
    let early = archive(&[(&ko("early"), b"1"), ("kernel/x86/microcode/x.bin", b"22")]);
    let main = archive(&[("init", b"#!"), (&ko("main"), b"4444"), (&ko("more"), b"")]);
    let expected = [("early", &b"1"[..]), ("main", b"4444"), ("more", b"")];
    let expected = expected.map(|(name, content)| module(name, content));
    assert_eq!(items(&[&early[..], &main].concat()), expected);
    for format in ALL {
        // As GNU cpio ends an archive: at a multiple of 512 bytes.
        let mut padded = early.clone();
        padded.resize(early.len().next_multiple_of(512), 0);
        padded.extend_from_slice(&pack(format, &main));
        assert_eq!(items(&padded), expected, "{format:?}");
        let bare = pack(format, &[&early[..], &[0; 512], &main].concat());
        assert_eq!(items(&bare), expected, "{format:?}");
    }
    assert_eq!(items(b""), []);
    assert_eq!(items(&[0; 4096]), []);
    assert_eq!(items(&archive(&[("init", b"#!")])), []);
}

#[test]
fn streams_and_archives_in_turn() {
    let one = |name: &str| archive(&[(&ko(name), name.as_bytes())]);
    for format in ALL {
        let mut all = pack(format, &one("a"));
        if format == Format::Lz4 {
            // It would go on otherwise.
            all.extend_from_slice(&[0; 4]);
        }
        all.extend_from_slice(&pack(format, &one("b")));
        all.resize(all.len().next_multiple_of(4) + 8, 0);
        all.extend_from_slice(&one("c"));
        all.extend_from_slice(&pack(Format::Zstd, &one("d")));
        all.push(0);
        let expected = ["a", "b", "c", "d"].map(|name| module(name, name.as_bytes()));
        // Where the kernel does not stop: a legacy LZ4 frame ends with the padding.
        assert_eq!(items(&all), expected, "{format:?}");
    }
}

#[test]
fn an_archive_need_not_have_a_trailer() {
    let mut archive = archive(&[(&ko("a"), b"12345")]);
    archive.truncate(archive.len() - 124);
    assert_eq!(items(&archive), [module("a", b"12345")]);
    // Nor its last entry all of its padding.
    for _ in 0..3 {
        archive.pop();
        assert_eq!(items(&archive), [module("a", b"12345")]);
        assert_eq!(items(&pack(Format::Gzip, &archive)).len(), 1);
    }
    archive.pop();
    assert!(items_of(&archive).1.is_err());
}

#[test]
fn a_part_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("uki.efi");
    let initrd = archive(&[(&ko("a"), b"1")]);
    std::fs::write(&file, [&b"stub"[..], &initrd, b"behind"].concat()).unwrap();
    let mut found = Vec::new();
    let part = 4..4 + initrd.len() as u64;
    open(&file, Some(&part), &mut |item| found.push(item)).unwrap();
    assert_eq!(found, [module("a", b"1")]);
    let past = 4..5000;
    let error = open(&file, Some(&past), &mut |_| {}).unwrap_err();
    let what = "at offset 0x1388: expected an initrd that ends there";
    assert!(error.to_string().starts_with(what), "{error}");
    assert!(open(dir.path(), None, &mut |_| {}).is_err());
    assert!(open(&dir.path().join("none"), None, &mut |_| {}).is_err());
}
