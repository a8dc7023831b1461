// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard generate dependencies`: rpm's dependency generator for kernels and
//! modules, run by rpmbuild (`specfile/btf_guard.attr`).
//!
//! rpm sends paths on standard input: one to each process, or all of a package to
//! one, which then says with `;PATH` which of them the lines that follow are for
//! (rpm-dependency-generators(7)).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use btf_guard_core::check::kernels::built_with;
use btf_guard_core::kernel::Kernel;
use btf_guard_core::module;
use btf_guard_core::rpm::capabilities::{base_capability, base_version};
use btf_guard_core::verdict::{Causes, Verdict, judge};
use btf_guard_sysroot::Root;
use btf_guard_sysroot::file_role::Role;

use crate::args::{Dependencies, Dependency};
use crate::output::{self, Outcome};

const MAX_LIST: u64 = 64 << 20;

pub(crate) fn run(args: &Dependencies) -> anyhow::Result<Outcome> {
    let build_root = &args.build_root;
    let build_root =
        Root::new(build_root).with_context(|| format!("--build-root {}", build_root.display()))?;
    let root = Root::new(&args.root).with_context(|| format!("--root {}", args.root.display()))?;
    let generator = Generator {
        build_root: &build_root,
        root: &root,
    };
    let files = generator.inside(&list()?);
    let found = match args.what {
        Dependency::Provides => generator.provides(&files),
        Dependency::Requires => generator.requires(&files),
    };
    output::plain(|out| {
        use io::Write;
        for (given, dependencies) in found {
            if args.multifile {
                writeln!(out, ";{}", given.display())?;
            }
            for dependency in dependencies {
                writeln!(out, "{dependency}")?;
            }
        }
        Ok(())
    })?;
    Ok(Outcome::Done)
}

fn list() -> anyhow::Result<Vec<PathBuf>> {
    let mut text = String::new();
    let read = io::stdin().take(MAX_LIST + 1).read_to_string(&mut text);
    if read.context("cannot read the paths from standard input")? as u64 > MAX_LIST {
        bail!("more than {} MiB of paths", MAX_LIST >> 20);
    }
    Ok(text.lines().map(PathBuf::from).collect())
}

#[derive(Debug, Clone)]
struct Asked {
    /// Its path as it was given.
    given: PathBuf,
    /// The path that it is installed under.
    inside: PathBuf,
}

type Answers = BTreeMap<PathBuf, BTreeSet<String>>;

struct Generator<'a> {
    build_root: &'a Root,
    /// What is installed where the package is built.
    root: &'a Root,
}

impl Generator<'_> {
    /// The files that are to be asked about: regular ones of the build root.
    fn inside(&self, given: &[PathBuf]) -> Vec<Asked> {
        let files = given.iter().filter_map(|given| {
            // rpm says the path of the directory as it was told.
            let real = fs::canonicalize(given.parent()?).ok()?;
            let real = real.join(given.file_name()?);
            let regular = fs::symlink_metadata(&real).is_ok_and(|meta| meta.is_file());
            let inside = self.build_root.inside(&real).filter(|_| regular)?;
            Some(Asked {
                given: given.clone(),
                inside,
            })
        });
        files.collect()
    }

    /// Bases of the kernels.
    fn provides(&self, files: &[Asked]) -> Answers {
        let mut answers = Answers::new();
        for file in files.iter().filter(|file| is_image(&file.inside)) {
            if let Some(name) = release(&file.inside).and_then(base_capability)
                && let Some(base) = self.base_of(&file.inside)
            {
                let lines = answers.entry(file.given.clone()).or_default();
                lines.insert(format!("{name} = {base}"));
            }
        }
        answers
    }

    fn base_of(&self, image: &Path) -> Option<String> {
        let file = self.build_root.outside(image);
        match Kernel::open(&file, None) {
            Ok(kernel) => base_version(&kernel),
            Err(error) => {
                log::warn!("{}: {error}", file.display());
                None
            }
        }
    }

    /// What modules of others were built for; the kernel's own come with their kernel.
    fn requires(&self, files: &[Asked]) -> Answers {
        let mut answers = Answers::new();
        let mut kernels: BTreeMap<&str, Option<Kernel>> = BTreeMap::new();
        for file in files.iter().filter(|file| !is_image(&file.inside)) {
            let path = self.build_root.outside(&file.inside);
            let (Some(release), Ok(module)) = (release(&file.inside), module::open(&path)) else {
                continue;
            };
            let bound = module.btf.as_ref().is_some_and(|btf| !btf.is_empty())
                && module.btf_base.is_none()
                && !module.in_tree;
            let Some(name) = base_capability(release).filter(|_| bound) else {
                continue;
            };
            let kernel = kernels.entry(release);
            let kernel = kernel.or_insert_with(|| self.kernel(release));
            // What does not fit is the check's business.
            if let Some(kernel) = kernel
                && judge(&module, kernel, &Causes::all()).verdict == Verdict::Loads
                && let Some(base) = base_version(kernel)
            {
                let line = format!("({name} = {base} if {name})");
                answers.entry(file.given.clone()).or_default().insert(line);
            }
        }
        answers
    }

    /// The kernel that the build has made, or that modules are built with here.
    fn kernel(&self, release: &str) -> Option<Kernel> {
        match built_with([self.build_root, self.root], release, None) {
            Ok((kernel, _)) => Some(kernel).filter(|kernel| !kernel.base.is_none()),
            Err(errors) => {
                for (path, error) in errors {
                    log::warn!("{path}: {error}");
                }
                None
            }
        }
    }
}

fn release(inside: &Path) -> Option<&str> {
    match Role::of(inside)? {
        Role::Module { release, .. } | Role::Image { release } | Role::OtherImage { release } => {
            Some(release)
        }
        Role::Config { .. } => None,
    }
}

fn is_image(inside: &Path) -> bool {
    matches!(
        Role::of(inside),
        Some(Role::Image { .. } | Role::OtherImage { .. })
    )
}
