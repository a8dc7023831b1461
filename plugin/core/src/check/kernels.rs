// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernels that were asked for.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use btf_guard_sysroot::file_role::is_package_name;
use btf_guard_sysroot::{Root, host};

use crate::boot::inventory::{Inventory, InventorySearch};
use crate::boot::{BootProblem, ModulesRoot, build_vmlinux};
use crate::evaluate::initrds::Initrds;
use crate::evaluate::package::KernelReading;
use crate::evaluate::{Evaluator, failed, package};
use crate::kernel::cache::Cache;
use crate::kernel::{Error, Kernel, KernelConfig};
use crate::report::ErrorEntry;
use crate::rpm::kernel_files::KernelFiles;
use crate::rpm::package::Package;

/// Where kernels come from.
pub struct Targets<'a> {
    /// The root that releases are looked up in.
    pub root: &'a Root,
    /// `--kernel-config`.
    pub config: Option<KernelConfig>,
    /// More file systems with boot entries.
    pub esps: Vec<PathBuf>,
    /// Keeps what images hold.
    pub cache: Option<Cache>,
    /// What the kernels are booted with.
    pub initrds: Initrds,
    /// What could not be read.
    pub errors: Vec<ErrorEntry>,
    /// How many of them nobody has named: they were found on the way.
    pub unasked: usize,
    /// The root has neither kernels nor modules: what runs is started from outside of it, as
    /// in WSL, a container or a small virtual machine, and has all it needs built in.
    pub is_bare: bool,
}

impl<'a> Targets<'a> {
    /// None yet.
    pub fn new(root: &'a Root, config: Option<KernelConfig>) -> Self {
        Self {
            root,
            config,
            esps: Vec::new(),
            cache: None,
            initrds: Initrds::default(),
            errors: Vec::new(),
            unasked: 0,
            is_bare: false,
        }
    }

    /// Adds the kernels that `words` name; no words mean the default.
    /// A word that names none is an error among the others.
    pub fn add_all(
        &mut self,
        words: &[String],
        has_paths: bool,
        evaluator: &mut Evaluator,
    ) -> anyhow::Result<()> {
        if words.is_empty() {
            return self.add_default(has_paths, evaluator);
        }
        for word in words {
            if let Err(error) = self.add(word, evaluator) {
                self.failed(format!("--kernel {word}"), &format!("{error:#}"));
            }
        }
        Ok(())
    }

    /// The running kernel, or, where it has no modules here, every kernel of the root, if
    /// that has any.
    fn add_default(&mut self, has_paths: bool, evaluator: &mut Evaluator) -> anyhow::Result<()> {
        self.look_for_proc();
        if self.root.is_system() {
            let running = Kernel::running();
            let has_modules = running.as_ref().is_ok_and(|kernel| {
                let release = kernel.release.as_deref();
                release.is_some_and(|release| self.root.module_dir(release).is_some())
            });
            let is_asked = has_paths || host::running_release(self.root, false).is_some();
            let inventory = (!has_modules).then(|| self.place().inventory());
            self.is_bare = inventory.as_ref().is_some_and(|i| self.is_bare(i));
            if has_modules || is_asked && self.is_bare {
                let running = running.context("cannot read the running kernel")?;
                self.put(running, "running".to_owned(), None, evaluator);
                return Ok(());
            }
        }
        self.add_installed(&self.place().inventory(), evaluator)
    }

    /// Everything was seen, and there is nothing that could boot or be loaded.
    fn is_bare(&self, inventory: &Inventory) -> bool {
        inventory.kernels.is_empty()
            && inventory.troubles().next().is_none()
            && self.root.module_releases().is_empty()
    }

    /// The running kernel, where the root is this machine's, and every kernel that
    /// the root can boot. A kernel that has everything built in is no target.
    fn add_everything(&mut self, evaluator: &mut Evaluator) -> anyhow::Result<()> {
        self.look_for_proc();
        let loads_modules = |release: &String| {
            self.root.module_dir(release).is_some() || Path::new("/proc/modules").exists()
        };
        let inventory = self.place().inventory();
        self.is_bare = self.is_bare(&inventory);
        let running = host::running_release(self.root, false);
        let counts = |release: &String| self.is_bare || loads_modules(release);
        if running.as_ref().is_some_and(counts) {
            match Kernel::running() {
                Ok(running) => self.put(running, "running".to_owned(), None, evaluator),
                Err(error) => self.failed("running".to_owned(), &error),
            }
        }
        self.add_installed(&inventory, evaluator)
    }

