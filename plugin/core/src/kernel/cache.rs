// SPDX-License-Identifier: GPL-2.0-or-later
//! What images hold, kept from one run to the next.
//!
//! A kernel image has to be decompressed as a whole to come to its base BTF. That
//! takes longer than judging a thousand modules, and its outcome never changes,
//! so it is kept in a directory, under the SHA-256 of the image's bytes. Nothing
//! there is worth saving: the directory may be deleted at any time.
//!
//! An entry is one file, written beside and renamed into place, so that it is
//! whole or not there, whoever else writes: the base BTF, a line of JSON, which has the
//! base's CRC-32, and that line's SHA-256. One that is damaged is made again.
//! The directory and its entries belong to the user who runs and can be written by
//! nobody else, or they are not used.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use btf_guard_protocol::clock;
use btf_guard_protocol::state::trusted_dir::{NotTrusted, Private};
use btf_guard_sysroot::file_id::FileId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::image::{self, Image};
use super::{Error, Kernel, KernelConfig};
use crate::module::source::{ByteSource, Regular};

/// The most that all entries may take, in bytes: the base BTF of some 80 kernels.
pub(crate) const CAPACITY: u64 = 512 << 20;

/// The longest entry: the longest base BTF and config, with room for the rest.
const MAX_ENTRY: u64 = image::MAX_BTF + (16 << 20);

/// An image that is longer is read without being kept. A vmlinux with its DWARF
/// takes longer to digest than to read.
const IMAGE: u64 = 256 << 20;

/// The suffixes of entries: what an image holds; which image a file was.
const IMAGES: &str = "image";
const PLACES: &str = "place";
/// Suffixes of what is removed when room is needed, an older version's among them.
const SUFFIXES: [&str; 3] = [IMAGES, PLACES, "known"];

/// Changes with the meaning of anything that is kept: entries of another
/// version are made again.
const VERSION: u32 = 6;

/// Bytes of a SHA-256.
const DIGEST: usize = 32;

/// What the smallest file takes, in bytes.
const BLOCK: u64 = 4096;

/// A directory of entries.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
    capacity: u64,
    /// The time, in seconds since 1970.
    now: fn() -> u64,
}

impl Cache {
    /// A cache in `dir`, which is made when there is something to keep.
    ///
    /// # Errors
    /// If others could write into it.
    pub fn open(dir: &Path) -> Result<Self, NotTrusted> {
        Private::open(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            capacity: CAPACITY,
            now: clock::now,
        })
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What [`image::open`] finds in `path`, from here if it was found before. In
    /// trouble with the cache itself the image is read.
    pub(crate) fn image(&self, path: &Path) -> Result<Image, Error> {
        let file = Regular::open(path)?;
        if file.size() > IMAGE {
            return image::open(path);
        }
        let id = FileId::from(&file.file.metadata()?);
        let name = name(&id);
        if let Some(image) = self.seen(&name) {
            return Ok(image);
        }
        let key = file.sha256(0..file.size())?;
        let image = self.of(&file, &key)?;
        // A change from now on shows in the file's id only if the last one is old.
        if !id.changed_since((self.now)()) && FileId::from(&file.file.metadata()?) == id {
            // It is digested again if that fails.
            let _ = self.store(&entry(&name, PLACES), key.as_bytes());
        }
        Ok(image)
    }

    /// The image of a file that is as it was when it was last digested.
    fn seen(&self, name: &str) -> Option<Image> {
        let key = self.load(&entry(name, PLACES), 2 * DIGEST as u64).ok()??;
        let key = str::from_utf8(&key).ok()?;
        let is_digest = key.len() == 2 * DIGEST && key.bytes().all(|b| b.is_ascii_hexdigit());
        is_digest.then(|| self.load_image(key).ok())??
    }

    /// The same for an image that came from elsewhere, such as a package, as
    /// [`image::parse`] finds it.
    pub fn parse(&self, bytes: &[u8]) -> Result<Image, Error> {
        match bytes.len() as u64 > IMAGE {
            true => image::parse(bytes),
            false => self.of(bytes, &bytes.sha256(0..bytes.size())?),
        }
    }

    fn of(&self, source: &(impl ByteSource + ?Sized), key: &str) -> Result<Image, Error> {
        match self.load_image(key) {
            Ok(Some(image)) => return Ok(image),
            Ok(None) => {}
            Err(error) => {
                let entry = self.dir.join(entry(key, IMAGES));
                log::warn!("{}: {error}; it is made again", entry.display());
            }
        }
        let mut image = image::read(source)?;
        image.base_sha256 = Some(hex::encode(Sha256::digest(&image.base_btf)));
        image.sound = is_sound(&image);
        let bytes = encode(&image).map_err(NotTrusted::from);
        let kept = bytes.and_then(|bytes| self.store(&entry(key, IMAGES), &bytes));
        if let Err(error) = kept {
            log::info!("{}: {error}; nothing is kept", self.dir.display());
        }
        Ok(image)
    }

