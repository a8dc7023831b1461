// SPDX-License-Identifier: GPL-2.0-or-later
//! What the running kernel has done, held against what was predicted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::Context;
use btf_guard_sysroot::file_id::FileId;
use btf_guard_sysroot::host;
use btf_guard_sysroot::module_tree::{self, ModuleFile};

use super::context::{CLIENT, StatusContext};
use super::rescan::{KERNEL, stamp};
use super::{Finding, FindingKernel, Findings, JudgedFiles};
use crate::evaluate::{Evaluator, Job};
use crate::host_modules::host_needs::HostNeeds;
use crate::kernel::kmsg::{self, RefusedModule};
use crate::kernel::{Kernel, Target};
use crate::module::open::open_module;
use crate::module::{Reader, name_of_file, same_name};
use crate::policy::Severity;
use crate::report::ModuleEntry;
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
    let loaded = loaded();
    let seen = RunningKernel {
        refused: &log.refused,
        loaded: &loaded,
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
    let new: BTreeMap<&String, &RefusedModule> = log
        .refused
        .iter()
        .filter(|(name, _)| !known.contains(*name) && !loaded.contains(*name))
        .collect();
    if kernel.config.allow_mismatch != Some(true) && !new.is_empty() {
        let mut unforeseen = Unforeseen::new(scene, kernel, &release);
        let mut found = Vec::new();
        for (name, refused) in new {
            let (finding, line) = unforeseen.judge(name, refused);
            found.extend(finding);
            lines.push(line);
        }
        findings.add(found);
    }
    if log.is_cut {
        log::info!("the beginning of the kernel's log is lost");
    }
    Ok(lines)
}

/// The modules that are loaded.
fn loaded() -> BTreeSet<String> {
    let list = fs::read_to_string("/proc/modules").unwrap_or_default();
    let names = list.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

/// What the running kernel has done.
struct RunningKernel<'a> {
    refused: &'a BTreeMap<String, RefusedModule>,
    loaded: &'a BTreeSet<String>,
    base: String,
    release: &'a str,
}

impl RunningKernel<'_> {
    /// True of a finding about the running kernel, and the module as it is on the disk.
    fn is_about_this(&self, finding: &Finding, scene: &StatusContext<'_>) -> bool {
        let FindingKernel {
            release,
            moment,
            base,
            boot,
            ..
        } = &finding.kernel;
        match moment {
            Target::Running => *boot == scene.boot,
            Target::NextBoot => {
                release.as_deref() == Some(self.release)
                    && base.as_ref().is_none_or(|base| *base == self.base)
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
/// its types. One from an initrd, or one that was replaced since, proves nothing. `None` where it cannot be
/// told.
fn is_loaded_with_types(name: &str, finding: &Finding) -> Option<bool> {
    let file = Path::new(&finding.module);
    if finding.judged?.module != FileId::of(file).ok()? {
        return None;
    }
    let module = open_module(&mut Reader::new(), file).ok()?;
    let own = module.btf?;
    let loaded = fs::read(Path::new("/sys/kernel/btf").join(name)).ok()?;
    // Relocated BTF has other numbers in it.
    Some(match module.btf_base {
        Some(_) => loaded.len() == own.len(),
        None => loaded == own,
    })
}

/// Modules that were refused and that no finding is about.
struct Unforeseen<'a> {
    scene: &'a StatusContext<'a>,
    evaluator: Evaluator,
    id: usize,
    release: &'a str,
    base: String,
    files: BTreeMap<String, ModuleFile>,
}

impl<'a> Unforeseen<'a> {
    fn new(scene: &'a StatusContext<'a>, kernel: Kernel, release: &'a str) -> Self {
        let dir = scene.root.module_dir(release);
        let modules = dir.map(|dir| module_tree::walk(&dir, scene.root).modules);
        let modules = modules.into_iter().flatten();
        let named = modules.map(|found| (name_of_file(&found.path), found));
        let here = host::running_release(scene.root, false);
        let wanted = here.map(|release| HostNeeds::new(scene.root, &release));
        let mut evaluator = Evaluator::new(Causes::all()).for_this_machine(wanted);
        let base = kernel.sha256();
        Self {
            id: evaluator.add(kernel, "running".to_owned(), None),
            scene,
            evaluator,
            release,
            base,
            files: named.collect(),
        }
    }

    /// What to keep, and what to say.
    fn judge(&mut self, name: &str, refused: &RefusedModule) -> (Option<Finding>, String) {
        let (release, errno) = (self.release, refused.errno);
        let head = format!("kernel {release} has refused {name} (BTF: {errno})");
        let Some(file) = self.files.get(name) else {
            let line = format!("{head}, which is not among its modules here: was it in an initrd?");
            return (None, line);
        };
        let jobs = [Job {
            found: file.clone(),
            kernels: vec![self.id],
        }];
        let path = file.path.display();
        let Some(Ok(module)) = self.evaluator.files(&jobs).pop() else {
            return (None, format!("{head}; {path} cannot be read"));
        };
        let says = module.verdicts.first().map(|verdict| verdict.verdict);
        let (client, line) = match says {
            Some(Kind::Refused) => (CLIENT, format!("{head}: {path}; nothing had judged it")),
            _ => (
                KERNEL,
                format!("wrong prediction: {head}; by its file {path} it should load"),
            ),
        };
        (Some(self.finding(&module, refused, client)), line)
    }

    fn finding(&self, module: &ModuleEntry, refused: &RefusedModule, client: &str) -> Finding {
        let finding = Finding {
            module: module.path.clone(),
            name: module.name.clone(),
            package: None,
            initrd: None,
            kernel: FindingKernel {
                release: Some(self.release.to_owned()),
                moment: Target::Running,
                source: "running".to_owned(),
                base: Some(self.base.clone()),
                boot: self.scene.boot.clone(),
            },
            verdict: Kind::Refused,
            cause: Some(Cause::Btf),
            errno: Some(refused.errno),
            log: refused.log.clone(),
            severity: Severity::Warn,
            used_by_host: self.evaluator.reasons(self.id, &module.name),
            since: self.scene.time,
            client: client.to_owned(),
            judged: None,
        };
        let judged: Option<JudgedFiles> = stamp(&finding, self.scene.time);
        Finding { judged, ..finding }
    }
}
