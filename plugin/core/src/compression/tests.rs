// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::io::Write;

use liblzma::stream::{Check, Filters, LzmaOptions, Stream};

use super::*;

pub(crate) const ALL: [Format; 7] = [
    Format::Gzip,
    Format::Xz,
    Format::Zstd,
    Format::Lz4,
    Format::Lzma,
    Format::Bzip2,
    Format::Lzo,
];

/// Text that repeats, but not too soon, and has x86 calls in it for the filter.
pub(crate) fn sample(length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(length + 16);
    let mut state = 1_u32;
    while out.len() < length {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        out.push(0xe8);
        out.extend_from_slice(&(state >> 24).to_le_bytes());
        out.extend_from_slice(b" module ");
    }
    out.truncate(length);
    out
}

fn through(stream: Stream, plain: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// Packs as the kernel's build does, without the appended size.
pub(crate) fn pack(format: Format, plain: &[u8]) -> Vec<u8> {
    match format {
        Format::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        Format::Bzip2 => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), Default::default());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        // `scripts/xz_wrap.sh` for x86.
        Format::Xz => {
            let mut filters = Filters::new();
            filters.x86();
            filters.lzma2(&LzmaOptions::new_preset(1).unwrap());
            through(
                Stream::new_stream_encoder(&filters, Check::Crc32).unwrap(),
                plain,
            )
        }
        Format::Lzma => through(
            Stream::new_lzma_encoder(&LzmaOptions::new_preset(1).unwrap()).unwrap(),
            plain,
        ),
        // From a pipe, as `cat | zstd -22` is run: the frame does not know its length.
        Format::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        Format::Lz4 => {
            let mut out = LZ4_LEGACY.to_vec();
            for block in plain.chunks(LZ4_BLOCK) {
                let packed = lz4_flex::block::compress(block);
                out.extend_from_slice(&(packed.len() as u32).to_le_bytes());
                out.extend_from_slice(&packed);
            }
            out
        }
        Format::Lzo => lzop(plain, 0x0300_0001),
    }
}

/// A file as `lzop -9` writes it, with these flags: a checksum of whatever
/// sort is zero, for nobody compares it.
pub(crate) fn lzop(plain: &[u8], flags: u32) -> Vec<u8> {
    // Version, the library's, the one needed; LZO1X, level 9.
    let mut out = lzop::MAGIC.to_vec();
    out.extend_from_slice(&[0x10, 0x40, 0x20, 0xa0, 0x09, 0x40, 3, 9]);
    out.extend_from_slice(&flags.to_be_bytes());
    out.extend_from_slice(if flags & 0x800 != 0 { &[0; 4] } else { &[] });
    // Mode, time, a name of no letters, a checksum.
    out.extend_from_slice(&[0; 12 + 1 + 4]);
    for block in plain.chunks(256 << 10) {
        let packed = lzokay::compress::compress(block).unwrap();
        let stored = packed.len() >= block.len();
        let packed = if stored { block } else { &packed[..] };
        out.extend_from_slice(&(block.len() as u32).to_be_bytes());
        out.extend_from_slice(&(packed.len() as u32).to_be_bytes());
        let plain_sums = (flags & 0x101).count_ones();
        let packed_sums = if stored {
            0
        } else {
            (flags & 0x202).count_ones()
        };
        out.resize(out.len() + 4 * (plain_sums + packed_sums) as usize, 0);
        out.extend_from_slice(packed);
    }
    out.extend_from_slice(&[0; 4]);
    out
}

fn unpack(format: Format, input: &[u8], cap: usize) -> Result<Vec<u8>, Malformed> {
    let mut out = b"left over".to_vec();
    decompress(format, input, cap, &mut out).map(|()| out)
}

#[test]
fn every_format_is_told_by_its_magic_and_unpacked() {
    let plain = sample(100_000);
    for format in ALL {
        let packed = pack(format, &plain);
        assert_eq!(Format::detect(&packed), Some(format));
        assert!(packed.len() < plain.len(), "{format:?}");
        assert!(
            unpack(format, &packed, plain.len()).unwrap() == plain,
            "{format:?}"
        );
    }
    assert_eq!(Format::detect(b""), None);
    assert_eq!(Format::detect(b"\x7fELF\x02\x01"), None);
    assert_eq!(Format::detect(b"\x1f\x8b"), None);
}

