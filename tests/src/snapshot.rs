// SPDX-License-Identifier: GPL-2.0-or-later
//! The state of a scratch root, to tell whether anything has changed.

use std::collections::{BTreeMap, BTreeSet};
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

    /// Of a root that is a layer over others: only what the layer has. `ignored`
    /// are directories whose content does not count.
    pub(crate) fn of_layer(
        layer: &Path,
        lower: &[&Path],
        ignored: &[&str],
        packages: String,
    ) -> Self {
        let inside = |path: &Path| path.strip_prefix(layer).unwrap().to_owned();
        let walk = WalkDir::new(layer)
            .min_depth(1)
            .sort_by_file_name()
            .into_iter();
        let counts = |path: &Path| !ignored.iter().any(|name| path == Path::new(name));
        let files = walk
            .filter_entry(|entry| counts(&inside(entry.path())))
            .map(|entry| entry.unwrap().into_path())
            .filter(|path| !is_copied_up(path, lower, &inside(path)))
            .map(|path| (inside(&path), File::new(&path)))
            .collect();
        Self { packages, files }
    }
}

impl Snapshot {
    /// The names of what is not the same in a later one.
    pub fn changes(&self, later: &Self) -> Vec<String> {
        let names: BTreeSet<_> = self.files.keys().chain(later.files.keys()).collect();
        let files = names
            .into_iter()
            .filter(|name| self.files.get(*name) != later.files.get(*name))
            .map(|name| name.display().to_string());
        let packages = (self.packages != later.packages).then(|| "rpm's database".to_owned());
        packages.into_iter().chain(files).collect()
    }
}

/// A directory that came into the layer because something below it did, and is
/// as it is in the layers beneath.
fn is_copied_up(path: &Path, lower: &[&Path], inside: &Path) -> bool {
    let properties = |path: PathBuf| {
        let metadata = path.symlink_metadata().ok()?;
        let owner = (metadata.uid(), metadata.gid());
        metadata.is_dir().then_some((metadata.mode(), owner))
    };
    let own = properties(path.to_owned());
    own.is_some() && lower.iter().find_map(|root| properties(root.join(inside))) == own
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
