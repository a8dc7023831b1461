// SPDX-License-Identifier: GPL-2.0-or-later
//! The entries of cpio archives.
//!
//! Format: cpio(5) "New ASCII" (`070701`; `070702` with checksums): a header of
//! 110 bytes, the name with a NUL, the content; name and content padded to
//! four bytes. What an entry does is what `do_header()` and `do_name()` of the
//! kernel's init/initramfs.c make of it.

use std::collections::HashMap;
use std::io::BufRead;

use btf_guard_btf::error::Malformed;

use super::bounded_reader::BoundedReader;
use super::file_table::{ModulePath, bare};
use super::{Error, InitrdItem, ReadLimits};
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
            input.align()?;
            return pass(input, &header);
        }
        let name = input.bytes(header.name)?;
        input.align()?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        if name == TRAILER {
            self.links.clear();
            return pass(input, &header);
        }
        let path = String::from_utf8_lossy(bare(name)).into_owned();
        let kind = header.mode & KIND;
        if !matches!(kind, REGULAR | SYMLINK) || ModulePath::of(&path).is_none() {
            return pass(input, &header);
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
            return pass(input, &header);
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

impl CpioHeader {
    fn read(input: &mut BoundedReader<impl BufRead>) -> Result<Self, Error> {
        let start = input.offset();
        let bytes: [u8; 110] = input.array()?;
        let (magic, fields) = bytes.split_at(6);
        if !matches!(magic, b"070701" | b"070702") {
            let expected = "the magic of a cpio entry (070701, 070702)";
            return Err(Malformed::new(start, expected).into());
        }
        let mut numbers = [0; 13];
        let (fields, _) = fields.as_chunks();
        for ((number, field), index) in numbers.iter_mut().zip(fields).zip(0..) {
            let at = start + 6 + index * 8;
            let expected = "a number of eight hexadecimal digits";
            *number = hex(field).ok_or_else(|| Malformed::new(at, expected))?;
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

/// Passes over an entry's content.
fn pass(input: &mut BoundedReader<impl BufRead>, header: &CpioHeader) -> Result<(), Error> {
    input.skip(header.size)?;
    input.align()
}

fn hex(digits: &[u8; 8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| {
        Some(number << 4 | char::from(*digit).to_digit(16)?)
    })
}