#[test]
fn a_size_behind_the_last_frame_is_ignored() {
    let plain = sample(50_000);
    for format in ALL {
        let mut packed = pack(format, &plain);
        packed.extend_from_slice(&(plain.len() as u32).to_le_bytes());
        assert!(
            unpack(format, &packed, 1 << 20).unwrap() == plain,
            "{format:?}"
        );
    }
}

#[test]
fn a_wrong_size_behind_a_zstd_frame_does_no_harm() {
    let plain = sample(50_000);
    for size in [0, 1, 49_999, 50_001, u32::MAX] {
        let mut packed = pack(Format::Zstd, &plain);
        packed.extend_from_slice(&size.to_le_bytes());
        assert!(
            unpack(Format::Zstd, &packed, 1 << 20).unwrap() == plain,
            "{size}"
        );
    }
}

#[test]
fn frames_in_a_row_are_one_file() {
    let plain = sample(3_000);
    let twice = [&plain[..], &plain[..]].concat();
    for format in [
        Format::Gzip,
        Format::Xz,
        Format::Zstd,
        Format::Bzip2,
        Format::Lz4,
    ] {
        let mut packed = pack(format, &plain).repeat(2);
        assert!(
            unpack(format, &packed, 6_000).unwrap() == twice,
            "{format:?}"
        );
        assert!(unpack(format, &packed, 5_999).is_err(), "{format:?}");
        packed.pop();
        assert!(unpack(format, &packed, 6_000).is_err(), "{format:?}");
    }
}

#[test]
fn a_frame_that_states_its_length_is_read_at_once() {
    let plain = sample(70_000);
    let packed = zstd::bulk::compress(&plain, 3).unwrap();
    assert!(unpack(Format::Zstd, &packed, 70_000).unwrap() == plain);
    let error = unpack(Format::Zstd, &packed, 69_999).unwrap_err();
    assert_eq!(error.expected, "at most 69999 bytes after decompression");
}

#[test]
fn many_lz4_blocks() {
    let plain = sample(LZ4_BLOCK + 1_000_000);
    let packed = pack(Format::Lz4, &plain);
    assert!(unpack(Format::Lz4, &packed, 16 << 20).unwrap() == plain);
    for cap in [LZ4_BLOCK - 1, LZ4_BLOCK, LZ4_BLOCK + 1] {
        let error = unpack(Format::Lz4, &packed, cap).unwrap_err();
        assert!(error.expected.starts_with("at most "), "{error}");
    }
}

#[test]
fn lz4_blocks_that_hold_nothing_cost_nothing() {
    let mut packed = LZ4_LEGACY.to_vec();
    for _ in 0..1_000_000 {
        packed.extend_from_slice(&[1, 0, 0, 0, 0]);
    }
    let before = std::time::Instant::now();
    assert_eq!(unpack(Format::Lz4, &packed, 1 << 28).unwrap(), b"");
    // Clearing 8 MiB for each of them would take a quarter of an hour.
    assert!(before.elapsed().as_secs() < 60);
}

#[test]
fn an_lz4_block_without_bytes_is_corrupt() {
    let mut packed = pack(Format::Lz4, b"some text");
    packed.extend_from_slice(&[0; 4]);
    packed.extend_from_slice(b"more");
    let error = unpack(Format::Lz4, &packed, 1 << 20).unwrap_err();
    assert!(error.expected.starts_with("sound lz4 data"), "{error}");
}

#[test]
fn every_truncation_is_an_error() {
    let plain = sample(2_000);
    for format in ALL {
        let packed = pack(format, &plain);
        for length in 0..packed.len() {
            // Nothing in a legacy LZ4 frame says that a block must follow.
            if format == Format::Lz4 && matches!(length, 0 | 4) {
                continue;
            }
            let error = unpack(format, &packed[..length], 1 << 20).unwrap_err();
            assert!(
                error.offset <= length as u64,
                "{format:?} {length}: {error}"
            );
        }
    }
}

#[test]
fn every_flipped_bit_is_survived() {
    let plain = sample(600);
    for format in ALL {
        let packed = pack(format, &plain);
        for bit in 0..packed.len() * 8 {
            let mut bad = packed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let _ = unpack(format, &bad, 1 << 16);
        }
    }
}

#[test]
fn a_bomb_stops_at_the_cap() {
    let plain = vec![0; 32 << 20];
    let mut bombs: Vec<_> = ALL.map(|format| (format, pack(format, &plain))).into();
    // This one says how long it is.
    bombs.push((Format::Zstd, zstd::bulk::compress(&plain, 3).unwrap()));
    for (format, packed) in bombs {
        let mut out = Vec::new();
        let error = decompress(format, &packed, 1 << 20, &mut out).unwrap_err();
        assert_eq!(error.expected, "at most 1048576 bytes after decompression");
        assert!(out.capacity() <= 16 << 20, "{format:?}: {}", out.capacity());
    }
}

