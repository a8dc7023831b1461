// SPDX-License-Identifier: GPL-2.0-or-later
//! What a client's transaction does to modules and kernels: packages that come,
//! from their headers, and packages that go, from rpm's database.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use btf_guard_protocol::nevra::{name_of, same_package};
use btf_guard_protocol::plan::{Action, Element, text_path};
use btf_guard_protocol::zypp::{Resolution, Step};
use btf_guard_subprocess::Failure;
use btf_guard_sysroot::file_role::Role;

use crate::module::source::Regular;
use crate::rpm::package::Package;
use crate::rpm::rpmdb::{InstalledPackage, Rpm};

/// Packages with modules in one transaction. All are open at once, and a process may
/// open 1,024 files where nobody has said otherwise.
const MAX_OPEN: usize = 800;

/// Bytes of paths in one plan, as in the rpm plugin.
const MAX_PATH_BYTES: usize = 32 << 20;

/// Why a transaction cannot be judged as one.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Incomplete {
    #[error("{0} is not in the cache")]
    NotFetched(String),
    #[error("{}: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("{}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: crate::rpm::file_list::Error,
    },
    #[error("{} is {found}, not {expected}", path.display())]
    Other {
        path: PathBuf,
        expected: String,
        found: String,
    },
    #[error("more than {MAX_OPEN} packages carry modules")]
    TooMany,
    #[error("its packages name more than {} MiB of module paths", MAX_PATH_BYTES >> 20)]
    TooManyPaths,
    #[error("what goes is not known: {0}")]
    Installed(#[from] Failure),
}

/// Elements of a plan, and the open packages that they name.
#[derive(Debug, Default)]
pub struct Elements {
    /// Those that touch modules or kernels.
    pub elements: Vec<Element>,
    /// Their package files; the elements have the descriptors' numbers.
    pub packages: Vec<OwnedFd>,
    /// For [`Plan::repositories`](btf_guard_protocol::plan::Plan::repositories).
    pub repositories: BTreeMap<String, String>,
    path_bytes: usize,
}

impl Elements {
    /// The elements of what comes. A package that speaks of modules or kernels
    /// and is not there makes the whole unknown: what it brings may be what the
    /// others need.
    ///
    /// # Errors
    /// [`Incomplete`], for the first such package.
    pub fn coming(outcome: &Resolution) -> Result<Self, Incomplete> {
        let mut elements = Self::default();
        let coming = |step: &&Step| step.action == Action::Install;
        for step in outcome.steps.iter().filter(coming) {
            match &step.path {
                Some(path) => elements.open(step, path)?,
                None if step.kernel => return Err(Incomplete::NotFetched(step.nevra.clone())),
                None => {}
            }
        }
        Ok(elements)
    }

    fn open(&mut self, step: &Step, path: &Path) -> Result<(), Incomplete> {
        let opened = Regular::open(path).map(Regular::into_file);
        let opened = opened.and_then(|file| Ok((file.try_clone()?, file)));
        let (header, file) = opened.map_err(|source| Incomplete::Open {
            path: path.to_owned(),
            source,
        })?;
        let package = Package::of(header).map_err(|source| Incomplete::Read {
            path: path.to_owned(),
            source,
        })?;
        if !same_package(package.nevra(), &step.nevra) {
            return Err(Incomplete::Other {
                path: path.to_owned(),
                expected: step.nevra.clone(),
                found: package.nevra().to_owned(),
            });
        }
        let files = package.files().iter();
        let paths: Vec<PathBuf> = files
            .filter(|file| file.has_content() && Role::of(&file.path).is_some_and(Role::is_judged))
            .map(|file| text_path(&file.path))
            .collect();
        if paths.is_empty() {
            return Ok(());
        }
        if self.packages.len() == MAX_OPEN {
            return Err(Incomplete::TooMany);
        }
        self.add(Element {
            nevra: package.nevra().to_owned(),
            action: Action::Install,
            file: Some(file.as_raw_fd()),
            paths,
        })?;
        self.packages.push(file.into());
        if let Some(repository) = &step.repository {
            let nevra = package.nevra().to_owned();
            self.repositories.insert(nevra, repository.clone());
        }
        Ok(())
    }

    /// Adds what goes: of the installed packages with modules those that the
    /// outcome speaks of, and those of a name in `replaced` that do not come.
    ///
    /// # Errors
    /// [`Incomplete`], where rpm does not tell within `timeout`, or too much.
    pub fn going(
        &mut self,
        outcome: &Resolution,
        replaced: &BTreeSet<&str>,
        rpm: Rpm<'_>,
        timeout: Duration,
    ) -> Result<(), Incomplete> {
        let steps = || outcome.steps.iter();
        let erased = steps().filter(|step| step.action == Action::Erase);
        let mut names: BTreeSet<&str> = erased.map(|step| step.name.as_str()).collect();
        names.extend(replaced);
        if names.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = names.into_iter().collect();
        for InstalledPackage { nevra, paths } in rpm.kernel_packages(&names, timeout)? {
            let is_named = |action| {
                steps().any(|step| step.action == action && same_package(&step.nevra, &nevra))
            };
            let is_replaced = !is_named(Action::Install) && replaced.contains(name_of(&nevra));
            if is_named(Action::Erase) || is_replaced {
                self.add(Element {
                    nevra,
                    action: Action::Erase,
                    file: None,
                    paths: paths.iter().map(|path| text_path(path)).collect(),
                })?;
            }
        }
        Ok(())
    }

    fn add(&mut self, element: Element) -> Result<(), Incomplete> {
        let paths = element.paths.iter();
        self.path_bytes += paths.map(|path| path.as_os_str().len()).sum::<usize>();
        if self.path_bytes > MAX_PATH_BYTES {
            return Err(Incomplete::TooManyPaths);
        }
        self.elements.push(element);
        Ok(())
    }
}
