// SPDX-License-Identifier: GPL-2.0-or-later
//! What a client's transaction does to modules and kernels: packages that come,
//! from their headers, and packages that go, from rpm's database.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use btf_guard_protocol::nevra::{name_of, same_package};
use btf_guard_protocol::plan::{Action, Element, text_path};
use btf_guard_protocol::zypp::{PackageStep, Resolution};
use btf_guard_sysroot::file_role::{Role, in_module_dir, is_module_name};

use crate::module::source::Regular;
use crate::rpm::package::{Package, PackagedFile};
use crate::rpm::rpmdb::{InstalledPackage, Rpm};

/// Packages with modules in one transaction. All are open at once, and a process may
/// open 1,024 files where nobody has said otherwise.
const MAX_OPEN: usize = 800;

/// Bytes of paths in one plan, as in the rpm plugin.
const MAX_PATH_BYTES: usize = 32 << 20;

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
    pub fn coming(outcome: &Resolution) -> Result<Self> {
        let mut elements = Self::default();
        let coming = |step: &&PackageStep| step.action == Action::Install;
        for step in outcome.steps.iter().filter(coming) {
            match &step.path {
                Some(path) => elements.open(step, path)?,
                None if step.kernel => bail!("{} is not in the cache", step.nevra),
                None => {}
            }
        }
        Ok(elements)
    }

    fn open(&mut self, step: &PackageStep, path: &Path) -> Result<()> {
        let opened = Regular::open(path).map(|opened| opened.file);
        let opened = opened.and_then(|file| Ok((file.try_clone()?, file)));
        let named = || path.display().to_string();
        let (header, file) = opened.with_context(named)?;
        let package = Package::of(header).with_context(named)?;
        let (found, expected) = (package.nevra(), &step.nevra);
        if !same_package(found, expected) {
            bail!("{} is {found}, not {expected}", path.display());
        }
        // What a `..` leads to, the judge finds out.
        let leads_up = |file: &PackagedFile| {
            let mut parts = file.path.components();
            parts.any(|part| part == Component::ParentDir)
        };
        let is_link = |file: &PackagedFile| {
            file.target.is_some() && (in_module_dir(&file.path).is_some() || leads_up(file))
        };
        let has_links = package.files().iter().any(is_link);
        let is_judged = |file: &PackagedFile| {
            let elsewhere = |name| has_links && is_module_name(name);
            file.has_content()
                && (Role::of(&file.path).is_some_and(Role::is_judged)
                    || leads_up(file)
                    || file.path.file_name().is_some_and(elsewhere))
        };
        let files = package.files().iter();
        let paths = files.filter(|file| is_link(file) || is_judged(file));
        let paths: Vec<PathBuf> = paths.map(|file| text_path(&file.path)).collect();
        if paths.is_empty() {
            return Ok(());
        }
        if self.packages.len() == MAX_OPEN {
            bail!("more than {MAX_OPEN} packages carry modules");
        }
        self.add(Element {
            nevra: package.nevra().to_owned(),
            action: Action::Install,
            file: Some(file.as_raw_fd()),
            paths,
            moved: Vec::new(),
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
    pub fn going(
        &mut self,
        outcome: &Resolution,
        replaced: &BTreeSet<&str>,
        rpm: Rpm<'_>,
        timeout: Duration,
    ) -> Result<()> {
        let steps = || outcome.steps.iter();
        let erased = steps().filter(|step| step.action == Action::Erase);
        let mut names: BTreeSet<&str> = erased.map(|step| step.name.as_str()).collect();
        names.extend(replaced);
        if names.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = names.into_iter().collect();
        let installed = rpm.kernel_packages(&names, timeout);
        for InstalledPackage { nevra, paths } in installed.context("what goes is not known")? {
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
                    moved: Vec::new(),
                })?;
            }
        }
        Ok(())
    }

    fn add(&mut self, element: Element) -> Result<()> {
        let paths = element.paths.iter();
        self.path_bytes += paths.map(|path| path.as_os_str().len()).sum::<usize>();
        if self.path_bytes > MAX_PATH_BYTES {
            let most = MAX_PATH_BYTES >> 20;
            bail!("its packages name more than {most} MiB of module paths");
        }
        self.elements.push(element);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_path_that_leads_up_matters() {
        let dir = tempfile::tempdir().unwrap();
        let mut builder = rpm::PackageBuilder::new("p", "1", "GPL", "x86_64", "p");
        for path in ["/usr/../boot/vmlinuz-6.1", "/usr/share/doc/p"] {
            let options = rpm::FileOptions::new(path);
            builder.with_file_contents("x", options).unwrap();
        }
        let path = dir.path().join("p.rpm");
        let mut file = std::fs::File::create(&path).unwrap();
        builder.build().unwrap().write(&mut file).unwrap();
        let step = PackageStep {
            action: Action::Install,
            nevra: "p-1-1.x86_64".into(),
            name: "p".into(),
            repository: None,
            size: 0,
            path: Some(path),
            kernel: true,
        };
        let found = Elements::coming(&Resolution {
            steps: vec![step],
            ..Resolution::default()
        });
        let elements = found.unwrap().elements.into_iter();
        let paths: Vec<_> = elements.flat_map(|element| element.paths).collect();
        assert_eq!(paths, [Path::new("/usr/../boot/vmlinuz-6.1")]);
    }
}
