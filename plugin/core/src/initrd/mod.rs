// SPDX-License-Identifier: GPL-2.0-or-later
//! Initrds: the modules in the cpio archives that a kernel unpacks before it
//! mounts its root.
//!
//! Read as the kernel reads it (`unpack_to_rootfs()`, init/initramfs.c): at a
//! multiple of four bytes a `0` begins an entry of a "newc" archive, a NUL is
//! padding, and anything else is one compressed stream that holds such entries;
//! behind it, the same again. Where the kernel would go on with what it could
//! unpack, the rest is an error here.
//!
//! The crate `cpio` only writes the tests' archives: as a reader it fails at a name
//! that is empty or not UTF-8, and puts no limit on names.

mod cpio;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use btf_guard_btf::error::Malformed;
use btf_guard_sysroot::file_role::Role;

use crate::compression::{self, Format};
use crate::module::source::{ByteSource, Regular};
use cpio::{BoundedReader, Unpacker};

/// How much of an initrd is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadLimits {
    /// Bytes, as it is and unpacked.
    bytes: u64,
    /// Entries of its archives.
    entries: usize,
    /// Modules, and links to modules.
    modules: usize,
    /// Compressed streams, each of which needs a decoder of its own.
    streams: usize,
}

/// A whole kernel of Debian has some 4,000 modules (6.12); an initrd has one
/// stream, or one for each file that a boot loader joins.
const LIMITS: ReadLimits = ReadLimits {
    bytes: 2 << 30,
    entries: 1 << 20,
    modules: 1 << 14,
    streams: 256,
};

/// How much is read, and unpacked, in one go.
const BUFFER: usize = 128 << 10;

/// How many bytes tell a compression ([`Format::detect`]).
const HEAD: u64 = 6;

/// Something of an initrd that concerns modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InitrdItem {
    /// A module file.
    Module {
        /// Its path, as the archive has it, without `/` and `./` in front.
        path: String,
        /// What it holds.
        content: Vec<u8>,
    },
    /// Another name for a file: a symbolic link, or a hard link.
    Link {
        /// The name of a module.
        path: String,
        /// The path that it leads to.
        target: String,
    },
}

/// Why an initrd could not be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The bytes are not an initrd.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// What a compressed stream holds is not.
    #[error("in the {} stream at offset {start:#x}, unpacked, {fault}", format.name())]
    Packed {
        /// The stream's compression.
        format: Format,
        /// Where it starts.
        start: u64,
        /// What is wrong, and where in its unpacked bytes.
        fault: Malformed,
    },
}

/// Reads the initrd in the file at `path`, or in a part of it, given in bytes,
/// and hands over what concerns modules, in its order and up to an error: what comes
/// later under the same name replaces what came before.
pub(crate) fn open(
    path: &Path,
    part: Option<&Range<u64>>,
    take: &mut dyn FnMut(InitrdItem),
) -> Result<(), Error> {
    let file = Regular::open(path)?;
    let size = file.size();
    let part = part.cloned().unwrap_or(0..size);
    if part.end > size {
        let expected = format!("an initrd that ends there, in a file of {size} bytes");
        return Err(Malformed::new(part.end, expected).into());
    }
    let mut file = file.file;
    file.seek(SeekFrom::Start(part.start))?;
    let length = part.end.saturating_sub(part.start);
    parse(BufReader::with_capacity(BUFFER, file.take(length)), take)
}

/// Reads an initrd from its first byte to its last, as [`open`] does.
pub fn parse(input: impl BufRead, take: &mut dyn FnMut(InitrdItem)) -> Result<(), Error> {
    read(input, LIMITS, take)
}

fn read(
    input: impl BufRead,
    limits: ReadLimits,
    take: &mut dyn FnMut(InitrdItem),
) -> Result<(), Error> {
    let mut input = BoundedReader::new(input, limits.bytes);
    let mut unpacker = Unpacker::new(limits, take);
    let mut room = limits.bytes;
    for _ in 0..=limits.streams {
        unpacker.entries(&mut input)?;
        if input.peek()?.is_none() {
            return Ok(());
        }
        room -= stream(&mut input, room, &mut unpacker)?;
    }
    let expected = format!("at most {} compressed streams", limits.streams);
    Err(Malformed::new(input.offset(), expected).into())
}

