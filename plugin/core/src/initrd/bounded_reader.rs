// SPDX-License-Identifier: GPL-2.0-or-later
//! Bytes of an initrd as they come: counted, and no more than allowed.

use std::io::{self, BufRead, Read};

use btf_guard_btf::error::Malformed;

use super::Error;

/// Reads on from another reader, and knows how far it is.
pub(crate) struct BoundedReader<R> {
    inner: R,
    offset: u64,
    limit: u64,
}

impl<R: BufRead> BoundedReader<R> {
    /// From the start of `inner`, of which at most `limit` bytes are read.
    pub(crate) fn new(inner: R, limit: u64) -> Self {
        Self {
            inner,
            offset: 0,
            limit,
        }
    }

    /// How many bytes were read.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next byte, which is not taken; `None` at the end.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, Error> {
        let next = self.fill_buf().map(|bytes| bytes.first().copied());
        next.map_err(|error| self.trouble(error))
    }

    /// Passes over NULs.
    pub(crate) fn skip_nuls(&mut self) -> Result<(), Error> {
        loop {
            let filled = self.fill_buf().map(|bytes| {
                let nuls = bytes.iter().take_while(|byte| **byte == 0).count();
                (nuls, bytes.len())
            });
            let (nuls, all) = filled.map_err(|error| self.trouble(error))?;
            self.consume(nuls);
            if nuls < all || all == 0 {
                return Ok(());
            }
        }
    }

    /// The next bytes, as many as the array has.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let bytes = self.bytes(N as u64)?;
        let array = bytes.first_chunk().copied();
        array.ok_or_else(|| self.cut_off(N as u64))
    }

    /// The next `length` bytes.
    pub(crate) fn bytes(&mut self, length: u64) -> Result<Vec<u8>, Error> {
        let bytes = self.at_most(length)?;
        match length - bytes.len() as u64 {
            0 => Ok(bytes),
            more => Err(self.cut_off(more)),
        }
    }

    /// The next `length` bytes, or all that are left. Memory is taken as they
    /// come, not as they are stated.
    pub(crate) fn at_most(&mut self, length: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        match self.by_ref().take(length).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err(self.trouble(error)),
        }
    }

    /// Passes over `length` bytes.
    pub(crate) fn skip(&mut self, length: u64) -> Result<(), Error> {
        let passed = self.pass(length)?;
        match passed == length {
            true => Ok(()),
            false => Err(self.cut_off(length - passed)),
        }
    }

    /// Passes over what is left up to a multiple of four bytes, as far as it is
    /// there: the kernel does not miss it at the end.
    pub(crate) fn align(&mut self) -> Result<(), Error> {
        self.pass(self.offset.next_multiple_of(4) - self.offset)?;
        Ok(())
    }

    fn pass(&mut self, length: u64) -> Result<u64, Error> {
        let passed = io::copy(&mut self.by_ref().take(length), &mut io::sink());
        passed.map_err(|error| self.trouble(error))
    }

    fn cut_off(&self, more: u64) -> Error {
        Malformed::new(self.offset, format!("{more} more bytes; it is cut off")).into()
    }

    /// What an error means: the system's word, the limit, or what a decoder found.
    fn trouble(&self, error: io::Error) -> Error {
        if error.raw_os_error().is_some() {
            return Error::Io(error);
        }
        let expected = match error.kind() {
            _ if self.offset >= self.limit => {
                format!("the end of an initrd, which may have {} bytes", self.limit)
            }
            io::ErrorKind::UnexpectedEof => "more of it: the stream is cut short".to_owned(),
            _ => format!("a sound stream ({error})"),
        };
        Malformed::new(self.offset, expected).into()
    }
}

impl<R: BufRead> BufRead for BoundedReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let room = usize::try_from(self.limit - self.offset).unwrap_or(usize::MAX);
        let bytes = self.inner.fill_buf()?;
        if room == 0 && !bytes.is_empty() {
            return Err(io::Error::other("too long"));
        }
        Ok(bytes.get(..room).unwrap_or(bytes))
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
        self.offset += amount as u64;
    }
}

impl<R: BufRead> Read for BoundedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}
