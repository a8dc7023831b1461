// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard judge`: the plan of a transaction in, what to do out.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use btf_guard_core::evaluate::effective_policy::Governed;
use btf_guard_core::report::{self, PackageOrigin, Report, Ruling, messages};
use btf_guard_core::rpm::module_owners::owners_of_added_modules;
use btf_guard_core::rpm::rpmdb::{PROGRAM, Rpm};
use btf_guard_core::time_limit::TimeLimit;
use btf_guard_core::transaction::scene::{Scene, keys};
use btf_guard_core::transaction::{planned_drivers, post, pre};
use btf_guard_protocol::decision::Mode;
use btf_guard_protocol::override_source::{Override, OverrideSource};
use btf_guard_protocol::plan::{Action, Element, Level, Message, Plan, Reply, SCHEMA, Stage};
use btf_guard_protocol::terminal::escape;
use btf_guard_sysroot::file_role::Role;
use btf_guard_sysroot::{Root, host};
use serde::Serialize;

use crate::args::JudgeArgs;
use crate::output::Outcome;
use crate::{cache_dir, output, sandbox};

/// The longest plan that is read, in bytes: some 100,000 paths.
const MAX_PLAN: u64 = 64 << 20;
/// The most that is listed of modules and of errors, in bytes of JSON each: callers take
/// an answer of 16 MiB.
const MAX_LISTED: usize = 4 << 20;
/// Findings that are known again after the transaction.
const MAX_KEYS: usize = 1 << 16;
/// Threads that judge. Each reserves address space, which is limited.
const THREADS: usize = 4;

#[derive(Serialize)]
struct JudgeOutput<'a> {
    #[serde(flatten)]
    report: &'a Report,
    messages: Vec<Message>,
    keys: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    overrides: Vec<Override>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    once: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fallback: Option<Reply>,
}

/// Whoever asks, and how long that waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WaitingCaller {
    since: Instant,
    timeout: Duration,
}

impl WaitingCaller {
    fn new(timeout: Duration) -> Self {
        let since = Instant::now();
        Self { since, timeout }
    }

    /// So many eighths of the time that it waits.
    fn limit(self, eighths: u32) -> TimeLimit {
        TimeLimit::after(self.since, self.timeout * eighths / 8)
    }
}

