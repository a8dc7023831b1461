// SPDX-License-Identifier: GPL-2.0-or-later
//! One kernel module file: what the kernel's loader looks at before and when
//! it meets the module's BTF.

pub(crate) mod elf;
mod elf_error;
mod name;
mod reader;
pub(crate) mod source;
#[cfg(test)]
pub(crate) mod test_elf;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use btf_guard_btf::Order;
use btf_guard_btf::error::Malformed;
use serde::{Deserialize, Serialize};

pub use elf_error::ElfError;
pub(crate) use name::{name_of_file, same_name};
pub(crate) use reader::{MAX_MODULE, open_any};
pub use reader::{open, parse};

/// What an ELF header says it was built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElfTarget {
    /// `e_machine`, in the file's own byte order.
    pub machine: u16,
    /// True for `ELFCLASS64`.
    pub(crate) is_64: bool,
    /// `EI_DATA`.
    pub order: Order,
    /// `e_type`: `ET_REL` (1) in every module. A kernel's target says what its
    /// modules must be, so there it is always `ET_REL`.
    pub(crate) elf_type: u16,
}

/// The parts of a `.ko` that decide whether the loader takes it, and what becomes of
/// its BTF.
#[derive(Debug, Clone)]
pub struct Module {
    /// The module's own name: modinfo `name=`, else the file name's stem with
    /// `-` as `_` (which is how the kernel's build derives it).
    pub name: String,
    /// modinfo `vermagic=`.
    pub vermagic: Option<String>,
    /// modinfo `intree=`: it is of the kernel's own sources.
    pub in_tree: bool,
    /// What it was built for. `None` for a raw split-BTF file, which does not say.
    pub(crate) target: Option<ElfTarget>,
    /// What the loader finds wrong with the file itself, and that in words. What it would
    /// find behind that in the file is not read.
    pub(crate) fault: Option<(ElfError, String)>,
    /// Section `.BTF`, as it stands in the file. `None` if there is none;
    /// an empty section is `Some` of nothing.
    pub btf: Option<Vec<u8>>,
    /// Section `.BTF.base`: the distilled base. `None` if there is none.
    pub btf_base: Option<Vec<u8>>,
    /// Section `.modinfo`, of which the above is taken.
    pub(crate) modinfo: Vec<u8>,
}

impl Module {
    /// One of which nothing is known but its name.
    pub(crate) fn named(name: String) -> Self {
        Self {
            name,
            vermagic: None,
            in_tree: false,
            target: None,
            fault: None,
            btf: None,
            btf_base: None,
            modinfo: Vec::new(),
        }
    }

    /// What it says that it serves: its tags `alias=` in modinfo, which depmod copies into
    /// `modules.alias`.
    pub(crate) fn aliases(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let tags = self.modinfo.split(|byte| *byte == 0);
        let aliases = tags.filter_map(|tag| tag.strip_prefix(b"alias="));
        aliases.map(String::from_utf8_lossy)
    }
}

/// Why a module or a kernel could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The bytes are neither.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}
