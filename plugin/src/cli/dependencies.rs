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
use btf_guard::kernel::Kernel;
use btf_guard::module;
use btf_guard::place::record::{self, Capability, FileDigest};
use btf_guard::place::roots::Root;
use btf_guard::place::tree::Found;
use btf_guard::place::{Role, bases, package};
use btf_guard::report::Kind;
use btf_guard::verdict::{Causes, Verdict, judge};
use walkdir::WalkDir;

use super::Outcome;
use super::args::{Dependencies, Dependency};
use super::bench::{Bench, Case};
use super::output;
use super::progress::Progress;

/// The longest list of paths that is read, in bytes.
const MAX_LIST: u64 = 64 << 20;

pub(crate) fn run(args: &Dependencies) -> anyhow::Result<Outcome> {
    let build_root = &args.build_root;
    let build_root =
        Root::new(build_root).with_context(|| format!("--build-root {}", build_root.display()))?;
    let root = Root::new(&args.root).with_context(|| format!("--root {}", args.root.display()))?;
    let work = Work {
        build_root: &build_root,
        root: &root,
    };
    let files = work.inside(&list()?);
    let found = match args.what {
        Dependency::Provides => work.provides(&files, args.multifile),
        Dependency::Requires => work.requires(&files),
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

/// A file that rpm asks about.
#[derive(Debug, Clone)]
struct Asked {
    /// Its path as it was given.
    given: PathBuf,
    /// The path that it is installed under.
    inside: PathBuf,
}

type Answers = BTreeMap<PathBuf, BTreeSet<String>>;

struct Work<'a> {
    build_root: &'a Root,
    /// What is installed where the package is built.
    root: &'a Root,
}

impl Work<'_> {
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

    /// Bases of the kernels, and seals. Where each file is asked about by itself, it
    /// is not known which others will be in its package: all are taken to be.
    fn provides(&self, files: &[Asked], whole: bool) -> Answers {
        let mut answers = Answers::new();
        let mut sealed = BTreeSet::new();
        for file in files {
            let image = is_image(&file.inside);
            let Some(release) = release(&file.inside).filter(|_| image || whole) else {
                continue;
            };
            let mut add = |line| answers.entry(file.given.clone()).or_default().insert(line);
            if image
                && let Some(base) = self.base_of(&file.inside)
                && let Some(name) = Capability::Base.of(release)
            {
                add(format!("{name} = {base}"));
            }
            if !sealed.insert(release.to_owned()) {
                continue;
            }
            let all = match whole {
                true => files.iter().map(|file| file.inside.clone()).collect(),
                false => self.all(release),
            };
            if let Some(seal) = self.seal(release, &all)
                && let Some(name) = Capability::Checked.of(release)
            {
                add(format!("{name} = {seal}"));
            }
        }
        answers
    }

    fn base_of(&self, image: &Path) -> Option<String> {
        let file = self.build_root.outside(image);
        match Kernel::open(&file, None) {
            Ok(kernel) => record::base(&kernel),
            Err(error) => {
                log::warn!("{}: {error}", file.display());
                None
            }
        }
    }

    /// Images and modules of a release in the build root.
    fn all(&self, release: &str) -> Vec<PathBuf> {
        let places = [
            format!("/usr/lib/modules/{release}"),
            format!("/lib/modules/{release}"),
            "/boot".to_owned(),
        ];
        let mut all = Vec::new();
        for place in places {
            let place = self.build_root.outside(Path::new(&place));
            for entry in WalkDir::new(place).into_iter().filter_map(Result::ok) {
                if entry.file_type().is_file() {
                    all.extend(self.build_root.inside(entry.path()));
                }
            }
        }
        all
    }

    /// Seals the images and modules of a release among `files`, if the build has
    /// made the kernel as well and all of them fit it.
    fn seal(&self, release: &str, files: &[PathBuf]) -> Option<String> {
        let files: Vec<&PathBuf> = files
            .iter()
            .filter(|file| self::release(file) == Some(release))
            .collect();
        let candidates = bases::candidates(self.build_root, release);
        let kernel = candidates.iter().find_map(|candidate| {
            let kernel = bases::open(self.build_root, candidate, release, None).ok()?;
            (!kernel.base.is_none()).then_some(kernel)
        })?;
        let base = record::base(&kernel)?;
        let images = files.iter().filter(|file| is_image(file));
        let mut bases = images.map(|image| self.base_of(image));
        if !bases.all(|own| own.as_ref() == Some(&base)) {
            return None;
        }
        let mut bench = Bench::new(Causes::all(), Progress::new(false));
        let id = bench.add(kernel, release.to_owned(), None);
        let modules = files.iter().filter(|file| !is_image(file));
        let cases = modules.map(|module| {
            let path = self.build_root.outside(module);
            Case {
                found: Found {
                    path: path.clone(),
                    file: path,
                },
                kernels: vec![id],
            }
        });
        let cases: Vec<Case> = cases.collect();
        let fits = |verdict: Kind| matches!(verdict, Kind::Loads | Kind::LoadsNoBtf);
        let good = bench.files(&cases).into_iter().all(|judged| {
            judged.is_ok_and(|module| module.verdicts.iter().all(|v| fits(v.verdict)))
        });
        if !good {
            return None;
        }
        let digests: Option<Vec<(&Path, FileDigest)>> = files
            .iter()
            .map(|file| Some((file.as_path(), self.digest(file)?)))
            .collect();
        Some(record::seal(&base, digests?))
    }

    fn digest(&self, file: &Path) -> Option<FileDigest> {
        let file = self.build_root.outside(file);
        let size = fs::metadata(&file).ok()?.len();
        if size > package::MAX_FILE {
            return None;
        }
        Some(record::digest(&fs::read(file).ok()?))
    }

    /// What modules of others were built for. Those of the kernel's own sources come
    /// with their kernel.
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
            let Some(name) = Capability::Base.of(release).filter(|_| bound) else {
                continue;
            };
            let kernel = kernels
                .entry(release)
                .or_insert_with(|| self.kernel(release));
            // What does not fit is the check's business.
            if let Some(kernel) = kernel
                && judge(&module, kernel, &Causes::all()).verdict == Verdict::Loads
                && let Some(base) = record::base(kernel)
            {
                let line = format!("({name} = {base} if {name})");
                answers.entry(file.given.clone()).or_default().insert(line);
            }
        }
        answers
    }

    /// The kernel that the build has made, or that modules are built with here.
    fn kernel(&self, release: &str) -> Option<Kernel> {
        for root in [self.build_root, self.root] {
            for candidate in bases::candidates(root, release) {
                match bases::open(root, &candidate, release, None) {
                    Ok(kernel) if !kernel.base.is_none() => return Some(kernel),
                    Ok(_) => {}
                    Err(error) => log::warn!("{}: {error}", candidate.file.display()),
                }
            }
        }
        None
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
