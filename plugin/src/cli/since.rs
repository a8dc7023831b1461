//! What has changed since a transaction began.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use btf_guard::place::boot::Bootable;
use btf_guard::place::tree::Found;
use rayon::prelude::*;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, statat};

/// Files that a thread looks at in one go: about what a directory tree of one
/// subsystem has.
const CHUNK: usize = 256;

/// When the transaction began, in seconds since 1970. Where that is not known,
/// everything counts as its work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Since(pub(crate) Option<u64>);

impl Since {
    /// Which of these modules were made, replaced or changed since then, other than
    /// was `foreseen` of the file, or are reached by another link?
    pub(crate) fn changed(
        self,
        modules: &[Found],
        foreseen: impl Fn(&Path) -> bool + Sync,
    ) -> Vec<bool> {
        let foreseen = &foreseen;
        let Some(since) = self.0 else {
            return vec![true; modules.len()];
        };
        let chunks = modules.par_chunks(CHUNK).flat_map_iter(|chunk| {
            let (mut files, mut links) = (Directory::default(), Directory::default());
            chunk.iter().map(move |module| {
                let is_link = module.file != module.path;
                files.touched(&module.file, since) && !foreseen(&module.file)
                    || is_link && links.touched(&module.path, since)
            })
        });
        chunks.collect()
    }

    /// Is this another kernel than before, or reached by another way?
    pub(crate) fn changed_kernel(self, kernel: &Bootable) -> bool {
        let Some(since) = self.0 else { return true };
        let entries = kernel.via.iter().map(|via| via.source.as_path());
        let touched = |path: &Path| {
            let found = fs::symlink_metadata(path);
            found.is_ok_and(|found| counts(found.ctime(), since))
        };
        touched(&kernel.file) || entries.into_iter().any(touched)
    }
}

/// Does a change at that time, in seconds since 1970, count? A package manager
/// sets a file's modification time; nobody can set the other.
///
/// FAT keeps even seconds, downwards (`fat_truncate_time()`, fs/fat/misc.c of the
/// kernel).
fn counts(changed: i64, since: u64) -> bool {
    u64::try_from(changed).is_ok_and(|changed| changed.saturating_add(1) >= since)
}

/// The directory of the file that was looked at last: its neighbours are found
/// from there, without the way from the root.
#[derive(Default)]
struct Directory {
    path: PathBuf,
    opened: Option<OwnedFd>,
}

impl Directory {
    fn touched(&mut self, file: &Path, since: u64) -> bool {
        let (Some(parent), Some(name)) = (file.parent(), file.file_name()) else {
            return false;
        };
        if self.opened.is_none() || self.path.as_os_str() != parent.as_os_str() {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            self.opened = openat(CWD, parent, flags, Mode::empty()).ok();
            parent.clone_into(&mut self.path);
        }
        let Some(directory) = &self.opened else {
            return false;
        };
        let found = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
        found.is_ok_and(|found| counts(found.st_ctime, since))
    }
}
