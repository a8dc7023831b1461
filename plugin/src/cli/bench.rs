//! The bench before which modules appear: kernels, and many modules at a time.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use btf_guard::kernel::cache::Cache;
use btf_guard::kernel::{Kernel, Moment};
use btf_guard::module::{Module, Reader, is_compressed};
use btf_guard::place::inventory::Installed;
use btf_guard::place::open_module;
use btf_guard::place::package::{self, Package};
use btf_guard::place::tree::Found;
use btf_guard::policy::Severity;
use btf_guard::report::{ErrorEntry, KernelEntry, ModuleEntry, VerdictEntry};
use btf_guard::verdict::{Bases, Cause, Causes, ContentDigest, Known, Verdict};
use rayon::prelude::*;

use super::loading::{Loading, Notes};
use super::progress::Progress;
use super::shelf::{self, Kept};
use super::stream::{self, Piece};
use super::wanted::Wanted;

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
    /// Keeps which modules load.
    cache: Option<Cache>,
    known: OnceLock<Option<Known>>,
    loading: Notes,
}

/// A module file and the kernels that it is held against.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) found: Found,
    pub(crate) kernels: Vec<usize>,
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
            cache: None,
            known: OnceLock::new(),
            loading: Notes::default(),
        }
    }

    /// With a cache, compressed modules of which there was nothing to say before
    /// are not unpacked again. Of them no more is known than that.
    pub(crate) fn with_cache(self, cache: Option<Cache>) -> Self {
        Self { cache, ..self }
    }

    fn known(&self) -> Option<&Known> {
        let open = || {
            let cache = self.cache.as_ref()?;
            Some(Known::open(cache, &self.kernels, &self.causes))
        };
        self.known.get_or_init(open).as_ref()
    }

    /// Keeps for the next time what was found.
    pub(crate) fn remember(&self) {
        if let Some(Some(known)) = self.known.get() {
            known.save();
        }
    }

    /// The digest of a compressed module, where it is of use.
    fn digest(&self, content: &[u8]) -> Option<ContentDigest> {
        let wanted = self.known().is_some() && is_compressed(content);
        wanted.then(|| ContentDigest::of(content))
    }

    fn is_known(&self, digest: Option<ContentDigest>, kernels: &[usize]) -> bool {
        let known = digest.zip(self.known());
        known.is_some_and(|(digest, known)| known.contains(digest, kernels))
    }

    /// The entry of a module that is known.
    fn that_loads(&self, path: String, package: Option<String>, ids: &[usize]) -> ModuleEntry {
        let kernels = ids.iter().filter_map(|id| self.kernels.get(*id));
        let moments = kernels.map(|kernel| kernel.moment);
        ModuleEntry::that_loads(path, package, ids.iter().copied().zip(moments))
    }

    fn learn(&self, digest: Option<ContentDigest>, kernels: &[usize], entry: &ModuleEntry) {
        if let Some((digest, known)) = digest.zip(self.known()).filter(|_| entry.loads()) {
            known.add(digest, kernels);
        }
    }

    /// The modules of packages that load on all that they meet; of many, some.
    pub(crate) fn loading(&self) -> Loading {
        self.loading.all()
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
                let mut digest = None;
                let known = |content: &[u8]| {
                    digest = self.digest(content);
                    self.is_known(digest, &case.kernels)
                };
                let judged = match open_module(reader, &case.found.file, known) {
                    Ok(Some(module)) => {
                        let entry = self.judge(&module, path, None, &case.kernels);
                        self.learn(digest, &case.kernels, &entry);
                        Ok(entry)
                    }
                    Ok(None) => Ok(self.that_loads(path, None, &case.kernels)),
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
        let wanted = |path: &Path| !kernels(path).is_empty();
        let files = package.files().iter();
        let count = files.filter(|file| file.has_content() && wanted(&file.path));
        self.progress.expect(count.count());
        let judge = |reader: &mut Reader, Piece { paths, content }: Piece| {
            let digest = self.digest(&content);
            let parse = || {
                let module = reader.parse(&content, &shelf::name(&paths));
                module.map_err(|error| error.to_string())
            };
            self.packaged(package.nevra(), &paths, digest, &kernels, parse)
        };
        let go_on = |_: &[&Path]| ControlFlow::Continue(());
        let (judged, result) = stream::each(package, wanted, Reader::new, judge, go_on);
        (by_path(judged.into_iter().flatten()), result)
    }

    /// Judges modules of a package that were read before, as
    /// [`package`](Self::package) does.
    pub(crate) fn kept(
        &self,
        nevra: &str,
        kept: &[Kept],
        kernels: impl Fn(&Path) -> Vec<usize> + Sync,
    ) -> Vec<Judged> {
        self.progress.expect(shelf::paths(kept).len());
        let judge = |reader: &mut Reader, kept: &Kept| {
            let digest = kept.whole().and_then(|content| self.digest(content));
            let module = || kept.module(reader);
            self.packaged(nevra, &kept.paths, digest, &kernels, module)
        };
        let judged = kept.par_iter().map_init(Reader::new, judge);
        by_path(judged.flatten_iter().collect::<Vec<_>>())
    }

    /// Judges one module of a package, or tells why it cannot be read; once for
    /// each set of kernels that its paths meet, under the first of them. It is
    /// only read where it is not known.
    fn packaged(
        &self,
        nevra: &str,
        paths: &[PathBuf],
        digest: Option<ContentDigest>,
        kernels: impl Fn(&Path) -> Vec<usize>,
        module: impl FnOnce() -> Result<Module, String>,
    ) -> Vec<(PathBuf, Judged)> {
        let mut places: BTreeMap<Vec<usize>, &PathBuf> = BTreeMap::new();
        for path in paths {
            let kernels = kernels(path);
            if !kernels.is_empty() {
                let first = places.entry(kernels).or_insert(path);
                *first = (*first).min(path);
            }
        }
        self.progress.step(paths.len());
        let package = || Some(nevra.to_owned());
        let shown = |path: &Path| path.display().to_string();
        let (known, unknown): (Vec<_>, Vec<_>) = places
            .into_iter()
            .partition(|(kernels, _)| self.is_known(digest, kernels));
        let known = known.into_iter().map(|(kernels, path)| {
            let entry = self.that_loads(shown(path), package(), &kernels);
            (path.clone(), Ok(entry))
        });
        let mut judged: Vec<(PathBuf, Judged)> = known.collect();
        let Some(first) = unknown.iter().map(|(_, path)| *path).min() else {
            if let Some(digest) = digest {
                self.loading.take(paths, || digest);
            }
            return judged;
        };
        match module() {
            Ok(module) => {
                judged.extend(unknown.into_iter().map(|(kernels, path)| {
                    let entry = self.judge(&module, shown(path), package(), &kernels);
                    self.learn(digest, &kernels, &entry);
                    (path.clone(), Ok(entry))
                }));
                let loads = |(_, entry): &(_, Judged)| entry.as_ref().is_ok_and(ModuleEntry::loads);
                if judged.iter().all(loads) {
                    let of_module = || ContentDigest::of_module(&module);
                    self.loading
                        .take(paths, || digest.unwrap_or_else(of_module));
                }
            }
            Err(error) => {
                let at = format!("{nevra}: {}", first.display());
                judged.push((first.clone(), Err(failed(at, &error))));
            }
        }
        judged
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

/// What was judged, sorted by path.
fn by_path(judged: impl IntoIterator<Item = (PathBuf, Judged)>) -> Vec<Judged> {
    let mut judged: Vec<_> = judged.into_iter().collect();
    judged.sort_by(|(one, _), (other, _)| one.cmp(other));
    judged.into_iter().map(|(_, judged)| judged).collect()
}

pub(crate) fn failed(path: String, error: &impl ToString) -> ErrorEntry {
    ErrorEntry {
        path,
        error: error.to_string(),
        harmless: false,
    }
}