#[test]
fn a_stated_length_is_not_taken_on_trust() {
    // A frame header that promises 1 TiB in one segment, and one empty last block.
    let mut lie = vec![0x28, 0xb5, 0x2f, 0xfd, 0xe0];
    lie.extend_from_slice(&(1_u64 << 40).to_le_bytes());
    lie.extend_from_slice(&[1, 0, 0]);
    assert_eq!(zstd_length(&lie), None);
    let mut out = Vec::new();
    assert!(decompress(Format::Zstd, &lie, usize::MAX >> 1, &mut out).is_err());
    assert!(out.capacity() < 1 << 20);
}

#[test]
fn a_window_beyond_the_limit_is_refused() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(28).unwrap();
    encoder.long_distance_matching(true).unwrap();
    encoder.write_all(b"small").unwrap();
    encoder.flush().unwrap();
    encoder.write_all(b"small").unwrap();
    assert!(unpack(Format::Zstd, &encoder.finish().unwrap(), 1 << 20).is_err());

    let mut options = LzmaOptions::new_preset(0).unwrap();
    options.dict_size(1 << 28);
    let packed = through(Stream::new_lzma_encoder(&options).unwrap(), b"small");
    assert!(unpack(Format::Lzma, &packed, 1 << 20).is_err());
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let packed = through(
        Stream::new_stream_encoder(&filters, Check::Crc32).unwrap(),
        b"small",
    );
    assert!(unpack(Format::Xz, &packed, 1 << 20).is_err());
}

#[test]
fn millions_of_empty_frames_are_refused() {
    for format in [Format::Gzip, Format::Xz, Format::Zstd, Format::Bzip2] {
        let frame = pack(format, b"");
        assert_eq!(unpack(format, &frame.repeat(MAX_FRAMES), 0).unwrap(), b"");
        let error = unpack(format, &frame.repeat(MAX_FRAMES + 1), 0).unwrap_err();
        assert_eq!(error.offset, (frame.len() * MAX_FRAMES) as u64, "{error}");
    }
}

#[test]
fn lzop_with_every_checksum_and_a_filter() {
    let mut plain = sample(600_000);
    // The second block cannot be packed and is stored.
    let mut state = 1_u64;
    for byte in &mut plain[256 << 10..512 << 10] {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    for flags in [0, 1, 2, 3, 0x100, 0x303, 0x800, 0xb03] {
        let packed = lzop(&plain, flags);
        assert!(packed.len() > 256 << 10);
        let unpacked = unpack(Format::Lzo, &packed, plain.len());
        assert!(unpacked.unwrap() == plain, "{flags:#x}");
    }
}

#[test]
fn lzop_before_it_had_levels() {
    let mut packed = lzop(b"some text, some text, some text", 1);
    packed[9..11].copy_from_slice(&[0x09, 0x40]);
    let plain = unpack(Format::Lzo, &packed, 100).unwrap();
    assert_eq!(plain, b"some text, some text, some text");
    packed[9..11].copy_from_slice(&[0x09, 0x3f]);
    // The level, and the upper half of the time.
    packed.remove(16);
    packed.drain(28..32);
    let plain = unpack(Format::Lzo, &packed, 100).unwrap();
    assert_eq!(plain, b"some text, some text, some text");
}

#[test]
fn an_lzop_block_must_keep_its_word() {
    let good = lzop(&sample(1000), 1);
    // Behind magic, header and its name: the block's length, then its packed one.
    let block = 9 + 8 + 4 + 17;
    for (at, value, expected) in [
        (
            block,
            0x0004_0001_u32,
            "sound lzop data (a block of 262145 bytes)",
        ),
        (block, 999, "sound lzop data ("),
        (
            block,
            1001,
            "sound lzop data (1000 bytes in a block of 1001)",
        ),
        (
            block + 4,
            0,
            "sound lzop data (0 bytes for a block of 1000)",
        ),
        (
            block + 4,
            1001,
            "sound lzop data (1001 bytes for a block of 1000)",
        ),
    ] {
        let mut bad = good.clone();
        bad[at..at + 4].copy_from_slice(&value.to_be_bytes());
        let error = unpack(Format::Lzo, &bad, 1 << 20).unwrap_err();
        assert!(error.expected.starts_with(expected), "{error}");
        assert_eq!(error.offset, block as u64);
    }
}
