// SPDX-License-Identifier: GPL-2.0-or-later
//! `modules.dep`: what depmod has made of a release's directory when it was run last.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::module::source::Regular;

/// The longest `modules.dep` that is read, in bytes.
const MAX_LENGTH: u64 = 64 << 20;

/// Seconds since 1970, and nanoseconds.
type Time = (i64, i64);

/// The files of a release that `modules.dep` names.
#[derive(Debug, Default)]
pub(crate) struct ModulesDep {
    /// When it was written; `None` where it does not count.
    written: Option<Time>,
    /// Paths below the directory, or, of external ones, whole paths.
    files: HashSet<PathBuf>,
}

impl ModulesDep {
    /// Reads it in the module directory of a release. One that cannot be read says
    /// nothing.
    pub(crate) fn read(dir: &Path) -> Self {
        let path = dir.join("modules.dep");
        let mut bytes = Vec::new();
        // Whoever packs a file chooses when it was modified, but not when it came.
        let written = fs::metadata(&path).map(|found| {
            let modified = (found.mtime(), found.mtime_nsec());
            modified.min((found.ctime(), found.ctime_nsec()))
        });
        let read = Regular::open(&path).map(|file| file.read_all(MAX_LENGTH, &mut bytes));
        match (written, read) {
            (Ok(written), Ok(Ok(()))) => Self {
                written: Some(written),
                files: String::from_utf8_lossy(&bytes)
                    .lines()
                    .filter_map(|line| Some(line.split_once(':')?.0.into()))
                    .collect(),
            },
            _ => Self::default(),
        }
    }

    /// Depmod has been run since the directories of these files were changed last. Their
    /// paths are as in `modules.dep`, and on the disk.
    ///
    /// Whoever unpacks an archive sets the times of modification: when a directory was
    /// changed is what the file system itself notes. Of the release's own directory it
    /// says nothing, for depmod puts its files there.
    pub(crate) fn is_newer_than<'f>(
        &self,
        dir: &Path,
        files: impl IntoIterator<Item = (&'f Path, &'f Path)>,
    ) -> bool {
        let Some(written) = self.written else {
            return false;
        };
        let mut directories: BTreeSet<&Path> = BTreeSet::new();
        for (path, on_disk) in files {
            let depth = path.components().count();
            directories.extend(on_disk.ancestors().take(depth).skip(1));
        }
        directories.remove(dir);
        let changed_before = |path: &&Path| {
            let found = [fs::symlink_metadata(path), fs::metadata(path)];
            let mut times = found.into_iter();
            times.all(|found| found.is_ok_and(|f| (f.ctime(), f.ctime_nsec()) < written))
        };
        directories.iter().all(changed_before)
    }

    /// It names this file.
    pub(crate) fn names(&self, path: &Path) -> bool {
        self.files.contains(path)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    /// File systems note times by the kernel's tick.
    fn wait() {
        sleep(Duration::from_millis(30));
    }

    #[test]
    fn it_counts_until_a_directory_changes() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let files = ["updates/sub/a.ko", "extra/a.ko", "a.ko"].map(Path::new);
        for file in files {
            fs::create_dir_all(dir.join(file).parent().unwrap()).unwrap();
            fs::write(dir.join(file), "").unwrap();
        }
        let on_disk = files.map(|file| dir.join(file));
        let is_newer = || {
            let files = files
                .iter()
                .copied()
                .zip(on_disk.iter().map(PathBuf::as_path));
            ModulesDep::read(dir).is_newer_than(dir, files)
        };
        assert!(!is_newer());
        let write = || {
            wait();
            fs::write(dir.join("modules.dep"), "extra/a.ko: kernel/b.ko\n").unwrap();
            wait();
        };
        write();
        fs::write(dir.join("modules.alias"), "").unwrap();
        assert!(is_newer());
        let read = ModulesDep::read(dir);
        assert!(read.names(files[1]) && !read.names(files[0]));
        for changed in ["updates/sub/b.ko", "updates/b.ko", "extra/b.ko"] {
            write();
            assert!(is_newer(), "{changed}");
            fs::write(dir.join(changed), "").unwrap();
            assert!(!is_newer(), "{changed}");
        }
        // As an archive leaves it.
        let extra = fs::File::open(dir.join("extra")).unwrap();
        extra
            .set_modified(std::time::SystemTime::UNIX_EPOCH)
            .unwrap();
        assert!(!is_newer());
    }
}
