//! `btf-guard judge`: the plan of a transaction in, what to do out.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, bail};
use btf_guard::kernel::Kernel;
use btf_guard::place::Role;
use btf_guard::place::plan::{Message, Plan, SCHEMA};
use btf_guard::place::roots::Root;
use btf_guard::place::transaction::{Change, Transaction};
use btf_guard::policy::Mode;
use btf_guard::report::{ErrorEntry, ModuleEntry, Report, messages};
use btf_guard::verdict::Causes;
use serde::Serialize;

use super::before::{Place, Placed};
use super::bench::{Bench, Case, Judged, failed};
use super::progress::Progress;
use super::targets::Targets;
use super::{Outcome, before, output, sandbox};

/// The longest plan that is read, in bytes: some 100,000 paths.
const MAX_PLAN: u64 = 64 << 20;
/// Threads that judge. Each reserves address space, which is limited.
const THREADS: usize = 4;

/// The answer: a whole report, and what to print.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    report: &'a Report,
    messages: Vec<Message>,
}

pub(crate) fn run() -> anyhow::Result<Outcome> {
    let plan = read_plan()?;
    let mode = plan.mode.unwrap_or(Mode::Block);
    let report = match mode {
        Mode::Off => Report::new(Vec::new(), Vec::new(), Vec::new(), mode),
        Mode::Warn | Mode::Block => judge(&plan, mode)?,
    };
    output::json(&Answer {
        report: &report,
        messages: messages(&report, mode),
    })?;
    Ok(Outcome::Done)
}

fn read_plan() -> anyhow::Result<Plan> {
    let mut text = Vec::new();
    let read = io::stdin().take(MAX_PLAN + 1).read_to_end(&mut text);
    if read.context("cannot read the plan from standard input")? as u64 > MAX_PLAN {
        bail!("the plan is longer than {} MiB", MAX_PLAN >> 20);
    }
    let plan: Plan = serde_json::from_slice(&text).context("the plan is not understood")?;
    if plan.schema != SCHEMA {
        bail!("the plan has schema {}, not {SCHEMA}", plan.schema);
    }
    Ok(plan)
}

fn judge(plan: &Plan, mode: Mode) -> anyhow::Result<Report> {
    let files: Vec<Option<File>> = plan.elements.iter().map(|e| open(e.file)).collect();
    let highest = plan.elements.iter().filter_map(|e| e.file).max();
    let highest = highest.and_then(|fd| u64::try_from(fd).ok()).unwrap_or(0);
    sandbox::limit(highest + files.len() as u64);
    let root = Root::new(&plan.root).with_context(|| format!("root {}", plan.root.display()))?;
    // Looks at the first process, which a confined one cannot.
    let running = running_release(&root, plan.image);
    // The whole root: modules may be links to anywhere inside it.
    let readable = [
        root.path(),
        Path::new("/sys/kernel/btf"),
        Path::new("/proc"),
    ];
    sandbox::confine(&readable);
    // Started only now: threads inherit what was given up.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.min(THREADS))
        .build_global()?;

    let transaction = Transaction::read(plan, files);
    let unreadable = transaction.unreadable.iter();
    let mut targets = Targets {
        root: &root,
        config: None,
        lenient: true,
        esps: Vec::new(),
        cache: None,
        unasked: 0,
        errors: unreadable
            .map(|(nevra, error)| failed(nevra.clone(), error))
            .collect(),
    };
    let mut bench = Bench::new(Causes::all(), Progress::new(false));
    let kernels = kernels(&transaction, running, &mut targets, &mut bench);
    let mut errors = std::mem::take(&mut targets.errors);

    let mut modules = installed(&transaction, &bench, &kernels, &mut errors);
    modules.extend(staying(&transaction, &root, &bench, &kernels, &mut errors));
    before::compare(&mut modules, &bench, &targets);
    let mut modules: Vec<_> = modules.into_iter().map(|placed| placed.module).collect();
    modules.extend(emptied(&transaction, &root, &bench, &kernels));
    let mut report = Report::new(bench.into_entries(), modules, errors, mode);
    report.forget_the_healthy();
    Ok(report)
}

