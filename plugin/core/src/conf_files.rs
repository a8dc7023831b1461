// SPDX-License-Identifier: GPL-2.0-or-later
//! Directories of `.conf` files, of which one of a name in `/etc` takes the place of the
//! vendor's.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use btf_guard_sysroot::Root;

/// Files of one directory that are looked at.
const MAX_FILES: usize = 1024;

/// The `.conf` files of some directories.
#[derive(Debug, Default)]
pub(crate) struct ConfFiles {
    /// In the order of their names, as paths inside the root.
    pub(crate) files: Vec<PathBuf>,
    /// Directories that cannot be listed.
    pub(crate) unreadable: Vec<(PathBuf, io::Error)>,
}

/// The files of these directories of a root that kmod and systemd read: of each name that
/// in the first directory, none that is hidden (`conf_files_filter_out()` of kmod 34,
/// libkmod/libkmod-config.c; `hidden_or_backup_file()` of systemd).
pub(crate) fn conf_files(root: &Root, dirs: &[&str]) -> ConfFiles {
    let mut by_name: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    let mut found = ConfFiles::default();
    for dir in dirs.iter().map(Path::new) {
        match root.resolve(dir).and_then(fs::read_dir) {
            Ok(entries) => {
                let names = entries.flatten().map(|entry| entry.file_name());
                let mut names = names.filter(|name| is_conf(name));
                for name in names.by_ref().take(MAX_FILES) {
                    let inside = dir.join(&name);
                    by_name.entry(name).or_insert(inside);
                }
                if names.next().is_some() {
                    let error = io::Error::other(format!("more than {MAX_FILES} files"));
                    found.unreadable.push((root.outside(dir), error));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => found.unreadable.push((root.outside(dir), error)),
        }
    }
    found.files = by_name.into_values().collect();
    found
}

fn is_conf(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.len() > ".conf".len() && name.ends_with(b".conf") && !name.starts_with(b".")
}
