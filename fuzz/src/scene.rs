// SPDX-License-Identifier: GPL-2.0-or-later
//! A directory of files, for what is read by its place: a machine's `/`, or what
//! programs leave for each other.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Files below a directory, which goes with this.
pub(crate) struct Scene {
    dir: tempfile::TempDir,
    /// What was written last into files that nobody else writes.
    last: RefCell<BTreeMap<String, Vec<u8>>>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a directory for files"),
            last: RefCell::default(),
        }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    /// Puts a file there that is only read: most inputs leave most files as they are.
    pub(crate) fn read_only(&self, path: &str, bytes: &[u8]) {
        let mut last = self.last.borrow_mut();
        if last.get(path).is_none_or(|last| last != bytes) {
            self.file(path, bytes);
            last.insert(path.to_owned(), bytes.to_owned());
        }
    }

    /// Puts a file there, whatever is in its place.
    pub(crate) fn file(&self, path: &str, bytes: &[u8]) {
        let file = self.path(path);
        // The directory is there already, but for the first time.
        if fs::write(&file, bytes).is_err() {
            let dir = file.parent().expect("a directory above");
            fs::create_dir_all(dir).expect("a directory can be made");
            fs::write(&file, bytes).expect("a file can be written");
        }
    }
}

/// The parts of an input, each up to a NUL; of those that are missing, nothing.
pub(crate) fn parts<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut parts = data.splitn(N, |byte| *byte == 0);
    [(); N].map(|()| parts.next().unwrap_or_default())
}
