// SPDX-License-Identifier: GPL-2.0-or-later
//! Kernel images: from a file to its base BTF.
//!
//! Read are a vmlinux (ELF), the raw kernels of arm64, riscv64, loongarch64
//! and s390x, each plain or compressed as a whole; the wrappings that unpack
//! what they carry, x86 bzImage and EFI zboot; any of these inside a UKI; and a
//! raw BTF file such as a copy of `/sys/kernel/btf/vmlinux`. Which of them a
//! file is, is told by its magic. A plain vmlinux may be gigabytes long with
//! its DWARF: only the sections that matter are read.

mod banner;
mod build_id;
mod bzimage;
mod detect;
mod pe;
mod peek;
mod raw;
mod s390x;
mod uki;
mod vmlinux;
mod zboot;

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Error;
use crate::module::ElfTarget;
use crate::module::source::Regular;

pub(crate) use detect::read;
pub use peek::peek;
pub(crate) use peek::same_build;
pub(crate) use uki::Uki;

/// The longest kernel that is decompressed, in bytes. Distributions' have 30
/// to 60 MB; one with DWARF inside is only read where it is not compressed.
pub(crate) const MAX_KERNEL: usize = 512 << 20;

/// The longest base BTF that is read, in bytes. Real ones have 4 to 6 MB.
pub(crate) const MAX_BTF: u64 = 64 << 20;

/// What an image tells of its kernel.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Image {
    /// The base BTF: section `.BTF`, what was found in a raw kernel, or the
    /// whole of a raw BTF file. Empty if the kernel shows none: mostly it was
    /// built without `CONFIG_DEBUG_INFO_BTF`.
    #[serde(skip)]
    pub base_btf: Vec<u8>,
    /// SHA-256 of the base BTF, in lower-case hexadecimal, where it was computed on
    /// the way: the base is long.
    pub base_sha256: Option<String>,
    /// `uname -r` of this kernel. `None` if the image does not say.
    pub release: Option<String>,
    /// `uname -v` of this kernel: `#1 SMP … date`. `None` if the image does not say.
    pub build: Option<String>,
    /// `NT_GNU_BUILD_ID` of the vmlinux, in lower-case hexadecimal. `None` if
    /// there is none, and in a raw kernel that holds several.
    pub build_id: Option<String>,
    /// What its modules must be built for; `None` for raw BTF, which does not say.
    pub target: Option<ElfTarget>,
    /// It is certain that the kernel takes its own BTF, by what it says itself. That
    /// takes longer to find out than to judge a module.
    #[serde(default)]
    pub sound: bool,
    /// The text of the config inside the image (`CONFIG_IKCONFIG=y`), if there is one.
    pub config: Option<String>,
}

/// Reads the image at `path`.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read or is no regular file,
/// [`Error::Malformed`] if it is not of a format read here, cut short or
/// corrupt.
pub fn open(path: &Path) -> Result<Image, Error> {
    read(&Regular::open(path)?)
}

/// Reads an image that came from elsewhere, such as a package.
pub fn parse(bytes: &[u8]) -> Result<Image, Error> {
    read(bytes)
}

#[cfg(test)]
pub(crate) mod tests;
