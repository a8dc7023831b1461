// SPDX-License-Identifier: GPL-2.0-or-later
//! What the running kernel has done, held against what was predicted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::Context;
use btf_guard_sysroot::file_id::FileId;
use btf_guard_sysroot::host;
use btf_guard_sysroot::module_tree::WalkBudget;

use super::recheck::{CLIENT, KERNEL, StatusContext, stamp};
use super::{Finding, FindingOrigin, Findings};
use crate::depmod::ReleaseModules;
use crate::evaluate::{Evaluator, Job};
use crate::host_modules::HostNeeds;
use crate::kernel::kmsg::{self, RefusedModule};
use crate::kernel::{Kernel, Target};
use crate::module::{self, same_name};
use crate::policy::Severity;
use crate::verdict::{Cause, Causes, Kind};

/// Takes out the findings that the running kernel has proven wrong, adds what it has
/// refused without any, and returns a line for each.
pub fn compare(
    scene: &StatusContext<'_>,
    log: &Path,
    findings: &mut Findings,
) -> anyhow::Result<Vec<String>> {
    let log = kmsg::read(log).with_context(|| log.display().to_string())?;
    let kernel = Kernel::running().context("cannot read the running kernel")?;
    let release = kernel.release.clone().unwrap_or_default();
    let seen = RunningKernel {
        refused: &log.refused,
        loaded: loaded(),
        base: kernel.sha256(),
        release: &release,
    };
    let mut lines = Vec::new();
    let mut known = BTreeSet::new();
    findings.findings.retain(|finding| {
        if !seen.is_about_this(finding, scene) {
            return true;
        }
        if let Some(line) = seen.proves_wrong(finding) {
            lines.push(line);
            return false;
        }
        if finding.verdict == Kind::Refused {
            known.insert(same_name(&finding.name));
        }
        true
    });
    // A kernel that permits mismatches says so of modules that it loads.
    let is_new = |name: &String| !known.contains(name) && !seen.loaded.contains(name);
    let new = log.refused.iter().filter(|(name, _)| is_new(name));
    let new: BTreeMap<&String, &RefusedModule> = new.collect();
    if kernel.config.allow_mismatch != Some(true) && !new.is_empty() {
        findings.add(unforeseen(scene, kernel, &release, new, &mut lines));
    }
    if log.is_cut {
        log::info!("the beginning of the kernel's log is lost");
    }
    Ok(lines)
}

fn loaded() -> BTreeSet<String> {
    let list = fs::read_to_string("/proc/modules").unwrap_or_default();
    let names = list.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

struct RunningKernel<'a> {
    refused: &'a BTreeMap<String, RefusedModule>,
    loaded: BTreeSet<String>,
    base: String,
    release: &'a str,
}

impl RunningKernel<'_> {
    /// True of a finding about the running kernel, and the module as it is on the disk.
    fn is_about_this(&self, finding: &Finding, scene: &StatusContext<'_>) -> bool {
        let kernel = &finding.kernel;
        match kernel.target {
            Target::Running => kernel.boot == scene.boot,
            Target::NextBoot => {
                kernel.release.as_deref() == Some(self.release)
                    && kernel.base.as_ref().is_none_or(|base| *base == self.base)
            }
        }
    }

    /// A line where the kernel has loaded what it was to refuse, with its types.
    fn proves_wrong(&self, finding: &Finding) -> Option<String> {
        let name = same_name(&finding.name);
        let predicted = match finding.verdict {
            Kind::Refused => "refused",
            Kind::BtfDiscarded => "loaded without types",
            _ => return None,
        };
        if self.refused.contains_key(&name) || !self.loaded.contains(&name) {
            return None;
        }
        is_loaded_with_types(&name, finding)?.then(|| {
            let (release, module) = (self.release, &finding.module);
            format!(
                "wrong prediction: kernel {release} has loaded {module} with its types; it was \
                 predicted to be {predicted}"
            )
        })
    }
}

/// True if the module that is loaded under this name is the file that was judged, with
/// its types. One from an initrd, or one that was replaced since, proves nothing.
/// `None` where it cannot be told.
fn is_loaded_with_types(name: &str, finding: &Finding) -> Option<bool> {
    let file = Path::new(&finding.module);
    if finding.judged?.module != FileId::of(file).ok()? {
        return None;
    }
    let module = module::open_any(file).ok()?;
    let own = module.btf?;
    let loaded = fs::read(Path::new("/sys/kernel/btf").join(name)).ok()?;
    // Relocated BTF has other numbers in it.
    Some(match module.btf_base {
        Some(_) => loaded.len() == own.len(),
        None => loaded == own,
    })
}

/// Judges modules that were refused without a finding: what to keep, and a line for each.
fn unforeseen(
    scene: &StatusContext<'_>,
    kernel: Kernel,
    release: &str,
    refused: BTreeMap<&String, &RefusedModule>,
    lines: &mut Vec<String>,
) -> Vec<Finding> {
    let modules = ReleaseModules::read(scene.root, release, &WalkBudget::default());
    let files = modules
        .as_ref()
        .map(ReleaseModules::loaded)
        .unwrap_or_default();
    let here = host::running_release(scene.root, false);
    let wanted = here.map(|release| HostNeeds::new(scene.root, &release));
    let mut evaluator = Evaluator::new(Causes::all()).for_this_machine(wanted);
    let id = evaluator.add(kernel, "running".to_owned(), None);
    let mut findings = Vec::new();
    for (name, refused) in refused {
        let errno = refused.errno;
        let head = format!("kernel {release} has refused {name} (BTF: {errno})");
        let file = files.get(name).and_then(|files| files.first());
        let Some((_, file)) = file else {
            let where_from = "which is not among its modules here: was it in an initrd?";
            lines.push(format!("{head}, {where_from}"));
            continue;
        };
        let found = (*file).clone();
        let judged = evaluator
            .files(&[Job {
                found,
                kernels: vec![id],
            }])
            .pop();
        let path = file.path.display();
        let entries = (judged.and_then(Result::ok), evaluator.entries().get(id));
        let (Some(module), Some(kernel)) = entries else {
            lines.push(format!("{head}; {path} cannot be read"));
            continue;
        };
        let Some(verdict) = module.verdicts.first() else {
            continue;
        };
        let client = match verdict.verdict {
            Kind::Refused => CLIENT,
            _ => KERNEL,
        };
        lines.push(match client {
            CLIENT => format!("{head}: {path}; nothing had judged it"),
            _ => format!("wrong prediction: {head}; by its file {path} it should load"),
        });
        let origin = FindingOrigin {
            time: scene.time,
            client,
            boot: scene.boot.as_deref(),
        };
        let mut finding = Finding {
            verdict: Kind::Refused,
            cause: Some(Cause::Btf),
            errno: Some(refused.errno),
            log: refused.log.clone(),
            severity: Severity::Warn,
            used_by_host: evaluator.reasons(id, &module.name),
            ..Finding::of(&module, verdict, kernel, origin)
        };
        finding.judged = stamp(&finding, scene.time);
        findings.push(finding);
    }
    findings
}
