// SPDX-License-Identifier: GPL-2.0-or-later
//! What stands, held against the disk as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use btf_guard_sysroot::file_id::FileId;
use btf_guard_sysroot::host;
use btf_guard_sysroot::module_tree::{self, ModuleFile};

use super::context::{CLIENT, Rechecked, StatusContext};
use super::rescan::stamp;
use super::{About, Finding, Findings, JudgedFiles};
use crate::boot::inventory::{InstalledKernel, InventorySearch};
use crate::evaluate::effective_policy::Governed;
use crate::evaluate::{Evaluator, Job};
use crate::host_modules::host_needs::HostNeeds;
use crate::kernel::{Kernel, Target};
use crate::policy::Severity;
use crate::report::ModuleEntry;
use crate::verdict::{Causes, Kind};

/// What has become of a finding.
enum Fate {
    /// Neither the module nor the kernel has changed.
    Stands,
    /// One of them is gone.
    Gone,
    /// One of them is another now, or was never looked at.
    Open,
}

/// How long a transaction may take from its judgement to its end, in seconds: what it
/// was predicted to bring may not be there before.
const TRANSACTION: u64 = 7200;

/// What is kept, with what has changed judged again. Of an initrd no single module is
/// read: such a change takes a look at everything.
pub fn recheck(scene: &StatusContext<'_>, known: Findings) -> Rechecked {
    let mut standing = Findings {
        checked: known.checked,
        ..Findings::default()
    };
    let (mut open, mut stand) = (Vec::new(), Vec::new());
    let mut initrds = false;
    let mut pending: BTreeMap<About, Finding> = BTreeMap::new();
    for finding in known.findings {
        if finding.judged.is_none() && finding.since.saturating_add(TRANSACTION) > scene.time {
            pending.insert(finding.about(), finding.clone());
        }
        match fate(scene, &finding) {
            Fate::Stands => stand.push(finding),
            Fate::Gone => {}
            Fate::Open => {
                initrds |= finding.initrd.is_some();
                open.push(finding);
            }
        }
    }
    standing.add(stand);
    if initrds {
        standing.add(open);
    } else if !open.is_empty() {
        standing.add(judge(scene, open));
    }
    Rechecked {
        standing,
        pending: pending.into_values().collect(),
        is_whole: !initrds,
    }
}

fn fate(scene: &StatusContext<'_>, finding: &Finding) -> Fate {
    let running = finding.kernel.moment == Target::Running;
    if running && finding.kernel.boot != scene.boot {
        return Fate::Gone;
    }
    let image = match running {
        true => None,
        false => match FileId::of(Path::new(&finding.kernel.source)) {
            Ok(stamp) => Some(stamp),
            Err(_) => return Fate::Gone,
        },
    };
    if finding.verdict == Kind::Missing {
        let found = module_tree::walk(Path::new(&finding.module), scene.root);
        return match found.modules.is_empty() {
            true => Fate::Stands,
            false => Fate::Gone,
        };
    }
    let Ok(module) = FileId::of(Path::new(finding.file())) else {
        return Fate::Gone;
    };
    match finding.judged == Some(JudgedFiles { module, image }) {
        true => Fate::Stands,
        false => Fate::Open,
    }
}

/// Judges modules by the kernels that they were judged by.
fn judge(scene: &StatusContext<'_>, open: Vec<Finding>) -> Vec<Finding> {
    let here = host::running_release(scene.root, false);
    let wanted = here.map(|release| HostNeeds::new(scene.root, &release));
    let mut evaluator = Evaluator::new(Causes::all()).for_this_machine(wanted);
    let kernels = kernels(scene, &open, &mut evaluator);
    let mut jobs: BTreeMap<PathBuf, Vec<usize>> = BTreeMap::new();
    let mut by_pair: BTreeMap<(String, usize), Finding> = BTreeMap::new();
    for finding in open {
        let place = (finding.kernel.moment, finding.kernel.source.clone());
        // A kernel that cannot be booted any more, or not be read, refuses nothing.
        let Some(id) = kernels.get(&place) else {
            continue;
        };
        let ids = jobs.entry(PathBuf::from(&finding.module)).or_default();
        if !ids.contains(id) {
            ids.push(*id);
        }
        by_pair.insert((finding.module.clone(), *id), finding);
    }
    let jobs: Vec<Job> = jobs
        .into_iter()
        .filter_map(|(path, kernels)| {
            let file = fs::canonicalize(&path).ok()?;
            let found = ModuleFile { path, file };
            Some(Job { found, kernels })
        })
        .collect();
    let judged = evaluator.files(&jobs);
    let mut modules: Vec<ModuleEntry> = judged.into_iter().filter_map(Result::ok).collect();
    let governed = Governed::read(scene.config, false);
    let rating = governed.rating(BTreeMap::new());
    rating.rate(&mut modules, evaluator.entries());
    let mut findings = Vec::new();
    for module in modules {
        for index in 0..module.verdicts.len() {
            findings.extend(again(&module, index, &mut by_pair, scene));
        }
    }
    // What cannot be read now is what it was.
    findings.extend(
        by_pair
            .into_values()
            .filter(|f| f.severity >= Severity::Warn),
    );
    findings
}

/// A finding as it is now; `None` where it is none any more.
fn again(
    module: &ModuleEntry,
    index: usize,
    by_pair: &mut BTreeMap<(String, usize), Finding>,
    scene: &StatusContext<'_>,
) -> Option<Finding> {
    let verdict = module.verdicts.get(index)?;
    let mut finding = by_pair.remove(&(module.path.clone(), verdict.kernel))?;
    if verdict.severity < Severity::Warn {
        return None;
    }
    finding.log = verdict.first_line();
    finding.cause = verdict.cause;
    finding.errno = verdict.errno;
    if finding.verdict != verdict.verdict {
        finding.since = scene.time;
        finding.client = CLIENT.to_owned();
    }
    finding.verdict = verdict.verdict;
    finding.severity = verdict.severity;
    finding.used_by_host.clone_from(&module.used_by_host);
    finding.judged = stamp(&finding, scene.time);
    Some(finding)
}

/// Adds the kernels of findings to the evaluator; their ids by moment and source.
fn kernels(
    scene: &StatusContext<'_>,
    open: &[Finding],
    evaluator: &mut Evaluator,
) -> BTreeMap<(Target, String), usize> {
    let mut ids = BTreeMap::new();
    if open.iter().any(|f| f.kernel.moment == Target::Running)
        && let Ok(kernel) = Kernel::running()
    {
        let source = "running".to_owned();
        let id = evaluator.add(kernel, source.clone(), None);
        ids.insert((Target::Running, source), id);
    }
    let boot: Vec<&Finding> = open
        .iter()
        .filter(|finding| finding.kernel.moment == Target::NextBoot)
        .collect();
    let releases = boot.iter().filter_map(|f| f.kernel.release.clone());
    let releases: BTreeSet<String> = releases.collect();
    if releases.is_empty() {
        return ids;
    }
    let inventory = InventorySearch {
        root: scene.root,
        esps: &[],
        cache: scene.cache.as_ref(),
        config: None,
        releases: Some(&releases),
    }
    .inventory();
    let mut by_file: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for installed in inventory.kernels {
        let InstalledKernel { bootable, .. } = &installed;
        let file = bootable.file.clone();
        by_file.insert(file, evaluator.add_installed(installed));
    }
    for finding in boot {
        let source = &finding.kernel.source;
        let file = fs::canonicalize(source).ok();
        if let Some(id) = file.and_then(|file| by_file.get(&file)) {
            ids.insert((Target::NextBoot, source.clone()), *id);
        }
    }
    ids
}
