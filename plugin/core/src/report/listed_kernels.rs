// SPDX-License-Identifier: GPL-2.0-or-later
//! The list of a root's kernels as data.

use serde::{Deserialize, Serialize};

use super::model::{ErrorEntry, KernelEntry};

/// Every kernel that a root can run or boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelList {
    pub(crate) schema: u32,
    /// In a fixed order.
    pub kernels: Vec<ListedKernel>,
    /// What boots when nobody chooses, or why that cannot be told.
    pub(crate) boot_default: BootDefaultEntry,
    /// What could not be read, or cannot boot.
    pub errors: Vec<ErrorEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BootDefaultEntry {
    pub(crate) known: bool,
    /// What says so, or why it is not known.
    pub(crate) reason: String,
}

/// One kernel of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedKernel {
    /// What every report says of a kernel.
    #[serde(flatten)]
    pub(crate) entry: KernelEntry,
    pub(crate) build_id: Option<String>,
    /// The module directory that it will use.
    pub(crate) module_dir: Option<String>,
    /// The snapshot that it mounts as its root.
    pub(crate) snapshot: Option<u64>,
    pub(crate) running: bool,
    /// It has no module directory.
    pub(crate) orphan: bool,
    /// What leads to it.
    pub(crate) boot_paths: Vec<BootPathEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BootPathEntry {
    /// `module-dir`, `entry`, `uki`, `kernelstub`, `grub` or `boot`.
    pub(crate) method: String,
    /// The file that names it.
    pub(crate) source: String,
    /// The boot loader's id for it.
    pub(crate) id: Option<String>,
    /// What a menu shows.
    pub(crate) title: Option<String>,
}
