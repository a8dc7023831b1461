//! What images hold, kept from one run to the next.
//!
//! A kernel image has to be decompressed as a whole to come to its base BTF. That
//! takes longer than judging a thousand modules, and its outcome never changes,
//! so it is kept in a directory, under the SHA-256 of the image's bytes. Nothing
//! there is worth saving: the directory may be deleted at any time.
//!
//! An entry is one file, written beside and renamed into place, so that it is
//! whole or not there, whoever else writes. It begins with a digest of its own; one
//! that does not fit is removed and made again. The directory and its entries
//! belong to the user who runs and can be written by nobody else, or they are not
//! used.

mod entry;
mod seen;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::OFlags;
use seen::{SETTLED, Seen};
use sha2::{Digest, Sha256};

use super::Error;
use super::image::{self, Image};
use crate::module::source::{Regular, Source};

/// The most that all entries may take, in bytes: the base BTF of some 80 kernels.
pub const CAPACITY: u64 = 512 << 20;

/// The longest entry: the longest base BTF and config, with room for the rest.
const ENTRY: u64 = image::MAX_BTF + (16 << 20);

/// An image that is longer is read without being kept. A vmlinux with its DWARF
/// takes longer to digest than to read.
const IMAGE: u64 = 256 << 20;

/// The suffixes of entries: what an image holds; which image a file was; modules
/// that are known.
const IMAGES: &str = "image";
const PLACES: &str = "place";
pub(crate) const KNOWN: &str = "known";
const SUFFIXES: [&str; 3] = [IMAGES, PLACES, KNOWN];

/// Bytes of a SHA-256.
const DIGEST: usize = 32;

/// What the smallest file takes, in bytes.
const BLOCK: u64 = 4096;

/// Bytes that are digested at a time.
const CHUNK: usize = 1 << 20;

/// A directory of entries.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
    capacity: u64,
    /// How old a file's last change must be, in seconds.
    settled: i64,
}

impl Cache {
    /// A cache in `dir`, which is made when there is something to keep.
    ///
    /// # Errors
    /// If others could write into it.
    pub fn open(dir: &Path) -> io::Result<Self> {
        match check(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(Self {
                dir: dir.to_owned(),
                capacity: CAPACITY,
                settled: SETTLED,
            }),
        }
    }