/// A descriptor that was inherited, as a file of our own.
fn open(descriptor: Option<i32>) -> Option<File> {
    let descriptor = descriptor?;
    match File::open(format!("/proc/self/fd/{descriptor}")) {
        Ok(file) => Some(file),
        Err(error) => {
            log::warn!("descriptor {descriptor}: {error}");
            None
        }
    }
}

/// The kernels that each release's modules will meet, by their ids.
#[derive(Debug, Default)]
pub(crate) struct Kernels {
    /// The running kernel, where it is a target and runs this release.
    pub(crate) running: Option<usize>,
    /// The kernels that can be booted after the transaction.
    pub(crate) boot: Vec<usize>,
}

impl Kernels {
    fn all(&self) -> Vec<usize> {
        self.running
            .into_iter()
            .chain(self.boot.iter().copied())
            .collect()
    }
}

fn kernels(
    transaction: &Transaction,
    running: Option<String>,
    targets: &mut Targets<'_>,
    bench: &mut Bench,
) -> BTreeMap<String, Kernels> {
    let mut kernels: BTreeMap<String, Kernels> = BTreeMap::new();
    for (index, package) in transaction.packages.iter().enumerate() {
        let brings = |change: &Change| change.brought.iter().any(|(from, _)| *from == index);
        if !transaction.releases.values().any(brings) {
            continue;
        }
        for (release, id) in targets.add_from_package(package, bench) {
            let known = &mut kernels.entry(release).or_default().boot;
            if !known.contains(&id) {
                known.push(id);
            }
        }
    }
    for (release, change) in &transaction.releases {
        if !change.installs_modules() && change.brought.is_empty() {
            continue;
        }
        if let Some((package, path)) = change.unknown_image() {
            let path = path.display();
            let why = format!("its image {path} comes with {package} and cannot be read");
            targets.errors.push(ErrorEntry {
                harmless: true,
                ..failed(format!("kernel {release}"), &why)
            });
            continue;
        }
        let known = &mut kernels.entry(release.clone()).or_default().boot;
        let staying = change.images_that_stay(release, targets.root);
        let staying = staying
            .iter()
            .map(|i| (i.inside.as_path(), i.file.as_path()));
        for id in targets.add_images(release, staying, bench) {
            if !known.contains(&id) {
                known.push(id);
            }
        }
        if !change.brought.is_empty() {
            follow(release, targets.root, known, bench);
        }
    }
    if let Some(release) = running
        && let Some(change) = transaction.releases.get(&release)
        && (change.installs_modules() || change.erases_modules())
    {
        match Kernel::running() {
            Ok(kernel) => {
                let id = targets.put(kernel, "running".to_owned(), None, bench);
                kernels.entry(release).or_default().running = Some(id);
            }
            Err(error) => log::warn!("the running kernel: {error}"),
        }
    }
    kernels
}

/// Names the copies on the disk that are taken to follow the image of a package.
fn follow(release: &str, root: &Root, brought: &[usize], bench: &mut Bench) {
    for image in root.images(release) {
        let path = root.outside(&image.inside).display().to_string();
        for id in brought {
            if let Some(entry) = bench.entry_mut(*id)
                && entry.source != path
                && !entry.also.contains(&path)
            {
                entry.also.push(path.clone());
            }
        }
    }
}

/// The release of the running kernel, where it will meet what is installed:
/// not in another root or an image, and not in a container or chroot.
fn running_release(root: &Root, image: bool) -> Option<String> {
    let here = root.is_system() && !image && !is_chroot();
    let uname = rustix::system::uname();
    here.then(|| uname.release().to_string_lossy().into_owned())
}

