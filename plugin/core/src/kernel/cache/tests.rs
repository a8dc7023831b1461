// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::thread;
use std::time::Duration;

use btf_guard_btf::Order;
use tempfile::TempDir;

use super::*;
use crate::kernel::image::tests::assemble::sample_btf;

/// Raw BTF is an image too, and a small one.
fn image(dir: &TempDir, name: &str, tail: &str) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, sample_btf(Order::Little, 24, tail, 0)).unwrap();
    path
}

fn digest(path: &Path) -> String {
    hex::encode(Sha256::digest(fs::read(path).unwrap()))
}

fn cache(dir: &TempDir) -> Cache {
    Cache::open(&dir.path().join("var/cache")).unwrap()
}

fn entries(cache: &Cache) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(cache.dir())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    all.sort();
    all
}

#[test]
fn an_image_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let (path, cache) = (image(&dir, "one", "one"), cache(&dir));
    let first = cache.image(&path).unwrap();
    let [entry] = &entries(&cache)[..] else {
        panic!("one entry");
    };
    // What comes from the cache is what the cache holds.
    let mut kept = image::open(&path).unwrap();
    kept.release = Some("kept".to_owned());
    fs::write(entry, encode(&kept).unwrap()).unwrap();
    let second = cache.image(&path).unwrap();
    assert_eq!(second.release.as_deref(), Some("kept"));
    assert_eq!(second.base_btf, first.base_btf);
    // A copy under another name is the same image; other bytes are another.
    fs::copy(&path, dir.path().join("copy")).unwrap();
    let copy = cache.image(&dir.path().join("copy")).unwrap();
    assert!(copy.release.is_some());
    let other = cache.image(&image(&dir, "two", "two")).unwrap();
    assert!(other.release.is_none());
    assert_eq!(entries(&cache).len(), 2);
}

#[test]
fn everything_that_an_image_tells_is_kept() {
    let image = Image {
        sound: true,
        base_btf: b"\0\n{\xff".to_vec(),
        base_sha256: Some(hex::encode(Sha256::digest(b"\0\n{\xff"))),
        release: Some("6.1".to_owned()),
        build: Some("#1 SMP".to_owned()),
        build_id: Some("00ff".to_owned()),
        target: crate::kernel::target("s390x"),
        config: Some("CONFIG_A=y\nCONFIG_B=m\n".to_owned()),
    };
    let read = decode(encode(&image).unwrap()).unwrap();
    assert_eq!(format!("{read:?}"), format!("{image:?}"));
}

#[test]
fn a_damaged_entry_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let (path, cache) = (image(&dir, "one", "one"), cache(&dir));
    let whole = cache.image(&path).unwrap();
    let place = entries(&cache).remove(0);
    let good = fs::read(&place).unwrap();
    let cut = [0, 20, good.len() - 1].map(|length| good[..length].to_vec());
    let changed = [0, 40, good.len() - 1].map(|at| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    });
    for bytes in cut.into_iter().chain(changed) {
        fs::write(&place, bytes).unwrap();
        assert_eq!(cache.image(&path).unwrap().base_btf, whole.base_btf);
        assert_eq!(fs::read(&place).unwrap(), good);
    }
}

#[test]
fn what_others_could_have_written_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let (path, cache) = (image(&dir, "one", "one"), cache(&dir));
    cache.image(&path).unwrap();
    let entry = entries(&cache).remove(0);
    let mut forged = image::open(&path).unwrap();
    forged.release = Some("forged".to_owned());
    let forged = encode(&forged).unwrap();

    fs::write(&entry, &forged).unwrap();
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(cache.image(&path).unwrap().release, None);

    let elsewhere = dir.path().join("elsewhere");
    fs::write(&elsewhere, &forged).unwrap();
    fs::remove_file(&entry).unwrap();
    symlink(&elsewhere, &entry).unwrap();
    assert_eq!(cache.image(&path).unwrap().release, None);
    assert_eq!(fs::read(&elsewhere).unwrap(), forged);

    fs::set_permissions(cache.dir(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(Cache::open(cache.dir()).is_err());
    let link = dir.path().join("link");
    symlink(dir.path(), &link).unwrap();
    assert!(Cache::open(&link).is_err());
}

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let dir = tempfile::tempdir().unwrap();
    let cache = cache(&dir);
    let [a, b, c] = ["a", "b", "c"].map(|name| image(&dir, name, name));
    cache.image(&a).unwrap();
    let size = fs::metadata(&entries(&cache)[0]).unwrap().len();
    let cache = Cache {
        capacity: 2 * size,
        ..cache
    };
    for path in [&b, &a] {
        thread::sleep(Duration::from_millis(20));
        cache.image(path).unwrap();
    }
    thread::sleep(Duration::from_millis(20));
    cache.image(&c).unwrap();
    let key = |path: &Path| cache.dir().join(entry(&digest(path), IMAGES));
    let mut expected = vec![key(&a), key(&c)];
    expected.sort();
    assert_eq!(entries(&cache), expected);
    // The one that was just made stays even if it alone is too much.
    let cache = Cache {
        capacity: 1,
        ..cache.clone()
    };
    cache.image(&b).unwrap();
    assert_eq!(entries(&cache), [key(&b)]);
}

