// SPDX-License-Identifier: GPL-2.0-or-later
//! One kernel: its base BTF, its release, its config and what it supports.

pub mod cache;
mod config;
pub mod image;
pub mod kmsg;
mod running;
#[cfg(test)]
mod sample_btf;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use btf_guard_btf::Base;
use btf_guard_btf::error::Malformed;
use btf_guard_btf::features::Features;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::module::{self, ElfTarget};
pub use config::KernelConfig;
pub use image::Image;

/// For which boot it matters what this kernel does with a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Target {
    /// The running kernel: until the next reboot.
    #[serde(rename = "now")]
    Running,
    /// A kernel that can be booted: from the next reboot on.
    #[serde(rename = "boot")]
    NextBoot,
}

/// Where a kernel was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KernelSource {
    /// It runs: `/sys/kernel/btf/vmlinux`.
    Running,
    /// A vmlinux, bzImage or raw BTF file.
    File(PathBuf),
}

/// One kernel that may meet modules.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// `uname -r`, where the source tells it.
    pub release: Option<String>,
    /// `Linux version …`'s build part (`#1 SMP … date`), where the source tells it.
    pub build: Option<String>,
    /// Running, or bootable.
    pub(crate) moment: Target,
    /// Where it was found.
    pub(crate) source: KernelSource,
    /// The base BTF that split BTF of its modules continues; none where the
    /// kernel shows none.
    pub base: Arc<Base>,
    /// What it can do.
    pub abilities: Features,
    /// How it was configured, as far as that is known.
    pub config: KernelConfig,
    /// What its modules must be built for; `None` for a raw BTF file.
    pub target: Option<ElfTarget>,
    /// What [`Kernel::sha256`] found.
    sha256: OnceLock<String>,
}

impl Kernel {
    /// The kernel in the image `path`, as one that can be booted. Its config
    /// is `config_override`, or what [`KernelConfig::find`] finds without knowing
    /// the module directory.
    ///
    /// # Errors
    /// Those of [`image::open`] and [`Kernel::from_image`].
    pub fn open(path: &Path, config_override: Option<&KernelConfig>) -> Result<Self, Error> {
        let image = image::open(path)?;
        let config = match config_override {
            Some(config) => config.clone(),
            None => {
                let (release, embedded) = (image.release.as_deref(), image.config.as_deref());
                KernelConfig::find(path, release, None, embedded)
            }
        };
        Self::from_image(image, path, config)
    }

    /// The kernel of an image that was read from `path`, as one that can be
    /// booted.
    ///
    /// # Errors
    /// [`Error::Malformed`], at an offset into the base BTF, if that is not sound.
    pub fn from_image(image: Image, path: &Path, config: KernelConfig) -> Result<Self, Error> {
        let base = match image.base_btf.is_empty() {
            true => Base::none(),
            false => Base::parse(image.base_btf)?,
        };
        Ok(Self {
            abilities: Features::of(&base, image.release.as_deref()),
            release: image.release,
            build: image.build,
            moment: Target::NextBoot,
            source: KernelSource::File(path.to_owned()),
            base: Arc::new(base),
            config,
            target: image.target,
            sha256: image.base_sha256.map(OnceLock::from).unwrap_or_default(),
        })
    }

    /// The running kernel, as this process sees it: `/sys/kernel/btf/vmlinux`,
    /// uname(2) and [`Config::of_running`].
    ///
    /// # Errors
    /// [`Error::Io`] if its BTF cannot be read, [`Error::Malformed`] if that is
    /// not sound.
    pub fn running() -> Result<Self, Error> {
        running::read()
    }

    /// SHA-256 of the base BTF, in lower-case hexadecimal: which base it is,
    /// whatever the release is called. Computed on the first call.
    pub(crate) fn sha256(&self) -> String {
        let digest = || hex::encode(Sha256::digest(self.base.bytes()));
        self.sha256.get_or_init(digest).clone()
    }
}

/// Why a kernel could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The bytes are not a kernel.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl From<module::Error> for Error {
    fn from(error: module::Error) -> Self {
        match error {
            module::Error::Io(error) => Self::Io(error),
            module::Error::Malformed(error) => Self::Malformed(error),
        }
    }
}

#[cfg(test)]
mod tests;