/// Reads the compressed stream that `input` goes on with, of at most `room`
/// unpacked bytes; returns how many there were.
fn stream(
    input: &mut BoundedReader<impl BufRead>,
    room: u64,
    unpacker: &mut Unpacker<'_>,
) -> Result<u64, Error> {
    let start = input.offset();
    let head = input.at_most(HEAD)?;
    let format = Format::detect(&head).ok_or_else(|| {
        let expected = "an entry of a cpio archive (at a multiple of four bytes), padding, \
                        or data compressed by gzip, xz, zstd, lz4 -l, lzma, bzip2 or lzop";
        Malformed::new(start, expected)
    })?;
    let packed = |error| match error {
        Error::Malformed(fault) => Error::Packed {
            format,
            start,
            fault,
        },
        other => other,
    };
    let stream = compression::frame(format, head.as_slice().chain(&mut input.inner))?;
    let mut plain = BoundedReader::new(BufReader::with_capacity(BUFFER, stream), room);
    unpacker.entries(&mut plain).map_err(packed)?;
    match plain.peek().map_err(packed)? {
        None => Ok(plain.offset()),
        Some(_) => {
            let expected = "an entry of a cpio archive, or padding";
            Err(packed(Malformed::new(plain.offset(), expected).into()))
        }
    }
}

/// How many links one name may lead through (`MAXSYMLINKS`,
/// include/linux/namei.h).
const MAX_LINKS: usize = 40;

/// The name of a module inside an initrd, whichever way to it is written (where
/// there is a `lib` beside `usr/lib`, it is a link to it): its release, and the path
/// below the release's module directory.
type ModuleName = (String, PathBuf);

/// The name that a path is; `None` for what is no module.
fn module_name(path: &str) -> Option<ModuleName> {
    match Role::of(&Path::new("/").join(path))? {
        Role::Module { release, below } => Some((release.to_owned(), below.to_owned())),
        _ => None,
    }
}

/// The name that a link at `path` leads to.
fn name_of_target(path: &str, target: &str) -> Option<ModuleName> {
    let mut reached = PathBuf::new();
    for part in Path::new("/")
        .join(path)
        .parent()?
        .join(target)
        .components()
    {
        match part {
            Component::ParentDir => drop(reached.pop()),
            part => reached.push(part),
        }
    }
    module_name(reached.to_str()?)
}

/// What became of each module file, by its name.
#[derive(Debug, Default)]
pub struct Contents<T> {
    files: BTreeMap<ModuleName, (String, T)>,
    /// A link's path, and the name that it leads to.
    links: BTreeMap<ModuleName, (String, ModuleName)>,
}

impl<T> Contents<T> {
    /// Puts the file at `path`, in place of what was there.
    pub fn file(&mut self, path: String, what: T) {
        if let Some(name) = module_name(&path) {
            self.links.remove(&name);
            self.files.insert(name, (path, what));
        }
    }

    /// Puts a link at `path`, in place of what was there.
    pub fn link(&mut self, path: String, target: &str) {
        let Some(name) = module_name(&path) else {
            return;
        };
        self.files.remove(&name);
        match name_of_target(&path, target) {
            Some(target) => self.links.insert(name, (path, target)),
            None => self.links.remove(&name),
        };
    }

    /// The files that a kernel of this release finds under its module directory,
    /// each once, with the path that it finds them under.
    pub fn of_release(&self, release: &str) -> Vec<(&str, &T)> {
        let own = self.files.iter().filter(|(name, _)| name.0 == release);
        let own = own.map(|(_, (path, what))| (path.as_str(), what));
        let mut seen = BTreeSet::new();
        let links = self.links.iter().filter(|(name, _)| name.0 == release);
        let others = links.filter_map(|(_, (path, target))| {
            let end = self.follow(target);
            let is_new = end.0 != release && seen.insert(end);
            let (_, what) = self.files.get(end).filter(|_| is_new)?;
            Some((path.as_str(), what))
        });
        own.chain(others).collect()
    }

    /// Where a name leads to.
    fn follow<'a>(&'a self, mut name: &'a ModuleName) -> &'a ModuleName {
        for _ in 0..MAX_LINKS {
            match self.links.get(name) {
                Some((_, target)) => name = target,
                None => break,
            }
        }
        name
    }
}

#[cfg(test)]
mod tests;
