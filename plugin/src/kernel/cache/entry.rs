//! One entry of the cache as a file: the SHA-256 of the rest, a line of JSON,
//! the base BTF.

use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::btf::Order;
use crate::kernel::image::Image;
use crate::module::Target;

/// Changes with the meaning of anything that is kept: entries of another
/// version are made again.
const VERSION: u32 = 1;
const DIGEST: usize = 32;

/// All of an image but its base BTF.
#[derive(Serialize, Deserialize)]
struct Words {
    version: u32,
    release: Option<String>,
    build: Option<String>,
    build_id: Option<String>,
    machine: Option<Machine>,
    config: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Machine {
    number: u16,
    is_64: bool,
    big_endian: bool,
    elf_type: u16,
}

/// The bytes of an entry.
pub(super) fn write(image: &Image) -> io::Result<Vec<u8>> {
    let words = Words {
        version: VERSION,
        release: image.release.clone(),
        build: image.build.clone(),
        build_id: image.build_id.clone(),
        machine: image.target.map(|target| Machine {
            number: target.machine,
            is_64: target.is_64,
            big_endian: target.order == Order::Big,
            elf_type: target.elf_type,
        }),
        config: image.config.clone(),
    };
    let mut rest = serde_json::to_vec(&words)?;
    rest.push(b'\n');
    rest.extend_from_slice(&image.base_btf);
    let mut entry = Sha256::digest(&rest).to_vec();
    entry.append(&mut rest);
    Ok(entry)
}

/// Reads an entry of `len` bytes.
///
/// # Errors
/// If it is not whole, or of another version.
pub(super) fn read(file: &mut impl Read, len: u64) -> io::Result<Image> {
    let mut entry = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
    file.take(len).read_to_end(&mut entry)?;
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
    let (digest, rest) = entry
        .split_at_checked(DIGEST)
        .ok_or_else(|| bad("a cut entry"))?;
    if Sha256::digest(rest)[..] != *digest {
        return Err(bad("a damaged entry"));
    }
    let line = rest
        .iter()
        .position(|&byte| byte == b'\n')
        .ok_or_else(|| bad("an entry without words"))?;
    let words: Words = serde_json::from_slice(rest.get(..line).unwrap_or_default())?;
    if words.version != VERSION {
        return Err(bad("an entry of another version"));
    }
    entry.drain(..DIGEST + line + 1);
    Ok(Image {
        base_btf: entry,
        release: words.release,
        build: words.build,
        build_id: words.build_id,
        target: words.machine.map(|machine| Target {
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
