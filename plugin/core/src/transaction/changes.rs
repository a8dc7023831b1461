// SPDX-License-Identifier: GPL-2.0-or-later
//! What a transaction brings and takes away, release by release.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use btf_guard_protocol::plan::{Action, Element, Plan};
use btf_guard_sysroot::Root;
use btf_guard_sysroot::file_role::{Role, in_module_dir, is_module_name};

use super::future_paths::FuturePaths;
use super::moves::{Moves, moved, moves};
use crate::boot::inventory::InstalledKernel;
use crate::boot::{BootMethod, ModulesRoot, TargetRole};
use crate::evaluate::located::ModuleLocation;
use crate::rpm::file_list;
use crate::rpm::kernel_files::{KernelFiles, PackagedLink};
use crate::rpm::package::Package;

/// A transaction whose packages' headers have been read.
#[derive(Debug)]
pub struct Transaction {
    /// The packages that are installed.
    pub(crate) packages: Vec<IncomingPackage>,
    /// Packages that are installed but cannot be read, or files of some that lie nowhere
    /// that could be found out, and why.
    pub(crate) unreadable: Vec<(String, String)>,
    /// What it does to each release that it touches.
    pub(crate) releases: BTreeMap<String, Change>,
    /// Every module file that comes or goes, wherever it lies.
    pub(crate) touched: BTreeSet<PathBuf>,
    /// Those that go and are none of a kernel's own.
    pub(crate) erased_added: BTreeSet<PathBuf>,
    /// Where paths will lead.
    pub(crate) paths: FuturePaths,
}

/// A package that is installed.
#[derive(Debug)]
pub(crate) struct IncomingPackage {
    pub(crate) package: Package,
    pub(crate) files: KernelFiles,
}

/// An image that comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IncomingImage {
    /// Its package, by its place in [`Transaction::packages`].
    pub(crate) package: usize,
    /// Its path in the package.
    pub(crate) path: PathBuf,
    /// Its path inside the root.
    pub(crate) place: PathBuf,
    is_usual: bool,
}

/// What a transaction does to one release.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// Modules that are installed, and links to some, by their path below the module
    /// directory.
    pub(crate) installed: BTreeSet<PathBuf>,
    /// The same for modules that go and do not come back.
    pub(crate) erased: BTreeSet<PathBuf>,
    /// Images that are installed, and can be read if they are any.
    pub(crate) new_images: Vec<IncomingImage>,
    /// Images of packages that cannot be read: the package, the path inside the root,
    /// and whether its name is a usual one.
    unreadable_images: Vec<(String, PathBuf, bool)>,
    /// Images that go, by their paths with `/lib` for `/usr/lib`.
    erased_images: BTreeSet<PathBuf>,
}

