// SPDX-License-Identifier: GPL-2.0-or-later
//! The file list of a package's header, and what is wrong with a package.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use btf_guard_btf::error::Malformed;

/// The largest module or kernel image that is taken out of a package.
pub(crate) const MAX_FILE: u64 = 256 << 20;

/// Why a package could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The lead or a header is not what it must be.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The header's tags do not make sense.
    #[error("in the header: {0}")]
    Header(#[from] rpm::Error),
    /// The payload does not decompress.
    #[error("the payload does not decompress: {0}")]
    Compression(#[source] io::Error),
    /// The archive in the payload is not what it must be; offsets count decompressed bytes.
    #[error("in the payload, {0}")]
    Payload(#[source] Malformed),
}

/// What the header says of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackagedFile {
    /// The absolute path it is installed under.
    pub path: PathBuf,
    /// Its size in bytes.
    pub(crate) size: u64,
    pub(crate) kind: FileKind,
    /// Where a symbolic link leads, as it says.
    pub(crate) target: Option<PathBuf>,
    /// Device and inode at build time: equal for hard links of one another.
    pub(crate) inode: Option<(u32, u32)>,
}

/// How a file is represented in the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Regular,
    Symlink,
    /// Directories, devices, sockets, pipes: no data.
    Bare,
    /// `%ghost`: belongs to the package, is not in the payload.
    Ghost,
}

impl PackagedFile {
    /// True where the payload carries content for it.
    pub fn has_content(&self) -> bool {
        self.kind == FileKind::Regular
    }
}

/// Which files of a package are hard links of one another.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// The sets, each in the header's order.
    pub(crate) sets: Vec<Vec<usize>>,
    /// From a file's index to its set.
    pub(crate) set_of: HashMap<usize, usize>,
}

impl Links {
    /// The sets of hard links among these files.
    pub(crate) fn of(files: &[PackagedFile]) -> Self {
        let mut sets: HashMap<(u32, u32), Vec<usize>> = HashMap::new();
        for (index, file) in files.iter().enumerate() {
            if let (FileKind::Regular, Some(inode)) = (file.kind, file.inode) {
                sets.entry(inode).or_default().push(index);
            }
        }
        sets.retain(|_, members| members.len() > 1);
        let mut links = Self::default();
        for members in sets.into_values() {
            for member in &members {
                links.set_of.insert(*member, links.sets.len());
            }
            links.sets.push(members);
        }
        links
    }

    pub(crate) fn set(&self, index: usize) -> Option<&[usize]> {
        let set = self.sets.get(*self.set_of.get(&index)?)?;
        Some(set)
    }

    /// The file and its hard links, in the header's order.
    pub(crate) fn members(&self, index: usize) -> impl Iterator<Item = usize> {
        let set = self.set(index);
        let alone = set.is_none().then_some(index);
        set.unwrap_or_default().iter().copied().chain(alone)
    }

    /// True where the payload carries the content under another name of this file.
    /// librpm writes it with the last of the set (`iterReadArchiveNext()`, lib/rpmfi.c).
    pub(crate) fn content_is_elsewhere(&self, index: usize) -> bool {
        self.set(index)
            .is_some_and(|set| set.last() != Some(&index))
    }
}
