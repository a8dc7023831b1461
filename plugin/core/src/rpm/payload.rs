// SPDX-License-Identifier: GPL-2.0-or-later
//! The payload: a compressed cpio archive, read entry by entry.
//!
//! Format: cpio(5) "New ASCII" (`070701`, `070702`), and rpm's stripped form
//! (`07070X`), whose entries hold nothing but an index into the header's file
//! list (lib/cpio.c of rpm). Header and data are padded to four bytes.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read};

use btf_guard_btf::error::Malformed;
use liblzma::stream::{Action, Stream};

use super::file_list::{Error, FileKind, Links, MAX_FILE, PackagedFile};
use crate::compression::{Format, MAX_WINDOW};
use crate::time_limit::TimeLimit;

/// How much is read from the file, and decompressed, in one go.
pub(crate) const BUFFER: usize = 128 << 10;
/// The most that is decompressed of one package.
const MAX_TOTAL: u64 = 16 << 30;
/// What may follow the trailer: padding.
const MAX_TAIL: u64 = 64 << 10;
/// The longest name, with its NUL (`PATH_MAX` and the `./` before it).
const MAX_NAME: u32 = 4096 + 2;
/// What an xz or lzma stream may ask for: its dictionary and liblzma's own state.
const MAX_XZ_MEMORY: u64 = MAX_WINDOW + (16 << 20);
/// Properties, the dictionary's size, and that of the unpacked data.
const LZMA_HEADER: usize = 13;
const DIGITS: &str = "a number of eight hexadecimal digits";
const TRAILER: &str = "TRAILER!!!";

/// The archive of a package, held against its header.
pub(crate) struct Archive<'a> {
    input: CountedReader<BufReader<Box<dyn Read + 'a>>>,
    files: &'a [PackagedFile],
    links: &'a Links,
    /// From a path without its leading slash to the file's index.
    by_path: HashMap<&'a str, usize>,
    seen: Vec<bool>,
    /// Which sets of hard links have had their content.
    filled: Vec<bool>,
    /// Bytes of the current entry's data that are still to be read.
    left: u64,
}

impl<'a> Archive<'a> {
    /// Starts at the payload's first byte.
    pub(crate) fn new(
        input: impl BufRead + 'a,
        files: &'a [PackagedFile],
        links: &'a Links,
    ) -> Result<Self, Error> {
        let by_path = files.iter().enumerate().filter_map(|(index, file)| {
            let path = file.path.to_str()?;
            Some((path.strip_prefix('/').unwrap_or(path), index))
        });
        Ok(Self {
            input: CountedReader {
                inner: BufReader::with_capacity(BUFFER, decompress(input)?),
                offset: 0,
                limit: TimeLimit::default(),
            },
            files,
            links,
            by_path: by_path.collect(),
            seen: vec![false; files.len()],
            filled: vec![false; links.sets.len()],
            left: 0,
        })
    }

    /// From then on reading is an error: also what nobody asks for has to be unpacked.
    pub(crate) fn read_until(&mut self, limit: TimeLimit) {
        self.input.limit = limit;
    }

    /// Goes to the next entry, by its index in the file list; `None` at the trailer.
    ///
    /// The data of the entry before must have been read or skipped.
    pub(crate) fn next(&mut self) -> Result<Option<usize>, Error> {
        let start = self.input.offset;
        let mut magic = [0; 6];
        self.exact(&mut magic)?;
        let (index, stated) = match &magic {
            b"070701" | b"070702" => match self.named()? {
                Some((index, size)) => (index, Some(size)),
                None => return Ok(None),
            },
            b"07070X" => (self.numbered()?, None),
            _ => {
                let known = "the magic of a cpio entry (070701, 070702, 07070X)";
                return Err(broken(start, known));
            }
        };
        let file = self.files.get(index);
        let file = file.ok_or_else(|| broken(start, "the index of a file in the header"))?;
        if std::mem::replace(self.seen.get_mut(index).unwrap_or(&mut false), true) {
            let path = file.path.display();
            return Err(broken(start, format!("{path} once, not twice")));
        }
        self.left = self.size(file, index, stated, start)?;
        if let Some(set) = self.links.set_of.get(&index)
            && self.left > 0
            && std::mem::replace(self.filled.get_mut(*set).unwrap_or(&mut false), true)
        {
            let path = file.path.display();
            let once = format!("the content of {path} and its hard links once, not twice");
            return Err(broken(start, once));
        }
        Ok(Some(index))
    }

    /// True if the current entry, that of file `index`, carries the file's content.
    pub(crate) fn has_content(&self, index: usize) -> bool {
        let empty = self.files.get(index).is_some_and(|file| file.size == 0);
        self.left > 0 || empty && !self.links.content_is_elsewhere(index)
    }

