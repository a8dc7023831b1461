// SPDX-License-Identifier: GPL-2.0-or-later
//! Module files as the guest needs them: not compressed.

use std::fs;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};

/// The module in `path`, decompressed by what its name says.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    let mut out = Vec::new();
    let read = match path.extension().unwrap_or_default().to_str() {
        Some("xz") => liblzma::read::XzDecoder::new(&bytes[..]).read_to_end(&mut out),
        Some("zst") => zstd::Decoder::new(&bytes[..])?.read_to_end(&mut out),
        Some("gz") => flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut out),
        _ => return Ok(bytes),
    };
    read.with_context(|| path.display().to_string())?;
    Ok(out)
}
