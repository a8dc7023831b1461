//! The file system after a transaction: the disk, minus what is erased, plus
//! what is installed, as far as modules and kernel images go.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use super::boot::{BootMethod, ModulesRoot};
use super::inventory::Installed;
use super::package::{self, Package};
use super::plan::{Action, Element, Plan};
use super::roots::Root;
use super::tree::{self, Found};
use super::{Role, is_module_name};

/// A transaction whose packages' headers have been read.
#[derive(Debug)]
pub struct Transaction {
    /// The packages that are installed.
    pub packages: Vec<Package>,
    /// Packages that are installed but cannot be read, and why.
    pub unreadable: Vec<(String, String)>,
    /// What it does to each release that it touches.
    pub releases: BTreeMap<String, Change>,
    /// Every module file that comes or goes, wherever it lies.
    touched: BTreeSet<PathBuf>,
}

/// What a transaction does to one release.
#[derive(Debug, Default)]
pub struct Change {
    /// Modules that are installed, by their path below the module directory.
    installed: BTreeSet<PathBuf>,
    /// The same for modules that go and do not come back.
    erased: BTreeSet<PathBuf>,
    /// Images that are installed: the package, by its place in
    /// [`Transaction::packages`], and the path.
    pub brought: Vec<(usize, PathBuf)>,
    /// Images that come and cannot be read: the package and the path.
    unread: Vec<(String, PathBuf)>,
    /// Images that go, by their paths with `/lib` for `/usr/lib`.
    erased_images: BTreeSet<PathBuf>,
}

impl Change {
    /// Does it install modules?
    pub fn installs_modules(&self) -> bool {
        !self.installed.is_empty()
    }

    /// Does it erase modules that do not come back?
    pub fn erases_modules(&self) -> bool {
        !self.erased.is_empty()
    }

    /// Does it erase modules of the kernel's own, not only some that were added?
    pub fn erases_own_modules(&self) -> bool {
        self.erased.iter().any(|below| below.starts_with("kernel"))
    }

    /// An image that comes and cannot be read, as its package and path, where
    /// none comes that can be: which kernel the modules will meet is unknown.
    pub fn unknown_image(&self) -> Option<(&str, &Path)> {
        let (package, path) = self.unread.first().filter(|_| self.brought.is_empty())?;
        Some((package, path))
    }

    /// Does it install images that cannot be read?
    pub fn brings_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Does it erase images?
    pub fn erases_images(&self) -> bool {
        !self.erased_images.is_empty()
    }

    /// Of the kernels of the release that the disk has, those that stay what they
    /// are, with this root's modules.
    ///
    /// Where the transaction brings an image, the copies on the disk are taken
    /// to follow it: scriptlets refresh them. They do so too where that image
    /// cannot be read here; and where the image goes from which they were made,
    /// they go with it.
    pub fn kernels_that_stay<'k>(
        &self,
        release: &str,
        root: &Root,
        on_disk: &'k [Installed],
    ) -> Vec<&'k Installed> {
        if !self.brought.is_empty() || !self.unread.is_empty() {
            return Vec::new();
        }
        let goes = |kernel: &Installed| {
            let inside = root.inside(&kernel.bootable.path);
            inside.is_some_and(|inside| self.erased_images.contains(&normal(&inside)))
        };
        let stay: Vec<&Installed> = on_disk
            .iter()
            .filter(|kernel| {
                kernel.kernel.release.as_deref() == Some(release)
                    && kernel.bootable.home == ModulesRoot::Root
                    && !goes(kernel)
            })
            .collect();
        let is_own = |kernel: &&Installed| {
            let mut ways = kernel.bootable.via.iter().map(|via| via.way);
            ways.any(|way| matches!(way, BootMethod::ModuleDir | BootMethod::Boot))
        };
        match self.erases_images() && !stay.iter().any(is_own) {
            true => Vec::new(),
            false => stay,
        }
    }
}

impl Transaction {
    /// Reads the headers of a plan's packages; `files` are the package files
    /// that the plan's elements name, opened, in the elements' order.
    pub fn read(plan: &Plan, files: impl IntoIterator<Item = Option<File>>) -> Self {
        let mut this = Self {
            packages: Vec::new(),
            unreadable: Vec::new(),
            releases: BTreeMap::new(),
            touched: BTreeSet::new(),
        };
        for element in &plan.elements {
            if element.action == Action::Erase {
                this.erase(&element.paths);
            }
        }
        for (element, file) in plan.elements.iter().zip(files) {
            if element.action == Action::Install {
                let package = match file {
                    Some(file) => Package::of(file),
                    None => Err(package::Error::Io(std::io::Error::other(
                        "the package file cannot be opened",
                    ))),
                };
                this.announce(element);
                match package {
                    Ok(package) => this.install(package),
                    Err(error) => this
                        .unreadable
                        .push((element.nevra.clone(), error.to_string())),
                }
            }
        }
        for change in this.releases.values_mut() {
            let (installed, erased) = (&change.installed, &mut change.erased);
            erased.retain(|path| !installed.contains(path));
            let brought = change.brought.iter().map(|(_, path)| normal(path));
            let brought: BTreeSet<PathBuf> = brought.collect();
            change
                .unread
                .retain(|(_, path)| !brought.contains(&normal(path)));
        }
        this
    }