    fn add_installed(
        &mut self,
        inventory: &Inventory,
        evaluator: &mut Evaluator,
    ) -> anyhow::Result<()> {
        for BootProblem { path, fault, hides } in &inventory.problems {
            self.failed(path.display().to_string(), fault);
            self.unasked += usize::from(!hides);
        }
        let has_some = !inventory.kernels.is_empty() || inventory.troubles().next().is_some();
        if !has_some && evaluator.entries().is_empty() {
            let root = self.root.path().display();
            bail!("no kernel was found under {root}: name one with --kernel");
        }
        for image in inventory.unreadable_targets() {
            evaluator.add_unreadable(image);
        }
        let targets = inventory.targets().cloned().collect();
        self.initrds.add_installed(targets, self.root, evaluator);
        Ok(())
    }

    /// Without it, nobody can tell whether this is the machine's own root.
    fn look_for_proc(&mut self) {
        if self.root.is_system() && !host::has_proc() {
            let why = "it is not mounted: what runs here and what this machine needs are not known";
            self.failed("/proc".to_owned(), &why);
        }
    }

    fn place(&self) -> InventorySearch<'_> {
        InventorySearch {
            root: self.root,
            esps: &self.esps,
            cache: self.cache.as_ref(),
            config: self.config.as_ref(),
            releases: None,
        }
    }

    fn add(&mut self, word: &str, evaluator: &mut Evaluator) -> anyhow::Result<()> {
        let path = Path::new(word);
        match word {
            "running" => {
                let running = Kernel::running().context("cannot read the running kernel")?;
                self.put(running, word.to_owned(), None, evaluator);
            }
            "all" => self.add_everything(evaluator)?,
            _ if !word.contains('/') && !self.root.images(word).is_empty() => {
                self.add_release(word, evaluator);
            }
            _ if is_package_name(path.as_os_str()) => self.add_package(path, evaluator),
            _ if word.contains('/') || path.exists() => self.add_file(path, evaluator),
            _ => {
                let root = self.root.path().display();
                bail!("no such kernel under {root}, and no file of that name");
            }
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path, evaluator: &mut Evaluator) {
        match Kernel::open(path, self.config.as_ref()) {
            Ok(kernel) => self.put(kernel, path.display().to_string(), None, evaluator),
            Err(error) => self.failed(path.display().to_string(), &error),
        }
    }

    /// Every image of a release that the root has.
    fn add_release(&mut self, release: &str, evaluator: &mut Evaluator) {
        for image in self.root.images(release) {
            let shown = self.root.outside(&image.inside).display().to_string();
            let home = ModulesRoot::Root;
            match self.place().open(&image.file, Some(release), &home) {
                Ok((kernel, _)) => self.put(kernel, shown, None, evaluator),
                Err(error) => self.failed(shown, &error),
            }
        }
    }

    fn add_package(&mut self, path: &Path, evaluator: &mut Evaluator) {
        let shown = path.display().to_string();
        let package = match Package::open(path) {
            Ok(package) => package,
            Err(error) => return self.failed(shown, &error),
        };
        let files = KernelFiles::of(&package);
        if files.images.is_empty() {
            let error = "no kernel image is in this package \
                         (/lib/modules/RELEASE/vmlinuz, /boot/vmlinuz-RELEASE)";
            return self.failed(shown, &error);
        }
        let cache = self.cache.as_ref();
        let mut reading = KernelReading {
            cache,
            ..KernelReading::default()
        };
        for found in package::kernels(&package, &files, &mut reading, &mut self.errors) {
            let source = found.path.display().to_string();
            self.put(found.kernel, source, Some(package.nevra()), evaluator);
        }
    }

    fn put(
        &self,
        mut kernel: Kernel,
        source: String,
        package: Option<&str>,
        evaluator: &mut Evaluator,
    ) {
        kernel.config = self.config.clone().unwrap_or(kernel.config);
        evaluator.add(kernel, source, package);
    }

    fn failed(&mut self, path: String, error: &impl ToString) {
        self.errors.push(failed(path, error));
    }
}

/// The kernel of a release as modules are built with it, and the file it is in: of
/// these roots the first that has its base, else one without; else what cannot be read.
pub fn built_with<'r>(
    roots: impl IntoIterator<Item = &'r Root>,
    release: &str,
    config: Option<&KernelConfig>,
) -> Result<(Kernel, String), Vec<(String, Error)>> {
    let (mut errors, mut without) = (Vec::new(), None);
    for root in roots {
        for candidate in build_vmlinux::candidates(root, release) {
            let shown = root.outside(&candidate.inside).display().to_string();
            match build_vmlinux::open(root, &candidate, release, config) {
                Ok(kernel) if kernel.base.is_none() => {
                    without.get_or_insert((kernel, shown));
                }
                Ok(kernel) => return Ok((kernel, shown)),
                Err(error) => errors.push((shown, error)),
            }
        }
    }
    without.ok_or(errors)
}

/// Is this a file of a module package, by its name alone?
pub fn is_package(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name: &OsStr| is_package_name(name))
}