#[test]
fn a_cache_that_cannot_be_written_costs_nothing_but_time() {
    let dir = tempfile::tempdir().unwrap();
    let (path, cache) = (image(&dir, "one", "one"), cache(&dir));
    // Not before there is something to keep.
    assert!(!cache.dir().exists());
    fs::write(dir.path().join("var"), "in the way").unwrap();
    assert!(cache.image(&path).is_ok());
}

#[test]
fn many_at_once_do_not_disturb_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let cache = cache(&dir);
    let names = (0..8).map(|n| n.to_string());
    let paths: Vec<PathBuf> = names.map(|name| image(&dir, &name, &name)).collect();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for path in paths.iter().cycle().take(80) {
                    let expected = image::open(path).unwrap().base_btf;
                    assert_eq!(cache.image(path).unwrap().base_btf, expected);
                }
            });
        }
    });
    let whole = |path: &PathBuf| path.extension().is_some();
    assert!(entries(&cache).iter().all(whole));
}

#[test]
fn an_image_that_has_not_changed_is_not_digested_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut cache = cache(&dir);
    let (one, two) = (image(&dir, "one", "one"), image(&dir, "two", "two"));
    // It was written just now: another write may not show.
    let places = |cache: &Cache| {
        let is_place = |path: &&PathBuf| path.extension().is_some_and(|e| e == PLACES);
        entries(cache).iter().filter(is_place).count()
    };
    cache.image(&one).unwrap();
    assert_eq!(places(&cache), 0);
    cache.now = || u64::MAX;
    cache.image(&one).unwrap();
    cache.image(&two).unwrap();
    assert_eq!(places(&cache), 2);
    // What is noted is believed.
    let bytes = image::open(&two).unwrap().base_btf;
    let seen = name(&FileId::of(&one).unwrap());
    let key = digest(&two);
    cache.store(&entry(&seen, PLACES), key.as_bytes()).unwrap();
    assert_eq!(cache.image(&one).unwrap().base_btf, bytes);
    // Unless it is no digest, or none of an image that is there.
    for noted in ["../../../../etc/passwd", &"0".repeat(64), "", "\u{e9}"] {
        let place = entry(&seen, PLACES);
        cache.store(&place, noted.as_bytes()).unwrap();
        assert_ne!(cache.image(&one).unwrap().base_btf, bytes, "{noted}");
    }
}

#[test]
fn an_image_that_is_written_in_place_is_another() {
    let dir = tempfile::tempdir().unwrap();
    let mut cache = cache(&dir);
    cache.now = || u64::MAX;
    let path = image(&dir, "image", "one");
    let first = cache.image(&path).unwrap().base_btf;
    let before = fs::metadata(&path).unwrap();
    thread::sleep(Duration::from_millis(50));
    // The same file, of the same length, with the time that it had.
    image(&dir, "image", "two");
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
    let after = fs::metadata(&path).unwrap();
    assert_eq!((before.ino(), before.len()), (after.ino(), after.len()));
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
    let second = cache.image(&path).unwrap().base_btf;
    assert_ne!(first, second);
    assert_eq!(second, image::open(&path).unwrap().base_btf);
}

#[test]
fn files_of_others_in_the_directory_stay() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache {
        capacity: 1,
        ..cache(&dir)
    };
    cache.make().unwrap();
    fs::create_dir(cache.dir().join("dnf")).unwrap();
    fs::write(cache.dir().join("README"), vec![0; 9000]).unwrap();
    cache.store("a.image", b"a").unwrap();
    cache.store("b.image", b"b").unwrap();
    let names = |path: &PathBuf| path.file_name().unwrap().to_owned();
    let left: Vec<_> = entries(&cache).iter().map(names).collect();
    assert_eq!(left, ["README", "b.image", "dnf"]);
    assert_eq!(cache.load("b.image", 1).unwrap().unwrap(), b"b");
    assert!(cache.load("b.image", 0).is_err());
    assert_eq!(cache.load("a.image", 1).unwrap(), None);
}
