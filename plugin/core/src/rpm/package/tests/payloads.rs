// SPDX-License-Identifier: GPL-2.0-or-later
//! Payloads in the formats that packages were, or can be, compressed in.

use liblzma::stream::{LzmaOptions, Stream};

use super::*;
use crate::compression::Format;
use crate::compression::tests::pack;

/// A frame of zstd that is skipped, with this number.
fn skippable(number: u8) -> Vec<u8> {
    let mut frame = vec![0x50 | number, 0x2a, 0x4d, 0x18, 3, 0, 0, 0];
    frame.extend_from_slice(b"any");
    frame
}

/// One stored block in a frame of zstd 0.7.
fn old_zstd(plain: &[u8]) -> Vec<u8> {
    let [low, high] = (plain.len() as u16).to_le_bytes();
    let [stated, stated_high] = (plain.len() as u16 - 256).to_le_bytes();
    // One segment with its length in two bytes.
    let mut frame = vec![0x27, 0xb5, 0x2f, 0xfd, 0x60, stated, stated_high];
    frame.extend_from_slice(&[0x40, high, low]);
    frame.extend_from_slice(plain);
    frame.extend_from_slice(&[0xc0, 0, 0]);
    frame
}

fn lzma(plain: &[u8], fill: impl FnOnce(&mut LzmaOptions)) -> Vec<u8> {
    let mut options = LzmaOptions::new_preset(1).unwrap();
    fill(&mut options);
    let stream = Stream::new_lzma_encoder(&options).unwrap();
    let mut packed = Vec::new();
    let mut encoder = liblzma::read::XzEncoder::new_stream(plain, stream);
    encoder.read_to_end(&mut packed).unwrap();
    packed
}

#[test]
fn whatever_librpm_decompresses_is_read() {
    let files = [listed("/a.ko", 200, FileKind::Regular)];
    let content = vec![7; 200];
    let plain = [newc("./a.ko", &content), newc("TRAILER!!!", b"")].concat();
    let zstd = |plain: &[u8]| zstd::bulk::compress(plain, 3).unwrap();
    let (first, second) = plain.split_at(100);
    for (format, packed) in [
        ("bzip2", pack(Format::Bzip2, &plain)),
        ("lzma", pack(Format::Lzma, &plain)),
        (
            "lzma with other properties",
            lzma(&plain, |options| {
                options.literal_context_bits(0).dict_size(3 << 20);
            }),
        ),
        (
            "zstd behind a skippable frame",
            [skippable(0), zstd(&plain)].concat(),
        ),
        (
            "zstd with skippable frames all over",
            [
                skippable(15),
                skippable(1),
                zstd(first),
                skippable(2),
                zstd(second),
                skippable(3),
            ]
            .concat(),
        ),
        ("zstd 0.7", old_zstd(&plain)),
    ] {
        let read = |packed: &[u8]| read(&files, &Links::default(), packed);
        let found = read(&packed).map_err(|error| error.to_string());
        assert_eq!(found, Ok(vec![(0, content.clone())]), "{format}");
        for length in 13..packed.len() / 2 {
            assert!(read(&packed[..length]).is_err(), "{format} cut at {length}");
        }
    }
}

/// `BZ2_bzread()` ends with the first stream.
#[test]
fn of_bzip2_one_stream_is_read() {
    let files = [listed("/a.ko", 2, FileKind::Regular)];
    let read = |packed: &[&[u8]]| {
        let packed = packed.iter().map(|plain| pack(Format::Bzip2, plain));
        let packed: Vec<_> = packed.collect();
        read(&files, &Links::default(), &packed.concat())
    };
    let (entry, end) = (newc("a.ko", b"ko"), newc("TRAILER!!!", b""));
    assert!(read(&[&[&entry[..], &end].concat(), b"not read"]).is_ok());
    let error = read(&[&entry, &end]).unwrap_err().to_string();
    assert!(error.ends_with("the archive is cut off"), "{error}");
}

#[test]
fn a_payload_may_not_ask_for_much_memory() {
    let files = [listed("/a.ko", 2, FileKind::Regular)];
    let packed = lzma(b"07070", |options| {
        options.dict_size(1 << 28);
    });
    let error = read(&files, &Links::default(), &packed).unwrap_err();
    assert!(matches!(error, Error::Compression(_)), "{error}");
}
