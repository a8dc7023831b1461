// SPDX-License-Identifier: GPL-2.0-or-later
//! One kernel: its base BTF, its release, its config and what it supports.

pub mod cache;
mod config;
pub mod image;
pub mod kmsg;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use btf_guard_btf::features::{Features, VersionRule};
use btf_guard_btf::{Base, BaseFault, verify_vmlinux};
use object::elf;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::module::ElfTarget;
pub use crate::module::Error;
use crate::module::source::Regular;
pub use config::KernelConfig;
pub use image::Image;

/// Where the kernel shows its base BTF (`kernel/bpf/sysfs_btf.c`, since 5.4).
const BTF: &str = "/sys/kernel/btf/vmlinux";

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
    pub(crate) moment: Target,
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
    /// What [`Kernel::own_btf`] found.
    own_btf: Arc<OnceLock<OwnBtf>>,
}

/// What a kernel makes of its own BTF.
#[derive(Debug, Default)]
pub(crate) struct OwnBtf {
    /// Why no module's BTF is taken by it, or can be held against it.
    pub(crate) fault: Option<BaseFault>,
    /// The guesses on which that rests.
    pub(crate) guessed: Vec<VersionRule>,
}

impl Kernel {
    /// The kernel in the image `path`, as one that can be booted. Its config
    /// is `config_override`, or what [`KernelConfig::find`] finds without knowing
    /// the module directory.
    pub fn open(path: &Path, config_override: Option<&KernelConfig>) -> Result<Self, Error> {
        let image = image::open(path)?;
        let config = config_override.cloned().unwrap_or_else(|| {
            let (release, embedded) = (image.release.as_deref(), image.config.as_deref());
            KernelConfig::find(path, release, None, embedded)
        });
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
        let own_btf = image.sound.then(OwnBtf::default);
        Ok(Self {
            own_btf: Arc::new(own_btf.map(OnceLock::from).unwrap_or_default()),
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

    /// The running kernel, as this process sees it: [`BTF`], without a base where it
    /// shows none, uname(2) and [`KernelConfig::of_running`].
    pub fn running() -> Result<Self, Error> {
        let mut btf = Vec::new();
        let base = match Regular::open(Path::new(BTF)) {
            Ok(file) => {
                file.read_all(image::MAX_BTF, &mut btf)?;
                Base::parse(btf)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Base::none(),
            Err(error) => return Err(error.into()),
        };
        let uname = rustix::system::uname();
        let release = uname.release().to_string_lossy().into_owned();
        Ok(Self {
            abilities: Features::of(&base, Some(&release)),
            config: KernelConfig::of_running(&release),
            release: Some(release),
            build: Some(uname.version().to_string_lossy().into_owned()),
            moment: Target::Running,
            source: KernelSource::Running,
            base: Arc::new(base),
            target: uname.machine().to_str().ok().and_then(target),
            sha256: OnceLock::new(),
            own_btf: Arc::default(),
        })
    }

    /// What it makes of its own BTF; nothing is wrong with none. Found on the first call,
    /// in some milliseconds: only modules that have BTF need it.
    pub(crate) fn own_btf(&self) -> &OwnBtf {
        self.own_btf.get_or_init(|| {
            let fault = |can: &Features| verify_vmlinux(&self.base, can).err();
            let is_same = |one: &Option<BaseFault>, other: &Option<BaseFault>| {
                std::mem::discriminant(one) == std::mem::discriminant(other)
            };
            let found = Some(&self.abilities)
                .filter(|_| !self.base.is_none())
                .and_then(fault);
            let guessed = self.abilities.guessed.iter().copied().filter(|rule| {
                let is_asked = *rule != VersionRule::MarksAllEmbedded;
                let mut others = self.abilities.otherwise(*rule).into_iter();
                is_asked && others.any(|other| !is_same(&fault(&other), &found))
            });
            OwnBtf {
                guessed: guessed.collect(),
                fault: found,
            }
        })
    }

    /// SHA-256 of the base BTF, in lower-case hexadecimal: which base it is,
    /// whatever the release is called. Computed on the first call.
    pub(crate) fn sha256(&self) -> String {
        let digest = || hex::encode(Sha256::digest(self.base.bytes()));
        self.sha256.get_or_init(digest).clone()
    }
}

/// What modules must be built for on a machine that `uname -m` calls so
/// (`UTS_MACHINE` of the kernel's `arch/*/Makefile`); `None` if the name is
/// not known.
fn target(machine: &str) -> Option<ElfTarget> {
    use btf_guard_btf::Order::{Big, Little};
    let (machine, is_64, order) = match machine {
        "x86_64" => (elf::EM_X86_64, true, Little),
        "aarch64" => (elf::EM_AARCH64, true, Little),
        "aarch64_be" => (elf::EM_AARCH64, true, Big),
        "s390x" => (elf::EM_S390, true, Big),
        "ppc64le" => (elf::EM_PPC64, true, Little),
        "ppc64" => (elf::EM_PPC64, true, Big),
        "ppc" => (elf::EM_PPC, false, Big),
        "riscv64" => (elf::EM_RISCV, true, Little),
        "loongarch64" => (elf::EM_LOONGARCH, true, Little),
        "i386" | "i486" | "i586" | "i686" => (elf::EM_386, false, Little),
        // armv5tel, armv6l, armv7l; armv7b is big-endian.
        arm if arm.starts_with("armv") && arm.ends_with('l') => (elf::EM_ARM, false, Little),
        arm if arm.starts_with("armv") && arm.ends_with('b') => (elf::EM_ARM, false, Big),
        _ => return None,
    };
    Some(ElfTarget {
        machine: machine.0,
        is_64,
        order,
        elf_type: elf::ET_REL.0,
    })
}

#[cfg(test)]
mod tests;
