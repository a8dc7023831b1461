//! The bench before which modules appear: kernels, and many modules at a time.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use btf_guard::kernel::{Kernel, Moment};
use btf_guard::module::{Module, Reader};
use btf_guard::place::inventory::Installed;
use btf_guard::place::open_module;
use btf_guard::place::package::{self, Package};
use btf_guard::place::tree::Found;
use btf_guard::policy::Severity;
use btf_guard::report::{ErrorEntry, KernelEntry, ModuleEntry, VerdictEntry};
use btf_guard::verdict::{Bases, Cause, Causes, Verdict};
use rayon::prelude::*;

use super::progress::Progress;
use super::wanted::Wanted;

/// Content of an archive that is held in memory while it is judged, in bytes.
pub(crate) const BATCH: usize = 16 << 20;

/// The kernels, and what is checked.
#[derive(Debug)]
pub(crate) struct Bench {
    kernels: Vec<Kernel>,
    entries: Vec<KernelEntry>,
    causes: Causes,
    progress: Progress,
    /// What this machine needs; none where it is not this machine's root.
    wanted: Option<Wanted>,
    /// The base BTF of each kernel; known once the first module is judged.
    bases: OnceLock<Bases>,
}

/// A module file and the kernels that it is held against.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) found: Found,
    pub(crate) kernels: Vec<usize>,
}

/// A module of a package.
struct Packaged {
    /// Of the paths that it is installed under, the first for each set of
    /// kernels that it is held against.
    places: BTreeMap<Vec<usize>, PathBuf>,
    content: Vec<u8>,
    /// How many paths there are.
    links: usize,
}

/// A module that was read from an archive.
#[derive(Debug)]
pub(crate) struct Content {
    /// What a report shows as its path; the name in it names the module where it
    /// does not name itself.
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
}

/// What came of a module file.
pub(crate) type Judged = Result<ModuleEntry, ErrorEntry>;

impl Bench {
    pub(crate) fn new(causes: Causes, progress: Progress) -> Self {
        Self {
            kernels: Vec::new(),
            entries: Vec::new(),
            causes,
            progress,
            wanted: None,
            bases: OnceLock::new(),
        }
    }

    /// Tells of each finding what this machine needs the module for.
    pub(crate) fn for_this_machine(mut self, wanted: Option<Wanted>) -> Self {
        self.wanted = wanted;
        self
    }

    /// What this machine needs a module for, on a kernel of the bench. To be asked
    /// only where there is something to say: the first time, `/sys` is read.
    pub(crate) fn reasons(&self, id: usize, module: &str) -> Vec<String> {
        let release = self.entries.get(id).and_then(|e| e.release.as_deref());
        match (&self.wanted, release) {
            (Some(wanted), Some(release)) => wanted.reasons(release, module),
            _ => Vec::new(),
        }
    }

    /// Adds a kernel, found under `source` (in `package`), and returns its id.
    ///
    /// The same kernel at another place is no other kernel: it is judged once,
    /// and the place is noted.
    pub(crate) fn add(&mut self, kernel: Kernel, source: String, package: Option<&str>) -> usize {
        let mut entry = KernelEntry::new(self.kernels.len(), &kernel);
        entry.source = source;
        entry.package = package.map(str::to_owned);
        self.insert(kernel, entry)
    }

    /// Adds a kernel that the root can boot.
    pub(crate) fn add_installed(&mut self, installed: Installed) -> usize {
        let Installed {
            kernel,
            bootable,
            stale,
            ..
        } = installed;
        let mut entry = KernelEntry::new(self.kernels.len(), &kernel);
        entry.source = bootable.path.display().to_string();
        entry.default = bootable.is_default();
        entry.stale = stale.as_ref().map(Into::into);
        entry.home = bootable.home;
        self.insert(kernel, entry)
    }

    fn insert(&mut self, kernel: Kernel, entry: KernelEntry) -> usize {
        let same = self.entries.iter_mut().find(|known| {
            known.moment == Moment::Boot
                && entry.moment == Moment::Boot
                && known.release == entry.release
                && known.package == entry.package
                && known.base == entry.base
                && known.home == entry.home
                && known.abilities.allow_mismatch == entry.abilities.allow_mismatch
        });
        if let Some(same) = same {
            same.default |= entry.default;
            if same.source != entry.source {
                same.also.push(entry.source);
            }
            return same.id;
        }
        let id = entry.id;
        self.kernels.push(kernel);
        self.entries.push(entry);
        id
    }

    pub(crate) fn kernel(&self, id: usize) -> Option<&Kernel> {
        self.kernels.get(id)
    }

    pub(crate) fn entries(&self) -> &[KernelEntry] {
        &self.entries
    }

    pub(crate) fn entry_mut(&mut self, id: usize) -> Option<&mut KernelEntry> {
        self.entries.get_mut(id)
    }

    pub(crate) fn into_entries(self) -> Vec<KernelEntry> {
        self.entries
    }

    /// The bases of all kernels that are there when this is first asked for.
    pub(crate) fn bases(&self) -> &Bases {
        self.bases.get_or_init(|| {
            let mut bases = Bases::default();
            for (kernel, entry) in self.kernels.iter().zip(&self.entries) {
                let source = match &entry.package {
                    Some(package) => format!("{} in {package}", entry.source),
                    None => entry.source.clone(),
                };
                bases.add(kernel, source);
            }
            bases
        })
    }