    /// `None` if there is no such file.
    fn load(&self, entry: &str, limit: u64) -> Result<Option<Vec<u8>>, NotTrusted> {
        let Some(dir) = Private::open(&self.dir)? else {
            return Ok(None);
        };
        let bytes = dir.read(entry, limit)?;
        // So that what is used stays, and what is not goes first. It does not
        // matter if that fails.
        if let Ok(Some(file)) = dir.open_file(entry) {
            let _ = file.set_modified(SystemTime::now());
        }
        Ok(bytes)
    }

    fn load_image(&self, key: &str) -> Result<Option<Image>, NotTrusted> {
        let bytes = self.load(&entry(key, IMAGES), MAX_ENTRY)?;
        Ok(bytes.map(decode).transpose()?)
    }

    /// Makes the directory, where there is none.
    ///
    /// # Errors
    /// If it cannot be made, or others could write into it.
    pub fn make(&self) -> Result<(), NotTrusted> {
        self.made().map(drop)
    }

    fn made(&self) -> Result<Private, NotTrusted> {
        let mut maker = fs::DirBuilder::new();
        maker.recursive(true).mode(0o755).create(&self.dir)?;
        Private::create(&self.dir)
    }

    fn store(&self, entry: &str, bytes: &[u8]) -> Result<(), NotTrusted> {
        self.made()?.write(entry, bytes)?;
        Ok(self.shrink(entry)?)
    }

    /// Removes what was not used for longest until the rest fits. The entry `kept`
    /// stays, and so do drafts that somebody may be writing.
    fn shrink(&self, kept: &str) -> io::Result<()> {
        const DRAFT: u64 = 3600;
        let now = SystemTime::now();
        let mut entries = Vec::new();
        for found in fs::read_dir(&self.dir)? {
            let found = found?;
            let (Ok(metadata), name) = (found.metadata(), found.file_name()) else {
                continue;
            };
            let name = name.to_string_lossy().into_owned();
            let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let age = now.duration_since(modified).unwrap_or_default();
            let suffix = name.rsplit_once('.').map_or("", |(_, suffix)| suffix);
            if !name.starts_with('.') && SUFFIXES.contains(&suffix) {
                let size = match suffix {
                    PLACES => BLOCK,
                    _ => metadata.len(),
                };
                entries.push((modified, size, name));
            } else if name.starts_with('.') && age.as_secs() > DRAFT {
                fs::remove_file(found.path())?;
            }
        }
        entries.sort();
        let mut total: u64 = entries.iter().map(|entry| entry.1).sum();
        for (_, size, name) in entries {
            if total <= self.capacity {
                break;
            }
            if name != kept {
                fs::remove_file(self.dir.join(name))?;
                total -= size;
            }
        }
        Ok(())
    }
}

/// All of an image but its base BTF.
#[derive(Serialize, Deserialize)]
struct EntryHeader<I> {
    version: u32,
    /// By it is seen whether the base is damaged: that takes a tenth of the time that
    /// its SHA-256 would.
    base_crc32: u32,
    #[serde(flatten)]
    image: I,
}

fn encode(image: &Image) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(&EntryHeader {
        version: VERSION,
        base_crc32: crc32fast::hash(&image.base_btf),
        image,
    })?;
    line.insert(0, b'\n');
    Ok([&image.base_btf, &line[..], &Sha256::digest(&line)[..]].concat())
}

/// What [`encode`] was given.
fn decode(mut entry: Vec<u8>) -> io::Result<Image> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
    let damaged = || bad("a damaged entry");
    let end = entry.len().checked_sub(DIGEST).ok_or_else(damaged)?;
    let (rest, digest) = entry.split_at_checked(end).ok_or_else(damaged)?;
    let start = memchr::memrchr(b'\n', rest).ok_or_else(damaged)?;
    let (base, line) = rest.split_at_checked(start).ok_or_else(damaged)?;
    if Sha256::digest(line)[..] != *digest {
        return Err(damaged());
    }
    let header: EntryHeader<Image> = serde_json::from_slice(line)?;
    if header.version != VERSION {
        return Err(bad("an entry of another version"));
    }
    if crc32fast::hash(base) != header.base_crc32 {
        return Err(damaged());
    }
    let base = base.len();
    entry.truncate(base);
    Ok(Image {
        base_btf: entry,
        ..header.image
    })
}

/// The kernel certainly takes its own BTF, whatever name its file has.
fn is_sound(image: &Image) -> bool {
    let kernel = Kernel::from_image(image.clone(), Path::new(""), KernelConfig::default());
    let own = kernel.as_ref().map(Kernel::own_btf);
    let certain = own.is_ok_and(|own| own.fault.is_none() && own.guessed.is_empty());
    certain && image.release.is_some()
}

fn entry(key: &str, suffix: &str) -> String {
    format!("{key}.{suffix}")
}

/// The name, in one word, under which is kept which image a file was.
fn name(id: &FileId) -> String {
    hex::encode(Sha256::digest(format!("{id:?}")))
}

#[cfg(test)]
mod tests;
