// SPDX-License-Identifier: GPL-2.0-or-later
//! The file system after a transaction: the disk, minus what is erased, plus
//! what is installed, as far as modules and kernel images go.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use btf_guard_protocol::plan::{Action, Element, Plan};
use btf_guard_sysroot::Root;
use btf_guard_sysroot::file_role::{Role, is_module_name};
use btf_guard_sysroot::module_tree::{self, ModuleFile, ReleaseTree};

use crate::boot::inventory::InstalledKernel;
use crate::boot::{BootMethod, ModulesRoot, TargetRole};
use crate::rpm::kernel_files::KernelFiles;
use crate::rpm::package::Package;

/// A transaction whose packages' headers have been read.
#[derive(Debug, Default)]
pub struct Transaction {
    /// The packages that are installed.
    pub(crate) packages: Vec<IncomingPackage>,
    /// Packages that are installed but cannot be read, and why.
    pub(crate) unreadable: Vec<(String, String)>,
    /// What it does to each release that it touches.
    pub(crate) releases: BTreeMap<String, Change>,
    /// Every module file that comes or goes, wherever it lies.
    touched: BTreeSet<PathBuf>,
}

/// A package that is installed.
#[derive(Debug)]
pub(crate) struct IncomingPackage {
    pub(crate) package: Package,
    pub(crate) files: KernelFiles,
}

/// What a transaction does to one release.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// Modules that are installed, by their path below the module directory.
    installed: BTreeSet<PathBuf>,
    /// The same for modules that go and do not come back.
    erased: BTreeSet<PathBuf>,
    /// Images that are installed and can be read: the package, by its place in
    /// [`Transaction::packages`], and the path.
    pub(crate) new_images: Vec<(usize, PathBuf)>,
    /// Images that are installed and are not read: the package and the path.
    unreadable_images: Vec<(String, PathBuf)>,
    /// Images that go, by their paths with `/lib` for `/usr/lib`.
    erased_images: BTreeSet<PathBuf>,
}

impl Change {
    pub(crate) fn installs_modules(&self) -> bool {
        !self.installed.is_empty()
    }

    /// It erases modules that do not come back.
    pub(crate) fn erases_modules(&self) -> bool {
        !self.erased.is_empty()
    }

    /// It erases modules of the kernel's own, not only some that were added.
    pub(crate) fn erases_own_modules(&self) -> bool {
        self.erased.iter().any(|below| below.starts_with("kernel"))
    }

    /// An image that comes and cannot be read, as its package and path, where
    /// none comes that can be: which kernel the modules will meet is unknown.
    pub(crate) fn unknown_image(&self) -> Option<(&str, &Path)> {
        let unreadable = self.unreadable_images.first();
        let (package, path) = unreadable.filter(|_| self.new_images.is_empty())?;
        Some((package, path))
    }

    /// Of the kernels of the release that the disk has, those that stay what they
    /// are, with this root's modules.
    ///
    /// Where the transaction brings an image, the copies on the disk are taken
    /// to follow it: scriptlets refresh them. They do so too where that image
    /// cannot be read here; and where the image goes from which they were made,
    /// they go with it: what a scriptlet has copied, another one removes.
    pub(crate) fn kernels_that_stay<'k>(
        &self,
        release: &str,
        root: &Root,
        on_disk: &'k [InstalledKernel],
    ) -> Vec<&'k InstalledKernel> {
        if !self.new_images.is_empty() || !self.unreadable_images.is_empty() {
            return Vec::new();
        }
        let goes = |kernel: &InstalledKernel| {
            let inside = root.inside(&kernel.bootable.path);
            inside.is_some_and(|inside| self.erased_images.contains(&normal(&inside)))
        };
        let (going, staying): (Vec<_>, Vec<_>) = on_disk
            .iter()
            .filter(|kernel| {
                kernel.kernel.release.as_deref() == Some(release)
                    && kernel.bootable.home == ModulesRoot::Root
                    && kernel.role.role != TargetRole::Foreign
            })
            .partition(|kernel| goes(kernel));
        let is_copy = |kernel: &&InstalledKernel| {
            let mut all = going.iter();
            all.any(|gone| {
                (&gone.kernel.build, gone.kernel.sha256())
                    == (&kernel.kernel.build, kernel.kernel.sha256())
            })
        };
        let mut stay = staying;
        stay.retain(|kernel| !is_copy(kernel));
        let is_own = |kernel: &&InstalledKernel| {
            let mut ways = kernel.bootable.via.iter().map(|via| via.way);
            ways.any(|way| matches!(way, BootMethod::ModuleDir | BootMethod::Boot))
        };
        match !self.erased_images.is_empty() && !stay.iter().any(is_own) {
            true => Vec::new(),
            false => stay,
        }
    }
}

