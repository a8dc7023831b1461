// SPDX-License-Identifier: GPL-2.0-or-later
//! Decompression of what kernels, modules and initrds come in: into one buffer,
//! with a cap on every byte, or as it is read ([`frame`]).
//!
//! The compressed bytes are hostile. No allocation follows a number that they
//! state unless that number is under the caller's cap, and a decoder's own
//! memory is limited by [`MAX_WINDOW`].

mod blocks;

use std::io::{self, BufRead, Read};

use btf_guard_btf::error::Malformed;

use blocks::LZ4_LEGACY;

/// The largest window (zstd) or dictionary (xz, lzma) that is followed, in
/// bytes: what `zstd -22 --ultra` and the kernel's `scripts/xz_wrap.sh` ask
/// for at most when they pack an image.
pub(crate) const MAX_WINDOW: u64 = 1 << 27;

/// What liblzma may allocate: the dictionary and some room for its own state.
const MAX_LZMA_MEMORY: u64 = MAX_WINDOW + (16 << 20);

/// How many frames are followed. A decoder is set up anew for each, so that
/// millions of empty ones would cost minutes; parallel compressors write a few
/// hundred at most.
const MAX_FRAMES: usize = 4096;

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
    pub fn name(self) -> &'static str {
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
        if let Err(why) = append(format, &mut rest, cap, out) {
            return Err(Malformed::new((input.len() - rest.len()) as u64, why));
        }
        let may_repeat = !matches!(format, Format::Lz4 | Format::Lzma | Format::Lzo);
        if !may_repeat || Format::detect(rest) != Some(format) {
            return Ok(());
        }
    }
    let at = (input.len() - rest.len()) as u64;
    let name = format.name();
    Err(Malformed::new(
        at,
        format!("at most {MAX_FRAMES} {name} frames in a row"),
    ))
}

/// Appends the frame that `input` starts with to `out`, and leaves in `input` what
/// follows it. One byte over the cap is enough to know.
fn append(format: Format, input: &mut &[u8], cap: usize, out: &mut Vec<u8>) -> Result<(), String> {
    let name = format.name();
    let room = cap.saturating_sub(out.len()) as u64 + 1;
    match frame(format, input).and_then(|decoder| decoder.take(room).read_to_end(out)) {
        Ok(_) if out.len() <= cap => Ok(()),
        Ok(_) => Err(format!("at most {cap} bytes after decompression")),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(format!("more {name} data: the stream is cut short"))
        }
        Err(error) => Err(format!("sound {name} data ({error})")),
    }
}

/// Unpacks the one frame (gzip member, stream, file) that `input` starts with.
/// Nothing behind it is taken from `input`; how much comes out has no limit here.
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
        Format::Lz4 => Box::new(blocks::lz4(input)),
        Format::Lzo => Box::new(blocks::lzop(input)),
    })
}

#[cfg(test)]
pub(crate) mod tests;
