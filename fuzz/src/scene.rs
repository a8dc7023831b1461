//! A directory of files, for what is read by its place: a machine's `/`, or what
//! programs leave for each other.

use std::fs;
use std::path::{Path, PathBuf};

/// Files below a directory, which goes with this.
pub(crate) struct Scene(tempfile::TempDir);

impl Scene {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory for files"))
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
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