impl Transaction {
    /// Reads the headers of a plan's packages; `files` are the package files
    /// that the plan's elements name, opened, in the elements' order.
    pub fn read(plan: &Plan, files: impl IntoIterator<Item = Option<File>>) -> Self {
        let mut this = Self::default();
        for element in &plan.elements {
            if element.action == Action::Erase {
                this.record_erase(&element.paths);
            }
        }
        for (element, file) in plan.elements.iter().zip(files) {
            if element.action == Action::Install {
                let package = match file {
                    Some(file) => Package::of(file),
                    None => Err(crate::rpm::file_list::Error::Io(std::io::Error::other(
                        "the package file cannot be opened",
                    ))),
                };
                this.record_planned_install(element, package.as_ref().ok());
                match package {
                    Ok(package) => this.record_install(package),
                    Err(error) => {
                        let unreadable = (element.nevra.clone(), error.to_string());
                        this.unreadable.push(unreadable);
                    }
                }
            }
        }
        for change in this.releases.values_mut() {
            let (installed, erased) = (&change.installed, &mut change.erased);
            erased.retain(|path| !installed.contains(path));
        }
        this
    }

    fn record_erase(&mut self, paths: &[PathBuf]) {
        for path in paths {
            match Role::of(path) {
                Some(Role::Module { release, below }) => {
                    self.change(release).erased.insert(below.to_owned());
                    self.touched.insert(path.clone());
                }
                Some(Role::Image { release } | Role::OtherImage { release }) => {
                    self.change(release).erased_images.insert(normal(path));
                }
                Some(Role::Config { .. }) | None => {
                    self.touch(path);
                }
            }
        }
    }

    /// What the plan says that an element brings, and its package does not show: it
    /// cannot be read, or has no such file.
    fn record_planned_install(&mut self, element: &Element, package: Option<&Package>) {
        let files = package.iter().flat_map(|package| package.files());
        let shown: HashMap<&Path, bool> = files
            .map(|file| (file.path.as_path(), file.has_content()))
            .collect();
        for path in &element.paths {
            let shown = shown.get(path.as_path());
            if shown == Some(&true) {
                continue;
            }
            let role = Role::of(path);
            // A module that is a link has no content, and is there all the same.
            if shown.is_some() && !matches!(role, Some(Role::Module { .. })) {
                continue;
            }
            match role {
                Some(Role::Module { release, below }) => {
                    self.change(release).installed.insert(below.to_owned());
                    self.touched.insert(path.clone());
                }
                Some(Role::Image { release } | Role::OtherImage { release }) => {
                    let image = (element.nevra.clone(), path.clone());
                    self.change(release).unreadable_images.push(image);
                }
                Some(Role::Config { .. }) | None => {
                    self.touch(path);
                }
            }
        }
    }

    fn record_install(&mut self, package: Package) {
        let index = self.packages.len();
        let files = KernelFiles::of(&package);
        for file in package.files().iter().filter(|file| file.has_content()) {
            self.touch(&file.path);
        }
        for module in &files.modules {
            let change = self.change(&module.release);
            change.installed.insert(module.below.clone());
        }
        for image in &files.images {
            let new = (index, image.path.clone());
            self.change(&image.release).new_images.push(new);
        }
        for image in &files.other_images {
            let other = (package.nevra().to_owned(), image.path.clone());
            self.change(&image.release).unreadable_images.push(other);
        }
        self.packages.push(IncomingPackage { package, files });
    }

    /// Notes a module file outside of module directories, which links in them may
    /// lead to.
    fn touch(&mut self, path: &Path) {
        if path.file_name().is_some_and(is_module_name) {
            self.touched.insert(path.to_owned());
        }
    }

    fn change(&mut self, release: &str) -> &mut Change {
        self.releases.entry(release.to_owned()).or_default()
    }
}

/// The disk under a transaction. Each module tree is walked once, when it is first
/// asked for.
#[derive(Debug)]
pub(crate) struct FsView<'t> {
    transaction: &'t Transaction,
    pub(crate) root: &'t Root,
    trees: RefCell<BTreeMap<String, Option<Rc<ReleaseTree>>>>,
    /// The files of the disk that come or go, without links in their directories, each
    /// with its path in the transaction.
    touched: OnceCell<BTreeMap<PathBuf, &'t Path>>,
}

impl<'t> FsView<'t> {
    /// The disk at `root`, before the transaction.
    pub(crate) fn new(transaction: &'t Transaction, root: &'t Root) -> Self {
        Self {
            transaction,
            root,
            trees: RefCell::default(),
            touched: OnceCell::new(),
        }
    }

