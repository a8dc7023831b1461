// SPDX-License-Identifier: GPL-2.0-or-later
//! One entry of the cache as a file: the SHA-256 of a line of JSON, that line, the
//! base BTF.
//!
//! The line has the base's SHA-256, for who asks which base it is, and its CRC-32,
//! by which it is seen whether the file is damaged: that takes a tenth of the time.
//! Against others who write it, its owner and mode stand.

use std::io::{self, BufRead, BufReader, Read};

use btf_guard_btf::Order;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::kernel::image::Image;
use crate::module::ElfTarget;

/// Changes with the meaning of anything that is kept: entries of another
/// version are made again.
const VERSION: u32 = 3;
const DIGEST: usize = 32;

/// All of an image but its base BTF.
#[derive(Serialize, Deserialize)]
struct EntryHeader {
    version: u32,
    base_sha256: String,
    base_crc32: u32,
    release: Option<String>,
    build: Option<String>,
    build_id: Option<String>,
    machine: Option<EntryTarget>,
    config: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct EntryTarget {
    number: u16,
    is_64: bool,
    big_endian: bool,
    elf_type: u16,
}

/// The bytes of an entry.
pub(crate) fn write(image: &Image) -> io::Result<Vec<u8>> {
    let words = EntryHeader {
        version: VERSION,
        base_sha256: hex::encode(Sha256::digest(&image.base_btf)),
        base_crc32: crc32fast::hash(&image.base_btf),
        release: image.release.clone(),
        build: image.build.clone(),
        build_id: image.build_id.clone(),
        machine: image.target.map(|target| EntryTarget {
            number: target.machine,
            is_64: target.is_64,
            big_endian: target.order == Order::Big,
            elf_type: target.elf_type,
        }),
        config: image.config.clone(),
    };
    let mut line = serde_json::to_vec(&words)?;
    line.push(b'\n');
    let mut entry = Sha256::digest(&line).to_vec();
    entry.append(&mut line);
    entry.extend_from_slice(&image.base_btf);
    Ok(entry)
}

/// Reads an entry of `len` bytes.
///
/// # Errors
/// If it is not whole, or of another version.
pub(crate) fn read(file: &mut impl Read, len: u64) -> io::Result<Image> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut file = BufReader::new(file.take(len));
    let mut digest = [0; DIGEST];
    file.read_exact(&mut digest)?;
    let mut line = Vec::new();
    file.read_until(b'\n', &mut line)?;
    if Sha256::digest(&line)[..] != digest {
        return Err(bad("a damaged entry"));
    }
    let words: EntryHeader = serde_json::from_slice(&line)?;
    if words.version != VERSION {
        return Err(bad("an entry of another version"));
    }
    let left = len.saturating_sub((DIGEST + line.len()) as u64);
    let mut base_btf = Vec::with_capacity(usize::try_from(left).unwrap_or(0));
    file.read_to_end(&mut base_btf)?;
    if crc32fast::hash(&base_btf) != words.base_crc32 {
        return Err(bad("a damaged entry"));
    }
    Ok(Image {
        base_btf,
        base_sha256: Some(words.base_sha256),
        release: words.release,
        build: words.build,
        build_id: words.build_id,
        target: words.machine.map(|machine| ElfTarget {
            machine: machine.number,
            is_64: machine.is_64,
            order: if machine.big_endian {
                Order::Big
            } else {
                Order::Little
            },
            elf_type: machine.elf_type,
        }),
        config: words.config,
    })
}
