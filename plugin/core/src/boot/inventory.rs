// SPDX-License-Identifier: GPL-2.0-or-later
//! Every kernel that a root can boot, opened, and held against the others: which
//! of them are stale copies.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use btf_guard_sysroot::Root;
use btf_guard_sysroot::file_role::initrds_beside;

use super::{
    BootDefault, BootMethod, BootProblem, Bootable, ModulesRoot, RoleWithReason, TargetRole,
    UnreadableImage, kernel_config,
};
use crate::boot;
use crate::kernel::cache::Cache;
use crate::kernel::image;
use crate::kernel::{Error, Kernel, KernelConfig};

/// A kernel that can be booted.
#[derive(Debug, Clone)]
pub(crate) struct InstalledKernel {
    pub(crate) kernel: Kernel,
    /// Its GNU build id, where the image has one.
    pub(crate) build_id: Option<String>,
    pub(crate) bootable: Bootable,
    /// The module directory that it will use, if it is there.
    pub(crate) module_dir: Option<PathBuf>,
    pub(crate) stale: Option<Stale>,
    /// What part it plays.
    pub(crate) role: RoleWithReason,
    /// The initrds that lie beside the image, of one that no entry tells the initrds of.
    pub(crate) initrds_beside: Vec<PathBuf>,
}

/// Another build of a release than the one that the release's own image is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stale {
    /// The release's own image: in the module directory, or else the one in `/boot`.
    pub(crate) than: PathBuf,
    /// The build of that image.
    pub(crate) build: Option<String>,
    /// The command that makes the copy anew, inside the root.
    pub(crate) mend: String,
}

/// An initrd that a kernel is booted with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Initrd {
    /// The file, as a path of this process without links.
    pub(crate) file: PathBuf,
    /// Which part of it, in bytes: a section of a unified kernel image. `None`
    /// if it is all of it.
    pub(crate) part: Option<Range<u64>>,
}

impl InstalledKernel {
    /// The initrds that entries name, or else those that lie beside the image, and those
    /// inside a unified kernel image, each once.
    pub(crate) fn initrds(&self) -> Vec<Initrd> {
        let mut initrds: Vec<Initrd> = Vec::new();
        let mut add = |file: &PathBuf, part| {
            let file = file.clone();
            let initrd = Initrd { file, part };
            if !initrds.contains(&initrd) {
                initrds.push(initrd);
            }
        };
        let named = self.bootable.via.iter().flat_map(|via| &via.initrds);
        for file in named.chain(&self.initrds_beside) {
            add(file, None);
        }
        // What cannot be read now was read a moment ago.
        let file = &self.bootable.file;
        if let Some(uki) = image::peek(file).ok().and_then(|peek| peek.uki) {
            for part in uki.initrd.into_iter().chain(uki.profile_initrds) {
                add(file, Some(part));
            }
        }
        initrds
    }

    /// What keeps the entry from booting that gives it its role.
    pub(crate) fn fault(&self) -> Option<&BootProblem> {
        let entries = || self.bootable.via.iter().filter(|via| via.foreign.is_none());
        match entries().find(|via| via.default) {
            Some(default) => default.fault.as_ref(),
            None => entries().find_map(|via| via.fault.as_ref()),
        }
    }

    /// Does anything tell which initrds it is booted with, or that there is none?
    pub(crate) fn initrds_are_known(&self) -> bool {
        !self.initrds_beside.is_empty() || entries_tell_initrds(&self.bootable)
    }
}

/// Does an entry lead to it, or is it a unified kernel image?
fn entries_tell_initrds(bootable: &Bootable) -> bool {
    let tells = |way| matches!(way, BootMethod::Entry | BootMethod::Uki | BootMethod::Grub);
    bootable.via.iter().any(|via| via.unified || tells(via.way))
}

/// All of them.
#[derive(Debug, Default)]
pub struct Inventory {
    /// In a fixed order.
    pub(crate) kernels: Vec<InstalledKernel>,
    /// What boots when nobody chooses.
    pub(crate) default: BootDefault,
    /// Images that cannot be read.
    pub(crate) unreadable: Vec<UnreadableImage>,
    /// What else cannot be read, or cannot boot.
    pub(crate) problems: Vec<BootProblem>,
}

impl Inventory {
    /// The kernels of this system.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &InstalledKernel> {
        let all = self.kernels.iter();
        all.filter(|kernel| kernel.role.role != TargetRole::Foreign)
    }

    /// Images of this system that cannot be read.
    pub(crate) fn unreadable_targets(&self) -> impl Iterator<Item = &UnreadableImage> {
        let all = self.unreadable.iter();
        all.filter(|image| image.role.role != TargetRole::Foreign)
    }

    /// Everything that cannot be read or cannot boot, images last.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = &BootProblem> {
        let faults = self.targets().filter_map(InstalledKernel::fault);
        let images = self.unreadable_targets().map(|image| &image.fault);
        self.problems.iter().chain(faults).chain(images)
    }
}

