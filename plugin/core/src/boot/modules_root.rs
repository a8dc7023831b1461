// SPDX-License-Identifier: GPL-2.0-or-later
//! Whose modules a kernel will use: those of the root that its command line
//! mounts.

use std::io;
use std::path::{Path, PathBuf};

use btf_guard_sysroot::Root;

use super::volume::identity;

/// The root that a kernel will mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModulesRoot {
    /// The one that was searched.
    Root,
    /// A snapper snapshot of it.
    Snapshot {
        /// Its number.
        number: u64,
        /// Where it is.
        root: Root,
    },
    /// A snapshot that cannot be reached from here.
    Unreachable {
        /// Its number.
        number: u64,
    },
}

impl ModulesRoot {
    /// The root that a kernel with this command line mounts; `root` is the one
    /// that is searched.
    ///
    /// Only snapper's layout, `subvol=…/.snapshots/NUMBER/snapshot` in
    /// `rootflags`, is told from the root itself: which subvolume is mounted
    /// as a root is no business of the root.
    pub fn of(root: &Root, options: Option<&str>) -> Self {
        let Some(number) = options.and_then(snapshot) else {
            return Self::Root;
        };
        let place = format!(".snapshots/{number}/snapshot");
        if root.path().ends_with(&place) {
            return Self::Root;
        }
        let dir = root.resolve(&Path::new("/").join(place));
        let Ok(there) = dir.and_then(|dir| Root::new(&dir)) else {
            return Self::Unreachable { number };
        };
        match (identity(there.path()), identity(root.path())) {
            (Ok(there), Ok(here)) if there == here => Self::Root,
            _ => Self::Snapshot {
                number,
                root: there,
            },
        }
    }

    /// The root that it is, if it can be reached; `root` is the one that was searched.
    pub(crate) fn root<'r>(&'r self, root: &'r Root) -> Option<&'r Root> {
        match self {
            Self::Root => Some(root),
            Self::Snapshot { root, .. } => Some(root),
            Self::Unreachable { .. } => None,
        }
    }

    /// The directory of the modules that a kernel of this release will use, if
    /// it exists and can be reached; `root` is the one that was searched.
    pub(crate) fn module_dir(&self, root: &Root, release: &str) -> Option<PathBuf> {
        self.find_module_dir(root, release).ok().flatten()
    }

    /// The same, or what keeps it from being known.
    pub(crate) fn find_module_dir(
        &self,
        root: &Root,
        release: &str,
    ) -> Result<Option<PathBuf>, (PathBuf, io::Error)> {
        let home = self.root(root);
        home.map_or(Ok(None), |home| home.find_module_dir(release))
    }

    /// The number of the snapshot; `None` for the root.
    pub(crate) fn snapshot(&self) -> Option<u64> {
        match self {
            Self::Root => None,
            Self::Snapshot { number, .. } | Self::Unreachable { number } => Some(*number),
        }
    }
}

/// The number of the snapshot that a command line mounts as its root.
fn snapshot(options: &str) -> Option<u64> {
    let words = options.split_whitespace();
    let flags = words.filter_map(|word| word.strip_prefix("rootflags="));
    let subvolume = flags
        .flat_map(|flags| flags.split(','))
        .filter_map(|flag| flag.strip_prefix("subvol="))
        .next_back()?;
    let (_, place) = subvolume.rsplit_once(".snapshots/")?;
    let number = place.trim_end_matches('/').strip_suffix("/snapshot")?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_command_line_tells() {
        let two = "subvol=/.snapshots/1/snapshot/.snapshots/2/snapshot";
        for (flags, number) in [
            ("subvol=@/.snapshots/5/snapshot quiet", Some(5)),
            ("ro,subvol=/@/.snapshots/12/snapshot/", Some(12)),
            ("subvol=.snapshots/1/snapshot", Some(1)),
            ("subvol=.snapshots/1/snapshot rootflags=subvol=@", None),
            (two, Some(2)),
            ("subvol=@", None),
            ("subvol=@/.snapshots/../snapshot", None),
            ("subvol=@/.snapshots/1", None),
        ] {
            let options = format!("root=UUID=1 rootflags={flags}");
            assert_eq!(snapshot(&options), number, "{options}");
        }
        assert_eq!(snapshot(""), None);
    }

    #[test]
    fn a_snapshot_has_its_own_modules() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join(".snapshots/5/snapshot");
        for base in [dir.path(), &own] {
            fs::create_dir_all(base.join("usr/lib/modules/6.1")).unwrap();
            symlink("/usr/lib", base.join("lib")).unwrap();
        }
        let root = Root::new(dir.path()).unwrap();
        let option = |number| format!("rootflags=subvol=@/.snapshots/{number}/snapshot");
        let own_dir = "/usr/lib/modules/6.1";
        let snapshot = "/.snapshots/5/snapshot/usr/lib/modules/6.1";
        for (options, expected) in [
            ("quiet", Some(own_dir)),
            (&option(5), Some(snapshot)),
            (&option(6), None),
        ] {
            let dir = ModulesRoot::of(&root, Some(options)).module_dir(&root, "6.1");
            let inside = dir.map(|dir| root.inside(&dir).unwrap());
            assert_eq!(inside.as_deref(), expected.map(Path::new), "{options}");
        }
        let unreachable = ModulesRoot::Unreachable { number: 6 };
        assert_eq!(ModulesRoot::of(&root, Some(&option(6))), unreachable);
        // The snapshot that is itself the root.
        let inner = Root::new(&own).unwrap();
        assert_eq!(ModulesRoot::of(&inner, Some(&option(5))), ModulesRoot::Root);
        fs::remove_dir_all(&own).unwrap();
        symlink("/", &own).unwrap();
        assert_eq!(ModulesRoot::of(&root, Some(&option(5))), ModulesRoot::Root);
    }
}