pub(crate) fn run(args: &JudgeArgs) -> anyhow::Result<Outcome> {
    let caller = args
        .timeout
        .map(Duration::from_millis)
        .map(WaitingCaller::new);
    if caller.is_some() {
        sandbox::end_with_caller();
    }
    let args = &args.machine;
    let plan = read_plan()?;
    let governed = Governed::read(args.config.as_deref(), plan.stage == Stage::Pre);
    let wished = plan.mode.map(|mode| (mode, plan.mode_source));
    // What has happened cannot be blocked any more.
    let (mode, source) = match (governed.mode(wished), plan.stage) {
        ((Mode::Block, _), Stage::Post | Stage::None) => (Mode::Warn, None),
        ((mode, source), _) => (mode, source),
    };
    if mode == Mode::Off {
        let report = report::assemble(Vec::new(), Vec::new(), Vec::new(), mode);
        // The environment and the macro are obeyed without a judge, and written down.
        let off = source.filter(|source| *source == OverrideSource::CommandLine);
        let off = off.filter(|_| plan.stage == Stage::Pre);
        output::json(&JudgeOutput {
            report: &report,
            messages: Vec::new(),
            keys: &[],
            overrides: off.map(Override::of).into_iter().collect(),
            once: Vec::new(),
            fallback: None,
        })?;
        return Ok(Outcome::Done);
    }
    let JudgedReport {
        mut report,
        keys,
        packages,
    } = judge(&plan, mode, args.cache.as_deref(), &governed, caller)?;
    let rating = governed.rating(packages);
    let asked = source.filter(|_| plan.stage == Stage::Pre);
    let ruling = rating.ruling(&report, mode, asked.map(Override::of));
    let lines = |report: &Report, ruling: &Ruling| {
        let mut lines = messages(report, mode, plan.stage);
        lines.extend(report::overrides(&ruling.overrides, report.decision));
        if let Some(origin) = &ruling.stopped_unjudged {
            lines.insert(0, report::unjudged(report, origin));
        }
        lines
    };
    let fallback = (!ruling.once.is_empty()).then(|| {
        let (mut without, ruling) = rating.ruling_without_once(&report, mode);
        without.retain_findings();
        Reply {
            decision: without.decision,
            messages: lines(&without, &ruling),
        }
    });
    report.decision = ruling.decision;
    report.retain_findings();
    let mut told = lines(&report, &ruling);
    // Afterwards it was said before.
    if plan.stage != Stage::Post {
        let complaints = governed.complaints.iter();
        told.extend(complaints.map(|complaint| Message {
            level: Level::Warning,
            text: escape(&format!("btf-guard: {complaint}")),
        }));
    }
    report.bound(MAX_LISTED);
    output::json(&JudgeOutput {
        report: &report,
        messages: told,
        keys: keys.get(..MAX_KEYS).unwrap_or(&keys),
        overrides: ruling.overrides,
        once: ruling.once,
        fallback,
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

pub(crate) struct JudgedReport {
    pub(crate) report: Report,
    pub(crate) keys: Vec<String>,
    pub(crate) packages: BTreeMap<String, PackageOrigin>,
}

/// Judges a plan, and rates what is found. The elements name package files by
/// descriptors of this process.
///
/// From here on the process is limited, and the calling thread confined: it
/// reads files that others have made.
pub(crate) fn judge(
    plan: &Plan,
    mode: Mode,
    cache: Option<&Path>,
    governed: &Governed,
    caller: Option<WaitingCaller>,
) -> anyhow::Result<JudgedReport> {
    let root = Root::new(&plan.root).with_context(|| format!("root {}", plan.root.display()))?;
    // A confined process starts no other. Asking takes as long as all the rest: it is done
    // where what others have added can meet a kernel for the first time, or be uncovered.
    let brings_image = |element: &Element| {
        let mut roles = element.paths.iter().filter_map(|path| Role::of(path));
        roles.any(|role| matches!(role, Role::Image { .. } | Role::OtherImage { .. }))
    };
    let rpm = Rpm {
        program: Path::new(PROGRAM),
        root: root.path(),
        database: plan.rpm_database.as_deref(),
    };
    let mut elements = plan.elements.iter();
    let only_erases = elements.all(|element| element.action == Action::Erase);
    let owners = match only_erases || plan.elements.iter().any(brings_image) {
        true => owners_of_added_modules(&root, rpm),
        false => BTreeMap::new(),
    };
    // Looks at the first process, which a confined one cannot.
    let running = host::running_release(&root, plan.offline_image);
    let drivers = planned_drivers::planned(&root, plan, running.as_deref(), rpm);
    let files: Vec<Option<File>> = plan.elements.iter().map(|e| open(e.file)).collect();
    let highest = plan.elements.iter().filter_map(|e| e.file).max();
    let highest = highest.and_then(|fd| u64::try_from(fd).ok()).unwrap_or(0);
    sandbox::limit(highest + files.len() as u64);
    let cache = cache_dir::open(cache).filter(|cache| match cache.make() {
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
    if let Some(caller) = caller {
        sandbox::end_after(caller.timeout);
    }
    // Started only now: threads inherit what was given up.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let several = rayon::ThreadPoolBuilder::new().num_threads(threads.min(THREADS));
    if let Err(error) = several.build_global() {
        log::info!("{error}: one thread does it all");
        let one = rayon::ThreadPoolBuilder::new().num_threads(1);
        one.use_current_thread().build_global()?;
    }
    let scene = Scene {
        root: &root,
        running,
        // The rest of the time is for what is made of that.
        limit: caller.map_or_else(TimeLimit::default, |caller| caller.limit(6)),
        limit_of_comparison: caller.map_or_else(TimeLimit::default, |caller| caller.limit(7)),
        cache,
        governed,
        owners,
        drivers,
    };
    let found = match plan.stage {
        Stage::Pre => pre::judge(&scene, plan, files),
        Stage::Post | Stage::None => post::judge(&scene, plan),
    };
    Ok(JudgedReport {
        keys: keys(&found),
        packages: found.packages.clone(),
        report: found.into_report(mode),
    })
}

fn open(descriptor: Option<i32>) -> Option<File> {
    let descriptor = descriptor?;
    match btf_guard_subprocess::inherited(descriptor) {
        Ok(file) => Some(file),
        Err(error) => {
            log::warn!("descriptor {descriptor}: {error}");
            None
        }
    }
}
