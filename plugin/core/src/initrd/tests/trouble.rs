// SPDX-License-Identifier: GPL-2.0-or-later
//! Initrds that are cut short, corrupt, or made to take long.

use super::*;

/// Where the headers of an archive begin.
fn headers(archive: &[u8]) -> impl Iterator<Item = usize> {
    let all = archive.windows(6).enumerate();
    all.filter_map(|(at, magic)| (magic == b"070701").then_some(at))
}

#[test]
fn every_truncation_is_told() {
    let init: (&str, u32, &[u8]) = ("init", FILE, b"#!/bin/sh");
    let plain = entries([(&ko("a")[..], FILE, &b"12345"[..]), init]);
    // Where an entry is whole but for its padding, the archive may end.
    let ends = headers(&plain).chain([plain.len()]);
    let whole: Vec<usize> = ends.flat_map(|at| at.saturating_sub(3)..=at).collect();
    for length in 0..plain.len() {
        let (_, result) = items_of(&plain[..length]);
        assert_eq!(result.is_ok(), whole.contains(&length), "{length}");
        if let Err(error) = result {
            let text = error.to_string();
            let start = format!("at offset {length:#x}: ");
            assert!(text.starts_with(&start), "{text}");
            assert!(text.ends_with("more bytes; it is cut off"), "{text}");
        }
    }
    // What came before is there.
    let all = [&plain[..], &pack(Format::Gzip, &plain)].concat();
    for length in plain.len() + 1..all.len() {
        let (items, result) = items_of(&all[..length]);
        assert_eq!(items[0], module("a", b"12345"));
        result.unwrap_err();
    }
}

#[test]
fn errors_say_where() {
    let good = archive(&[(&ko("a"), b"1")]);
    let at = |offset: usize, byte: u8| {
        let mut bad = good.clone();
        bad[offset] = byte;
        bad
    };
    let magic = "at offset 0x0: expected the magic of a cpio entry (070701, 070702)";
    assert_eq!(error(&at(5, b'7')), magic);
    let digits = "at offset 0x36: expected a number of eight hexadecimal digits";
    assert_eq!(error(&at(6 + 8 * 6 + 3, b'+')), digits);
    let junk = "expected an entry of a cpio archive (at a multiple of four bytes), padding, or data \
                compressed by gzip, xz, zstd, lz4 -l, lzma, bzip2 or lzop";
    let length = good.len();
    for end in [&b"junk"[..], b"j", b"\x00070701"] {
        let bad = [&good, end].concat();
        let start = length + usize::from(end[0] == 0);
        assert_eq!(error(&bad), format!("at offset {start:#x}: {junk}"));
    }
    let twice = [&good[..], &pack(Format::Gzip, &good)].concat();
    let all = [&good[..], &pack(Format::Zstd, &twice)].concat();
    let expected = format!(
        "in the zstd stream at offset {length:#x}, unpacked, at offset {length:#x}: \
         expected an entry of a cpio archive, or padding"
    );
    assert_eq!(error(&all), expected);
    let mut cut = pack(Format::Xz, &good);
    cut.pop();
    let text = error(&cut);
    let start = "in the xz stream at offset 0x0, unpacked, at offset ";
    assert!(text.starts_with(start), "{text}");
    let end = "expected more of it: the stream is cut short";
    assert!(text.ends_with(end), "{text}");
    let mut corrupt = pack(Format::Gzip, &good);
    let end = corrupt.len();
    corrupt[end - 6] ^= 1;
    let text = error(&corrupt);
    assert!(text.contains("expected a sound stream ("), "{text}");
}

#[test]
fn names_that_the_kernel_passes_over() {
    let mut long = archive(&[(&format!("{KERNEL}/{}.ko", "x".repeat(4096)), b"1")]);
    long.extend_from_slice(&archive(&[(&ko("b"), b"2")]));
    assert_eq!(items(&long), [module("b", b"2")]);
    // A name without even a NUL, and one that is not UTF-8.
    let mut none = archive(&[(&ko("a"), b"1")]);
    let at = headers(&none).last().unwrap();
    none[at + 6 + 8 * 11..at + 6 + 8 * 12].copy_from_slice(b"00000000");
    none.truncate(at + 110);
    none.extend_from_slice(&[0; 2]);
    let mut odd = archive(&[(&ko("c"), b"3")]);
    let dot = odd.windows(4).position(|window| window == b"c.ko").unwrap();
    odd[dot] = 0xff;
    let found = items(&[none, odd].concat());
    assert_eq!(found[0], module("a", b"1"));
    assert_eq!(found[1], module("\u{fffd}", b"3"));
}

#[test]
fn nothing_is_longer_or_more_than_its_limit() {
    let limits = ReadLimits {
        bytes: 1 << 20,
        entries: 10,
        modules: 5,
        streams: 3,
    };
    let read_so = |bytes: &[u8]| read(bytes, limits, &mut |_| {});
    let failed = |bytes: &[u8]| read_so(bytes).unwrap_err().to_string();

    let zeros = vec![0; (1 << 20) + 1];
    let limit = "at offset 0x100000: expected the end of an initrd, which may have 1048576 bytes";
    assert_eq!(failed(&zeros), limit);
    read_so(&zeros[1..]).unwrap();
    for format in ALL {
        let text = failed(&pack(format, &zeros));
        assert!(text.ends_with(limit), "{format:?}: {text}");
        // Several together are no way around it.
        let mut half = pack(format, &zeros[..zeros.len() / 2 + 1]);
        half.extend_from_slice(if format == Format::Lz4 { &[0; 4] } else { &[] });
        read_so(&half).unwrap();
        let text = failed(&half.repeat(2));
        let end = "expected the end of an initrd";
        assert!(text.contains(end), "{format:?}: {text}");
    }
    // A bomb inside a file's content.
    let big = archive(&[("x", &zeros)]);
    assert!(failed(&pack(Format::Zstd, &big)).ends_with("may have 1048576 bytes"));

    // With the directory and the trailer.
    let files = |count: usize| archive(&vec![("x", &b""[..]); count]);
    read_so(&files(8)).unwrap();
    assert!(failed(&files(9)).ends_with("expected at most 10 entries"));
    let modules = |count: usize| archive(&vec![(&ko("a")[..], &b"1"[..]); count]);
    read_so(&modules(5)).unwrap();
    assert!(failed(&modules(6)).ends_with("expected at most 5 modules"));
    let empty = pack(Format::Gzip, b"");
    read_so(&empty.repeat(3)).unwrap();
    assert!(failed(&empty.repeat(4)).ends_with("expected at most 3 compressed streams"));
}

#[test]
fn a_stated_size_is_not_taken_on_trust() {
    let mut lie = archive(&[(&ko("a"), b"1")]);
    // Behind that of the directory.
    let header = headers(&lie).nth(1).unwrap();
    for (size, expected) in [
        (b"0fffffff", "more bytes; it is cut off"),
        (b"10000001", "expected a module of at most 268435456 bytes"),
        (b"ffffffff", "expected a module of at most 268435456 bytes"),
    ] {
        lie[header + 6 + 8 * 6..][..8].copy_from_slice(size);
        let text = error(&lie);
        assert!(text.ends_with(expected), "{text}");
    }
}

#[test]
fn every_flipped_bit_is_survived() {
    let plain = archive(&[(&ko("a"), b"1"), (&ko("b"), b"22")]);
    for bit in 0..plain.len() * 8 {
        let mut bad = plain.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let _ = items_of(&bad);
    }
}
