// SPDX-License-Identifier: GPL-2.0-or-later
//! Lead and headers: what is checked before the `rpm` crate sees them.
//!
//! The crate slices the header's data by the offsets and counts that the header
//! states; stated wrongly, they would make it panic or allocate without limit.
//! What is let in here holds to librpm's own rules for a header blob
//! (`hdrblobVerifyInfo()`, lib/header.c).

use std::io::{self, Read};
use std::path::PathBuf;

use btf_guard_btf::error::Malformed;
use rpm::{FileFlags, FileMode, FileType, IndexTag, PackageMetadata};

use super::file_list::{Error, FileKind, PackagedFile};

/// `sizeof(struct rpmlead_s)`.
const LEAD: usize = 96;
const LEAD_MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
/// Magic and version of a header.
const HEADER_MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 0x01];
/// Bytes before a header's index, and of one index entry.
const INTRO: usize = 16;
const ENTRY_LEN: usize = 16;
/// `HEADER_TAGS_MAX` (lib/header_internal.h).
const MAX_ENTRIES: u32 = 0xffff;
/// A quarter of librpm's `HEADER_DATA_MAX`; kernel packages of 6,500 files need 2 MiB.
const MAX_DATA: u32 = 64 << 20;
/// All paths of a package together.
const MAX_PATHS: usize = 64 << 20;
/// `PATH_MAX`.
const MAX_PATH: usize = 4096;

/// Reads lead, signature and header; returns where the payload starts.
pub(crate) fn read(input: &mut impl Read) -> Result<(PackageMetadata, u64), Error> {
    let mut bytes = Vec::new();
    take(input, LEAD_MAGIC.len(), &mut bytes)?;
    if !bytes.starts_with(&LEAD_MAGIC) {
        return Err(Malformed::new(0_u8, "the magic of an rpm package (ed ab ee db)").into());
    }
    take(input, LEAD - LEAD_MAGIC.len(), &mut bytes)?;
    header(input, &mut bytes)?;
    let padding = bytes.len().next_multiple_of(8) - bytes.len();
    take(input, padding, &mut bytes)?;
    header(input, &mut bytes)?;
    let metadata = PackageMetadata::parse(&mut bytes.as_slice())?;
    Ok((metadata, bytes.len() as u64))
}

/// Appends the next `count` bytes of the file.
fn take(input: &mut impl Read, count: usize, bytes: &mut Vec<u8>) -> Result<(), Error> {
    let read = input.take(count as u64).read_to_end(bytes)?;
    if read == count {
        return Ok(());
    }
    let missing = format!("{} more bytes of the package's header", count - read);
    Err(Malformed::new(bytes.len(), missing).into())
}

/// Appends one header and checks it.
fn header(input: &mut impl Read, bytes: &mut Vec<u8>) -> Result<(), Error> {
    let start = bytes.len();
    take(input, INTRO, bytes)?;
    let intro = bytes.get(start..).unwrap_or_default();
    if !intro.starts_with(&HEADER_MAGIC) {
        return Err(Malformed::new(start, "the magic of a header (8e ad e8 01)").into());
    }
    let entries = number(intro, 8).filter(|n| (1..=MAX_ENTRIES).contains(n));
    let entries = entries
        .ok_or_else(|| Malformed::new(start + 8, format!("1 to {MAX_ENTRIES} index entries")))?;
    let data = number(intro, 12)
        .filter(|n| *n <= MAX_DATA)
        .ok_or_else(|| Malformed::new(start + 12, format!("at most {MAX_DATA} bytes of data")))?;
    let index_size = entries as usize * ENTRY_LEN;
    take(input, index_size + data as usize, bytes)?;
    let body = bytes.get(start + INTRO..).unwrap_or_default();
    let (index, data) = body.split_at_checked(index_size).unwrap_or_default();
    let mut room = data.len();
    for (number, entry) in index.chunks_exact(ENTRY_LEN).enumerate() {
        let used = entry_length(entry, data).filter(|used| *used <= room);
        let used = used.ok_or_else(|| {
            Malformed::new(
                start + INTRO + number * ENTRY_LEN,
                "an entry whose data lie in the header's data section and overlap no other's",
            )
        })?;
        room -= used;
    }
    Ok(())
}

/// The bytes of data that belong to an index entry; `None` if they are not all there.
fn entry_length(entry: &[u8], data: &[u8]) -> Option<usize> {
    let kind = number(entry, 4)?;
    let offset = usize::try_from(number(entry, 8)?).ok()?;
    let count = usize::try_from(number(entry, 12)?).ok()?;
    let data = data.get(offset..)?;
    let fixed = |size: usize| count.checked_mul(size).filter(|n| *n <= data.len());
    // RPM_NULL_TYPE to RPM_I18NSTRING_TYPE (include/rpm/rpmtag.h).
    match kind {
        0 => Some(0),
        1 | 2 | 7 => fixed(1),
        3 => fixed(2),
        4 => fixed(4),
        5 => fixed(8),
        6 => strings(data, 1),
        8 | 9 => strings(data, count),
        _ => None,
    }
}

