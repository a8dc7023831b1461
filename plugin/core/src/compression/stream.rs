// SPDX-License-Identifier: GPL-2.0-or-later
//! Decompression as it is read, for what is not to be held as a whole.

use std::io::{self, BufRead, Read};

use super::{Format, LZ4_BLOCK, LZ4_LEGACY, MAX_LZMA_MEMORY, MAX_WINDOW, Trouble, lzop};

/// The longest that a block of [`LZ4_BLOCK`] bytes can be when packed
/// (`LZ4_COMPRESSBOUND` of lz4.h).
const LZ4_PACKED: u64 = (LZ4_BLOCK + LZ4_BLOCK / 255 + 16) as u64;

/// Unpacks the one frame (gzip member, stream, file) that `input` starts with.
/// Nothing behind it is taken from `input`; how much comes out has no limit here.
///
/// A legacy LZ4 frame has no end of its own: it goes on up to a length of
/// zero, which is taken, or the end of the input, as in the kernel's
/// `lib/decompress_unlz4.c`.
///
/// # Errors
/// If a decoder cannot be set up. Reading then fails with `UnexpectedEof` where
/// the input is cut short, with what `input` says where that fails, and with an
/// error of the decoder's words where it is corrupt.
pub(crate) fn frame<'r>(
    format: Format,
    input: impl BufRead + 'r,
) -> io::Result<Box<dyn Read + 'r>> {
    Ok(match format {
        Format::Gzip => Box::new(flate2::bufread::GzDecoder::new(input)),
        Format::Bzip2 => Box::new(bzip2::bufread::BzDecoder::new(input)),
        Format::Xz => {
            let stream = liblzma::stream::Stream::new_stream_decoder(MAX_LZMA_MEMORY, 0)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream))
        }
        Format::Lzma => {
            let stream = liblzma::stream::Stream::new_lzma_decoder(MAX_LZMA_MEMORY)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream))
        }
        Format::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?.single_frame();
            decoder.window_log_max(MAX_WINDOW.ilog2())?;
            Box::new(decoder)
        }
        Format::Lz4 => Box::new(Blocks::new(lz4(input))),
        Format::Lzo => Box::new(Blocks::new(lzo(input))),
    })
}

/// The blocks of a legacy LZ4 frame, one a call.
fn lz4(mut input: impl BufRead) -> impl FnMut(&mut Vec<u8>) -> Result<bool, Trouble> {
    let (mut packed, mut plain) = (Vec::new(), Vec::new());
    move |out| {
        let length = loop {
            let mut word = Vec::new();
            (&mut input).take(4).read_to_end(&mut word)?;
            match word.first_chunk() {
                Some(magic) if *magic == LZ4_LEGACY => {}
                Some([0, 0, 0, 0]) | None => return Ok(false),
                Some(length) => break u64::from(u32::from_le_bytes(*length)),
            }
        };
        if length > LZ4_PACKED {
            return Err(Trouble::Corrupt(format!("a block of {length} bytes")));
        }
        packed.clear();
        if ((&mut input).take(length).read_to_end(&mut packed)? as u64) < length {
            return Err(Trouble::Short);
        }
        plain.resize(LZ4_BLOCK, 0);
        match lz4_flex::block::decompress_into(&packed, &mut plain) {
            // Millions of them would be all work and no bytes.
            Ok(0) => return Err(Trouble::Corrupt("a block that holds nothing".into())),
            Ok(written) => out.extend_from_slice(plain.get(..written).unwrap_or_default()),
            Err(error) => return Err(Trouble::Corrupt(error.to_string())),
        }
        Ok(true)
    }
}

/// The blocks of a file of lzop, one a call.
fn lzo(mut input: impl BufRead) -> impl FnMut(&mut Vec<u8>) -> Result<bool, Trouble> {
    let mut packed = Vec::new();
    let mut sums = None;
    move |out| {
        let sums = match &mut sums {
            Some(sums) => sums,
            none => none.insert(lzop::header(&mut input)?),
        };
        lzop::block(&mut input, sums, usize::MAX, &mut packed, out)
    }
}

/// Reads what comes in blocks.
struct Blocks<F> {
    /// Appends the next block; false if there is none.
    next: F,
    block: Vec<u8>,
    /// How much of the block was read.
    at: usize,
    ended: bool,
}

impl<F> Blocks<F> {
    fn new(next: F) -> Self {
        Self {
            next,
            block: Vec::new(),
            at: 0,
            ended: false,
        }
    }
}

impl<F: FnMut(&mut Vec<u8>) -> Result<bool, Trouble>> Read for Blocks<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() && !self.ended {
            self.block.clear();
            self.at = 0;
            self.ended = !(self.next)(&mut self.block)?;
        }
        let mut rest = self.block.get(self.at..).unwrap_or_default();
        let read = rest.read(buffer)?;
        self.at += read;
        Ok(read)
    }
}

impl From<Trouble> for io::Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Short => io::ErrorKind::UnexpectedEof.into(),
            Trouble::TooLong => io::Error::other("too long"),
            Trouble::Corrupt(why) => io::Error::other(why),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;
    use crate::compression::tests::{ALL, pack, sample};

    fn unpack(format: Format, input: &mut &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        frame(format, input)?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn one_frame_and_no_byte_more() {
        let plain = sample(700_000);
        for format in ALL {
            let mut packed = pack(format, &plain);
            let end: &[u8] = match format {
                Format::Lz4 => &[0; 4],
                _ => &[],
            };
            packed.extend_from_slice(end);
            packed.extend_from_slice(&pack(format, b"another"));
            let mut rest = &packed[..];
            assert!(unpack(format, &mut rest).unwrap() == plain, "{format:?}");
            assert_eq!(rest, pack(format, b"another"), "{format:?}");
        }
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
                let error = unpack(format, &mut &packed[..length]).unwrap_err();
                let kind = error.kind();
                assert_eq!(
                    kind,
                    io::ErrorKind::UnexpectedEof,
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
                let decoder = frame(format, &bad[..]).unwrap();
                let _ = decoder.take(1 << 16).read_to_end(&mut Vec::new());
            }
        }
    }

    #[test]
    fn many_lz4_blocks_and_magics_between_them() {
        let plain = sample(LZ4_BLOCK + 1_000);
        let packed = pack(Format::Lz4, &plain).repeat(2);
        let out = unpack(Format::Lz4, &mut &packed[..]).unwrap();
        assert!(out == [&plain[..], &plain[..]].concat());
    }

    #[test]
    fn lz4_blocks_that_hold_nothing_or_too_much_are_corrupt() {
        let mut packed = LZ4_LEGACY.to_vec();
        packed.extend_from_slice(&[1, 0, 0, 0, 0]);
        let error = unpack(Format::Lz4, &mut &packed[..]).unwrap_err();
        assert_eq!(error.to_string(), "a block that holds nothing");
        packed.truncate(4);
        packed.extend_from_slice(&[0xff; 4]);
        let error = unpack(Format::Lz4, &mut &packed[..]).unwrap_err();
        assert_eq!(error.to_string(), "a block of 4294967295 bytes");
    }

    #[test]
    fn a_window_beyond_the_limit_is_refused() {
        use std::io::Write;
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(28).unwrap();
        encoder.long_distance_matching(true).unwrap();
        encoder.write_all(b"small").unwrap();
        encoder.flush().unwrap();
        encoder.write_all(b"small").unwrap();
        let packed = encoder.finish().unwrap();
        assert!(unpack(Format::Zstd, &mut &packed[..]).is_err());
    }
}
