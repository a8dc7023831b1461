// SPDX-License-Identifier: GPL-2.0-or-later
//! What all kernels of a root cost, beside one; and what an image costs that
//! nothing is known of, beside unpacking it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use btf_guard_core::compression::{Format, decompress};
use btf_guard_core::kernel::image;

use crate::measure::{closure, pair, process};
use crate::{Bench, Kernel, module_files, row};

/// How many kernels are installed.
const KERNELS: u32 = 12;

impl Bench {
    /// `check --kernel all` on a root of twelve kernels, against as many roots of
    /// one; what images hold is in the cache.
    ///
    /// The releases are made of the builds of 6.1 at hand, in turn: each has its
    /// image, renamed, and links to its modules. So there are as many different
    /// images as kernels, but only as many bases as builds.
    pub(super) fn many_kernels(&self) -> Result<()> {
        let builds = self.kernels("image-6.1.", "-amd64")?;
        ensure!(!builds.is_empty(), "no 6.1 kernel; run `make bench`");
        let many = self.scratch.path().join("many");
        let one = self.scratch.path().join("one");
        let mut modules = 0;
        for (number, build) in (0..KERNELS).zip(builds.iter().cycle()) {
            modules += install(build, &many, number)?;
            if number == 0 {
                install(build, &one, number)?;
            }
        }
        let check = |root: &Path| {
            let mut command = Command::new(&self.program);
            command.args(["check", "--kernel", "all", "--root"]);
            command.arg(root).arg("--cache").arg(root.join("cache"));
            command
        };
        let (ours, peer, ratio) = pair(
            5,
            Box::new(|| process(1, &[0], || check(&many))),
            Box::new(|| process(KERNELS, &[0], || check(&one))),
        )?;
        let work = format!(
            "`check --kernel all`, {KERNELS} kernels of {} builds, {modules} modules, \
             peak {} MiB / {KERNELS} × one kernel, peak {} MiB",
            builds.len(),
            ours.peak / 1024,
            peer.peak / 1024
        );
        row(&work, &ours, &peer, ratio, "≤ 1");
        fs::remove_dir_all(&many)?;
        fs::remove_dir_all(&one)?;
        Ok(())
    }

    /// An image that is not in the cache.
    pub(super) fn cold_images(&self) -> Result<()> {
        for (prefix, suffix) in [
            ("image-6.1.", "-amd64"),
            ("image-6.1.", "cloud-amd64"),
            ("image-6.12.", "cloud-amd64"),
        ] {
            let Some(kernel) = self.kernel(prefix, suffix)? else {
                println!("SKIPPED: a cold image of {prefix}*{suffix}: it could not be had");
                continue;
            };
            let bytes = fs::read(&kernel.image)?;
            let (start, end) = payload(&bytes).context("no bzImage")?;
            let packed = bytes.get(start..end).context("a cut image")?;
            let format = Format::detect(packed).context("no compression")?;
            let mut unpacked = Vec::new();
            decompress(format, packed, 512 << 20, &mut unpacked)?;
            let size = unpacked.len();
            drop(unpacked);
            let (ours, peer, ratio) = pair(
                9,
                Box::new(|| closure(|| image::open(&kernel.image).map(drop).map_err(Into::into))),
                Box::new(|| {
                    closure(|| {
                        let mut out = Vec::with_capacity(size + 1);
                        decompress(format, packed, 512 << 20, &mut out).map_err(Into::into)
                    })
                }),
            )?;
            let work = format!(
                "the base of a cold image ({}, {} MB) / decompressing its payload",
                format.name(),
                size / 1_000_000
            );
            row(&work, &ours, &peer, ratio, "≤ 1.2");
        }
        Ok(())
    }
}

/// Installs a build under a release of its own, by links where it can; returns
/// how many modules that are.
fn install(build: &Kernel, root: &Path, number: u32) -> Result<usize> {
    let old = build.modules.file_name().context("no release")?;
    let old = old.to_str().context("a release that is no text")?;
    // As long as the old one, so that it can take its place in the image.
    let rest = old.strip_prefix("6.1.0-").and_then(|rest| rest.get(2..));
    let release = format!(
        "6.1.0-{}{}",
        10 + number,
        rest.context("no Debian release")?
    );
    let tree = root.join("lib/modules").join(&release);
    fs::create_dir_all(tree.parent().context("no parent")?)?;
    let linked = Command::new("cp")
        .arg("-al")
        .args([&build.modules, &tree])
        .status()?;
    ensure!(linked.success(), "cp -al {}", build.modules.display());
    let mut image = fs::read(&build.image)?;
    let at = find(&image, old.as_bytes()).context("an image that does not tell its release")?;
    image
        .get_mut(at..at + old.len())
        .context("no room")?
        .copy_from_slice(release.as_bytes());
    let boot = root.join("boot");
    fs::create_dir_all(&boot)?;
    fs::write(boot.join(format!("vmlinuz-{release}")), image)?;
    let from: PathBuf = build.image.with_file_name(format!("config-{old}"));
    fs::copy(from, boot.join(format!("config-{release}")))?;
    Ok(module_files(&tree)?.len())
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

/// Where the payload of a bzImage begins and ends.
fn payload(image: &[u8]) -> Option<(usize, usize)> {
    let word = |at: usize| {
        let bytes = image.get(at..)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes) as usize)
    };
    let start = (usize::from(*image.get(0x1f1)?) + 1) * 512 + word(0x248)?;
    Some((start, start + word(0x24c)?))
}