    /// The module tree of a release before the transaction, if it has one.
    pub(crate) fn tree(&self, release: &str) -> Option<Rc<ReleaseTree>> {
        let mut trees = self.trees.borrow_mut();
        let tree = trees
            .entry(release.to_owned())
            .or_insert_with(|| ReleaseTree::read(self.root, release).map(Rc::new));
        tree.clone()
    }

    /// Modules that come with this transaction, and that a release reaches by links of
    /// its own on the disk, mostly in `weak-updates/`: what comes will be its module, too.
    ///
    /// Only what lies beside `kernel/` is looked at: that has thousands of modules, and
    /// nobody puts links there. One is noticed when the transaction is done.
    pub(crate) fn weak_updates(&self) -> Vec<WeakUpdate> {
        let packages = self.transaction.packages.iter();
        let modules = packages.flat_map(|incoming| &incoming.files.modules);
        let coming: HashSet<&Path> = modules.map(|module| module.path.as_path()).collect();
        let mut linked = Vec::new();
        if coming.is_empty() {
            return linked;
        }
        for release in self.root.module_releases() {
            let Some(dir) = self.root.module_dir(&release) else {
                continue;
            };
            let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
            let added = entries.filter(|entry| {
                !["kernel", "build", "source"]
                    .iter()
                    .any(|name| entry.file_name() == *name)
                    && entry.file_type().is_ok_and(|kind| !kind.is_file())
            });
            for found in added.flat_map(|entry| module_tree::walk(&entry.path(), self.root).modules)
            {
                if !found.file.starts_with(&dir)
                    && let Some(path) = self.touched().get(&found.file)
                    && coming.contains(path)
                {
                    linked.push(WeakUpdate {
                        path: path.to_path_buf(),
                        release: release.clone(),
                        below: found
                            .path
                            .strip_prefix(&dir)
                            .unwrap_or(&found.path)
                            .to_owned(),
                    });
                }
            }
        }
        // Of several links to one file, the first names it.
        linked.sort();
        linked.dedup_by(|one, other| (&one.release, &one.path) == (&other.release, &other.path));
        linked
    }

    /// The modules on the disk that a release keeps as they are, links followed.
    ///
    /// What a link leads to may come or go while the link stays, as those in
    /// `weak-updates/` to another release's modules: that module does not stay.
    /// Each with its path below the module directory.
    pub(crate) fn modules_that_stay(&self, release: &str) -> Vec<(PathBuf, ModuleFile)> {
        let Some(tree) = self.tree(release).filter(|tree| !tree.modules.is_empty()) else {
            return Vec::new();
        };
        let change = self.transaction.releases.get(release);
        let touched = self.touched();
        let stays = |file: &ModuleFile| {
            // Of a file in here, a link to it may go: the file itself stays.
            let is_own = file.file.starts_with(&tree.dir);
            let below = tree.below(file);
            let named = change.is_some_and(|change| {
                change.installed.contains(below) || change.erased.contains(below)
            });
            !touched.contains_key(&file.file) && (is_own || !named)
        };
        let modules = tree.modules.iter();
        modules
            .filter(|file| stays(file))
            .map(|file| (tree.below(file).to_owned(), file.clone()))
            .collect()
    }

    /// The transaction takes modules of the release away and leaves it without any.
    pub(crate) fn loses_all_modules(&self, release: &str) -> bool {
        let change = self.transaction.releases.get(release);
        change.is_some_and(|change| change.erases_modules() && !change.installs_modules())
            && self.modules_that_stay(release).is_empty()
    }

    fn touched(&self) -> &BTreeMap<PathBuf, &'t Path> {
        self.touched.get_or_init(|| {
            let mut dirs: BTreeMap<&Path, Option<PathBuf>> = BTreeMap::new();
            let mut files = BTreeMap::new();
            for path in &self.transaction.touched {
                if let (Some(dir), Some(name)) = (path.parent(), path.file_name())
                    && let Some(dir) = dirs
                        .entry(dir)
                        .or_insert_with(|| self.root.resolve(dir).ok())
                {
                    files.insert(dir.join(name), path.as_path());
                }
            }
            files
        })
    }
}

/// A module that comes, and that another release reaches by a link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WeakUpdate {
    /// The path under which it comes.
    pub(crate) path: PathBuf,
    pub(crate) release: String,
    /// The link, below the other release's module directory.
    pub(crate) below: PathBuf,
}

/// `/usr/lib` and `/lib` are one place.
fn normal(path: &Path) -> PathBuf {
    match path.strip_prefix("/usr/lib/modules") {
        Ok(below) => Path::new("/lib/modules").join(below),
        Err(_) => path.to_owned(),
    }
}

#[cfg(test)]
mod tests;