    /// Reads the current entry's data.
    pub(crate) fn read(&mut self) -> Result<Vec<u8>, Error> {
        let start = self.input.offset;
        if self.left > MAX_FILE {
            let limit = format!("a module or kernel image of at most {} MiB", MAX_FILE >> 20);
            return Err(broken(start, limit));
        }
        // What is stated is under a limit, and memory that is not written costs nothing.
        let mut data = Vec::new();
        data.try_reserve_exact(self.left as usize + 1)
            .map_err(io::Error::other)?;
        let read = (&mut self.input)
            .take(self.left)
            .read_to_end(&mut data)
            .map_err(unread)?;
        if read as u64 != self.left {
            return Err(self.cut_off(self.left - read as u64));
        }
        self.pad(self.left)?;
        Ok(data)
    }

    /// Passes over the current entry's data.
    pub(crate) fn skip(&mut self) -> Result<(), Error> {
        let passed =
            io::copy(&mut (&mut self.input).take(self.left), &mut io::sink()).map_err(unread)?;
        if passed != self.left {
            return Err(self.cut_off(self.left - passed));
        }
        self.pad(self.left)
    }

    /// After the trailer: refuses a compressed stream that does not end well, and an
    /// archive without something that the header lists.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        io::copy(&mut (&mut self.input).take(MAX_TAIL), &mut io::sink()).map_err(unread)?;
        let mut unseen = self
            .files
            .iter()
            .zip(&self.seen)
            .filter(|(_, seen)| !**seen);
        let missing = unseen.find(|(file, _)| file.kind != FileKind::Ghost);
        let hollow = || {
            let sets = self.links.sets.iter().zip(&self.filled);
            let mut hollow = sets.filter(|(_, filled)| !**filled);
            hollow.find_map(|(set, _)| self.files.get(*set.last()?).filter(|file| file.size > 0))
        };
        match missing.map(|(file, _)| file).or_else(hollow) {
            None => Ok(()),
            Some(file) => {
                let path = file.path.display();
                let lacking = format!("{path} before the trailer, as in the header");
                Err(broken(self.input.offset, lacking))
            }
        }
    }

    /// An entry with a header of its own; `None` for the trailer.
    fn named(&mut self) -> Result<Option<(usize, u64)>, Error> {
        let start = self.input.offset;
        let mut fields = [0; 13 * 8];
        self.exact(&mut fields)?;
        // inode, mode, uid, gid, nlink, mtime, filesize, four device numbers, namesize, check
        let field = |number: usize| {
            let at = start + number as u64 * 8;
            hex(fields.get(number * 8..)).ok_or_else(|| broken(at, DIGITS))
        };
        let size = field(6)?;
        let length = field(11)?;
        if !(1..=MAX_NAME).contains(&length) {
            let limit = format!("a name of 1 to {MAX_NAME} bytes");
            return Err(broken(start + 88, limit));
        }
        let name_at = self.input.offset;
        let mut name = vec![0; length as usize];
        self.exact(&mut name)?;
        self.pad(6 + fields.len() as u64 + u64::from(length))?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = String::from_utf8_lossy(name);
        if name == TRAILER {
            return Ok(None);
        }
        let path = name.strip_prefix("./").unwrap_or(&name);
        let path = path.strip_prefix('/').unwrap_or(path);
        match self.by_path.get(path) {
            Some(index) => Ok(Some((*index, size.into()))),
            None => Err(broken(name_at, format!("a file of the header, not {name}"))),
        }
    }

    /// An entry of the stripped form.
    fn numbered(&mut self) -> Result<usize, Error> {
        let start = self.input.offset;
        let mut field = [0; 8];
        self.exact(&mut field)?;
        self.pad(14)?;
        hex(Some(&field))
            .map(|index| index as usize)
            .ok_or_else(|| broken(start, DIGITS))
    }

    /// The size of an entry's data, where archive and header agree on it; else
    /// what the header expects of the entry that starts at `start`.
    fn size(
        &self,
        file: &PackagedFile,
        index: usize,
        stated: Option<u64>,
        start: u64,
    ) -> Result<u64, Error> {
        let other = |expected: &str| {
            let path = file.path.display();
            broken(start, format!("{expected} for {path}, as in the header"))
        };
        let in_header = match file.kind {
            FileKind::Regular if self.links.content_is_elsewhere(index) => 0,
            FileKind::Regular | FileKind::Symlink => file.size,
            FileKind::Bare | FileKind::Ghost => 0,
        };
        match (file.kind, stated) {
            (_, None) => Ok(in_header),
            // Old rpm wrote ghosts, and sizes of what has no data, as it found them.
            (FileKind::Bare | FileKind::Ghost, Some(size)) => Ok(size),
            (FileKind::Regular, Some(size)) if self.links.set(index).is_some() => {
                // Which of the links carries the data is the archive's choice.
                let fits = size == 0 || size == file.size;
                fits.then_some(size)
                    .ok_or_else(|| other(&format!("0 or {} bytes", file.size)))
            }
            (_, Some(size)) if size == in_header => Ok(size),
            _ => Err(other(&format!("{in_header} bytes"))),
        }
    }

    fn exact(&mut self, buffer: &mut [u8]) -> Result<(), Error> {
        let wanted = buffer.len() as u64;
        let start = self.input.offset;
        match self.input.read_exact(buffer) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.cut_off(start + wanted - self.input.offset))
            }
            Err(error) => Err(unread(error)),
        }
    }

    /// Passes over the padding that follows `length` bytes.
    fn pad(&mut self, length: u64) -> Result<(), Error> {
        let mut padding = [0; 3];
        let count = (length.next_multiple_of(4) - length) as usize;
        self.exact(padding.get_mut(..count).unwrap_or_default())
    }

    fn cut_off(&self, more: u64) -> Error {
        let missing = format!("{more} more bytes; the archive is cut off");
        broken(self.input.offset, missing)
    }
}

