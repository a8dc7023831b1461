// SPDX-License-Identifier: GPL-2.0-or-later
//! The config that a kernel may carry inside, `CONFIG_IKCONFIG=y`.

use memchr::memmem;

use crate::compression::{self, Format};

/// The longest embedded config that is read, in bytes; real ones have 300 KB.
pub(crate) const MAX_CONFIG: usize = 8 << 20;

/// The text of the config that `kernel/configs.c` of the kernel puts into
/// `.rodata` between `IKCFG_ST` and `IKCFG_ED`, compressed by gzip. `bytes` are
/// `.rodata`, or all of a raw kernel.
pub(crate) fn embedded(bytes: &[u8]) -> Option<String> {
    let marker = b"IKCFG_ST";
    // With gzip's magic behind it, the marker cannot be met by chance.
    let at = memmem::find(bytes, b"IKCFG_ST\x1f\x8b\x08")?;
    let mut text = Vec::new();
    let packed = bytes.get(at + marker.len()..)?;
    compression::decompress(Format::Gzip, packed, MAX_CONFIG, &mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}
