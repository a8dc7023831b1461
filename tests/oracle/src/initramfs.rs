// SPDX-License-Identifier: GPL-2.0-or-later
//! What the guest boots with: `/init` and the cases, as a cpio archive in the
//! "newc" format (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cpio::newc::{Builder, trailer};

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const REGULAR: u32 = 0o100_644;

/// Writes an archive to `out`; returns how long it is.
pub(crate) fn write(out: &Path, init: &Path, cases: &[PathBuf]) -> Result<u64> {
    let mut archive = BufWriter::new(File::create(out)?);
    // The kernel opens it for the first process, before that can make it.
    for directory in ["dev", "cases"] {
        archive = entry(archive, directory, DIRECTORY, &[])?;
    }
    let program = fs::read(init).with_context(|| init.display().to_string())?;
    archive = entry(archive, "init", PROGRAM, &program)?;
    for case in cases {
        let name = case.file_name().unwrap_or_default().to_string_lossy();
        let bytes = fs::read(case).with_context(|| case.display().to_string())?;
        archive = entry(archive, &format!("cases/{name}"), REGULAR, &bytes)?;
    }
    trailer(archive)?.flush()?;
    Ok(fs::metadata(out)?.len())
}

fn entry<W: Write>(archive: W, name: &str, mode: u32, bytes: &[u8]) -> Result<W> {
    let size = u32::try_from(bytes.len()).context("a case of 4 GiB")?;
    let mut writer = Builder::new(name).mode(mode).nlink(1).write(archive, size);
    writer.write_all(bytes)?;
    Ok(writer.finish()?)
}
