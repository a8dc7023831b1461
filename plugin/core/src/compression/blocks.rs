// SPDX-License-Identifier: GPL-2.0-or-later
//! The two formats that are read block by block: LZ4's legacy frame and the
//! file format of lzop.

use std::io::{self, BufRead, Read};

/// The magic of LZ4's legacy frame, `0x184c2102`, as it stands in a file.
pub(crate) const LZ4_LEGACY: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];

/// Bytes that one block of a legacy LZ4 frame holds when unpacked
/// (`LEGACY_BLOCKSIZE` of lz4's `lz4io.c`, `LZ4_DEFAULT_UNCOMPRESSED_CHUNK_SIZE`
/// of the kernel's `lib/decompress_unlz4.c`).
pub(crate) const LZ4_BLOCK: usize = 8 << 20;

/// The longest that such a block can be when packed (`LZ4_COMPRESSBOUND` of lz4.h).
const LZ4_PACKED: usize = LZ4_BLOCK + LZ4_BLOCK / 255 + 16;

/// What a file of lzop begins with, up to the version.
pub(crate) const LZOP_MAGIC: [u8; 9] = *b"\x89LZO\0\r\n\x1a\n";

/// The version from which on the header has a level and the upper half of the time.
const LEVELS: u16 = 0x0940;

/// A filter is named in the header (`HEADER_HAS_FILTER`).
const FILTER: u32 = 0x800;

/// Each brings one checksum of the unpacked bytes: Adler-32, CRC-32.
const OF_PLAIN: [u32; 2] = [0x1, 0x100];

/// Each brings one checksum of the packed bytes, where there are any.
const OF_PACKED: [u32; 2] = [0x2, 0x200];

/// The longest block of lzop, unpacked (`LZO_BLOCK_SIZE`).
const LZOP_BLOCK: usize = 256 << 10;

/// Reads what comes in blocks.
struct Blocks<F> {
    /// Appends the next block; false if there is none.
    next: F,
    block: Vec<u8>,
    /// How much of the block was read.
    at: usize,
    ended: bool,
}

impl<F: FnMut(&mut Vec<u8>) -> io::Result<bool>> Blocks<F> {
    fn new(next: F) -> Self {
        Self {
            next,
            block: Vec::new(),
            at: 0,
            ended: false,
        }
    }
}

impl<F: FnMut(&mut Vec<u8>) -> io::Result<bool>> Read for Blocks<F> {
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

/// A legacy LZ4 frame: the magic, which may stand between blocks again, and blocks,
/// each behind its length in four little-endian bytes.
///
/// It has no end of its own: it goes on up to a length of zero, which is taken, or
/// the end of the input, as in the kernel's `lib/decompress_unlz4.c`, or up to the
/// unpacked size that the kernel's build appends.
pub(crate) fn lz4(mut input: impl BufRead) -> impl Read {
    let (mut packed, mut plain, mut total) = (Vec::new(), Vec::new(), 0_usize);
    Blocks::new(move |out| {
        let length = loop {
            let mut word = Vec::new();
            (&mut input).take(4).read_to_end(&mut word)?;
            match word.first_chunk() {
                Some(&LZ4_LEGACY) => {}
                Some([0, 0, 0, 0]) | None => return Ok(false),
                Some(length) => break u32::from_le_bytes(*length) as usize,
            }
        };
        // Only the last block is shorter than the others.
        let may_end = !total.is_multiple_of(LZ4_BLOCK) || input.fill_buf()?.is_empty();
        if may_end && length == total {
            return Ok(false);
        }
        if length > LZ4_PACKED {
            return Err(corrupt(format!("a block of {length} bytes")));
        }
        fill(&mut input, length, &mut packed)?;
        plain.resize(LZ4_BLOCK, 0);
        let written = lz4_flex::block::decompress_into(&packed, &mut plain).map_err(corrupt)?;
        if written == 0 {
            // Millions of them would be all work and no bytes.
            return Err(corrupt("a block that holds nothing"));
        }
        total += written;
        out.extend_from_slice(plain.get(..written).unwrap_or_default());
        Ok(true)
    })
}

/// A file of lzop, which `lzop -9` writes for kernel images: a header, then blocks
/// with their lengths, up to a block of length zero.
///
/// Read as `lib/decompress_unlzo.c` of the kernel reads it (6.12); only the
/// checksums that stand before a block's bytes are counted by lzop's flags,
/// where the kernel takes it that there is one. None is compared, as there.
pub(crate) fn lzop(mut input: impl BufRead) -> impl Read {
    let (mut packed, mut flags) = (Vec::new(), None);
    Blocks::new(move |out| {
        let flags = match flags {
            Some(flags) => flags,
            None => *flags.insert(lzop_header(&mut input)?),
        };
        let sums = |kinds: [u32; 2]| 4 * kinds.iter().filter(|&kind| flags & kind != 0).count();
        let length = word(&mut input)? as usize;
        if length == 0 {
            return Ok(false);
        }
        if length > LZOP_BLOCK {
            return Err(corrupt(format!("a block of {length} bytes")));
        }
        let stated = word(&mut input)? as usize;
        if stated == 0 || stated > length {
            return Err(corrupt(format!("{stated} bytes for a block of {length}")));
        }
        skip(&mut input, sums(OF_PLAIN))?;
        if stated == length {
            fill(&mut input, stated, out)?;
            return Ok(true);
        }
        skip(&mut input, sums(OF_PACKED))?;
        fill(&mut input, stated, &mut packed)?;
        out.resize(length, 0);
        match lzokay::decompress::decompress(&packed, out).map_err(corrupt)? {
            written if written == length => Ok(true),
            written => Err(corrupt(format!("{written} bytes in a block of {length}"))),
        }
    })
}

/// Passes over the header of a file of lzop and returns its flags, which tell of
/// checksums.
fn lzop_header(input: &mut impl Read) -> io::Result<u32> {
    skip(input, LZOP_MAGIC.len())?;
    let version = u16::from_be_bytes(array(input)?);
    // The library's version, the version needed, and the method.
    skip(input, 2 + 2 + 1)?;
    let levels = version >= LEVELS;
    skip(input, usize::from(levels))?;
    let flags = word(input)?;
    skip(input, if flags & FILTER != 0 { 4 } else { 0 })?;
    // Mode and time, whose upper half came with the level.
    skip(input, if levels { 12 } else { 8 })?;
    let [name] = array(input)?;
    // The name, and the header's checksum.
    skip(input, usize::from(name) + 4)?;
    Ok(flags)
}

fn corrupt(why: impl ToString) -> io::Error {
    io::Error::other(why.to_string())
}

/// The next `length` bytes, in place of what `bytes` held.
fn fill(input: &mut impl Read, length: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
    bytes.clear();
    match input.take(length as u64).read_to_end(bytes)? == length {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn skip(input: &mut impl Read, length: usize) -> io::Result<()> {
    fill(input, length, &mut Vec::new())
}

fn array<const N: usize>(input: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn word(input: &mut impl Read) -> io::Result<u32> {
    Ok(u32::from_be_bytes(array(input)?))
}
