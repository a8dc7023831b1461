// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernels of a package.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::failed;
use crate::kernel::cache::Cache;
use crate::kernel::{Error, Kernel, KernelConfig, KernelSource, image};
use crate::report::ErrorEntry;
use crate::rpm::kernel_files::KernelFiles;
use crate::rpm::package::Package;
use crate::time_limit::TimeLimit;

/// Images of one package that are read. Kernel packages have one, under up to three names.
const MAX_IMAGES: usize = 16;

/// The BTF of all kernels that the packages of one transaction bring, in bytes: that of
/// one kernel has some 8 MB.
const MAX_BTF: usize = 256 << 20;

/// How much BTF of packages' kernels may still be held.
#[derive(Debug)]
pub struct KernelRoom {
    left: usize,
}

impl Default for KernelRoom {
    fn default() -> Self {
        Self { left: MAX_BTF }
    }
}

impl KernelRoom {
    /// One of so many equal parts of it; the rest is left.
    pub(crate) fn part_of(&mut self, parts: usize) -> Self {
        let left = self.left / parts.max(1);
        self.left -= left;
        Self { left }
    }

    /// Takes back what is left of a part.
    pub(crate) fn give_back(&mut self, part: Self) {
        self.left += part.left;
    }

    fn take(&mut self, kernel: Kernel) -> Result<Kernel, String> {
        match self.left.checked_sub(kernel.base.bytes().len()) {
            Some(left) => {
                self.left = left;
                Ok(kernel)
            }
            None => {
                let (most, left) = (MAX_BTF >> 20, self.left >> 20);
                Err(format!(
                    "its BTF is longer than the {left} MiB that are left for it: kernels that \
                     come may have {most} MiB of BTF in all"
                ))
            }
        }
    }
}

/// How the images of a package are read.
#[derive(Default)]
pub struct KernelReading<'a> {
    /// Keeps what images hold.
    pub cache: Option<&'a Cache>,
    /// How much they may hold.
    pub room: KernelRoom,
    /// Until when they are read.
    pub limit: TimeLimit,
}

/// A kernel of a package.
pub struct PackagedKernel {
    /// The release that its image's path names.
    pub release: String,
    /// The path of its image.
    pub path: PathBuf,
    /// What its image holds.
    pub kernel: Kernel,
}

/// The kernels in a package, of which these are the files. What cannot be read is
/// added to the errors. The payload is read up to the last image or config.
pub fn kernels(
    package: &Package,
    files: &KernelFiles,
    reading: &mut KernelReading<'_>,
    errors: &mut Vec<ErrorEntry>,
) -> Vec<PackagedKernel> {
    let nevra = package.nevra();
    if files.images.len() > MAX_IMAGES {
        let error = format!("more than {MAX_IMAGES} kernel images; the others are not read");
        errors.push(failed(nevra.to_owned(), &error));
    }
    let images = files.images.iter().take(MAX_IMAGES);
    let images: BTreeMap<&Path, &str> = images
        .map(|image| (image.path.as_path(), image.release.as_str()))
        .collect();
    let configs: BTreeMap<&Path, &str> = (files.configs.iter())
        .map(|config| (config.path.as_path(), config.release.as_str()))
        .collect();
    let mut left = images.len() + configs.len();
    let mut found: BTreeMap<PathBuf, Result<Kernel, String>> = BTreeMap::new();
    let mut texts: BTreeMap<PathBuf, KernelConfig> = BTreeMap::new();
    let wanted = |path: &Path| images.contains_key(path) || configs.contains_key(path);
    let result = package.extract(wanted, reading.limit, |paths, content| {
        for path in paths.iter().filter(|path| configs.contains_key(**path)) {
            let text = String::from_utf8_lossy(&content);
            let source = format!("{} in {nevra}", path.display());
            let config = KernelConfig::of_text(&text, source);
            texts.extend(config.map(|config| (path.to_path_buf(), config)));
        }
        let of_image = paths.iter().filter(|path| images.contains_key(**path));
        let mut of_image = of_image.peekable();
        if let Some(first) = of_image.peek() {
            let kernel = parse(&content, first, reading.cache).map_err(|error| error.to_string());
            let kernel = kernel.and_then(|kernel| reading.room.take(kernel));
            found.extend(of_image.map(|path| (path.to_path_buf(), kernel.clone())));
        }
        left = left.saturating_sub(paths.len());
        match left {
            0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    });
    if let Err(error) = result {
        errors.push(failed(nevra.to_owned(), &error));
    }
    let mut kernels = Vec::new();
    for (path, kernel) in found {
        let release = images.get(path.as_path()).copied().unwrap_or_default();
        match kernel {
            Ok(mut kernel) => {
                kernel.source = KernelSource::File(path.clone());
                // An image that does not tell its release has that of its place.
                kernel.release.get_or_insert_with(|| release.to_owned());
                let own = |path: &PathBuf| configs.get(path.as_path()) == Some(&release);
                if let Some((_, config)) = texts.iter().find(|(path, _)| own(path)) {
                    kernel.config = config.clone();
                }
                kernels.push(PackagedKernel {
                    release: release.to_owned(),
                    path,
                    kernel,
                });
            }
            Err(error) => errors.push(failed(format!("{nevra}: {}", path.display()), &error)),
        }
    }
    kernels
}

/// The kernel of an image in a package, with the config inside the image.
fn parse(content: &[u8], path: &Path, cache: Option<&Cache>) -> Result<Kernel, Error> {
    let image = match cache {
        Some(cache) => cache.parse(content)?,
        None => image::parse(content)?,
    };
    let config = KernelConfig::embedded(image.config.as_deref());
    Kernel::from_image(image, path, config)
}
