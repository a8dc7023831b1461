// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use rpm::{FileOptions, IndexTag as Tag};

use std::path::Path;

use super::*;

fn sample() -> Vec<u8> {
    let mut builder = rpm::PackageBuilder::new("kmp", "1.0", "GPL-2.0", "x86_64", "modules");
    builder.using_config(rpm::BuildConfig::v4().compression(rpm::CompressionType::None));
    for name in ["a.ko", "x.ko", "y.ko"] {
        let mut options = FileOptions::new(format!("/lib/modules/6.1/{name}"));
        if name != "a.ko" {
            options = options.hardlink("one");
        }
        builder.with_file_contents("ko", options).unwrap();
    }
    builder
        .with_ghost(FileOptions::ghost("/lib/modules/6.1/ghost.ko"))
        .unwrap()
        .with_symlink(FileOptions::symlink("/lib/modules/6.1/link.ko", "a.ko"))
        .unwrap()
        .with_dir_entry(FileOptions::dir("/usr/share/doc"))
        .unwrap();
    let mut bytes = Vec::new();
    builder.build().unwrap().write(&mut bytes).unwrap();
    bytes
}

fn listed(bytes: &[u8]) -> Result<Vec<PackagedFile>, String> {
    let listed = read(&mut &*bytes).and_then(|(metadata, _)| files(&metadata));
    listed.map_err(|error| error.to_string())
}

/// The same, where the targets of links do not matter.
fn listed_without_targets(bytes: &[u8]) -> Result<Vec<PackagedFile>, String> {
    let mut listed = listed(bytes)?;
    for file in &mut listed {
        file.target = None;
    }
    Ok(listed)
}

/// Where a tag's index entry is.
fn entry(bytes: &[u8], tag: Tag) -> usize {
    let start = bytes.windows(4).rposition(|four| four == HEADER_MAGIC);
    let tag = (tag as u32).to_be_bytes();
    (start.unwrap() + INTRO..bytes.len())
        .step_by(ENTRY_LEN)
        .find(|at| bytes[*at..].starts_with(&tag))
        .unwrap()
}

/// A tag's data, and what follows them.
fn data(bytes: &mut [u8], tag: Tag) -> &mut [u8] {
    let at = entry(bytes, tag);
    let start = bytes.windows(4).rposition(|four| four == HEADER_MAGIC);
    let start = start.unwrap();
    let entries = number(bytes, start + 8).unwrap() as usize;
    let offset = number(bytes, at + 8).unwrap() as usize;
    &mut bytes[start + INTRO + entries * ENTRY_LEN + offset..]
}

fn without(tag: Tag) -> Vec<u8> {
    let mut bytes = sample();
    let at = entry(&bytes, tag);
    bytes[at..at + 4].fill(0x7f);
    bytes
}

#[test]
fn what_is_not_needed_may_be_absent_or_of_another_length() {
    let targets = listed(&sample()).unwrap().into_iter();
    let targets: Vec<_> = targets.filter_map(|file| file.target).collect();
    assert_eq!(targets, [PathBuf::from("a.ko")]);
    let good = listed_without_targets(&sample());
    assert_eq!(good.as_ref().unwrap().len(), 6);
    for tag in [
        Tag::RPMTAG_FILEUSERNAME,
        Tag::RPMTAG_FILEGROUPNAME,
        Tag::RPMTAG_FILEDIGESTS,
        Tag::RPMTAG_FILEMTIMES,
        Tag::RPMTAG_FILELINKTOS,
        Tag::RPMTAG_FILERDEVS,
    ] {
        assert_eq!(listed_without_targets(&without(tag)), good, "{tag} dropped");
        let mut shorter = sample();
        let at = entry(&shorter, tag);
        shorter[at + 15] -= 1;
        assert_eq!(listed_without_targets(&shorter), good, "{tag} shortened");
    }
}

#[test]
fn what_is_not_needed_may_be_no_utf_8() {
    let good = listed_without_targets(&sample());
    for tag in [
        Tag::RPMTAG_FILEUSERNAME,
        Tag::RPMTAG_FILEGROUPNAME,
        Tag::RPMTAG_FILEDIGESTS,
        Tag::RPMTAG_FILELINKTOS,
    ] {
        let mut bytes = sample();
        let strings = data(&mut bytes, tag);
        let first = strings.iter().position(|byte| *byte != 0).unwrap();
        strings[first] = 0xff;
        assert_eq!(listed_without_targets(&bytes), good, "{tag}");
    }
}

#[test]
fn digests_may_be_of_any_algorithm() {
    let mut bytes = sample();
    // PGPHASHALGO_SHA1; its digests are shorter than those that were there.
    data(&mut bytes, Tag::RPMTAG_FILEDIGESTALGO)[3] = 2;
    let sha1 = format!("{:040}\0", 0).repeat(3) + "\0\0\0";
    data(&mut bytes, Tag::RPMTAG_FILEDIGESTS)[..sha1.len()].copy_from_slice(sha1.as_bytes());
    assert_eq!(listed(&bytes), listed(&sample()));
}

#[test]
fn what_is_needed_must_be_there_for_each_file() {
    for tag in [
        Tag::RPMTAG_DIRINDEXES,
        Tag::RPMTAG_DIRNAMES,
        Tag::RPMTAG_FILEMODES,
        Tag::RPMTAG_FILESIZES,
    ] {
        let error = listed(&without(tag)).unwrap_err();
        assert!(
            error.starts_with("in the header: unable to find tag"),
            "{tag}: {error}"
        );
        let mut shorter = sample();
        let at = entry(&shorter, tag);
        shorter[at + 15] -= 1;
        assert!(listed(&shorter).is_err(), "{tag} shortened");
    }
}

#[test]
fn without_flags_no_file_is_a_ghost() {
    let mut good = listed(&sample()).unwrap();
    for file in &mut good {
        if file.kind == FileKind::Ghost {
            file.kind = FileKind::Regular;
        }
    }
    assert_eq!(listed(&without(Tag::RPMTAG_FILEFLAGS)), Ok(good));
    let mut shorter = sample();
    let at = entry(&shorter, Tag::RPMTAG_FILEFLAGS);
    shorter[at + 15] -= 1;
    let unequal = listed(&shorter).unwrap_err();
    assert!(unequal.starts_with("in the header: "), "{unequal}");
}

/// Where it leads is for those to say who know the disk's links.
#[test]
fn a_path_may_lead_up() {
    let mut bytes = sample();
    let names = data(&mut bytes, Tag::RPMTAG_BASENAMES);
    assert!(names.starts_with(b"a.ko\0"));
    names[..4].copy_from_slice(b"/../");
    let listed = listed(&bytes).unwrap();
    assert!(
        listed
            .iter()
            .any(|file| file.path == Path::new("/lib/modules/6.1/.."))
    );
}

/// rpm 3 wrote whole paths.
#[test]
fn paths_may_be_whole() {
    let mut bytes = sample();
    let names = entry(&bytes, Tag::RPMTAG_BASENAMES);
    let old = (Tag::RPMTAG_OLDFILENAMES as u32).to_be_bytes();
    bytes[names..names + 4].copy_from_slice(&old);
    let files = listed(&bytes).unwrap();
    let paths: Vec<_> = files
        .iter()
        .map(|file| file.path.to_str().unwrap())
        .collect();
    assert!(paths.contains(&"a.ko"), "{paths:?}");
    assert_eq!(files.len(), 6);
}
