//! What images hold, kept from one run to the next.
//!
//! A kernel image has to be decompressed as a whole to come to its base BTF. That
//! takes longer than judging a thousand modules, and its outcome never changes,
//! so it is kept in a directory, under the SHA-256 of the image's bytes. Nothing
//! there is worth saving: the directory may be deleted at any time.
//!
//! An entry is one file, written beside and renamed into place, so that it is
//! whole or not there, whoever else writes. It begins with its own SHA-256; one
//! that does not fit is removed and made again. The directory and its entries
//! belong to the user who runs and can be written by nobody else, or they are not
//! used.

mod entry;

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::OFlags;
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

/// Bytes that are digested at a time.
const CHUNK: usize = 1 << 20;

/// A directory of entries.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
    capacity: u64,
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
        let key = digest(&file)?;
        match self.load(&key) {
            Ok(Some(image)) => return Ok(image),
            Ok(None) => {}
            Err(error) => {
                log::warn!("{}: {error}; it is made again", self.place(&key).display());
                // If it cannot be removed, it is overwritten.
                let _ = fs::remove_file(self.place(&key));
            }
        }
        let image = image::read(&file)?;
        if let Err(error) = self.store(&key, &image) {
            log::info!("{}: {error}; nothing is kept", self.dir.display());
        }
        Ok(image)
    }

    fn place(&self, key: &str) -> PathBuf {
        self.dir.join(format!("{key}.image"))
    }

    fn load(&self, key: &str) -> io::Result<Option<Image>> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits();
        let opened = File::options()
            .read(true)
            .custom_flags(flags as i32)
            .open(self.place(key));
        let mut file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let found = file.metadata()?;
        if !found.is_file() || !is_ours(&found) {
            return Err(io::Error::other("not a file of this user's own"));
        }
        if found.len() > ENTRY {
            return Err(io::Error::other("longer than any entry"));
        }
        let image = entry::read(&mut file, found.len())?;
        // So that what is used stays, and what is not goes first. It does not
        // matter if that fails.
        let _ = file.set_modified(SystemTime::now());
        Ok(Some(image))
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

    fn store(&self, key: &str, image: &Image) -> io::Result<()> {
        self.make()?;
        let bytes = entry::write(image)?;
        let draft = self.dir.join(format!(".{key}.{}", std::process::id()));
        let written = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits() as i32)
            .open(&draft)
            .and_then(|mut file| file.write_all(&bytes))
            .and_then(|()| fs::rename(&draft, self.place(key)));
        if written.is_err() {
            // Nothing more can be done for it.
            let _ = fs::remove_file(&draft);
        }
        written?;
        self.shrink(key)
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
            if name.ends_with(".image") {
                entries.push((modified, metadata.len(), name));
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
            if name.trim_end_matches(".image") != kept {
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

/// SHA-256 of a whole file, in lower-case hexadecimal.
fn digest(file: &Regular) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut at = 0;
    while at < file.size() {
        let chunk = (file.size() - at).min(CHUNK as u64);
        digest.update(&file.read(at, chunk as usize)?);
        at += chunk;
    }
    Ok(hex(&digest.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
