// SPDX-License-Identifier: GPL-2.0-or-later
//! Every kernel that a root can boot: which images there are in module directories,
//! in `/boot` and where boot loaders look, what leads to them, whose modules they
//! will use, and which one is the default.
//!
//! A root may be a stranger's: no link is followed out of it or out of a boot
//! partition, and sizes and counts have bounds.

pub mod bls;
pub mod build_vmlinux;
mod collector;
mod default;
mod entries;
pub mod grub;
mod grub_cfg;
mod image_dirs;
pub mod inventory;
mod kernel_config;
mod modules_root;
mod refresh_command;
mod role;
pub mod systemd_boot;
mod unreadable_image;
mod volume;

use std::fmt::Display;
use std::path::{Path, PathBuf};

use btf_guard_sysroot::Root;

use collector::Collector;

pub(crate) use kernel_config::kernel_config;
pub use modules_root::ModulesRoot;
pub(crate) use refresh_command::{refresh_command, refresh_initrd_command};
pub(crate) use role::RoleWithReason;
pub use role::TargetRole;
pub(crate) use unreadable_image::UnreadableImage;

/// A kernel image that can be booted, with one root's modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bootable {
    /// Its path, links not followed, as a path of this process.
    pub(crate) path: PathBuf,
    /// The file that it leads to.
    pub(crate) file: PathBuf,
    /// The release as names and entries have it: a hint. The image knows better.
    pub(crate) release: Option<String>,
    /// The root whose modules it will use.
    pub(crate) home: ModulesRoot,
    /// Everything that leads to it, in the order in which it was found; never
    /// empty.
    pub(crate) via: Vec<BootPath>,
}

impl Bootable {
    /// True if it is what boots by default.
    pub(crate) fn is_default(&self) -> bool {
        self.via.iter().any(|via| via.default)
    }

    /// True if its name is that of a rescue image.
    pub(crate) fn is_rescue(&self) -> bool {
        let mut ways = self.via.iter();
        ways.any(|via| role::is_rescue(&self.path, via.unified))
    }

    /// The part that its entries, or its name, give it; of several the heaviest.
    fn role_by_entries(&self) -> Option<RoleWithReason> {
        let is_rescue = |via: &BootPath| role::is_rescue(&self.path, via.unified);
        let roles = self
            .via
            .iter()
            .filter_map(|via| role::role_by(via, &self.home, is_rescue(via)));
        roles.max_by_key(|role| role.role)
    }

    /// True if it is certainly a Linux kernel. If not, some entry starts a program
    /// that may be one: what proves to be none is to be passed over.
    pub(crate) fn is_linux(&self) -> bool {
        self.via.iter().any(|via| via.is_linux)
    }
}

/// One thing that leads to a kernel image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BootPath {
    pub(crate) way: BootMethod,
    /// The file that names the image, or the image itself: a path of this process,
    /// links not followed.
    pub(crate) source: PathBuf,
    /// The line that names it, from 1.
    pub(crate) line: Option<usize>,
    /// The boot loader's id for it, and what a menu shows.
    pub(crate) id: Option<String>,
    pub(crate) title: Option<String>,
    /// The kernel's command line, as far as it stands there.
    pub(crate) options: Option<String>,
    /// Its initrds, as paths of this process without links.
    pub(crate) initrds: Vec<PathBuf>,
    /// The key `machine-id` of the entry.
    pub(crate) machine_id: Option<String>,
    /// What keeps it from booting: a file that it names and that is not there.
    pub(crate) fault: Option<BootProblem>,
    /// Why the entry is another system's; `None` for one of this system.
    pub(crate) foreign: Option<String>,
    /// True if what it leads to is certainly a Linux kernel.
    pub(crate) is_linux: bool,
    /// True if the image is a unified kernel image.
    pub(crate) unified: bool,
    pub(crate) default: bool,
}

impl BootPath {
    fn new(way: BootMethod, source: PathBuf) -> Self {
        Self {
            way,
            source,
            is_linux: true,
            unified: way == BootMethod::Uki,
            ..Self::default()
        }
    }
}

/// In which way an image can be booted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum BootMethod {
    /// It lies in a module directory, from where tools copy it.
    #[default]
    ModuleDir,
    /// An entry of the Boot Loader Specification names it.
    Entry,
    /// It is a unified kernel image in `EFI/Linux`.
    Uki,
    /// kernelstub has put it on the EFI system partition.
    Kernelstub,
    /// An item of `grub.cfg` names it.
    Grub,
    /// It lies in `/boot` under a kernel's name.
    Boot,
}

/// What boots when nobody chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BootDefault {
    /// The [`BootPath`] that is marked so; what made it the default, in words for a
    /// report.
    Known(String),
    /// It cannot be told, and why.
    Unknown(String),
}

impl Default for BootDefault {
    fn default() -> Self {
        Self::Unknown("nothing was looked at".to_owned())
    }
}

#[derive(Debug, Clone)]
pub(crate) struct BootKernels {
    /// In a fixed order. An image is named once for each root whose modules it will use.
    pub(crate) kernels: Vec<Bootable>,
    pub(crate) default: BootDefault,
    pub(crate) problems: Vec<BootProblem>,
}

/// Something that cannot boot or cannot be read, for a report. What it concerns
/// is left out; everything else is still found.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub(crate) struct BootProblem {
    /// The file, as a path of this process, links not followed.
    pub(crate) path: PathBuf,
    /// What should have been there, and in which line.
    pub(crate) fault: String,
    /// There may be kernels or entries that were not seen for it.
    pub(crate) hides: bool,
}

impl BootProblem {
    fn new(path: &Path, expected: impl Display) -> Self {
        Self::with(path, format!("expected {expected}"))
    }

    fn with(path: &Path, fault: String) -> Self {
        Self {
            path: path.to_owned(),
            fault,
            hides: false,
        }
    }

    /// A file or directory that is there and cannot be read, or not all of it.
    fn hiding(path: &Path, expected: impl Display) -> Self {
        Self {
            hides: true,
            ..Self::new(path, expected)
        }
    }

    fn at(path: &Path, line: usize, expected: impl Display) -> Self {
        Self::with(path, fault_at(line, expected))
    }
}

/// What is wrong with a line, counted from 1.
fn fault_at(line: usize, expected: impl Display) -> String {
    format!("line {line}: expected {expected}")
}

/// Looks for every kernel that can be booted: in `root`, and on `esps`, more file
/// systems with boot entries, such as an EFI system partition that is mounted
/// elsewhere. `efivars` is the directory of EFI variables, for a root that boots on
/// this machine.
pub(crate) fn discover(root: &Root, esps: &[PathBuf], efivars: Option<&Path>) -> BootKernels {
    let mut collector = Collector::new(root);
    image_dirs::module_dirs(&mut collector);
    let volumes = volume::volumes(root, esps, &mut collector.problems);
    let mut candidates = Vec::new();
    for volume in &volumes {
        candidates.extend(entries::type1(volume, &mut collector));
    }
    for volume in &volumes {
        candidates.extend(entries::ukis(volume, &mut collector));
        image_dirs::kernelstub(volume, &mut collector);
    }
    let configs = grub_cfg::read(root, &volumes, &mut collector);
    image_dirs::boot(root, &mut collector);
    let default = default::choose(efivars, &volumes, &candidates, &configs, &mut collector);
    collector.finish(default)
}

#[cfg(test)]
mod tests;