    /// The same, holding at most so many bytes.
    #[must_use]
    pub fn with_capacity(self, capacity: u64) -> Self {
        Self { capacity, ..self }
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What [`image::open`] finds in `path`, from here if it was found before.
    ///
    /// Trouble with the cache itself is no trouble for the caller: then the image
    /// is read.
    ///
    /// # Errors
    /// Those of [`image::open`].
    pub fn image(&self, path: &Path) -> Result<Image, Error> {
        let file = Regular::open(path)?;
        if file.size() > IMAGE {
            return image::open(path);
        }
        let seen = Seen::of(&file)?;
        if let Some(image) = self.seen(&seen) {
            return Ok(image);
        }
        let key = digest(&file)?;
        let image = self.of(&file, &key)?;
        if seen.is_settled(self.settled) && Seen::of(&file)? == seen {
            // It is digested again if that fails.
            let _ = self.keep(&seen.key(), PLACES, key.as_bytes());
        }
        Ok(image)
    }

    /// The image of a file that is as it was when it was last digested.
    fn seen(&self, seen: &Seen) -> Option<Image> {
        let key = self.kept(&seen.key(), PLACES, 2 * DIGEST as u64)?;
        let key = str::from_utf8(&key).ok()?;
        let is_digest = key.len() == 2 * DIGEST && key.bytes().all(|b| b.is_ascii_hexdigit());
        is_digest.then(|| self.load_image(key).ok())??
    }

    /// The same for an image that came from elsewhere, such as a package, as
    /// [`image::parse`] finds it.
    ///
    /// # Errors
    /// Those of [`image::parse`].
    pub fn parse(&self, bytes: &[u8]) -> Result<Image, Error> {
        match bytes.len() as u64 > IMAGE {
            true => image::parse(bytes),
            false => self.of(bytes, &digest(bytes)?),
        }
    }

    fn of(&self, source: &(impl Source + ?Sized), key: &str) -> Result<Image, Error> {
        let place = self.place(key, IMAGES);
        match self.load_image(key) {
            Ok(Some(image)) => return Ok(image),
            Ok(None) => {}
            Err(error) => {
                log::warn!("{}: {error}; it is made again", place.display());
                // If it cannot be removed, it is overwritten.
                let _ = fs::remove_file(&place);
            }
        }
        let image = image::read(source)?;
        let kept = entry::write(&image).and_then(|bytes| self.store(&place, &bytes));
        if let Err(error) = kept {
            log::info!("{}: {error}; nothing is kept", self.dir.display());
        }
        Ok(image)
    }

    /// The bytes that [`keep`](Self::keep) was given under this name, of which
    /// there are `limit` at most. What is damaged, or could be somebody else's, is
    /// none.
    pub fn kept(&self, name: &str, suffix: &str, limit: u64) -> Option<Vec<u8>> {
        let mut file = self.load(&self.place(name, suffix), limit + DIGEST as u64);
        let mut bytes = Vec::new();
        let file = file.as_mut().ok()?.as_mut()?;
        file.take(limit + DIGEST as u64)
            .read_to_end(&mut bytes)
            .ok()?;
        let (digest, kept) = bytes.split_at_checked(DIGEST)?;
        (Sha256::digest(kept)[..] == *digest).then(|| kept.to_vec())
    }

    /// Keeps these bytes under a name, which is one word, in place of others.
    ///
    /// # Errors
    /// What the system says.
    pub fn keep(&self, name: &str, suffix: &str, bytes: &[u8]) -> io::Result<()> {
        let mut all = Sha256::digest(bytes).to_vec();
        all.extend_from_slice(bytes);
        self.store(&self.place(name, suffix), &all)
    }

    fn place(&self, key: &str, suffix: &str) -> PathBuf {
        self.dir.join(format!("{key}.{suffix}"))
    }

    /// Opens a file that is nobody else's and not longer than that; `None` if
    /// there is none.
    fn load(&self, place: &Path, limit: u64) -> io::Result<Option<File>> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits();
        let opened = File::options()
            .read(true)
            .custom_flags(flags as i32)
            .open(place);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let found = file.metadata()?;
        if !found.is_file() || !is_ours(&found) {
            return Err(io::Error::other("not a file of this user's own"));
        }
        if found.len() > limit {
            return Err(io::Error::other("longer than any entry"));
        }
        // So that what is used stays, and what is not goes first. It does not
        // matter if that fails.
        let _ = file.set_modified(SystemTime::now());
        Ok(Some(file))
    }

    fn load_image(&self, key: &str) -> io::Result<Option<Image>> {
        let file = self.load(&self.place(key, IMAGES), ENTRY)?;
        file.map(|file| entry::read(&mut &file, file.metadata()?.len()))
            .transpose()
    }

    /// Makes the directory, where there is none.
    ///
    /// # Errors
    /// If it cannot be made, or others could write into it.
    pub fn make(&self) -> io::Result<()> {
        let mut maker = fs::DirBuilder::new();
        maker.recursive(true).mode(0o755).create(&self.dir)?;
        check(&self.dir)
    }

    fn store(&self, place: &Path, bytes: &[u8]) -> io::Result<()> {
        self.make()?;
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let draft = self.dir.join(format!(".{name}.{}", std::process::id()));
        let written = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits() as i32)
            .open(&draft)
            .and_then(|mut file| file.write_all(bytes))
            .and_then(|()| fs::rename(&draft, place));
        if written.is_err() {
            // Nothing more can be done for it.
            let _ = fs::remove_file(&draft);
        }
        written?;
        self.shrink(&name)
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

/// Is this a directory that only we can write?
fn check(dir: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(dir)?;
    if found.is_dir() && is_ours(&found) {
        return Ok(());
    }
    let what = "not a directory that belongs to this user and that only this user can write";
    Err(io::Error::new(io::ErrorKind::PermissionDenied, what))
}

/// Owned by the user who runs, and writable by nobody else.
fn is_ours(found: &fs::Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0
}

/// SHA-256 of a whole image, in lower-case hexadecimal.
fn digest(source: &(impl Source + ?Sized)) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut at = 0;
    while at < source.size() {
        let chunk = (source.size() - at).min(CHUNK as u64);
        digest.update(&source.read(at, chunk as usize)?);
        at += chunk;
    }
    Ok(hex::encode(digest.finalize()))
}

#[cfg(test)]
mod tests;
