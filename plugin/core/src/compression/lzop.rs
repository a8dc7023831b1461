// SPDX-License-Identifier: GPL-2.0-or-later
//! LZO, in the file format of lzop: what `lzop -9` writes for kernel images.
//!
//! A header, then blocks with their lengths, up to a block of length zero.
//! Read as `lib/decompress_unlzo.c` of the kernel reads it (6.12); only the
//! checksums that stand before a block's bytes are counted by lzop's flags,
//! where the kernel takes it that there is one. None is compared, as there.

use std::io::{self, Read};

use super::Trouble;

/// What the file begins with, up to the version.
pub(crate) const MAGIC: [u8; 9] = *b"\x89LZO\0\r\n\x1a\n";

/// The version from which on the header has a level and the upper half of the time.
const LEVELS: u16 = 0x0940;

/// A filter is named in the header (`HEADER_HAS_FILTER`).
const FILTER: u32 = 0x800;

/// Each brings one checksum of the unpacked bytes: Adler-32, CRC-32.
const OF_PLAIN: [u32; 2] = [0x1, 0x100];

/// Each brings one checksum of the packed bytes, where there are any.
const OF_PACKED: [u32; 2] = [0x2, 0x200];

/// The longest block, unpacked (`LZO_BLOCK_SIZE`).
const MAX_BLOCK: usize = 256 << 10;

/// How many bytes of checksums a block has: of its unpacked bytes, and of its
/// packed ones.
pub(crate) struct Sums {
    of_plain: usize,
    of_packed: usize,
}

/// Unpacks one file from the start of `input`, as [`super::frame`] does.
pub(crate) fn unpack(input: &mut &[u8], cap: usize, out: &mut Vec<u8>) -> Result<(), Trouble> {
    let mut rest = *input;
    let sums = header(&mut rest)?;
    let mut packed = Vec::new();
    loop {
        *input = rest;
        let room = cap - out.len();
        if !block(&mut rest, &sums, room, &mut packed, out)? {
            *input = rest;
            return Ok(());
        }
    }
}

/// Appends the next block, of `room` bytes at most, and says whether there was
/// one. `packed` is a buffer to work in.
pub(crate) fn block(
    input: &mut impl Read,
    sums: &Sums,
    room: usize,
    packed: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<bool, Trouble> {
    let length = word(input)? as usize;
    if length == 0 {
        return Ok(false);
    }
    if length > MAX_BLOCK {
        return Err(Trouble::Corrupt(format!("a block of {length} bytes")));
    }
    let stated = word(input)? as usize;
    if stated == 0 || stated > length {
        let what = format!("{stated} bytes for a block of {length}");
        return Err(Trouble::Corrupt(what));
    }
    let stored = stated == length;
    skip(
        input,
        sums.of_plain + if stored { 0 } else { sums.of_packed },
    )?;
    packed.clear();
    if input.take(stated as u64).read_to_end(packed)? < stated {
        return Err(Trouble::Short);
    }
    if length > room {
        return Err(Trouble::TooLong);
    }
    out.try_reserve(length)
        .map_err(|error| Trouble::Corrupt(error.to_string()))?;
    if stored {
        out.extend_from_slice(packed);
    } else {
        unpack_block(packed, length, out)?;
    }
    Ok(true)
}

/// Appends the `length` bytes that `block` holds.
fn unpack_block(block: &[u8], length: usize, out: &mut Vec<u8>) -> Result<(), Trouble> {
    let start = out.len();
    out.resize(start + length, 0);
    let space = out.get_mut(start..).unwrap_or_default();
    let why = match lzokay::decompress::decompress(block, space) {
        Ok(written) if written == length => return Ok(()),
        Ok(written) => format!("{written} bytes in a block of {length}"),
        Err(error) => error.to_string(),
    };
    out.truncate(start);
    Err(Trouble::Corrupt(why))
}

/// Passes over the header, which tells of checksums.
pub(crate) fn header(input: &mut impl Read) -> Result<Sums, Trouble> {
    skip(input, MAGIC.len())?;
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
    let bytes = |kinds: [u32; 2]| 4 * kinds.iter().filter(|&kind| flags & kind != 0).count();
    Ok(Sums {
        of_plain: bytes(OF_PLAIN),
        of_packed: bytes(OF_PACKED),
    })
}

fn skip(input: &mut impl Read, length: usize) -> Result<(), Trouble> {
    let passed = io::copy(&mut input.take(length as u64), &mut io::sink())?;
    match passed == length as u64 {
        true => Ok(()),
        false => Err(Trouble::Short),
    }
}

fn array<const N: usize>(input: &mut impl Read) -> Result<[u8; N], Trouble> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn word(input: &mut impl Read) -> Result<u32, Trouble> {
    Ok(u32::from_be_bytes(array(input)?))
}
