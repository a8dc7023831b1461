//! The kernels that were asked for.

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use btf_guard::kernel::{Config, Error, Image, Kernel, config, image};
use btf_guard::place::package::Package;
use btf_guard::place::roots::Root;
use btf_guard::place::{Role, is_package_name, is_release};
use btf_guard::report::ErrorEntry;

use super::bench::{Bench, failed};

/// Where kernels come from.
pub(crate) struct Targets<'a> {
    pub(crate) root: &'a Root,
    /// `--kernel-config`.
    pub(crate) config: Option<Config>,
    /// A kernel without BTF takes every module's BTF: no need to speak of it.
    pub(crate) lenient: bool,
    /// What could not be read.
    pub(crate) errors: Vec<ErrorEntry>,
}

impl Targets<'_> {
    /// Puts the kernels that `words` name onto the bench; none mean the default.
    /// A word that names none is an error among the others.
    pub(crate) fn add_all(
        &mut self,
        words: &[String],
        has_paths: bool,
        bench: &mut Bench,
    ) -> anyhow::Result<()> {
        if words.is_empty() {
            return self.add_default(has_paths, bench);
        }
        for word in words {
            if let Err(error) = self.add(word, bench) {
                self.failed(format!("--kernel {word}"), &format!("{error:#}"));
            }
        }
        Ok(())
    }

    /// The running kernel, or, where it has no modules here, every kernel of the root.
    fn add_default(&mut self, has_paths: bool, bench: &mut Bench) -> anyhow::Result<()> {
        if self.root.is_system() {
            let running = Kernel::running();
            let has_modules = running.as_ref().is_ok_and(|kernel| {
                let release = kernel.release.as_deref();
                release.is_some_and(|release| self.root.module_dir(release).is_some())
            });
            let releases = self.root.releases();
            if has_modules || releases.is_empty() && has_paths {
                let running = running.context("cannot read the running kernel")?;
                self.put(running, "running".to_owned(), None, bench);
                return Ok(());
            }
        }
        self.add_releases(bench)
    }

    fn add_releases(&mut self, bench: &mut Bench) -> anyhow::Result<()> {
        let releases = self.root.releases();
        if releases.is_empty() {
            let root = self.root.path().display();
            bail!("no kernel was found under {root}: name one with --kernel");
        }
        for release in releases {
            self.add_release(&release, bench);
        }
        Ok(())
    }

    fn add(&mut self, word: &str, bench: &mut Bench) -> anyhow::Result<()> {
        let path = Path::new(word);
        match word {
            "running" => {
                let running = Kernel::running().context("cannot read the running kernel")?;
                self.put(running, word.to_owned(), None, bench);
            }
            "all" => self.add_releases(bench)?,
            _ if !word.contains('/') && !self.root.images(word).is_empty() => {
                self.add_release(word, bench);
            }
            _ if is_package_name(path.as_os_str()) => self.add_package(path, bench),
            _ if word.contains('/') || path.exists() => self.add_file(path, bench),
            _ => {
                let root = self.root.path().display();
                bail!("no such kernel under {root}, and no file of that name");
            }
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path, bench: &mut Bench) {
        match Kernel::open(path, self.config.as_ref()) {
            Ok(kernel) => {
                self.put(kernel, path.display().to_string(), None, bench);
            }
            Err(error) => self.failed(path.display().to_string(), &error),
        }
    }

    /// Every image of a release that the root has.
    pub(crate) fn add_release(&mut self, release: &str, bench: &mut Bench) -> Vec<usize> {
        let images = self.root.images(release);
        let files = images
            .iter()
            .map(|image| (image.inside.as_path(), image.file.as_path()));
        self.add_images(release, files, bench)
    }

    /// Images of the root, by their path inside it and their file.
    pub(crate) fn add_images<'p>(
        &mut self,
        release: &str,
        images: impl IntoIterator<Item = (&'p Path, &'p Path)>,
        bench: &mut Bench,
    ) -> Vec<usize> {
        let mut ids = Vec::new();
        for (inside, file) in images {
            let shown = self.root.outside(inside).display().to_string();
            match self.open(file, release) {
                Ok(kernel) => ids.push(self.put(kernel, shown, None, bench)),
                Err(Error::NoBtf) if self.lenient => {}
                Err(error) => self.failed(shown, &error),
            }
        }
        ids.dedup();
        ids
    }

    /// Opens an image of the root, with its config.
    pub(crate) fn open(&self, file: &Path, release: &str) -> Result<Kernel, Error> {
        let image = image::open(file)?;
        let config = match &self.config {
            Some(config) => config.clone(),
            None => {
                let dir = self.root.module_dir(release);
                let own = image.config.as_deref();
                let config = Config::find(file, Some(release), dir.as_deref(), own);
                self.or_in_boot(config, release)
            }
        };
        named(Kernel::from_image(image, file, config)?, release)
    }

    /// Where an image is reached through a link, its config may be beside the link.
    fn or_in_boot(&self, config: Config, release: &str) -> Config {
        let unknown = config.allow_mismatch.is_none() && is_release(release);
        let boot = || {
            let path = PathBuf::from(format!("/boot/config-{release}"));
            Config::from_file(&self.root.resolve(&path).ok()?).ok()
        };
        unknown.then(boot).flatten().unwrap_or(config)
    }

    /// The kernels inside a package file.
    fn add_package(&mut self, path: &Path, bench: &mut Bench) {
        let shown = path.display().to_string();
        let package = match Package::open(path) {
            Ok(package) => package,
            Err(error) => return self.failed(shown, &error),
        };
        let is_image = |file: &Path| matches!(Role::of(file), Some(Role::Image { .. }));
        if !package.files().iter().any(|file| is_image(&file.path)) {
            let error = "no kernel image is in this package \
                         (/lib/modules/RELEASE/vmlinuz, /boot/vmlinuz-RELEASE)";
            return self.failed(shown, &error);
        }
        self.add_from_package(&package, is_image, bench);
    }

    /// The images of a package that `wanted` asks for, with their release and id.
    pub(crate) fn add_from_package(
        &mut self,
        package: &Package,
        wanted: impl Fn(&Path) -> bool,
        bench: &mut Bench,
    ) -> Vec<(String, usize)> {
        let mut images: Vec<(PathBuf, Vec<u8>)> = Vec::new();
        let mut configs: Vec<(PathBuf, Vec<u8>)> = Vec::new();
        let is_config = |path: &Path| matches!(Role::of(path), Some(Role::Config { .. }));
        let files = package.files().iter().filter(|file| file.has_content());
        let mut expected = files
            .filter(|file| wanted(&file.path) || is_config(&file.path))
            .count();
        let result = package.extract(
            |path| wanted(path) || is_config(path),
            |paths, content| {
                for path in paths {
                    match is_config(path) {
                        true => configs.push((path.to_path_buf(), content.clone())),
                        false => images.push((path.to_path_buf(), content.clone())),
                    }
                }
                expected = expected.saturating_sub(paths.len());
                match expected {
                    0 => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                }
            },
        );
        if let Err(error) = result {
            self.failed(package.nevra().to_owned(), &error);
        }
        images.sort();
        let mut ids = Vec::new();
        for (path, content) in images {
            let Some(Role::Image { release }) = Role::of(&path) else {
                continue;
            };
            let shown = path.display().to_string();
            match self.parse(&path, &content, release, &configs, package.nevra()) {
                Ok(kernel) => {
                    let id = self.put(kernel, shown, Some(package.nevra()), bench);
                    ids.push((release.to_owned(), id));
                }
                Err(Error::NoBtf) if self.lenient => {}
                Err(error) => self.failed(format!("{}: {shown}", package.nevra()), &error),
            }
        }
        ids
    }

    fn parse(
        &self,
        path: &Path,
        content: &[u8],
        release: &str,
        configs: &[(PathBuf, Vec<u8>)],
        nevra: &str,
    ) -> Result<Kernel, Error> {
        let image = image::parse(content)?;
        let config = match &self.config {
            Some(config) => config.clone(),
            None => config_in_package(&image, release, configs, nevra),
        };
        named(Kernel::from_image(image, path, config)?, release)
    }

    /// Puts a kernel onto the bench.
    pub(crate) fn put(
        &self,
        mut kernel: Kernel,
        source: String,
        package: Option<&str>,
        bench: &mut Bench,
    ) -> usize {
        if let Some(config) = &self.config {
            kernel.config = config.clone();
        }
        bench.add(kernel, source, package)
    }

    fn failed(&mut self, path: String, error: &impl ToString) {
        self.errors.push(failed(path, error));
    }
}

/// An image that does not tell its release has that of its place.
fn named(mut kernel: Kernel, release: &str) -> Result<Kernel, Error> {
    kernel.release.get_or_insert_with(|| release.to_owned());
    Ok(kernel)
}

/// The config of a kernel whose image is in a package: the one beside it, or inside it.
fn config_in_package(
    image: &Image,
    release: &str,
    configs: &[(PathBuf, Vec<u8>)],
    nevra: &str,
) -> Config {
    let beside = configs.iter().find_map(|(path, text)| {
        let role = Role::of(path)?;
        let allow = config::allow_mismatch(&String::from_utf8_lossy(text))?;
        (role == Role::Config { release }).then(|| Config {
            allow_mismatch: Some(allow),
            source: Some(format!("{} in {nevra}", path.display())),
        })
    });
    beside.unwrap_or_else(|| Config {
        allow_mismatch: image.config.as_deref().and_then(config::allow_mismatch),
        source: image
            .config
            .as_ref()
            .map(|_| "the config inside the image".to_owned()),
    })
}

/// Is this a file of a module package, by its name alone?
pub(crate) fn is_package(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name: &OsStr| is_package_name(name))
}