/// The images of a release after a transaction.
#[derive(Debug)]
pub(crate) struct ImagesAfter<'k> {
    /// Those of the disk that stay what they are, with this root's modules.
    pub(crate) stay: Vec<&'k InstalledKernel>,
    /// An image comes that all of the disk are taken to follow.
    pub(crate) is_new: bool,
    /// An image that comes in their place and cannot be read, as its package and path:
    /// which kernel the modules will meet is unknown.
    pub(crate) unknown: Option<(String, PathBuf)>,
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

    /// What becomes of the release's kernels on the disk, where of the images that come
    /// these are kernels of the release.
    ///
    /// Where the transaction brings an image, the copies on the disk are taken
    /// to follow it: scriptlets refresh them. They do so too where its package
    /// cannot be read here; and where the image goes from which they were made,
    /// they go with it: what a scriptlet has copied, another one removes. A file that is
    /// no kernel takes the place of the one at its own path, and of no other.
    pub(crate) fn images_after<'k>(
        &self,
        release: &str,
        root: &Root,
        on_disk: &'k [InstalledKernel],
        is_kernel: impl Fn(&IncomingImage) -> bool,
    ) -> ImagesAfter<'k> {
        let kernels = || {
            on_disk.iter().filter(|kernel| {
                kernel.kernel.release.as_deref() == Some(release)
                    && kernel.bootable.home == ModulesRoot::Root
                    && kernel.role.role != TargetRole::Foreign
            })
        };
        let is_at = |kernel: &InstalledKernel, path: &Path| {
            let path = normal(path);
            let sources = kernel.bootable.via.iter().map(|via| &via.source);
            let mut all = sources.chain([&kernel.bootable.path]);
            all.any(|known| {
                root.inside(known)
                    .is_some_and(|known| normal(&known) == path)
            })
        };
        // Copies are made of the one in the module directory. In `/boot`, one under another
        // name than the usual is no more than one more.
        let has_usual = || {
            kernels().any(|kernel| {
                let inside = root.inside(&kernel.bootable.path);
                inside.is_some_and(|path| matches!(Role::of(&path), Some(Role::Image { .. })))
            })
        };
        let displaces = |path: &Path, is_usual: bool| {
            is_usual
                || in_module_dir(path).is_some()
                || kernels().any(|kernel| is_at(kernel, path))
                || !has_usual()
        };
        let mut after = ImagesAfter {
            stay: Vec::new(),
            is_new: false,
            unknown: None,
        };
        let (new, others): (Vec<_>, Vec<_>) = self.new_images.iter().partition(|i| is_kernel(i));
        if new
            .iter()
            .any(|image| displaces(&image.place, image.is_usual))
        {
            after.is_new = true;
            return after;
        }
        let mut unreadable = self.unreadable_images.iter();
        if let Some((package, path, _)) =
            unreadable.find(|(_, path, is_usual)| displaces(path, *is_usual))
        {
            after.unknown = Some((package.clone(), path.clone()));
            return after;
        }
        let goes = |kernel: &InstalledKernel| {
            let inside = root.inside(&kernel.bootable.path);
            inside.is_some_and(|inside| self.erased_images.contains(&normal(&inside)))
        };
        let (going, staying): (Vec<_>, Vec<_>) = kernels().partition(|kernel| goes(kernel));
        let is_copy = |kernel: &&InstalledKernel| {
            let mut all = going.iter();
            all.any(|gone| {
                (&gone.kernel.build, gone.kernel.sha256())
                    == (&kernel.kernel.build, kernel.kernel.sha256())
            })
        };
        let is_own = |kernel: &&InstalledKernel| {
            let mut ways = kernel.bootable.via.iter().map(|via| via.way);
            ways.any(|way| matches!(way, BootMethod::ModuleDir | BootMethod::Boot))
        };
        after.stay = staying;
        after.stay.retain(|kernel| !is_copy(kernel));
        if !self.erased_images.is_empty() && !after.stay.iter().any(is_own) {
            after.stay.clear();
        }
        let is_replaced = |kernel: &&InstalledKernel| {
            let mut others = others.iter();
            others.any(|image| is_at(kernel, &image.place))
        };
        after.stay.retain(|kernel| !is_replaced(kernel));
        after
    }
}

impl Transaction {
    /// It brings what can change which of several files depmod chooses: its own
    /// configuration, or a second way to files of a release, a link to a directory.
    pub(crate) fn changes_order(&self) -> bool {
        self.packages.iter().any(|incoming| {
            let mut links = incoming.files.links.iter();
            let leads_back = |link: &PackagedLink| {
                let end = self.paths.resolve(&link.place).unwrap_or_default();
                let mut names = end.iter().map(Path::new);
                let is_module = link.place.file_name().is_some_and(is_module_name);
                !is_module && names.any(|name| name == Path::new(&link.own.release))
            };
            let mut files = incoming.package.files().iter();
            let is_config = |path: &Path| {
                let mut parts = path.iter();
                parts.any(|part| part == "depmod.d")
            };
            links.any(leads_back) || files.any(|file| is_config(&file.path))
        })
    }

    /// Reads the headers of a plan's packages; `files` are the package files
    /// that the plan's elements name, opened, in the elements' order. What comes is
    /// placed on the disk at `root`.
    pub fn read(plan: &Plan, files: impl IntoIterator<Item = Option<File>>, root: &Root) -> Self {
        let coming = plan.elements.iter().zip(files);
        let coming = coming.filter(|(element, _)| element.action == Action::Install);
        let coming: Vec<(&Element, Result<Package, _>)> = coming
            .map(|(element, file)| {
                let missing = || std::io::Error::other("the package file cannot be opened");
                let file = file.ok_or_else(|| file_list::Error::Io(missing()));
                (element, file.and_then(Package::of))
            })
            .collect();
        let mut links = Vec::new();
        for (element, package) in &coming {
            let moves = moves(element);
            for file in package.iter().flat_map(Package::files) {
                if let (Some(target), Some(path)) = (&file.target, moved(file, &moves)) {
                    links.push((path.to_owned(), target.clone()));
                }
            }
        }
        let mut this = Self {
            packages: Vec::new(),
            unreadable: Vec::new(),
            releases: BTreeMap::new(),
            touched: BTreeSet::new(),
            erased_added: BTreeSet::new(),
            paths: FuturePaths::new(root, links),
        };
        for element in &plan.elements {
            if element.action == Action::Erase {
                this.record_erase(&element.paths);
            }
        }
        for (element, package) in coming {
            let moves = moves(element);
            this.record_planned_install(element, package.as_ref().ok(), &moves);
            match package {
                Ok(package) => this.record_install(package, &moves),
                Err(error) => {
                    let unreadable = (element.nevra.clone(), error.to_string());
                    this.unreadable.push(unreadable);
                }
            }
        }
        for change in this.releases.values_mut() {
            let (installed, erased) = (&change.installed, &mut change.erased);
            erased.retain(|path| !installed.contains(path));
        }
        this
    }

