// SPDX-License-Identifier: GPL-2.0-or-later
//! Module directories that a directory holds as a whole.

use std::ffi::OsStr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use btf_guard_sysroot::file_role::is_release;

/// A module directory that lies in a directory as a whole.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WholeRelease {
    /// Its path below that directory.
    pub(super) dir: PathBuf,
    /// The root that it is in.
    pub(super) root: PathBuf,
    pub(super) release: String,
}

impl WholeRelease {
    /// The one that the file `below` a directory is in. The directory's path has no links.
    pub(super) fn of(directory: &Path, below: &Path) -> Option<Self> {
        let path = directory.join(below);
        let parts: Vec<&OsStr> = path.iter().collect();
        let depth = directory.iter().count();
        let (at, release) = parts.windows(3).enumerate().find_map(|(at, parts)| {
            let [lib, modules, release] = parts else {
                return None;
            };
            let release = release.to_str().filter(|release| is_release(release))?;
            let is_whole = at + 3 >= depth && *lib == "lib" && *modules == "modules";
            is_whole.then(|| (at, release.to_owned()))
        })?;
        let part = |range: Range<usize>| parts.get(range).map(PathBuf::from_iter);
        let mut root = part(0..at)?;
        if root.ends_with("usr") {
            root.pop();
        }
        // The last is the file.
        (at + 3 < parts.len()).then_some(Self {
            dir: part(depth..at + 3)?,
            root,
            release,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_module_directory_counts_where_all_of_it_is_there() {
        for (directory, below, found) in [
            (
                "/",
                "usr/lib/modules/6.1/a.ko",
                Some(("/", "usr/lib/modules/6.1")),
            ),
            (
                "/srv/image",
                "lib/modules/6.1/x/a.ko",
                Some(("/srv/image", "lib/modules/6.1")),
            ),
            ("/srv/usr/lib/modules", "6.1/a.ko", Some(("/srv", "6.1"))),
            ("/lib/modules/6.1", "kernel/a.ko", Some(("/", ""))),
            ("/lib/modules/6.1/kernel", "a.ko", None),
            (
                "/lib/modules/6.1/build",
                "lib/modules/6.2/a.ko",
                Some(("/lib/modules/6.1/build", "lib/modules/6.2")),
            ),
            ("/lib/modules", "a.ko", None),
            ("/home", "lib/modules.d/6.1/a.ko", None),
        ] {
            let release = WholeRelease::of(Path::new(directory), Path::new(below));
            let paths = release
                .as_ref()
                .map(|r| (r.root.to_str().unwrap(), r.dir.to_str().unwrap()));
            assert_eq!(paths, found, "{directory} {below}");
        }
    }
}
