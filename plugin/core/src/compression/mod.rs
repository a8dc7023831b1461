// SPDX-License-Identifier: GPL-2.0-or-later
//! Decompression of what kernels and modules come in: one call, one buffer,
//! and a cap on every byte and on every window. [`stream`] is for what is not
//! held as a whole.
//!
//! The compressed bytes are hostile. No allocation follows a number that they
//! state unless that number is under the caller's cap, and a decoder's own
//! memory is limited by [`MAX_WINDOW`].

mod lzop;
pub(crate) mod stream;

use std::io::{self, Read};

use btf_guard_btf::error::Malformed;

/// The largest window (zstd) or dictionary (xz, lzma) that is followed, in
/// bytes: what `zstd -22 --ultra` and the kernel's `scripts/xz_wrap.sh` ask
/// for at most when they pack an image.
pub(crate) const MAX_WINDOW: u64 = 1 << 27;

/// What liblzma may allocate: the dictionary and some room for its own state.
const MAX_LZMA_MEMORY: u64 = MAX_WINDOW + (16 << 20);

/// The magic of LZ4's legacy frame, `0x184c2102`, as it stands in a file.
const LZ4_LEGACY: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];

/// How many frames are followed. A decoder is set up anew for each, so that
/// millions of empty ones would cost minutes; parallel compressors write a few
/// hundred at most.
const MAX_FRAMES: usize = 4096;

/// Bytes that one block of a legacy LZ4 frame holds when unpacked
/// (`LEGACY_BLOCKSIZE` of lz4's `lz4io.c`, `LZ4_DEFAULT_UNCOMPRESSED_CHUNK_SIZE`
/// of the kernel's `lib/decompress_unlz4.c`).
const LZ4_BLOCK: usize = 8 << 20;

/// A compression that kernel images or modules come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// gzip, RFC 1952.
    Gzip,
    /// The `.xz` format, with its filters for machine code.
    Xz,
    /// Zstandard, RFC 8878.
    Zstd,
    /// LZ4's legacy frame, which `lz4 -l` writes for kernel images.
    Lz4,
    /// The `.lzma` ("alone") format that preceded `.xz`.
    Lzma,
    /// bzip2.
    Bzip2,
    /// LZO in the file format of lzop.
    Lzo,
}

impl Format {
    /// Tells the format by its magic, from the first six bytes or more.
    ///
    /// The magics are those of the kernel's `lib/decompress.c`; for gzip the
    /// third byte, the only method there is, is compared as well.
    pub fn detect(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, 0x08, ..] => Some(Self::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            [b'B', b'Z', b'h', ..] => Some(Self::Bzip2),
            [0x5d, 0, 0, ..] => Some(Self::Lzma),
            [0x89, b'L', b'Z', b'O', 0, b'\r', ..] => Some(Self::Lzo),
            _ if head.starts_with(&LZ4_LEGACY) => Some(Self::Lz4),
            _ => None,
        }
    }

    /// The name of the program that writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Lzma => "lzma",
            Self::Bzip2 => "bzip2",
            Self::Lzo => "lzop",
        }
    }
}

/// Decompresses `input` into `out`, whose old content is dropped and whose
/// capacity is used.
///
/// Frames (gzip members, xz and bzip2 streams, 4096 at most) that follow the first one
/// directly are decompressed as well, as kmod does; anything else behind the
/// last one is ignored, such as the size that the kernel's build appends to a
/// payload. `.lzma` and lzop's format are one stream.
///
/// # Errors
/// [`Malformed`], at an offset into `input`, if it is cut short or corrupt, if
/// it would be longer than `cap` bytes, or if it needs a window beyond [`MAX_WINDOW`].
/// `out` then holds whatever came before.
pub fn decompress(
    format: Format,
    input: &[u8],
    cap: usize,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    out.clear();
    let mut rest = input;
    for _ in 0..MAX_FRAMES {
        if let Err(trouble) = frame(format, &mut rest, cap, out) {
            let at = input.len() - rest.len();
            return Err(Malformed::new(at as u64, describe(format, cap, &trouble)));
        }
        let again = match format {
            Format::Gzip | Format::Xz | Format::Zstd | Format::Bzip2 => {
                Format::detect(rest) == Some(format)
            }
            Format::Lz4 | Format::Lzma | Format::Lzo => false,
        };
        if !again {
            return Ok(());
        }
    }
    let at = input.len() - rest.len();
    let name = format.name();
    Err(Malformed::new(
        at as u64,
        format!("at most {MAX_FRAMES} {name} frames in a row"),
    ))
}

/// Why a frame could not be unpacked.
pub(crate) enum Trouble {
    /// The input ends inside it.
    Short,
    /// More than the cap would come out.
    TooLong,
    /// Anything else, in the decoder's words.
    Corrupt(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Short,
            _ => Self::Corrupt(error.to_string()),
        }
    }
}

