// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernels that were found so far, each once.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use btf_guard_sysroot::Root;

use super::role::OwnSystem;
use super::volume::{Identity, LoaderFile};
use super::{BootDefault, BootKernels, BootPath, BootProblem, Bootable, ModulesRoot};

/// Which [`BootPath`] of which kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    kernel: usize,
    via: usize,
}

#[derive(Debug)]
pub(crate) struct Collector<'a> {
    pub(crate) root: &'a Root,
    pub(crate) own: OwnSystem<'a>,
    pub(crate) problems: Vec<BootProblem>,
    kernels: Vec<Bootable>,
    /// By the image's file, and the snapshot whose modules it uses.
    known: HashMap<(Identity, Option<u64>), usize>,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(root: &'a Root) -> Self {
        Self {
            root,
            own: OwnSystem::read(root),
            problems: Vec::new(),
            kernels: Vec::new(),
            known: HashMap::new(),
        }
    }

    /// Takes an image: where it is, a release that may be its, and what led to
    /// it.
    pub(crate) fn take(
        &mut self,
        image: LoaderFile,
        release: Option<&str>,
        mut via: BootPath,
    ) -> Option<Slot> {
        via.foreign = self.own.why_foreign(&via);
        let LoaderFile { shown: path, file } = image;
        let metadata = match fs::metadata(&file) {
            Ok(metadata) => metadata,
            Err(error) => {
                let what = format!("a readable file: {error}");
                self.problems.push(BootProblem::new(&path, what));
                return None;
            }
        };
        let home = ModulesRoot::of(self.root, via.options.as_deref());
        let identity = (metadata.dev(), metadata.ino());
        let key = (identity, home.snapshot());
        let at = *self.known.entry(key).or_insert(self.kernels.len());
        if at == self.kernels.len() {
            self.kernels.push(Bootable {
                path,
                file,
                release: None,
                home,
                via: Vec::new(),
            });
        }
        let kernel = self.kernels.get_mut(at)?;
        let release = release.filter(|release| !release.is_empty());
        if kernel.release.is_none() {
            kernel.release = release.map(str::to_owned);
        }
        kernel.via.push(via);
        Some(Slot {
            kernel: at,
            via: kernel.via.len() - 1,
        })
    }

    /// Takes an image that is not there, or nothing that boots: what an entry names it by,
    /// a release that may be its, and the entry, with its fault.
    pub(crate) fn lost(&mut self, path: PathBuf, release: Option<&str>, mut via: BootPath) -> Slot {
        via.foreign = self.own.why_foreign(&via);
        let home = ModulesRoot::of(self.root, via.options.as_deref());
        let release = release.map(str::to_owned);
        self.kernels.push(Bootable {
            path,
            // Where the path leads may be no business of the entry's file system.
            file: PathBuf::new(),
            release,
            home,
            via: vec![via],
        });
        Slot {
            kernel: self.kernels.len() - 1,
            via: 0,
        }
    }

    /// Marks what boots by default, unless it is another system's.
    pub(crate) fn mark_default(&mut self, slot: Slot, by: String) -> BootDefault {
        let kernel = self.kernels.get_mut(slot.kernel);
        match kernel.and_then(|kernel| kernel.via.get_mut(slot.via)) {
            Some(BootPath {
                foreign: Some(why), ..
            }) => BootDefault::Unknown(format!("{by} names another system: {why}")),
            Some(via) if !via.is_linux => {
                BootDefault::Unknown(format!("{by} names what may be no kernel"))
            }
            Some(via) => {
                via.default = true;
                BootDefault::Known(by)
            }
            None => BootDefault::Unknown(by),
        }
    }

    pub(crate) fn finish(mut self, default: BootDefault) -> BootKernels {
        // Some directories are looked at for more than one reason.
        let mut told = HashSet::new();
        self.problems.retain(|problem| told.insert(problem.clone()));
        BootKernels {
            kernels: self.kernels,
            default,
            problems: self.problems,
        }
    }
}