fn broken(offset: u64, expected: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::Payload(Malformed::new(offset, expected))
}

/// Eight hexadecimal digits at the start of `bytes`.
fn hex(bytes: Option<&[u8]>) -> Option<u32> {
    let digits: &[u8; 8] = bytes?.first_chunk()?;
    digits.iter().try_fold(0, |number, digit| {
        Some(number << 4 | (*digit as char).to_digit(16)?)
    })
}

/// Why reading has failed: not the archive's fault where there was no time.
fn unread(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::TimedOut => Error::Io(error),
        _ => Error::Compression(error),
    }
}

/// Undoes the compression that the first bytes tell, whatever the header claims. Taken is
/// what librpm takes (rpmio/rpmio.c), and more than once only what that follows: of bzip2
/// it reads one stream (`BZ2_bzread()`).
fn decompress<'a>(mut input: impl BufRead + 'a) -> Result<Box<dyn Read + 'a>, Error> {
    let start = input.fill_buf()?;
    if start.starts_with(b"07070") {
        return Ok(Box::new(input));
    }
    if is_zstd(start) {
        let mut decoder =
            zstd::stream::read::Decoder::with_buffer(input).map_err(Error::Compression)?;
        decoder
            .window_log_max(MAX_WINDOW.ilog2())
            .map_err(Error::Compression)?;
        return Ok(Box::new(decoder));
    }
    Ok(match Format::detect(start) {
        Some(Format::Gzip) => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        Some(Format::Bzip2) => Box::new(bzip2::bufread::BzDecoder::new(input)),
        Some(Format::Xz) => {
            let flags = liblzma::stream::CONCATENATED;
            let stream = Stream::new_stream_decoder(MAX_XZ_MEMORY, flags)
                .map_err(|error| Error::Compression(error.into()))?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream))
        }
        _ => match lzma_stream(start) {
            Some(stream) => Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream)),
            None => {
                let known = "a payload compressed with gzip, bzip2, xz, lzma or zstd, or not at \
                             all";
                return Err(broken(0, known));
            }
        },
    })
}

/// What libzstd takes for the start of a frame: besides today's format that of its versions
/// 0.5 to 0.7, which distributions build in (`ZSTD_LEGACY_SUPPORT`), and frames that are
/// skipped (RFC 8878, 3.1.2).
fn is_zstd(start: &[u8]) -> bool {
    matches!(
        start,
        [0x25..=0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]
    )
}

/// A decoder for an lzma stream, if one starts here. There is no magic to tell it by; what
/// may be one, librpm has `lzma_auto_decoder()` say, which knows lzip's form as well.
fn lzma_stream(start: &[u8]) -> Option<Stream> {
    let decoder = || Stream::new_auto_decoder(MAX_XZ_MEMORY, 0).ok();
    let head = start.get(..LZMA_HEADER)?;
    match decoder()?.process(head, &mut [0], Action::Run) {
        Err(liblzma::stream::Error::Format) => None,
        _ => decoder(),
    }
}

/// Counts what was read and stops where a bomb must be suspected.
struct CountedReader<R> {
    inner: R,
    offset: u64,
    limit: TimeLimit,
}

impl<R: Read> Read for CountedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.limit.is_over() {
            let kind = io::ErrorKind::TimedOut;
            return Err(io::Error::new(kind, "there was no time left to unpack it"));
        }
        let read = self.inner.read(buffer)?;
        self.offset += read as u64;
        if self.offset > MAX_TOTAL {
            let limit = format!("more than {} GiB", MAX_TOTAL >> 30);
            return Err(io::Error::other(limit));
        }
        Ok(read)
    }
}
