//! The state of a scratch root, to tell whether anything has changed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use crate::root::DATABASE;

/// rpm's database, header by header, and every file outside it.
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshot {
    packages: String,
    files: BTreeMap<PathBuf, File>,
}

#[derive(Debug, PartialEq, Eq)]
struct File {
    inode: u64,
    mode: u32,
    owner: (u32, u32),
    modified: (i64, i64),
    content: Vec<u8>,
}

impl Snapshot {
    /// `packages` is the text of all headers in the database.
    pub(crate) fn new(root: &Path, packages: String) -> Self {
        let walk = WalkDir::new(root).sort_by_file_name().into_iter();
        let files = walk
            .filter_entry(|entry| !entry.path().ends_with(DATABASE))
            .map(|entry| {
                let path = entry.unwrap().into_path();
                let file = File::new(&path);
                (path, file)
            })
            .collect();
        Self { packages, files }
    }
}

impl File {
    fn new(path: &Path) -> Self {
        let metadata = path.symlink_metadata().unwrap();
        let content = if metadata.is_symlink() {
            path.read_link()
                .unwrap()
                .into_os_string()
                .into_encoded_bytes()
        } else if metadata.is_file() {
            Sha256::digest(fs::read(path).unwrap()).to_vec()
        } else {
            Vec::new()
        };
        Self {
            inode: metadata.ino(),
            mode: metadata.mode(),
            owner: (metadata.uid(), metadata.gid()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            content,
        }
    }
}