/// Where to look, and with what.
#[derive(Debug, Clone, Copy)]
pub struct InventorySearch<'a> {
    /// The root.
    pub root: &'a Root,
    /// More file systems with boot entries.
    pub esps: &'a [PathBuf],
    /// Keeps what images hold.
    pub cache: Option<&'a Cache>,
    /// The config of every kernel, instead of one found with each.
    pub config: Option<&'a KernelConfig>,
    /// Only kernels of these releases; the others are not even opened.
    pub releases: Option<&'a BTreeSet<String>>,
}

impl InventorySearch<'_> {
    /// Opens an image of a kernel that uses the modules of `home`.
    pub(crate) fn open(
        &self,
        file: &Path,
        release: Option<&str>,
        home: &ModulesRoot,
    ) -> Result<(Kernel, Option<String>), Error> {
        let mut image = match self.cache {
            Some(cache) => cache.image(file)?,
            None => image::open(file)?,
        };
        if image.release.is_none() {
            image.release = release.map(str::to_owned);
        }
        let config = match self.config {
            Some(config) => config.clone(),
            None => {
                let known = (image.release.as_deref(), image.config.as_deref());
                kernel_config(self.root, file, known, home)
            }
        };
        let build_id = image.build_id.take();
        Ok((Kernel::from_image(image, file, config)?, build_id))
    }

    /// Looks for every kernel that can be booted, and opens it.
    pub fn inventory(&self) -> Inventory {
        self.open_all(self.discover())
    }

    pub(crate) fn discover(&self) -> boot::BootKernels {
        let efivars = Path::new("/sys/firmware/efi/efivars");
        let efivars = self.root.is_system().then_some(efivars);
        boot::discover(self.root, self.esps, efivars)
    }

    /// The release of what boots when nobody chooses, where that is known and is an image
    /// of this root itself.
    pub(crate) fn default_release(&self, found: &boot::BootKernels) -> Option<String> {
        let is_default = |kernel: &&Bootable| {
            let mut via = kernel.via.iter();
            kernel.home == ModulesRoot::Root && via.any(|via| via.default && via.foreign.is_none())
        };
        self.release_of(found.kernels.iter().find(is_default)?)
    }

    pub(crate) fn open_all(&self, found: boot::BootKernels) -> Inventory {
        let (mut kernels, mut unreadable) = (Vec::new(), Vec::new());
        for mut bootable in found.kernels {
            if self.is_another(&bootable) {
                continue;
            }
            let release = bootable.release.as_deref();
            match self.open(&bootable.file, release, &bootable.home) {
                Ok((kernel, build_id)) => {
                    let release = kernel.release.as_deref();
                    if !self.wants(release) {
                        continue;
                    }
                    let dir = release.and_then(|r| bootable.home.module_dir(self.root, r));
                    kernels.push(InstalledKernel {
                        module_dir: dir,
                        kernel,
                        build_id,
                        initrds_beside: self.initrds_beside(&bootable),
                        role: bootable.role_by_entries().unwrap_or_default(),
                        bootable,
                        stale: None,
                    });
                }
                // A boot manager, a memory test, another system's loader.
                Err(Error::Malformed(_)) if !bootable.is_linux() => {}
                Err(error) => {
                    bootable.release = shown_release(&bootable);
                    unreadable.push(UnreadableImage::of(bootable, &error));
                }
            }
        }
        self.find_stale(&mut kernels);
        find_defaults(&mut kernels, &mut unreadable, &found.default);
        for image in &mut unreadable {
            image.mend = self.mend(image, &kernels);
        }
        Inventory {
            kernels,
            default: found.default,
            unreadable,
            problems: found.problems,
        }
    }

    /// The initrds beside the names of an image that no entry tells the initrds of,
    /// as files of this process.
    fn initrds_beside(&self, bootable: &Bootable) -> Vec<PathBuf> {
        let mut found = Vec::new();
        if entries_tell_initrds(bootable) {
            return found;
        }
        for image in bootable.via.iter().map(|via| &via.source) {
            let Some((dir, name)) = image.parent().zip(image.file_name()) else {
                continue;
            };
            for name in initrds_beside(&name.to_string_lossy()) {
                let inside = self.root.inside(&dir.join(name));
                let file = inside.and_then(|inside| self.root.resolve(&inside).ok());
                found.extend(file.filter(|file| file.is_file() && !found.contains(file)));
            }
        }
        found
    }

    fn wants(&self, release: Option<&str>) -> bool {
        self.releases
            .is_none_or(|wanted| release.is_some_and(|release| wanted.contains(release)))
    }

    /// Is this certainly a kernel of a release that is not wanted? Mostly the
    /// outside of an image tells; a name is only believed of an image that
    /// cannot be looked at.
    fn is_another(&self, bootable: &Bootable) -> bool {
        if self.releases.is_none() {
            return false;
        }
        let release = match image::peek(&bootable.file) {
            Ok(peek) => peek.release,
            Err(_) => bootable.release.clone(),
        };
        release.is_some() && !self.wants(release.as_deref())
    }

    /// The release of an image: as its outside tells it, or else its name, or
    /// else what is inside.
    pub(crate) fn release_of(&self, bootable: &Bootable) -> Option<String> {
        shown_release(bootable).or_else(|| {
            let opened = self.open(&bootable.file, None, &bootable.home);
            opened.ok()?.0.release
        })
    }

    /// What makes a copy anew, as long as the image that it is made of is there.
    fn mend(&self, image: &UnreadableImage, kernels: &[InstalledKernel]) -> Option<String> {
        let release = image.bootable.release.as_deref()?;
        let is_source = |kernel: &InstalledKernel| {
            let mut ways = kernel.bootable.via.iter().map(|via| via.way);
            kernel.kernel.release.as_deref() == Some(release)
                && kernel.bootable.home == image.bootable.home
                && ways.any(|way| way == BootMethod::ModuleDir)
        };
        let source = kernels.iter().any(is_source);
        (source && image.role.role != TargetRole::Foreign)
            .then(|| boot::refresh_command(self.root, &image.bootable, release))
    }

    fn find_stale(&self, kernels: &mut [InstalledKernel]) {
        let stale = kernels.iter().map(|copy| {
            if matches!(copy.role.role, TargetRole::Rescue | TargetRole::Foreign) {
                return None;
            }
            let release = copy.kernel.release.as_deref()?;
            let own = own_image(copy, kernels)?;
            (!same_build(copy, own)).then(|| Stale {
                than: own.bootable.path.clone(),
                build: own.kernel.build.clone(),
                mend: boot::refresh_command(self.root, &copy.bootable, release),
            })
        });
        let stale: Vec<Option<Stale>> = stale.collect();
        for (kernel, stale) in kernels.iter_mut().zip(stale) {
            kernel.stale = stale;
        }
    }
}

