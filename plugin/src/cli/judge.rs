//! `btf-guard judge`: the plan of a transaction in, what to do out.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use btf_guard::kernel::cache::Cache;
use btf_guard::place::plan::{Message, Plan, SCHEMA, Stage};
use btf_guard::place::roots::Root;
use btf_guard::policy::Mode;
use btf_guard::report::{ErrorEntry, KernelEntry, Report, messages};
use serde::Serialize;

use super::args::Judge;
use super::placed::{Placed, keys};
use super::{Outcome, after, cached, here, output, planned, sandbox};

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
    keys: &'a [String],
}

pub(crate) fn run(args: &Judge) -> anyhow::Result<Outcome> {
    let plan = read_plan()?;
    // What has happened cannot be blocked any more.
    let mode = match (plan.mode.unwrap_or(Mode::Block), plan.stage) {
        (Mode::Block, Stage::After | Stage::Now) => Mode::Warn,
        (mode, _) => mode,
    };
    let (report, keys) = match mode {
        Mode::Off => (
            Report::new(Vec::new(), Vec::new(), Vec::new(), mode),
            Vec::new(),
        ),
        Mode::Warn | Mode::Block => {
            let (mut report, keys) = judge(&plan, mode, args.cache.as_deref())?;
            report.forget_the_healthy();
            (report, keys)
        }
    };
    output::json(&Answer {
        report: &report,
        messages: messages(&report, mode, plan.stage),
        keys: &keys,
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

/// The report, and the keys of what it tells. The elements name package files by
/// descriptors of this process.
///
/// From here on the process is limited, and the calling thread confined: it
/// reads files that others have made.
pub(crate) fn judge(
    plan: &Plan,
    mode: Mode,
    cache: Option<&Path>,
) -> anyhow::Result<(Report, Vec<String>)> {
    let files: Vec<Option<File>> = plan.elements.iter().map(|e| open(e.file)).collect();
    let highest = plan.elements.iter().filter_map(|e| e.file).max();
    let highest = highest.and_then(|fd| u64::try_from(fd).ok()).unwrap_or(0);
    sandbox::limit(highest + files.len() as u64);
    let root = Root::new(&plan.root).with_context(|| format!("root {}", plan.root.display()))?;
    // Looks at the first process, which a confined one cannot.
    let running = here::running_release(&root, plan.image);
    let cache = cached::open(cache).filter(|cache| match cache.make() {
        Ok(()) => true,
        Err(error) => {
            log::info!("{}: {error}: no cache", cache.dir().display());
            false
        }
    });
    // The whole root: modules may be links to anywhere inside it.
    let mut readable = vec![
        root.path(),
        Path::new("/sys/kernel/btf"),
        Path::new("/proc"),
    ];
    readable.extend(plan.esps.iter().map(PathBuf::as_path));
    sandbox::confine(&readable, cache.as_ref().map(|cache| cache.dir()));
    // Started only now: threads inherit what was given up.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.min(THREADS))
        .build_global()?;
    let scene = Scene {
        root: &root,
        running,
        cache,
    };
    let found = match plan.stage {
        Stage::Before => planned::judge(&scene, plan, files),
        Stage::After | Stage::Now => after::judge(&scene, plan),
    };
    let keys = keys(&found);
    let modules = found.modules.into_iter().map(|placed| placed.module);
    let mut report = Report::new(found.kernels, modules.collect(), found.errors, mode);
    report.notes = found.notes;
    Ok((report, keys))
}

/// Where a transaction takes place.
pub(crate) struct Scene<'a> {
    pub(crate) root: &'a Root,
    /// The release of the running kernel, where that is a target.
    pub(crate) running: Option<String>,
    /// Keeps what images hold.
    pub(crate) cache: Option<Cache>,
}

/// What was found out.
pub(crate) struct Found {
    pub(crate) kernels: Vec<KernelEntry>,
    pub(crate) modules: Vec<Placed>,
    pub(crate) errors: Vec<ErrorEntry>,
    /// What the admin is to know besides, a sentence each.
    pub(crate) notes: Vec<String>,
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