    pub(crate) fn causes(&self) -> &Causes {
        &self.causes
    }

    /// Judges files of the disk, in the order given.
    pub(crate) fn files(&self, cases: &[Case]) -> Vec<Judged> {
        self.progress.expect(cases.len());
        cases
            .par_iter()
            .map_init(Reader::new, |reader, case| {
                let path = case.found.path.display().to_string();
                let judged = match open_module(reader, &case.found.file) {
                    Ok(module) => Ok(self.judge(&module, path, None, &case.kernels)),
                    Err(error) => Err(failed(path, &error)),
                };
                self.progress.step(1);
                judged
            })
            .collect()
    }

    /// Judges modules by all of these kernels, in the order given.
    pub(crate) fn contents(&self, contents: &[Content], kernels: &[usize]) -> Vec<Judged> {
        self.progress.expect(contents.len());
        let judge = |reader: &mut Reader, content: &Content| {
            let path = content.path.clone();
            let judged = match reader.parse(&content.bytes, &path) {
                Ok(module) => Ok(self.judge(&module, path, None, kernels)),
                Err(error) => Err(failed(path, &error)),
            };
            self.progress.step(1);
            judged
        };
        contents.par_iter().map_init(Reader::new, judge).collect()
    }

    /// Judges the modules of a package for which `kernels` has any, sorted by path.
    /// Hard links that meet the same kernels are one module, under the first path.
    pub(crate) fn package(
        &self,
        package: &Package,
        kernels: impl Fn(&Path) -> Vec<usize> + Sync,
    ) -> (Vec<Judged>, Result<(), package::Error>) {
        let files = package.files().iter();
        let wanted = files.filter(|file| file.has_content() && !kernels(&file.path).is_empty());
        self.progress.expect(wanted.count());
        let mut judged = Vec::new();
        let mut batch = Vec::new();
        let mut held = 0;
        let result = package.extract(
            |path| !kernels(path).is_empty(),
            |paths, content| {
                held += content.len();
                let mut places: BTreeMap<Vec<usize>, PathBuf> = BTreeMap::new();
                for path in paths {
                    let first = places.entry(kernels(path));
                    let first = first.or_insert_with(|| path.to_path_buf());
                    if *path < first.as_path() {
                        *first = path.to_path_buf();
                    }
                }
                batch.push(Packaged {
                    places,
                    content,
                    links: paths.len(),
                });
                if held >= BATCH {
                    judged.extend(self.batch(package, std::mem::take(&mut batch)));
                    held = 0;
                }
                ControlFlow::Continue(())
            },
        );
        judged.extend(self.batch(package, batch));
        judged.sort_by(|(one, _), (other, _)| one.cmp(other));
        (
            judged.into_iter().map(|(_, judged)| judged).collect(),
            result,
        )
    }

    fn batch(&self, package: &Package, batch: Vec<Packaged>) -> Vec<(PathBuf, Judged)> {
        let nevra = package.nevra();
        let judge = |reader: &mut Reader, packaged: Packaged| {
            let first = packaged.places.values().min().cloned().unwrap_or_default();
            let name = first.file_name().unwrap_or_default().to_string_lossy();
            let judged = match reader.parse(&packaged.content, &name) {
                Ok(module) => {
                    let judge = |(kernels, path): (Vec<usize>, PathBuf)| {
                        let shown = path.display().to_string();
                        let entry = self.judge(&module, shown, Some(nevra.to_owned()), &kernels);
                        (path, Ok(entry))
                    };
                    packaged.places.into_iter().map(judge).collect()
                }
                Err(error) => {
                    let shown = format!("{nevra}: {}", first.display());
                    vec![(first, Err(failed(shown, &error)))]
                }
            };
            self.progress.step(packaged.links);
            judged
        };
        batch
            .into_par_iter()
            .map_init(Reader::new, judge)
            .flatten_iter()
            .collect()
    }

    /// Judges one module by some of the kernels.
    pub(crate) fn judge(
        &self,
        module: &Module,
        path: String,
        package: Option<String>,
        kernels: &[usize],
    ) -> ModuleEntry {
        let mut entry = ModuleEntry::new(path, package, module);
        let mut loads_on = None;
        for id in kernels {
            if let Some(kernel) = self.kernels.get(*id) {
                let judgement = self.bases().judge(module, kernel, &self.causes);
                if judgement.verdict == Verdict::Loads {
                    loads_on = loads_on.or(Some(kernel));
                }
                let verdict = VerdictEntry::new(*id, kernel.moment, judgement);
                if verdict.severity >= Severity::Info && entry.needed.is_empty() {
                    entry.needed = self.reasons(*id, &entry.name);
                }
                entry.verdicts.push(verdict);
            }
        }
        if self.causes.contains(Cause::Btf) {
            entry.btf.built_for = self.bases().built_for(module, loads_on);
        }
        entry
    }
}

pub(crate) fn failed(path: String, error: &impl ToString) -> ErrorEntry {
    ErrorEntry {
        path,
        error: error.to_string(),
        harmless: false,
    }
}
