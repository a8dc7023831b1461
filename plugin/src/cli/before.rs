//! What was broken before a transaction is not its doing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use btf_guard::kernel::{Error, Kernel};
use btf_guard::module::{Module, Reader};
use btf_guard::place::roots::Root;
use btf_guard::place::tree;
use btf_guard::policy::Severity;
use btf_guard::report::{ModuleEntry, VerdictEntry};
use rayon::prelude::*;

use super::bench::Bench;
use super::targets::Targets;

/// Marks the verdicts that were as bad before: the same module, by path or else
/// by name, before the same kernel, or before every image on the disk that the
/// transaction's image replaces. Where that cannot be known, because an image or
/// the module cannot be read, a verdict warns at most: what may be a repair is
/// not stopped.
pub(crate) fn compare(modules: &mut [Placed], bench: &Bench, targets: &Targets<'_>) {
    let releases: BTreeSet<String> = modules
        .iter()
        .filter(|placed| placed.module.severity() >= Severity::Warn)
        .map(|placed| placed.place.release.clone())
        .collect();
    let disks: BTreeMap<String, Disk<'_>> = releases
        .into_iter()
        .map(|release| {
            let disk = Disk::read(&release, targets);
            (release, disk)
        })
        .collect();
    modules
        .par_iter_mut()
        .for_each_init(Reader::new, |reader, Placed { place, module }| {
            if module.severity() < Severity::Warn {
                return;
            }
            let Some(disk) = disks.get(&place.release) else {
                return;
            };
            let Some(before) = disk.module(place, &module.name, reader) else {
                return;
            };
            for verdict in &mut module.verdicts {
                if verdict.severity < Severity::Warn {
                    continue;
                }
                match disk.was(before.as_ref(), verdict, bench) {
                    Before::Better => {}
                    Before::AsBad => verdict.was_so_before(),
                    Before::Unknown(why) => verdict.may_have_been_so_before(&why),
                }
            }
        });
}

/// Where a module is, or will be.
#[derive(Debug)]
pub(crate) struct Place {
    release: String,
    /// Its path below the release's module directory.
    below: PathBuf,
}

impl Place {
    pub(crate) fn new(release: &str, below: &Path) -> Self {
        Self {
            release: release.to_owned(),
            below: below.to_owned(),
        }
    }
}

/// A module that was judged, and where it is.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) place: Place,
    pub(crate) module: ModuleEntry,
}

/// How a module fared before the transaction.
enum Before {
    Better,
    AsBad,
    /// What could not be read, and why.
    Unknown(String),
}

/// What the disk holds of a release before the transaction.
struct Disk<'a> {
    root: &'a Root,
    /// The module directory, as a path inside the root.
    dir: Option<PathBuf>,
    by_name: BTreeMap<String, PathBuf>,
    kernels: Vec<Kernel>,
    /// It has an image of a kernel without BTF, which takes every module's.
    takes_all: bool,
    /// An image that is no kernel, and why.
    unreadable: Option<String>,
}

impl<'a> Disk<'a> {
    fn read(release: &str, targets: &Targets<'a>) -> Self {
        let dir = targets.root.module_dir(release);
        let modules = dir
            .as_ref()
            .map(|dir| tree::walk(dir, targets.root).modules);
        let named = modules.into_iter().flatten().filter_map(|found| {
            let file = found.path.file_name()?.to_string_lossy();
            let (stem, _) = file.split_once(".ko")?;
            Some((stem.replace('-', "_"), found.file))
        });
        let mut this = Self {
            by_name: named.collect(),
            kernels: Vec::new(),
            takes_all: false,
            unreadable: None,
            root: targets.root,
            dir: dir.and_then(|dir| targets.root.inside(&dir)),
        };
        for image in targets.root.images(release) {
            match targets.open(&image.file, release) {
                Ok(kernel) => this.kernels.push(kernel),
                Err(Error::NoBtf) => this.takes_all = true,
                Err(error) => {
                    let path = targets.root.outside(&image.inside);
                    this.unreadable = Some(format!("{}: {error}", path.display()));
                }
            }
        }
        this
    }

    /// The module as it was, by path or else by name, or why it cannot be read;
    /// `None` if there was none.
    fn module(
        &self,
        place: &Place,
        name: &str,
        reader: &mut Reader,
    ) -> Option<Result<Module, String>> {
        let same = self.dir.as_ref().map(|dir| dir.join(&place.below));
        // A link starts at the root's own `/`, not at ours.
        let file = same.and_then(|inside| self.root.resolve(&inside).ok());
        let file = file.as_ref().or_else(|| self.by_name.get(name))?;
        let module = reader.open(file);
        Some(module.map_err(|error| format!("{}: {error}", file.display())))
    }

    fn was(&self, module: Result<&Module, &String>, now: &VerdictEntry, bench: &Bench) -> Before {
        let Some(entry) = bench.entries().get(now.kernel) else {
            return Before::Better;
        };
        let module = match module {
            Ok(module) => module,
            Err(why) => return Before::Unknown(why.clone()),
        };
        let bad = |kernel: &Kernel| {
            let mut judgement = bench.bases().judge(module, kernel, bench.causes());
            // A guess warns at most; it is the refusals that are compared.
            judgement.assumed.clear();
            VerdictEntry::new(entry.id, entry.moment, judgement).severity >= now.severity
        };
        let before = |bad| match bad {
            true => Before::AsBad,
            false => Before::Better,
        };
        match (&entry.package, bench.kernel(entry.id)) {
            (None, Some(same)) => before(bad(same)),
            _ if self.takes_all || !self.kernels.iter().all(bad) => Before::Better,
            _ => match &self.unreadable {
                Some(why) => Before::Unknown(why.clone()),
                None => before(!self.kernels.is_empty()),
            },
        }
    }
}