    /// Modules of one release that others reach by links of their own on the disk,
    /// as `weak-updates/` has them, and that come with this transaction: what
    /// comes will be their module, too. Each with the path that comes, the other
    /// release and the link's path below its module directory.
    pub fn linked_modules(&self, root: &Root) -> Vec<Linked> {
        // Mostly there are none: then no path need be resolved.
        let mut links = Vec::new();
        for release in root.module_releases() {
            if let Some(dir) = root.module_dir(&release) {
                let found = tree::links(&dir.join("weak-updates"), root);
                links.extend(found.into_iter().map(|link| {
                    let below = link.path.strip_prefix(&dir).unwrap_or(&link.path);
                    (link.file, release.clone(), below.to_owned())
                }));
            }
        }
        if links.is_empty() {
            return Vec::new();
        }
        let touched = self.touched_files(root);
        let comes = |path: &Path| match Role::of(path) {
            Some(Role::Module { release, below }) => {
                let change = self.releases.get(release);
                change.is_some_and(|change| change.installed.contains(below))
            }
            _ => false,
        };
        let linked = links.into_iter().filter_map(|(file, release, below)| {
            let path = touched.get(&file).filter(|path| comes(path))?;
            Some(Linked {
                path: path.to_path_buf(),
                release,
                below,
            })
        });
        linked.collect()
    }

    /// The modules on the disk that a release keeps as they are, links followed.
    ///
    /// What a link leads to may come or go while the link stays, as those in
    /// `weak-updates/` to another release's modules: that module does not stay.
    /// Each with its path below the module directory.
    pub fn modules_that_stay(&self, release: &str, root: &Root) -> Vec<(PathBuf, Found)> {
        let Some(dir) = root.module_dir(release) else {
            return Vec::new();
        };
        let modules = tree::walk(&dir, root).modules;
        if modules.is_empty() {
            return Vec::new();
        }
        let change = self.releases.get(release);
        let touched = self.touched_files(root);
        let stays = |found: Found| {
            // Of a file in here, a link to it may go: the file itself stays.
            let is_own = found.file.starts_with(&dir);
            let below = found.path.strip_prefix(&dir).ok()?.to_owned();
            let named = change.is_some_and(|change| {
                change.installed.contains(&below) || change.erased.contains(&below)
            });
            (!touched.contains_key(&found.file) && (is_own || !named)).then_some((below, found))
        };
        modules.into_iter().filter_map(stays).collect()
    }

    /// The files of the disk that come or go, without links in their directories,
    /// each with its path in the transaction.
    fn touched_files(&self, root: &Root) -> BTreeMap<PathBuf, &Path> {
        let mut dirs: BTreeMap<&Path, Option<PathBuf>> = BTreeMap::new();
        let mut files = BTreeMap::new();
        for path in &self.touched {
            if let (Some(dir), Some(name)) = (path.parent(), path.file_name())
                && let Some(dir) = dirs.entry(dir).or_insert_with(|| root.resolve(dir).ok())
            {
                files.insert(dir.join(name), path.as_path());
            }
        }
        files
    }

    fn touch(&mut self, path: &Path) {
        if path.file_name().is_some_and(is_module_name) {
            self.touched.insert(path.to_owned());
        }
    }

    fn erase(&mut self, paths: &[PathBuf]) {
        for path in paths {
            self.touch(path);
            match Role::of(path) {
                Some(Role::Module { release, below }) => {
                    self.change(release).erased.insert(below.to_owned());
                }
                Some(Role::Image { release } | Role::OtherImage { release }) => {
                    self.change(release).erased_images.insert(normal(path));
                }
                Some(Role::Config { .. }) | None => {}
            }
        }
    }

    /// What the plan says that an element brings, whether or not its package
    /// can be read.
    fn announce(&mut self, element: &Element) {
        for path in &element.paths {
            self.touch(path);
            self.comes(&element.nevra, path);
        }
    }

    /// Takes a file that comes; an image as one that cannot be read.
    fn comes(&mut self, nevra: &str, path: &Path) {
        match Role::of(path) {
            Some(Role::Module { release, below }) => {
                self.change(release).installed.insert(below.to_owned());
            }
            Some(Role::Image { release } | Role::OtherImage { release }) => {
                let image = (nevra.to_owned(), path.to_owned());
                self.change(release).unread.push(image);
            }
            Some(Role::Config { .. }) | None => {}
        }
    }

    fn install(&mut self, package: Package) {
        let index = self.packages.len();
        for file in package.files() {
            if file.has_content() {
                self.touch(&file.path);
            }
            match Role::of(&file.path) {
                Some(Role::Module { .. }) if !file.has_content() => {}
                _ => self.comes(package.nevra(), &file.path),
            }
        }
        for (release, path) in images(&package) {
            let image = (index, path.to_owned());
            self.change(release).brought.push(image);
        }
        self.packages.push(package);
    }

    fn change(&mut self, release: &str) -> &mut Change {
        self.releases.entry(release.to_owned()).or_default()
    }
}

/// A module that comes, and that another release reaches by a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// The path under which it comes.
    pub path: PathBuf,
    /// The other release.
    pub release: String,
    /// The link, below the other release's module directory.
    pub below: PathBuf,
}

/// The kernel images in a package that are to be read, with their releases:
/// those under the usual names; of a release that has none of them, those under
/// others.
pub fn images(package: &Package) -> Vec<(&str, &Path)> {
    let with_content = package.files().iter().filter(|file| file.has_content());
    let (mut usual, mut others) = (Vec::new(), Vec::new());
    for file in with_content {
        match Role::of(&file.path) {
            Some(Role::Image { release }) => usual.push((release, file.path.as_path())),
            Some(Role::OtherImage { release }) => others.push((release, file.path.as_path())),
            _ => {}
        }
    }
    let known: BTreeSet<&str> = usual.iter().map(|(release, _)| *release).collect();
    others.retain(|(release, _)| !known.contains(release));
    usual.extend(others);
    usual
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
