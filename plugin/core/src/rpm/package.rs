// SPDX-License-Identifier: GPL-2.0-or-later
//! An rpm package: its file list, and single files of its payload in one pass.
//!
//! The header is read by the `rpm` crate, behind a check of our own
//! ([`header`](super::header)); the payload by [`payload`](super::payload), because the crate's readers either
//! hold the whole payload in memory or search the file list for every entry.

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::file_list::Links;
use crate::module::source::Regular;
use crate::time_limit::TimeLimit;

pub(crate) use super::file_list::{Error, PackagedFile};

/// A package whose header has been read.
#[derive(Debug)]
pub struct Package {
    file: File,
    nevra: String,
    /// Who built it, as it says itself.
    pub(crate) vendor: Option<String>,
    files: Vec<PackagedFile>,
    /// Where the payload starts, in bytes from the start of the file.
    payload: u64,
}

impl Package {
    /// Opens a package file and reads its header. What is not a regular file is refused,
    /// without waiting for the other end of a pipe.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::of(Regular::open(path)?.file)
    }

    /// Reads the header of an open package file, from its start. The file's own
    /// position is neither used nor moved: it may be shared with another process.
    pub fn of(file: File) -> Result<Self, Error> {
        let mut input = io::BufReader::new(FileAt {
            file: &file,
            offset: 0,
        });
        let (metadata, payload) = super::header::read(&mut input)?;
        let nevra = metadata.get_nevra()?.to_string();
        let vendor = metadata.get_vendor().ok().map(str::to_owned);
        let files = super::header::files(&metadata)?;
        Ok(Self {
            file,
            nevra,
            vendor,
            files,
            payload,
        })
    }

    /// Its length in bytes, as far as the system tells.
    pub(crate) fn size(&self) -> u64 {
        self.file.metadata().map_or(u64::MAX, |known| known.len())
    }

    /// Name, epoch, version, release, architecture.
    pub fn nevra(&self) -> &str {
        &self.nevra
    }

    /// The files that the header lists.
    pub fn files(&self) -> &[PackagedFile] {
        &self.files
    }

    fn payload(&self) -> io::BufReader<FileAt<'_>> {
        let at = FileAt {
            file: &self.file,
            offset: self.payload,
        };
        io::BufReader::with_capacity(super::payload::BUFFER, at)
    }

    /// Goes through the payload once and hands each regular file that `wanted`
    /// asks for to `each`: the paths it is installed under (several for hard
    /// links) and its content. Files come in the archive's order; one at a time
    /// is held in memory. Unless `each` breaks off, the whole archive is held
    /// against the header's file list. A wanted file that is larger than
    /// [`MAX_FILE`](super::file_list::MAX_FILE) is an error, and so is reading beyond `limit`.
    pub fn extract(
        &self,
        wanted: impl Fn(&Path) -> bool,
        limit: TimeLimit,
        mut each: impl FnMut(&[&Path], Vec<u8>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let links = Links::of(&self.files);
        let wanted = |file: &PackagedFile| file.has_content() && wanted(&file.path);
        let wanted: Vec<bool> = self.files.iter().map(wanted).collect();
        let mut archive = super::payload::Archive::new(self.payload(), &self.files, &links)?;
        archive.read_until(limit);
        while let Some(index) = archive.next()? {
            // All entries of a set of hard links but one: not to be searched for
            // the same names each time.
            if !archive.has_content(index) {
                archive.skip()?;
                continue;
            }
            let paths: Vec<&Path> = links
                .members(index)
                .filter(|member| wanted.get(*member).copied().unwrap_or(false))
                .filter_map(|member| Some(self.files.get(member)?.path.as_path()))
                .collect();
            if paths.is_empty() {
                archive.skip()?;
            } else if each(&paths, archive.read()?).is_break() {
                return Ok(());
            }
        }
        archive.finish()
    }
}

/// A reader of a file at an offset of its own.
struct FileAt<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for FileAt<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
