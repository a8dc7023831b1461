// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::io::Write;

use liblzma::stream::{Check, Filters, LzmaOptions, Stream};

use super::blocks::{LZ4_BLOCK, LZOP_MAGIC};
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

fn whole(mut encoder: impl Read) -> Vec<u8> {
    let mut packed = Vec::new();
    encoder.read_to_end(&mut packed).unwrap();
    packed
}

fn through(stream: Stream, plain: &[u8]) -> Vec<u8> {
    whole(liblzma::read::XzEncoder::new_stream(plain, stream))
}

/// Packs as the kernel's build does, without the appended size.
pub(crate) fn pack(format: Format, plain: &[u8]) -> Vec<u8> {
    match format {
        Format::Gzip => whole(flate2::read::GzEncoder::new(plain, Default::default())),
        Format::Bzip2 => whole(bzip2::read::BzEncoder::new(plain, Default::default())),
        // `scripts/xz_wrap.sh` for x86.
        Format::Xz => {
            let mut filters = Filters::new();
            filters.x86();
            filters.lzma2(&LzmaOptions::new_preset(1).unwrap());
            let stream = Stream::new_stream_encoder(&filters, Check::Crc32);
            through(stream.unwrap(), plain)
        }
        Format::Lzma => {
            let options = LzmaOptions::new_preset(1).unwrap();
            through(Stream::new_lzma_encoder(&options).unwrap(), plain)
        }
        // From a pipe, as `cat | zstd -22` is run: the frame does not know its length.
        Format::Zstd => whole(zstd::stream::read::Encoder::new(plain, 3).unwrap()),
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
    let mut out = LZOP_MAGIC.to_vec();
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
        let sums = flags & if stored { 0x101 } else { 0x303 };
        out.resize(out.len() + 4 * sums.count_ones() as usize, 0);
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
fn every_format_is_told_and_unpacked_and_a_size_behind_it_ignored() {
    for none in [&b""[..], b"\x7fELF\x02\x01", b"\x1f\x8b"] {
        assert_eq!(Format::detect(none), None);
    }
    let lz4 = [LZ4_BLOCK, LZ4_BLOCK + 1_000].map(|length| (Format::Lz4, length));
    for (format, length) in ALL.map(|format| (format, 50_000)).into_iter().chain(lz4) {
        let plain = sample(length);
        let mut packed = pack(format, &plain);
        packed.extend_from_slice(&(length as u32).to_le_bytes());
        assert_eq!(Format::detect(&packed), Some(format));
        let unpacked = unpack(format, &packed, length).unwrap();
        assert!(unpacked == plain, "{format:?} {length}");
        let error = unpack(format, &packed, length - 1).unwrap_err();
        let expected = format!("at most {} bytes after decompression", length - 1);
        assert_eq!(error.expected, expected, "{format:?}");
    }
}

#[test]
fn frames_in_a_row_are_one_file() {
    let plain = sample(3_000);
    let twice = [&plain[..], &plain[..]].concat();
    for format in ALL
        .into_iter()
        .filter(|f| !matches!(f, Format::Lzma | Format::Lzo))
    {
        let mut packed = pack(format, &plain).repeat(2);
        assert!(unpack(format, &packed, 6_000).unwrap() == twice);
        assert!(unpack(format, &packed, 5_999).is_err(), "{format:?}");
        packed.pop();
        assert!(unpack(format, &packed, 6_000).is_err(), "{format:?}");
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
    let stream = Stream::new_stream_encoder(&filters, Check::Crc32);
    let packed = through(stream.unwrap(), b"small");
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
    let plain = b"some text, some text, some text";
    let mut packed = lzop(plain, 1);
    packed[9..11].copy_from_slice(&[0x09, 0x40]);
    assert_eq!(unpack(Format::Lzo, &packed, 100).unwrap(), plain);
    packed[9..11].copy_from_slice(&[0x09, 0x3f]);
    // The level, and the upper half of the time.
    packed.remove(16);
    packed.drain(28..32);
    assert_eq!(unpack(Format::Lzo, &packed, 100).unwrap(), plain);
}

#[test]
fn an_lzop_block_must_keep_its_word() {
    let good = lzop(&sample(1000), 1);
    // Behind magic, header and its name: the block's length, then its packed one.
    let block = 9 + 8 + 4 + 17;
    for (at, value, expected) in [
        (block, 0x0004_0001_u32, "a block of 262145 bytes)"),
        (block, 999, ""),
        (block, 1001, "1000 bytes in a block of 1001)"),
        (block + 4, 0, "0 bytes for a block of 1000)"),
        (block + 4, 1001, "1001 bytes for a block of 1000)"),
    ] {
        let mut bad = good.clone();
        bad[at..at + 4].copy_from_slice(&value.to_be_bytes());
        let error = unpack(Format::Lzo, &bad, 1 << 20).unwrap_err();
        let expected = format!("sound lzop data ({expected}");
        assert!(error.expected.starts_with(&expected), "{error}");
    }
}

fn unpack_one(format: Format, input: &mut &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    frame(format, input)?.read_to_end(&mut out)?;
    Ok(out)
}

#[test]
fn every_truncation_is_an_unexpected_end() {
    let plain = sample(2_000);
    for format in ALL {
        let packed = pack(format, &plain);
        // Where a block may begin, a legacy LZ4 frame may end; and without
        // its magic it is none.
        let first = if format == Format::Lz4 { 8 } else { 0 };
        for length in first..packed.len() {
            let error = unpack_one(format, &mut &packed[..length]).unwrap_err();
            let kind = error.kind();
            assert_eq!(kind, io::ErrorKind::UnexpectedEof, "{format:?} {length}");
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
            let decoder = frame(format, &bad[..]).unwrap();
            let _ = decoder.take(1 << 16).read_to_end(&mut Vec::new());
        }
    }
}

#[test]
fn lz4_blocks_that_hold_nothing_or_too_much_are_corrupt() {
    let mut packed = LZ4_LEGACY.to_vec();
    packed.extend_from_slice(&[1, 0, 0, 0, 0]);
    let error = unpack_one(Format::Lz4, &mut &packed[..]).unwrap_err();
    assert_eq!(error.to_string(), "a block that holds nothing");
    packed.truncate(4);
    packed.extend_from_slice(&[0xff; 4]);
    let error = unpack_one(Format::Lz4, &mut &packed[..]).unwrap_err();
    assert_eq!(error.to_string(), "a block of 4294967295 bytes");
}

#[test]
fn a_short_frame_of_a_large_window_reserves_next_to_nothing() {
    let window = |rest: [u8; 6]| [&[0x28, 0xb5, 0x2f, 0xfd, 0, 17 << 3], &rest[..]].concat();
    for frame in [
        // A stored block, one byte repeated, a packed block: each without all of its bytes.
        window([0; 6]),
        window([2, 0, 0x10, 7, 3, 0]),
        window([0x1d, 0, 0, 7, 3, 0]),
        // One segment of 128 MiB.
        vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 8, 3, 0, 0],
    ] {
        let mut out = Vec::new();
        assert!(decompress(Format::Zstd, &frame, 256 << 20, &mut out).is_err());
        assert!(out.capacity() <= 256 << 10, "{frame:x?}");
    }
}
