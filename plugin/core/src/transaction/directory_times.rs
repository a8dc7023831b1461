// SPDX-License-Identifier: GPL-2.0-or-later
//! Whether modules or kernels can have changed since a client was started or the
//! disk was judged: a few dozen files are asked for their times instead of thousands.
//!
//! A module tool puts modules beside those of the kernel's package, not among them,
//! and runs depmod, which makes files anew in the release's own directory.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use btf_guard_sysroot::Root;
use btf_guard_sysroot::file_id::changed_since;

/// What may have changed, and how deep below it is looked.
const PLACES: [(&str, usize); 3] = [
    // Releases, their parts, and two levels of what lies in those.
    ("/lib/modules", 4),
    ("/usr/lib/modules", 4),
    ("/boot", 1),
];

/// The modules of a kernel's own package: thousands, and whoever changes one runs
/// depmod.
const OWN: &str = "kernel";

/// Files that are looked at. Where there are more, all of it counts as changed.
const MAX_ENTRIES: usize = 4096;

/// May a module or a kernel of the root have been made, replaced or removed
/// `since` then, in seconds since 1970?
///
/// Not seen: a module below `kernel/` that was written over without depmod, and
/// what lies on other file systems than the root's, such as an EFI system
/// partition.
pub fn may_have_changed(root: &Root, since: u64) -> bool {
    let mut search = ChangeSearch {
        since,
        left: MAX_ENTRIES,
    };
    let mut seen: Vec<PathBuf> = Vec::new();
    PLACES.into_iter().any(|(place, depth)| {
        let Ok(dir) = root.resolve(Path::new(place)) else {
            return false;
        };
        // `/lib` is a link to `/usr/lib` on most machines.
        if seen.contains(&dir) {
            return false;
        }
        let changed = search.has_changed(&dir) || search.at(&dir, depth);
        seen.push(dir);
        changed
    })
}

/// A search for what has changed.
struct ChangeSearch {
    /// In seconds since 1970.
    since: u64,
    /// Files that may still be looked at.
    left: usize,
}

impl ChangeSearch {
    /// Has anything in the directory changed, so deep? What goes away or comes
    /// changes the directory itself.
    fn at(&mut self, dir: &Path, depth: usize) -> bool {
        let mut ahead = vec![(dir.to_owned(), depth)];
        while let Some((dir, depth)) = ahead.pop() {
            let Ok(entries) = fs::read_dir(&dir) else {
                continue;
            };
            for entry in entries.flatten() {
                let path = entry.path();
                if self.has_changed(&path) {
                    return true;
                }
                let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_dir && depth > 1 && entry.file_name() != OWN {
                    ahead.push((path, depth - 1));
                }
            }
        }
        false
    }

    fn has_changed(&mut self, path: &Path) -> bool {
        let Some(left) = self.left.checked_sub(1) else {
            return true;
        };
        self.left = left;
        let Ok(found) = fs::symlink_metadata(path) else {
            // Gone since it was listed.
            return true;
        };
        changed_since(found.ctime(), self.since)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::thread::sleep;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::*;

    fn now() -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.unwrap().as_secs()
    }

    #[test]
    fn what_changes_is_seen_and_what_does_not_is_not() {
        let place = tempfile::tempdir().unwrap();
        let path = |below: &str| place.path().join(below);
        let modules = "usr/lib/modules/6.1";
        for dir in ["kernel/fs", "updates/dkms"] {
            fs::create_dir_all(path(modules).join(dir)).unwrap();
        }
        fs::create_dir(path("boot")).unwrap();
        symlink("usr/lib", path("lib")).unwrap();
        let old = ["kernel/fs/xfs.ko", "updates/dkms/a.ko", "modules.dep"];
        for name in old {
            fs::write(path(modules).join(name), "").unwrap();
        }
        fs::write(path("boot/vmlinuz-6.1"), "").unwrap();
        let root = Root::new(place.path()).unwrap();
        assert!(may_have_changed(&root, now()));
        assert!(!may_have_changed(&root, now() + 5));

        type Change<'a> = (&'a str, &'a dyn Fn());
        let write = |name: &str| fs::write(path(name), "new").unwrap();
        let changes: [Change<'_>; 6] = [
            ("a new release", &|| {
                fs::create_dir(path("usr/lib/modules/6.2")).unwrap();
            }),
            ("depmod", &|| write("usr/lib/modules/6.1/modules.dep")),
            ("a module beside the kernel's", &|| {
                write("usr/lib/modules/6.1/updates/b.ko");
            }),
            ("one deeper, written over", &|| {
                write("usr/lib/modules/6.1/updates/dkms/a.ko");
            }),
            ("a kernel that goes", &|| {
                fs::remove_file(path("boot/vmlinuz-6.1")).unwrap();
            }),
            ("all of it goes", &|| {
                fs::remove_dir_all(path("usr/lib/modules/6.1")).unwrap();
            }),
        ];
        for (what, change) in changes {
            let since = now() + 3;
            while now() < since {
                sleep(Duration::from_millis(50));
            }
            assert!(!may_have_changed(&root, since), "before {what}");
            change();
            assert!(may_have_changed(&root, since), "{what}");
        }
    }

    #[test]
    fn more_files_than_are_looked_at_count_as_changed() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("boot");
        fs::create_dir(&dir).unwrap();
        for number in 0..MAX_ENTRIES {
            fs::write(dir.join(number.to_string()), "").unwrap();
        }
        let root = Root::new(place.path()).unwrap();
        assert!(may_have_changed(&root, now() + 5));
        fs::remove_file(dir.join("0")).unwrap();
        assert!(!may_have_changed(&root, now() + 5));
    }

    #[test]
    fn a_root_without_any_has_not_changed() {
        let place = tempfile::tempdir().unwrap();
        let root = Root::new(place.path()).unwrap();
        assert!(!may_have_changed(&root, 0));
    }
}
