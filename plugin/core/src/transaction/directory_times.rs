// SPDX-License-Identifier: GPL-2.0-or-later
//! Whether modules or kernels can have changed since a client was started or the
//! disk was judged: a few dozen files are asked for their times instead of thousands.
//!
//! A module tool puts modules beside those of the kernel's package, not among them,
//! and runs depmod, which makes files anew in the release's own directory.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

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
    let places = PLACES.into_iter();
    // `/lib` is a link to `/usr/lib` on most machines.
    let mut ahead: BTreeMap<_, _> = places
        .filter_map(|(place, depth)| Some((root.resolve(Path::new(place)).ok()?, depth)))
        .collect();
    let mut left = MAX_ENTRIES + 1;
    let mut has_changed = |path: &Path| {
        left = left.saturating_sub(1);
        // One that cannot be looked at has gone since it was listed.
        let found = fs::symlink_metadata(path);
        left == 0 || found.map_or(true, |found| changed_since(found.ctime(), since))
    };
    // What goes away or comes changes the directory itself.
    if ahead.keys().any(|place| has_changed(place)) {
        return true;
    }
    while let Some((dir, depth)) = ahead.pop_first() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if has_changed(&path) {
                return true;
            }
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_dir && depth > 1 && entry.file_name() != OWN {
                ahead.insert(path, depth - 1);
            }
        }
    }
    false
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
        type Change = (&'static str, fn(&Path));
        let changes: [Change; 6] = [
            ("a new release", |root| {
                fs::create_dir(root.join("usr/lib/modules/6.2")).unwrap();
            }),
            ("depmod", |root| {
                fs::write(root.join("usr/lib/modules/6.1/modules.dep"), "new").unwrap();
            }),
            ("a module beside the kernel's", |root| {
                fs::write(root.join("usr/lib/modules/6.1/updates/b.ko"), "").unwrap();
            }),
            ("one deeper, written over", |root| {
                fs::write(root.join("usr/lib/modules/6.1/updates/dkms/a.ko"), "new").unwrap();
            }),
            ("a kernel that goes", |root| {
                fs::remove_file(root.join("boot/vmlinuz-6.1")).unwrap();
            }),
            ("all of it goes", |root| {
                fs::remove_dir_all(root.join("usr/lib/modules/6.1")).unwrap();
            }),
        ];
        let places = changes.map(|_| tempfile::tempdir().unwrap());
        for place in &places {
            let modules = place.path().join("usr/lib/modules/6.1");
            for dir in ["kernel/fs", "updates/dkms"] {
                fs::create_dir_all(modules.join(dir)).unwrap();
            }
            for name in ["kernel/fs/xfs.ko", "updates/dkms/a.ko", "modules.dep"] {
                fs::write(modules.join(name), "").unwrap();
            }
            fs::create_dir(place.path().join("boot")).unwrap();
            fs::write(place.path().join("boot/vmlinuz-6.1"), "").unwrap();
            symlink("usr/lib", place.path().join("lib")).unwrap();
        }
        let since = now() + 3;
        while now() < since {
            sleep(Duration::from_millis(50));
        }
        for ((what, change), place) in changes.into_iter().zip(&places) {
            let root = Root::new(place.path()).unwrap();
            assert!(!may_have_changed(&root, since), "before {what}");
            change(place.path());
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
        assert!(!may_have_changed(&Root::new(place.path()).unwrap(), 0));
    }
}
