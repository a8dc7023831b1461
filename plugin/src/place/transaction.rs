//! The file system after a transaction: the disk, minus what is erased, plus
//! what is installed, as far as modules and kernel images go.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use super::package::{self, Package};
use super::plan::{Action, Element, Plan};
use super::roots::{Image, Root};
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

    /// An image that comes and cannot be read, as its package and path, where
    /// none comes that can be: which kernel the modules will meet is unknown.
    pub fn unknown_image(&self) -> Option<(&str, &Path)> {
        let (package, path) = self.unread.first().filter(|_| self.brought.is_empty())?;
        Some((package, path))
    }

    /// The images on the disk that stay what they are.
    ///
    /// Where the transaction brings an image, the copies on the disk are taken
    /// to follow it: scriptlets refresh them. They do so too where that image
    /// cannot be read here.
    pub fn images_that_stay(&self, release: &str, root: &Root) -> Vec<Image> {
        if !self.brought.is_empty() || !self.unread.is_empty() {
            return Vec::new();
        }
        let mut images = root.images(release);
        images.retain(|image| !self.erased_images.contains(&normal(&image.inside)));
        images
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

    /// The modules on the disk that a release keeps as they are, links followed.
    ///
    /// What a link leads to may come or go while the link stays, as those in
    /// `weak-updates/` to another release's modules: that module does not stay.
    /// Each with its path below the module directory.
    pub fn modules_that_stay(&self, release: &str, root: &Root) -> Vec<(PathBuf, Found)> {
        let Some(dir) = root.module_dir(release) else {
            return Vec::new();
        };
        let change = self.releases.get(release);
        let touched = self.touched_files(root);
        let stays = |found: Found| {
            // Of a file in here, a link to it may go: the file itself stays.
            let is_own = found.file.starts_with(&dir);
            let below = found.path.strip_prefix(&dir).ok()?.to_owned();
            let named = change.is_some_and(|change| {
                change.installed.contains(&below) || change.erased.contains(&below)
            });
            (!touched.contains(&found.file) && (is_own || !named)).then_some((below, found))
        };
        let modules = tree::walk(&dir, root).modules.into_iter();
        modules.filter_map(stays).collect()
    }

    /// The files of the disk that come or go, without links in their directories.
    fn touched_files(&self, root: &Root) -> BTreeSet<PathBuf> {
        let mut dirs: BTreeMap<&Path, Option<PathBuf>> = BTreeMap::new();
        let mut files = BTreeSet::new();
        for path in &self.touched {
            if let (Some(dir), Some(name)) = (path.parent(), path.file_name())
                && let Some(dir) = dirs.entry(dir).or_insert_with(|| root.resolve(dir).ok())
            {
                files.insert(dir.join(name));
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
                Some(Role::Image { release }) => {
                    self.change(release).erased_images.insert(normal(path));
                }
                Some(Role::OtherImage { .. } | Role::Config { .. }) | None => {}
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
                Some(Role::Image { release }) if file.has_content() => {
                    let image = (index, file.path.clone());
                    self.change(release).brought.push(image);
                }
                Some(Role::Module { .. }) if !file.has_content() => {}
                _ => self.comes(package.nevra(), &file.path),
            }
        }
        self.packages.push(package);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use std::fs;
    use std::io::Write;

    use rpm::FileOptions;

    use super::*;
    use crate::place::plan::SCHEMA;

    fn package(paths: &[&str]) -> File {
        let mut builder = rpm::PackageBuilder::new("p", "1", "GPL", "x86_64", "p");
        builder.using_config(rpm::BuildConfig::v4().compression(rpm::CompressionType::None));
        for path in paths {
            builder
                .with_file_contents("x", FileOptions::new(*path))
                .unwrap();
        }
        let mut file = tempfile::tempfile().unwrap();
        builder.build().unwrap().write(&mut file).unwrap();
        file.flush().unwrap();
        file
    }

    fn element(action: Action, paths: &[&str]) -> Element {
        Element {
            nevra: "p-1-1.x86_64".into(),
            action,
            file: None,
            paths: paths.iter().map(PathBuf::from).collect(),
        }
    }

    fn root(files: &[&str]) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let file = dir.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "x").unwrap();
        }
        std::os::unix::fs::symlink("usr/lib", dir.path().join("lib")).unwrap();
        let root = Root::new(dir.path()).unwrap();
        (dir, root)
    }

    fn read(elements: Vec<Element>, files: Vec<Option<File>>) -> Transaction {
        let plan = Plan {
            schema: SCHEMA,
            root: "/".into(),
            test: false,
            mode: None,
            elements,
        };
        Transaction::read(&plan, files)
    }

    #[test]
    fn an_upgrade_replaces_what_comes_back_and_erases_the_rest() {
        let (_dir, root) = root(&[
            "usr/lib/modules/6.1/kernel/same.ko",
            "usr/lib/modules/6.1/kernel/gone.ko",
            "usr/lib/modules/6.1/updates/kmp.ko",
            "usr/lib/modules/6.1/vmlinuz",
            "boot/vmlinuz-6.1",
        ]);
        let old = element(
            Action::Erase,
            &[
                "/lib/modules/6.1/kernel/same.ko",
                "/lib/modules/6.1/kernel/gone.ko",
                "/lib/modules/6.1/vmlinuz",
            ],
        );
        let new = package(&[
            "/usr/lib/modules/6.1/kernel/same.ko",
            "/usr/lib/modules/6.1/kernel/new.ko.zst",
            "/usr/share/doc/readme",
        ]);
        let transaction = read(
            vec![element(Action::Install, &[]), old],
            vec![Some(new), None],
        );
        assert_eq!(transaction.unreadable, []);
        let change = &transaction.releases["6.1"];
        assert!(change.installs_modules() && change.erases_modules());
        let stay: Vec<_> = transaction
            .modules_that_stay("6.1", &root)
            .into_iter()
            .map(|(_, found)| found.file)
            .collect();
        assert_eq!(
            stay,
            [root.path().join("usr/lib/modules/6.1/updates/kmp.ko")]
        );
        // The image goes with the old half; its copy in /boot is nobody's here.
        let images: Vec<_> = change
            .images_that_stay("6.1", &root)
            .into_iter()
            .map(|image| image.inside)
            .collect();
        assert_eq!(images, [Path::new("/boot/vmlinuz-6.1")]);
    }

    #[test]
    fn where_a_link_leads_decides_what_stays() {
        let (dir, root) = root(&[
            "usr/lib/modules/6.0/extra/replaced.ko",
            "usr/lib/modules/6.0/extra/erased.ko",
            "usr/lib/modules/6.0/extra/kept.ko",
            "usr/lib/modules/6.1/updates/gone.ko",
            "usr/lib/modules/6.1/updates/here.ko",
        ]);
        let link = |from: &str, to: &str| {
            let from = dir.path().join("usr/lib/modules/6.1").join(from);
            fs::create_dir_all(from.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(to, from).unwrap();
        };
        for name in ["replaced", "erased", "kept"] {
            link(
                &format!("weak-updates/{name}.ko"),
                &format!("/lib/modules/6.0/extra/{name}.ko"),
            );
        }
        link("extra/gone.ko", "../updates/gone.ko");
        link("extra/here.ko", "../updates/here.ko");
        let old = element(
            Action::Erase,
            &[
                "/lib/modules/6.0/extra/replaced.ko",
                "/lib/modules/6.0/extra/erased.ko",
                "/lib/modules/6.1/updates/gone.ko",
                "/lib/modules/6.1/extra/here.ko",
            ],
        );
        let new = package(&["/lib/modules/6.0/extra/replaced.ko"]);
        let transaction = read(
            vec![element(Action::Install, &[]), old],
            vec![Some(new), None],
        );
        let stay: Vec<_> = transaction
            .modules_that_stay("6.1", &root)
            .into_iter()
            .map(|(_, found)| found.file)
            .collect();
        let real = |path: &str| root.path().join("usr/lib/modules").join(path);
        assert_eq!(
            stay,
            [real("6.1/updates/here.ko"), real("6.0/extra/kept.ko")]
        );
    }

    #[test]
    fn copies_follow_the_image_that_is_brought() {
        let (_dir, root) = root(&["boot/vmlinuz-6.1", "usr/lib/modules/6.1/x.ko"]);
        let transaction = read(
            vec![element(Action::Install, &[])],
            vec![Some(package(&["/usr/lib/modules/6.1/vmlinuz"]))],
        );
        let change = &transaction.releases["6.1"];
        assert_eq!(
            change.brought,
            [(0, PathBuf::from("/usr/lib/modules/6.1/vmlinuz"))]
        );
        assert_eq!(change.images_that_stay("6.1", &root), []);
        assert_eq!(transaction.modules_that_stay("6.1", &root).len(), 1);
        assert!(!change.installs_modules());
    }

    #[test]
    fn an_image_that_comes_and_cannot_be_read_is_no_old_copy() {
        let (_dir, root) = root(&["boot/vmlinuz-6.1", "usr/lib/modules/6.1/kernel/x.ko"]);
        let named = |paths: &[&str], file| {
            let transaction = read(vec![element(Action::Install, paths)], vec![file]);
            let change = &transaction.releases["6.1"];
            assert_eq!(change.images_that_stay("6.1", &root), [], "{paths:?}");
            let image = change.unknown_image().map(|(_, path)| path.to_owned());
            (image, transaction.modules_that_stay("6.1", &root).len())
        };
        // The package cannot be opened: the plan tells what it brings.
        let (image, stay) = named(
            &[
                "/usr/lib/modules/6.1/vmlinuz",
                "/lib/modules/6.1/kernel/x.ko",
            ],
            None,
        );
        assert_eq!(image.unwrap(), Path::new("/usr/lib/modules/6.1/vmlinuz"));
        assert_eq!(stay, 0);
        // The image is under a name that is not read.
        let (image, _) = named(&[], Some(package(&["/lib/modules/6.1/Image"])));
        assert_eq!(image.unwrap(), Path::new("/lib/modules/6.1/Image"));
        // It is the package's, and not in it.
        let (image, _) = named(&["/boot/vmlinuz-6.1"], Some(package(&["/opt/x"])));
        assert_eq!(image.unwrap(), Path::new("/boot/vmlinuz-6.1"));
        // One that can be read is enough.
        let brings = package(&["/lib/modules/6.1/vmlinuz", "/lib/modules/6.1/vmlinux.xz"]);
        let (image, _) = named(&["/usr/lib/modules/6.1/vmlinuz"], Some(brings));
        assert_eq!(image, None);
    }

    #[test]
    fn a_package_that_cannot_be_read_is_named() {
        let mut broken = tempfile::tempfile().unwrap();
        broken.write_all(b"not a package").unwrap();
        let install = || element(Action::Install, &[]);
        let transaction = read(vec![install(), install()], vec![Some(broken), None]);
        assert!(transaction.releases.is_empty());
        let complaints: Vec<_> = transaction
            .unreadable
            .iter()
            .map(|(nevra, error)| format!("{nevra}: {error}"))
            .collect();
        assert_eq!(
            complaints,
            [
                "p-1-1.x86_64: at offset 0x0: expected the magic of an rpm package (ed ab ee db)",
                "p-1-1.x86_64: the package file cannot be opened",
            ]
        );
    }
}