/// The length of `count` NUL-terminated strings.
fn strings(data: &[u8], count: usize) -> Option<usize> {
    let mut length = 0;
    for _ in 0..count {
        length += data.get(length..)?.iter().position(|byte| *byte == 0)? + 1;
    }
    Some(length)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}

/// The header's file list. Only the tags that it is made of are read: rpm installs
/// packages that lack others, or have digests or names in them that the crate refuses.
pub(crate) fn files(metadata: &PackageMetadata) -> Result<Vec<PackagedFile>, Error> {
    let header = &metadata.header;
    let paths = paths(metadata)?;
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let count = paths.len();
    let modes = header.get_entry_data_as_u16_array(IndexTag::RPMTAG_FILEMODES)?;
    // Without them, rpm takes no file for a ghost (`rpmfilesFFlags()`, lib/rpmfi.c).
    let flags = if header.entry_is_present(IndexTag::RPMTAG_FILEFLAGS) {
        header.get_entry_data_as_u32_array(IndexTag::RPMTAG_FILEFLAGS)?
    } else {
        vec![0; count]
    };
    let sizes = if header.entry_is_present(IndexTag::RPMTAG_LONGFILESIZES) {
        header.get_entry_data_as_u64_array(IndexTag::RPMTAG_LONGFILESIZES)?
    } else {
        let sizes = header.get_entry_data_as_u32_array(IndexTag::RPMTAG_FILESIZES)?;
        sizes.into_iter().map(u64::from).collect()
    };
    if [modes.len(), flags.len(), sizes.len()] != [count; 3] {
        return Err(rpm::Error::InconsistentTagArrayLengths.into());
    }
    let optional = |tag| header.get_entry_data_as_u32_array(tag).unwrap_or_default();
    let devices = optional(IndexTag::RPMTAG_FILEDEVICES);
    let inodes = optional(IndexTag::RPMTAG_FILEINODES);
    let targets = header.get_entry_data_as_string_array(IndexTag::RPMTAG_FILELINKTOS);
    let targets = targets.unwrap_or_default();

    let rows = paths.into_iter().zip(modes).zip(flags).zip(sizes);
    let files = rows
        .enumerate()
        .map(|(index, (((path, mode), flags), size))| {
            let kind = kind(mode, flags);
            let target = targets.get(index).filter(|_| kind == FileKind::Symlink);
            let device = devices.get(index).copied();
            PackagedFile {
                path,
                size,
                kind,
                target: target.map(PathBuf::from),
                inode: device.zip(inodes.get(index).copied()),
            }
        });
    Ok(files.collect())
}

/// The paths of all files. rpm 3 wrote them whole; newer ones take them apart when they
/// read such a header (`compressFilelist()`, lib/headerutil.c).
fn paths(metadata: &PackageMetadata) -> Result<Vec<PathBuf>, Error> {
    let header = &metadata.header;
    let mut room = MAX_PATHS;
    let mut paths = Vec::new();
    if header.entry_is_present(IndexTag::RPMTAG_BASENAMES) {
        let names = header.get_entry_data_as_string_array(IndexTag::RPMTAG_BASENAMES)?;
        let dir_of = header.get_entry_data_as_u32_array(IndexTag::RPMTAG_DIRINDEXES)?;
        let dirs = header.get_entry_data_as_string_array(IndexTag::RPMTAG_DIRNAMES)?;
        if dir_of.len() != names.len() {
            return Err(rpm::Error::InconsistentTagArrayLengths.into());
        }
        for (name, dir) in names.iter().zip(dir_of) {
            paths.push(path(directory(&dirs, dir)?, name, &mut room)?);
        }
    } else if header.entry_is_present(IndexTag::RPMTAG_OLDFILENAMES) {
        for name in header.get_entry_data_as_string_array(IndexTag::RPMTAG_OLDFILENAMES)? {
            paths.push(path("", name, &mut room)?);
        }
    }
    Ok(paths)
}

fn kind(mode: u16, flags: u32) -> FileKind {
    match FileMode::from(mode).file_type() {
        _ if flags & FileFlags::GHOST.bits() != 0 => FileKind::Ghost,
        FileType::Regular => FileKind::Regular,
        FileType::SymbolicLink => FileKind::Symlink,
        _ => FileKind::Bare,
    }
}

fn directory<'d>(dirs: &[&'d str], index: u32) -> Result<&'d str, rpm::Error> {
    let dir = dirs.get(index as usize).copied();
    dir.ok_or_else(|| rpm::Error::InvalidTagIndex {
        tag: IndexTag::RPMTAG_DIRINDEXES.to_string(),
        index,
        bound: u32::try_from(dirs.len()).unwrap_or(u32::MAX),
    })
}

/// The path of a file, of which there is as much room left for all.
fn path(dir: &str, name: &str, room: &mut usize) -> Result<PathBuf, Error> {
    let length = dir.len() + name.len();
    if length > MAX_PATH.min(*room) {
        let problem = "a file's path is too long, or all paths together";
        return Err(io::Error::other(problem).into());
    }
    *room -= length;
    Ok(PathBuf::from([dir, name].concat()))
}

#[cfg(test)]
mod tests;
