// SPDX-License-Identifier: GPL-2.0-or-later
//! The entries of cpio archives.
//!
//! Format: cpio(5) "New ASCII" (`070701`; `070702` with checksums): a header of
//! 110 bytes, the name with a NUL, the content; name and content padded to
//! four bytes. What an entry does is what `do_header()` and `do_name()` of the
//! kernel's init/initramfs.c make of it.

use std::collections::HashMap;
use std::io::{self, BufRead, Read, Take};

use btf_guard_btf::error::Malformed;

use super::{Error, InitrdItem, ReadLimits, module_name};
use crate::module::MAX_MODULE;

/// The longest name, with its NUL, and the longest target of a symbolic link
/// (`PATH_MAX`). The kernel passes over an entry with a longer one.
const PATH_MAX: u64 = 4096;

const TRAILER: &[u8] = b"TRAILER!!!";

/// The bits of a mode that tell what a file is, and two of their values.
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;

/// Which file an entry is a name of: inode and device, in one archive.
type CpioIdentity = (u32, u32, u32);

/// Goes through entries, whatever archive of an initrd they lie in.
pub(crate) struct Unpacker<'t> {
    limits: ReadLimits,
    take: &'t mut dyn FnMut(InitrdItem),
    entries: usize,
    modules: usize,
    /// The first name of each module that may have several.
    links: HashMap<CpioIdentity, String>,
}

/// The numbers of an entry that matter here.
struct CpioHeader {
    identity: CpioIdentity,
    mode: u32,
    links: u32,
    /// Bytes of content.
    size: u64,
    /// Bytes of name.
    name: u64,
}

impl<'t> Unpacker<'t> {
    pub(crate) fn new(limits: ReadLimits, take: &'t mut dyn FnMut(InitrdItem)) -> Self {
        Self {
            limits,
            take,
            entries: 0,
            modules: 0,
            links: HashMap::new(),
        }
    }

    /// Takes entries and padding up to something else, or the end.
    pub(crate) fn entries(&mut self, input: &mut BoundedReader<impl BufRead>) -> Result<(), Error> {
        loop {
            match input.peek()? {
                Some(b'0') if input.offset().is_multiple_of(4) => self.entry(input)?,
                Some(0) => input.skip_nuls()?,
                _ => return Ok(()),
            }
        }
    }

    fn entry(&mut self, input: &mut BoundedReader<impl BufRead>) -> Result<(), Error> {
        let start = input.offset();
        self.entries += 1;
        if self.entries > self.limits.entries {
            let expected = format!("at most {} entries", self.limits.entries);
            return Err(Malformed::new(start, expected).into());
        }
        let header = CpioHeader::read(input)?;
        if !(1..=PATH_MAX).contains(&header.name) {
            input.skip(header.name)?;
            return input.skip(header.size);
        }
        let name = input.bytes(header.name)?;
        input.align()?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        if name == TRAILER {
            self.links.clear();
            return input.skip(header.size);
        }
        let path = String::from_utf8_lossy(bare(name)).into_owned();
        let kind = header.mode & KIND;
        if !matches!(kind, REGULAR | SYMLINK) || module_name(&path).is_none() {
            return input.skip(header.size);
        }
        self.modules += 1;
        if self.modules > self.limits.modules {
            let expected = format!("at most {} modules", self.limits.modules);
            return Err(Malformed::new(start, expected).into());
        }
        if kind == REGULAR {
            return self.module(input, &header, path);
        }
        if header.size > PATH_MAX {
            return input.skip(header.size);
        }
        let target = input.bytes(header.size)?;
        input.align()?;
        let target = target.split(|byte| *byte == 0).next().unwrap_or_default();
        let target = String::from_utf8_lossy(target).into_owned();
        (self.take)(InitrdItem::Link { path, target });
        Ok(())
    }

    /// Takes a regular file. Of one with several names, `cpio` writes the
    /// content with the last of them; the kernel takes it with any.
    fn module(
        &mut self,
        input: &mut BoundedReader<impl BufRead>,
        header: &CpioHeader,
        path: String,
    ) -> Result<(), Error> {
        if header.size > MAX_MODULE as u64 {
            let expected = format!("a module of at most {MAX_MODULE} bytes");
            return Err(Malformed::new(input.offset(), expected).into());
        }
        let mut first = path.clone();
        if header.links > 1 {
            let known = self.links.entry(header.identity);
            first.clone_from(known.or_insert_with(|| path.clone()));
        }
        if first != path {
            let target = format!("/{first}");
            (self.take)(InitrdItem::Link { path, target });
        }
        let content = input.bytes(header.size)?;
        input.align()?;
        if header.size > 0 || header.links < 2 {
            let path = first;
            (self.take)(InitrdItem::Module { path, content });
        }
        Ok(())
    }
}

