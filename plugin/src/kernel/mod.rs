//! One kernel: its base BTF, its release, its config and what it supports.

pub mod abilities;
pub mod config;
pub mod image;
pub mod running;

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use crate::Malformed;
use crate::btf::Base;
use crate::module::Target;

pub use abilities::Abilities;
pub use config::Config;

/// When it matters what this kernel does with a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// The running kernel: until the next reboot.
    Now,
    /// A kernel that can be booted: from the next reboot on.
    Boot,
}

/// Where a kernel was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
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
    pub moment: Moment,
    /// Where it was found.
    pub source: Source,
    /// The base BTF that split BTF of its modules continues.
    pub base: Arc<Base>,
    /// What it can do.
    pub abilities: Abilities,
    /// How it was configured, as far as that is known.
    pub config: Config,
    /// What its modules must be built for; `None` for a raw BTF file.
    pub target: Option<Target>,
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
    /// A kernel, but one that carries no BTF (`CONFIG_DEBUG_INFO_BTF` is not set).
    #[error("no BTF in this kernel: it was built without CONFIG_DEBUG_INFO_BTF")]
    NoBtf,
}
