//! LZO, in the file format of lzop: what `lzop -9` writes for kernel images.
//!
//! A header, then blocks with their lengths, up to a block of length zero.
//! Read as `lib/decompress_unlzo.c` of the kernel reads it (6.12); only the
//! checksums that stand before a block's bytes are counted by lzop's flags,
//! where the kernel takes it that there is one. None is compared, as there.

use super::Trouble;

/// What the file begins with, up to the version.
pub(super) const MAGIC: [u8; 9] = *b"\x89LZO\0\r\n\x1a\n";

/// The version from which on the header has a level and the upper half of the time.
const LEVELS: u16 = 0x0940;

/// A filter is named in the header (`HEADER_HAS_FILTER`).
const FILTER: u32 = 0x800;

/// Each brings one checksum of the unpacked bytes: Adler-32, CRC-32.
const OF_PLAIN: [u32; 2] = [0x1, 0x100];

/// Each brings one checksum of the packed bytes, where there are any.
const OF_PACKED: [u32; 2] = [0x2, 0x200];

/// The longest block, unpacked (`LZO_BLOCK_SIZE`).
const BLOCK: usize = 256 << 10;

/// Unpacks one file from the start of `input`, as [`super::frame`] does.
pub(super) fn unpack(input: &mut &[u8], cap: usize, out: &mut Vec<u8>) -> Result<(), Trouble> {
    let flags = header(input)?;
    let checksums = |kinds: [u32; 2]| 4 * kinds.iter().filter(|&kind| flags & kind != 0).count();
    let (of_plain, of_packed) = (checksums(OF_PLAIN), checksums(OF_PACKED));
    loop {
        let mut rest = *input;
        let length = word(&mut rest)? as usize;
        if length == 0 {
            *input = rest;
            return Ok(());
        }
        if length > BLOCK {
            return Err(Trouble::Corrupt(format!("a block of {length} bytes")));
        }
        let packed = word(&mut rest)? as usize;
        if packed == 0 || packed > length {
            let what = format!("{packed} bytes for a block of {length}");
            return Err(Trouble::Corrupt(what));
        }
        let stored = packed == length;
        take(&mut rest, of_plain + if stored { 0 } else { of_packed })?;
        let block = take(&mut rest, packed)?;
        if length > cap - out.len() {
            return Err(Trouble::TooLong);
        }
        out.try_reserve(length)
            .map_err(|error| Trouble::Corrupt(error.to_string()))?;
        if stored {
            out.extend_from_slice(block);
        } else {
            unpack_block(block, length, out)?;
        }
        *input = rest;
    }
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

/// Passes over the header; returns its flags.
fn header(input: &mut &[u8]) -> Result<u32, Trouble> {
    let mut rest = *input;
    take(&mut rest, MAGIC.len())?;
    let version = half(&mut rest)?;
    // The library's version, the version needed, and the method.
    take(&mut rest, 2 + 2 + 1)?;
    let levels = version >= LEVELS;
    take(&mut rest, usize::from(levels))?;
    let flags = word(&mut rest)?;
    take(&mut rest, if flags & FILTER != 0 { 4 } else { 0 })?;
    // Mode and time, whose upper half came with the level.
    take(&mut rest, if levels { 12 } else { 8 })?;
    let [name] = array(&mut rest)?;
    // The name, and the header's checksum.
    take(&mut rest, usize::from(name) + 4)?;
    *input = rest;
    Ok(flags)
}

fn take<'i>(input: &mut &'i [u8], length: usize) -> Result<&'i [u8], Trouble> {
    let (taken, rest) = input.split_at_checked(length).ok_or(Trouble::Short)?;
    *input = rest;
    Ok(taken)
}

fn array<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], Trouble> {
    let (taken, rest) = input.split_first_chunk().ok_or(Trouble::Short)?;
    *input = rest;
    Ok(*taken)
}

fn half(input: &mut &[u8]) -> Result<u16, Trouble> {
    Ok(u16::from_be_bytes(array(input)?))
}

fn word(input: &mut &[u8]) -> Result<u32, Trouble> {
    Ok(u32::from_be_bytes(array(input)?))
}