/// A path without the `/` and `./` in front, which say no more than that it
/// starts at the root.
fn bare(mut path: &[u8]) -> &[u8] {
    while let Some(rest) = path.strip_prefix(b"/").or_else(|| path.strip_prefix(b"./")) {
        path = rest;
    }
    path
}

impl CpioHeader {
    fn read(input: &mut BoundedReader<impl BufRead>) -> Result<Self, Error> {
        let start = input.offset();
        let bytes = input.bytes(110)?;
        let fields = bytes
            .strip_prefix(b"070701")
            .or(bytes.strip_prefix(b"070702"));
        let magic = "the magic of a cpio entry (070701, 070702)";
        let fields = fields.ok_or_else(|| Malformed::new(start, magic))?;
        let mut numbers = [0; 13];
        for ((number, field), at) in numbers
            .iter_mut()
            .zip(fields.chunks(8))
            .zip((start + 6..).step_by(8))
        {
            let mut bytes = [0; 4];
            let digits = "a number of eight hexadecimal digits";
            hex::decode_to_slice(field, &mut bytes).map_err(|_| Malformed::new(at, digits))?;
            *number = u32::from_be_bytes(bytes);
        }
        let [ino, mode, _, _, links, _, size, major, minor, _, _, name, _] = numbers;
        Ok(Self {
            identity: (ino, major, minor),
            mode,
            links,
            size: size.into(),
            name: name.into(),
        })
    }
}

/// Reads on from another reader, and knows how far it is.
pub(crate) struct BoundedReader<R> {
    /// One byte over the limit is enough to know.
    pub(crate) inner: Take<R>,
    limit: u64,
}

impl<R: BufRead> BoundedReader<R> {
    /// From the start of `inner`, of which at most `limit` bytes are read.
    pub(crate) fn new(inner: R, limit: u64) -> Self {
        let inner = inner.take(limit + 1);
        Self { inner, limit }
    }

    /// How many bytes were read.
    pub(crate) fn offset(&self) -> u64 {
        self.limit + 1 - self.inner.limit()
    }

    /// The next byte, which is not taken; `None` at the end.
    pub(crate) fn peek(&mut self) -> Result<Option<u8>, Error> {
        let next = self.inner.fill_buf().map(|bytes| bytes.first().copied());
        self.checked(next)
    }

    /// Passes over NULs, as far as they are at hand.
    fn skip_nuls(&mut self) -> Result<(), Error> {
        let bytes = self.inner.fill_buf();
        let nuls = bytes.map(|bytes| bytes.iter().take_while(|byte| **byte == 0).count());
        let nuls = self.checked(nuls)?;
        self.inner.consume(nuls);
        Ok(())
    }

    /// The next `length` bytes.
    fn bytes(&mut self, length: u64) -> Result<Vec<u8>, Error> {
        let bytes = self.at_most(length)?;
        self.whole(bytes.len() as u64, length).map(|()| bytes)
    }

    /// The next `length` bytes, or all that are left. Memory is taken as they
    /// come, not as they are stated.
    pub(crate) fn at_most(&mut self, length: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let read = (&mut self.inner).take(length).read_to_end(&mut bytes);
        self.checked(read).map(|_| bytes)
    }

    /// Passes over `length` bytes, and what is left up to a multiple of four, as far
    /// as that is there: the kernel does not miss it at the end.
    fn skip(&mut self, length: u64) -> Result<(), Error> {
        let passed = self.pass(length)?;
        self.whole(passed, length)?;
        self.align()
    }

    fn align(&mut self) -> Result<(), Error> {
        self.pass(self.offset().next_multiple_of(4) - self.offset())?;
        Ok(())
    }

    fn pass(&mut self, length: u64) -> Result<u64, Error> {
        let passed = io::copy(&mut (&mut self.inner).take(length), &mut io::sink());
        self.checked(passed)
    }

    fn whole(&self, read: u64, length: u64) -> Result<(), Error> {
        match length - read {
            0 => Ok(()),
            more => Err(self.expected(format!("{more} more bytes; it is cut off"))),
        }
    }

    fn expected(&self, what: String) -> Error {
        Malformed::new(self.offset().min(self.limit), what).into()
    }

    /// What was read, if it was not too much, or what an error means: the system's
    /// word, or what a decoder found.
    fn checked<T>(&self, read: io::Result<T>) -> Result<T, Error> {
        if self.offset() > self.limit {
            let limit = self.limit;
            let what = format!("the end of an initrd, which may have {limit} bytes");
            return Err(self.expected(what));
        }
        read.map_err(|error| match error.kind() {
            _ if error.raw_os_error().is_some() => Error::Io(error),
            io::ErrorKind::UnexpectedEof => {
                self.expected("more of it: the stream is cut short".to_owned())
            }
            _ => self.expected(format!("a sound stream ({error})")),
        })
    }
}