/// Is our `/` another than that of the first process, or has a container manager
/// marked this system as it started it? (`/.dockerenv` is no such mark: it stays
/// in images that are booted as machines.)
fn is_chroot() -> bool {
    let marks = ["/run/.containerenv", "/run/systemd/container"];
    let identity = |path: &str| fs::metadata(path).ok().map(|root| (root.dev(), root.ino()));
    let elsewhere = match (identity("/proc/1/root/"), identity("/")) {
        (Some(first), Some(own)) => first != own,
        _ => false,
    };
    elsewhere || marks.iter().any(|mark| Path::new(mark).exists())
}

/// Judges the modules that packages bring.
fn installed(
    transaction: &Transaction,
    bench: &Bench,
    kernels: &BTreeMap<String, Kernels>,
    errors: &mut Vec<ErrorEntry>,
) -> Vec<Placed> {
    let meets = |path: &Path| match Role::of(path) {
        Some(Role::Module { release, .. }) => {
            kernels.get(release).map(Kernels::all).unwrap_or_default()
        }
        _ => Vec::new(),
    };
    let mut modules = Vec::new();
    for package in &transaction.packages {
        let mut files = package.files().iter();
        if !files.any(|file| file.has_content() && !meets(&file.path).is_empty()) {
            continue;
        }
        let (judged, result) = bench.package(package, meets);
        for module in readable(judged, errors) {
            if let Some(Role::Module { release, below }) = Role::of(Path::new(&module.path)) {
                let place = Place::new(release, below);
                modules.push(Placed { place, module });
            }
        }
        if let Err(error) = result {
            errors.push(failed(package.nevra().to_owned(), &error));
        }
    }
    modules
}

/// Judges the modules on the disk that stay, by the kernels that come.
fn staying(
    transaction: &Transaction,
    root: &Root,
    bench: &Bench,
    kernels: &BTreeMap<String, Kernels>,
    errors: &mut Vec<ErrorEntry>,
) -> Vec<Placed> {
    let (mut places, mut cases) = (Vec::new(), Vec::new());
    for (release, change) in &transaction.releases {
        let boot = kernels.get(release).map(|kernels| kernels.boot.as_slice());
        let boot = boot.unwrap_or_default();
        if !change.brought.is_empty() && !boot.is_empty() {
            for (below, found) in transaction.modules_that_stay(release, root) {
                places.push(Place::new(release, &below));
                let kernels = boot.to_vec();
                cases.push(Case { found, kernels });
            }
        }
    }
    let mut modules = Vec::new();
    for (place, judged) in places.into_iter().zip(bench.files(&cases)) {
        match judged {
            Ok(module) => modules.push(Placed { place, module }),
            Err(error) => errors.push(error),
        }
    }
    modules
}

/// The running kernel's module directory, where the transaction empties it.
fn emptied(
    transaction: &Transaction,
    root: &Root,
    bench: &Bench,
    kernels: &BTreeMap<String, Kernels>,
) -> Vec<ModuleEntry> {
    let mut emptied = Vec::new();
    for (release, change) in &transaction.releases {
        let running = kernels.get(release).and_then(|kernels| kernels.running);
        let entry = running.and_then(|id| bench.entries().get(id));
        let empties = change.erases_modules() && !change.installs_modules();
        if let Some(entry) = entry
            && empties
            && transaction.modules_that_stay(release, root).is_empty()
        {
            let path = format!("/lib/modules/{release}");
            emptied.push(ModuleEntry::missing(path, entry));
        }
    }
    emptied
}

/// The modules that could be judged; the others become errors.
fn readable(judged: Vec<Judged>, errors: &mut Vec<ErrorEntry>) -> Vec<ModuleEntry> {
    let sort_out = |judged: Judged| judged.map_err(|error| errors.push(error)).ok();
    judged.into_iter().filter_map(sort_out).collect()
}