fn describe(format: Format, cap: usize, trouble: &Trouble) -> String {
    let name = format.name();
    match trouble {
        Trouble::Short => format!("more {name} data: the stream is cut short"),
        Trouble::TooLong => format!("at most {cap} bytes after decompression"),
        Trouble::Corrupt(why) => format!("sound {name} data ({why})"),
    }
}

/// Unpacks one frame from the start of `input`, appends it to `out`, and
/// leaves in `input` what follows it.
fn frame(format: Format, input: &mut &[u8], cap: usize, out: &mut Vec<u8>) -> Result<(), Trouble> {
    match format {
        Format::Gzip | Format::Bzip2 | Format::Xz | Format::Lzma => {
            pull(stream::frame(format, input)?, cap, out)
        }
        Format::Zstd => zstd_frame(input, cap, out),
        Format::Lz4 => lz4_legacy(input, cap, out),
        Format::Lzo => lzop::unpack(input, cap, out),
    }
}

/// Appends what `decoder` yields; one byte over the cap is enough to know.
fn pull(decoder: impl Read, cap: usize, out: &mut Vec<u8>) -> Result<(), Trouble> {
    let room = cap.saturating_sub(out.len()) as u64 + 1;
    decoder.take(room).read_to_end(out)?;
    if out.len() > cap {
        return Err(Trouble::TooLong);
    }
    Ok(())
}

/// One Zstandard frame.
///
/// Where its unpacked length is known, from the frame or from the word that
/// the kernel's build appends, it goes straight to its place; a window of
/// 128 MiB is neither allocated nor copied through.
fn zstd_frame(input: &mut &[u8], cap: usize, out: &mut Vec<u8>) -> Result<(), Trouble> {
    let whole = *input;
    if out.is_empty()
        && let Some(length) = zstd_length(whole)
        && length <= cap
        && out.try_reserve(length).is_ok()
    {
        let frame_len = zstd::zstd_safe::find_frame_compressed_size(whole).unwrap_or(0);
        let (frame, rest) = whole.split_at_checked(frame_len).unwrap_or((whole, &[]));
        let mut context = zstd::bulk::Decompressor::new()?;
        if context.decompress_to_buffer(frame, out).is_ok() && out.len() <= cap {
            *input = rest;
            return Ok(());
        }
    }
    pull(stream::frame(Format::Zstd, input)?, cap, out)
}

/// How long the frame at the start of `input` is when unpacked, if anything says so.
fn zstd_length(input: &[u8]) -> Option<usize> {
    // A block unpacks to at most 128 KiB and takes at least four bytes
    // (RFC 8878, 3.1.1.2): a frame that claims more lies.
    let most = (input.len() as u64).saturating_mul((128 << 10) / 4);
    let stated = match zstd::zstd_safe::get_frame_content_size(input) {
        Ok(Some(length)) => length,
        Ok(None) => u64::from(u32::from_le_bytes(*input.last_chunk()?)),
        Err(_) => return None,
    };
    usize::try_from(stated).ok().filter(|_| stated <= most)
}

/// A legacy LZ4 frame: the magic, then blocks, each behind its length in four
/// little-endian bytes, up to the end of the input; the magic may stand
/// between blocks again (frames appended to each other). The unpacked size that
/// the kernel's build appends ends it; what follows that is ignored.
fn lz4_legacy(input: &mut &[u8], cap: usize, out: &mut Vec<u8>) -> Result<(), Trouble> {
    let mut filled = 0;
    let ended = lz4_blocks(input, cap, out, &mut filled);
    out.truncate(filled);
    ended
}

/// The blocks of [`lz4_legacy`]. `out` may run ahead of the `filled` bytes:
/// it is cleared to zero only once, however many blocks yield nothing.
fn lz4_blocks(
    input: &mut &[u8],
    cap: usize,
    out: &mut Vec<u8>,
    filled: &mut usize,
) -> Result<(), Trouble> {
    while !input.is_empty() {
        let (word, rest) = input.split_first_chunk::<4>().ok_or(Trouble::Short)?;
        if *word == LZ4_LEGACY {
            *input = rest;
            continue;
        }
        let packed = u32::from_le_bytes(*word) as usize;
        // Only the last block is shorter than the others, and what follows it
        // is no block.
        let last = rest.is_empty() || !filled.is_multiple_of(LZ4_BLOCK);
        if last && packed == *filled {
            *input = rest;
            return Ok(());
        }
        let (block, rest) = rest.split_at_checked(packed).ok_or(Trouble::Short)?;

        let room = LZ4_BLOCK.min(cap - *filled);
        let end = *filled + room;
        if out.len() < end {
            out.try_reserve(end - out.len())
                .map_err(|error| Trouble::Corrupt(error.to_string()))?;
            out.resize(end, 0);
        }
        let space = out.get_mut(*filled..end).unwrap_or_default();
        *filled += match lz4_flex::block::decompress_into(block, space) {
            Ok(written) => written,
            Err(lz4_flex::block::DecompressError::OutputTooSmall { .. }) if room < LZ4_BLOCK => {
                return Err(Trouble::TooLong);
            }
            Err(error) => return Err(Trouble::Corrupt(error.to_string())),
        };
        *input = rest;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