    /// A package brings what lies here, or a link that leads here.
    pub(crate) fn brings(&self, location: &ModuleLocation) -> bool {
        let change = self.releases.get(&location.release);
        let mut paths = location.below.ancestors();
        change.is_some_and(|change| paths.any(|path| change.installed.contains(path)))
    }

    fn record_erase(&mut self, paths: &[PathBuf]) {
        for path in paths {
            match Role::of(path) {
                Some(Role::Module { release, below }) => {
                    self.change(release).erased.insert(below.to_owned());
                    self.touched.insert(path.clone());
                    if !below.starts_with("kernel") {
                        self.erased_added.insert(path.clone());
                    }
                }
                Some(Role::Image { release } | Role::OtherImage { release }) => {
                    self.change(release).erased_images.insert(normal(path));
                }
                Some(Role::Config { .. }) | None => {
                    self.touch(path);
                    self.erased_added.insert(path.clone());
                }
            }
        }
    }

    /// What the plan says that an element brings, and its package does not show: it
    /// cannot be read, or has no such file.
    fn record_planned_install(
        &mut self,
        element: &Element,
        package: Option<&Package>,
        moves: &Moves<'_>,
    ) {
        let files = package.iter().flat_map(|package| package.files());
        let shown: BTreeSet<&Path> = files.filter_map(|file| moved(file, moves)).collect();
        for path in &element.paths {
            if shown.contains(path.as_path()) {
                continue;
            }
            let role = Role::of(path);
            match role {
                Some(Role::Module { release, below }) => {
                    self.change(release).installed.insert(below.to_owned());
                    self.touched.insert(path.clone());
                }
                Some(Role::Image { release } | Role::OtherImage { release }) => {
                    let is_usual = matches!(role, Some(Role::Image { .. }));
                    let image = (element.nevra.clone(), path.clone(), is_usual);
                    self.change(release).unreadable_images.push(image);
                }
                Some(Role::Config { .. }) | None => self.touch(path),
            }
        }
    }

    fn record_install(&mut self, package: Package, moves: &Moves<'_>) {
        let index = self.packages.len();
        let paths = &self.paths;
        let unplaced = Cell::new(None);
        let files = KernelFiles::placed(&package, |file| {
            let path = moved(file, moves)?;
            let place = paths.without_parents(Cow::Borrowed(path));
            if place.is_none() {
                unplaced.set(Some(path));
            }
            place
        });
        // One of a package is enough to say that not all of it is judged.
        if let Some(path) = unplaced.get() {
            let path = format!("{}: {}", package.nevra(), path.display());
            let why = "not judged: where it leads is hidden by too many symbolic links";
            self.unreadable.push((path, why.to_owned()));
        }
        for module in &files.modules {
            self.touched.insert(module.place.clone());
            if let Some(own) = &module.own {
                let change = self.change(&own.release);
                change.installed.insert(own.below.clone());
            }
        }
        for PackagedLink { place, own } in &files.links {
            self.touch(place);
            let change = self.change(&own.release);
            change.installed.insert(own.below.clone());
        }
        for image in &files.images {
            self.change(&image.release).new_images.push(IncomingImage {
                package: index,
                path: image.path.clone(),
                place: image.place.clone(),
                is_usual: image.is_usual,
            });
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

/// `/usr/lib` and `/lib` are one place.
fn normal(path: &Path) -> PathBuf {
    match path.strip_prefix("/usr/lib/modules") {
        Ok(below) => Path::new("/lib/modules").join(below),
        Err(_) => path.to_owned(),
    }
}