/// The release of an image as far as its outside tells it, or else its name.
fn shown_release(bootable: &Bootable) -> Option<String> {
    let peek = image::peek(&bootable.file).ok();
    let shown = peek.and_then(|peek| peek.release);
    shown.or_else(|| bootable.release.clone())
}

/// The image that all copies of this one's release are made of: the one in the
/// module directory, or else the one that the package puts into `/boot`.
fn own_image<'k>(
    copy: &InstalledKernel,
    kernels: &'k [InstalledKernel],
) -> Option<&'k InstalledKernel> {
    let in_way = |way: BootMethod| {
        kernels.iter().find(|kernel| {
            kernel.kernel.release == copy.kernel.release
                && !matches!(kernel.role.role, TargetRole::Rescue | TargetRole::Foreign)
                && kernel.bootable.home.snapshot() == copy.bootable.home.snapshot()
                && kernel.bootable.via.iter().any(|via| via.way == way)
        })
    };
    in_way(BootMethod::ModuleDir).or_else(|| in_way(BootMethod::Boot))
}

/// Gives the kernels their roles that no entry gives one: where nothing tells what boots,
/// the image that all copies of a release are made of does.
fn find_defaults(
    kernels: &mut [InstalledKernel],
    unreadable: &mut [UnreadableImage],
    default: &BootDefault,
) {
    let BootDefault::Unknown(why) = default else {
        return;
    };
    let own = kernels
        .iter()
        .map(|kernel| own_image(kernel, kernels).is_some_and(|own| std::ptr::eq(own, kernel)));
    let own: Vec<bool> = own.collect();
    let why = format!("its release's own image; what boots is not known: {why}");
    let role = RoleWithReason::new(TargetRole::Default, why);
    for (kernel, _) in kernels.iter_mut().zip(own).filter(|(_, own)| *own) {
        kernel.role = role.clone();
    }
    let is_own = |image: &&mut UnreadableImage| {
        let via = image.bootable.via.iter();
        let mut ways = via.map(|via| via.way);
        !matches!(image.role.role, TargetRole::Rescue | TargetRole::Foreign)
            && ways.any(|way| matches!(way, BootMethod::ModuleDir | BootMethod::Boot))
    };
    for image in unreadable.iter_mut().filter(is_own) {
        image.role = role.clone();
    }
}

/// Is it the same build? Where the files cannot tell, what was read of them does.
fn same_build(one: &InstalledKernel, other: &InstalledKernel) -> bool {
    image::same_build(&one.bootable.file, &other.bootable.file)
        .unwrap_or_else(|_| one.kernel.sha256() == other.kernel.sha256())
}
