// SPDX-License-Identifier: GPL-2.0-or-later
//! Where the bytes of a module or a kernel image are: in memory, or in a file
//! of which only the parts that matter are read.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use btf_guard_btf::error::Malformed;
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use super::Error;

/// Bytes that are digested at a time.
const CHUNK: u64 = 1 << 20;

/// Bytes that can be read at any position.
pub(crate) trait ByteSource {
    /// How many there are.
    fn size(&self) -> u64;

    /// The `length` bytes at `offset`, which lie inside [`size`](Self::size).
    fn read(&self, offset: u64, length: usize) -> io::Result<Cow<'_, [u8]>>;

    /// The `length` bytes at `offset`, which should hold `what`; [`Malformed`] if they
    /// do not all exist.
    fn range(&self, offset: u64, length: u64, what: &str) -> Result<Cow<'_, [u8]>, Error> {
        let size = self.size();
        let fits = offset.checked_add(length).is_some_and(|end| end <= size);
        match usize::try_from(length) {
            Ok(length) if fits => Ok(self.read(offset, length)?),
            _ => {
                let what = format!("{what} of {length} bytes, in a file of {size} bytes");
                Err(Malformed::new(offset, what).into())
            }
        }
    }

    /// SHA-256 of the bytes in `range`, in lower-case hexadecimal.
    fn sha256(&self, range: Range<u64>) -> io::Result<String> {
        let mut digest = Sha256::new();
        let mut at = range.start;
        while at < range.end {
            let length = CHUNK.min(range.end - at);
            digest.update(&self.read(at, length as usize)?);
            at += length;
        }
        Ok(hex::encode(digest.finalize()))
    }
}

impl ByteSource for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, offset: u64, length: usize) -> io::Result<Cow<'_, [u8]>> {
        usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..)?.get(..length))
            .map(Cow::Borrowed)
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// A regular file, read by position.
#[derive(Debug)]
pub(crate) struct Regular {
    pub(crate) file: File,
    size: u64,
}

impl Regular {
    /// Opens `path`, following symbolic links. What is not a regular file is refused,
    /// without waiting for the other end of a pipe.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            let kind = io::ErrorKind::InvalidInput;
            return Err(io::Error::new(kind, "not a regular file"));
        }
        Ok(Self {
            file,
            size: metadata.len(),
        })
    }

    /// The whole file, in place of what `out` held; [`Malformed`] beyond `cap` bytes.
    pub(crate) fn read_all(&self, cap: u64, out: &mut Vec<u8>) -> Result<(), Error> {
        out.clear();
        if self.size > cap {
            return Err(too_long(cap).into());
        }
        // With room for one byte more, the end is seen without another allocation.
        out.try_reserve(self.size as usize + 1)
            .map_err(io::Error::other)?;
        let mut file = &self.file;
        file.rewind()?;
        // Files of /proc and /sys may state no size at all.
        file.take(cap + 1).read_to_end(out)?;
        match out.len() as u64 > cap {
            true => Err(too_long(cap).into()),
            false => Ok(()),
        }
    }
}

/// The error of a file that is longer than anything of its kind.
pub(crate) fn too_long(cap: u64) -> Malformed {
    let what = format!("the end of the file, which may have {cap} bytes");
    Malformed::new(cap, what)
}

impl ByteSource for Regular {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, offset: u64, length: usize) -> io::Result<Cow<'_, [u8]>> {
        let mut out = Vec::new();
        out.try_reserve_exact(length).map_err(io::Error::other)?;
        out.resize(length, 0);
        self.file.read_exact_at(&mut out, offset)?;
        Ok(Cow::Owned(out))
    }
}

/// A part of a source, read as if it were a file: offsets count from its start.
#[derive(Debug)]
pub(crate) struct Window<'s, S: ?Sized> {
    source: &'s S,
    range: Range<u64>,
}

impl<'s, S: ByteSource + ?Sized> Window<'s, S> {
    /// A window onto `range`, which lies inside the source.
    pub(crate) fn new(source: &'s S, range: Range<u64>) -> Self {
        Self { source, range }
    }
}

impl<S: ByteSource + ?Sized> ByteSource for Window<'_, S> {
    fn size(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    fn read(&self, offset: u64, length: usize) -> io::Result<Cow<'_, [u8]>> {
        let start = self.range.start.checked_add(offset);
        let end = start.and_then(|start| start.checked_add(length as u64));
        match (start, end) {
            (Some(start), Some(end)) if end <= self.range.end => self.source.read(start, length),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
