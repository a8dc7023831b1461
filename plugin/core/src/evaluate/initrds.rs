// SPDX-License-Identifier: GPL-2.0-or-later
//! Modules inside the initrds that kernels are booted with.

use std::collections::{BTreeMap, BTreeSet};

use btf_guard_sysroot::Root;

use super::{Batches, Evaluator, Judged};
use crate::boot;
use crate::boot::inventory::{Initrd, InstalledKernel};
use crate::initrd::{self, Contents, InitrdItem};
use crate::kernel::Target;
use crate::module;
use crate::report::{self, InitrdEntry, ModuleEntry, VerdictEntry};
use crate::verdict::Kind;

/// Initrds that are read in one run. A root has a handful.
const MOST: usize = 128;

/// Initrds that are named of those that were not looked into.
const NAMED: usize = 8;

/// The initrds of an evaluator's kernels.
#[derive(Debug, Default)]
pub struct Initrds {
    all: Vec<Booted>,
    seen: BTreeSet<usize>,
    /// What is not looked into, and why.
    unseen: Vec<String>,
}

#[derive(Debug)]
struct Booted {
    initrd: Initrd,
    kernels: Vec<usize>,
    mend: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Inside {
    pub(crate) judged: Judged,
    pub(crate) initrds: Vec<InitrdEntry>,
    /// The kernels whose initrd is to be made anew, one entry each.
    pub(crate) stale: Vec<ModuleEntry>,
    pub(crate) note: Option<String>,
}

impl Initrds {
    /// Adds kernels that the root can boot to the evaluator, notes their initrds, and
    /// returns the kernels' ids.
    pub(crate) fn add_installed(
        &mut self,
        kernels: Vec<InstalledKernel>,
        root: &Root,
        evaluator: &mut Evaluator,
    ) -> Vec<usize> {
        let mut ids = Vec::new();
        let known = kernels.iter().filter(|kernel| kernel.initrds_are_known());
        let known = known.filter_map(|kernel| kernel.kernel.release.clone());
        let known: BTreeSet<String> = known.collect();
        for installed in kernels {
            let release = installed.kernel.release.clone().unwrap_or_default();
            let via = &installed.bootable.via;
            // From the module directory alone nothing boots.
            let boots = via.iter().any(|via| via.way != boot::BootMethod::ModuleDir);
            if boots && !known.contains(&release) {
                let image = installed.bootable.path.display();
                let which = format!("that of {image}, which no boot entry names");
                self.unseen.push(which);
            }
            let initrds = installed.initrds().into_iter().map(|initrd| {
                let mend =
                    boot::refresh_initrd_command(root, &installed.bootable, &release, &initrd.file);
                (initrd, mend)
            });
            let initrds: Vec<(Initrd, Option<String>)> = initrds.collect();
            let id = evaluator.add_installed(installed);
            self.seen.insert(id);
            ids.push(id);
            for (initrd, mend) in initrds {
                self.add(initrd, id, mend);
            }
        }
        ids
    }

    fn add(&mut self, initrd: Initrd, kernel: usize, mend: Option<String>) {
        match self.all.iter_mut().find(|known| known.initrd == initrd) {
            Some(known) => {
                // A command makes it anew for one release.
                known.mend = known
                    .mend
                    .take()
                    .filter(|known| mend.as_ref() == Some(known));
                if !known.kernels.contains(&kernel) {
                    known.kernels.push(kernel);
                }
            }
            None => self.all.push(Booted {
                initrd,
                kernels: vec![kernel],
                mend,
            }),
        }
    }

    /// Holds the modules in each initrd against the kernels that are booted with it; `disk`
    /// is what came of the modules on the disk.
    pub(crate) fn judge<'m>(
        mut self,
        evaluator: &Evaluator,
        disk: impl IntoIterator<Item = &'m ModuleEntry>,
    ) -> Inside {
        let mut inside = Inside::default();
        let refused = refused(disk);
        for kernel in evaluator.entries() {
            if kernel.target == Target::NextBoot && !self.seen.contains(&kernel.id) {
                let source = &kernel.source;
                let why = format!("those of {source}, which only --kernel all looks for");
                self.unseen.push(why);
            }
        }
        for (index, booted) in self.all.into_iter().enumerate() {
            let path = booted.initrd.file.display().to_string();
            if index >= MOST {
                let why = format!("no more than {MOST} initrds are read");
                inside.judged.failed(path, &why);
                continue;
            }
            let mut judging = InitrdJudging {
                shown: &path,
                evaluator,
                refused: &refused,
                inside: &mut inside,
            };
            if let Err(error) = judging.judge(&booted) {
                inside.judged.failed(&path, &error);
            }
            inside.initrds.push(InitrdEntry {
                path,
                kernels: booted.kernels,
                fix_command: booted.mend,
            });
        }
        inside.note = note(&self.unseen);
        inside
    }
}

/// Names of modules on the disk that fit a kernel no better, by the kernel's id.
type RefusedModules<'m> = BTreeSet<(usize, &'m str)>;

fn refused<'m>(disk: impl IntoIterator<Item = &'m ModuleEntry>) -> RefusedModules<'m> {
    let modules = disk.into_iter().filter(|module| module.initrd.is_none());
    let verdicts = modules.flat_map(|module| module.verdicts.iter().map(move |v| (module, v)));
    let refused = verdicts.filter(|(_, verdict)| is_of_another_build(verdict));
    refused
        .map(|(module, verdict)| (verdict.kernel, module.name.as_str()))
        .collect()
}

fn is_of_another_build(verdict: &VerdictEntry) -> bool {
    matches!(
        verdict.verdict,
        Kind::Refused | Kind::BtfDiscarded | Kind::BtfWrong
    )
}

struct InitrdJudging<'a> {
    shown: &'a str,
    evaluator: &'a Evaluator,
    refused: &'a RefusedModules<'a>,
    inside: &'a mut Inside,
}

impl InitrdJudging<'_> {
    fn judge(&mut self, booted: &Booted) -> Result<(), initrd::Error> {
        let mut releases: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for id in &booted.kernels {
            let entry = self.evaluator.entries().get(*id);
            if let Some(release) = entry.and_then(|entry| entry.release.as_deref()) {
                releases.entry(release).or_default().push(*id);
            }
        }
        let present: BTreeMap<usize, usize> = booted
            .kernels
            .iter()
            .map(|id| (*id, self.present_build(*id)))
            .collect();
        let judges: BTreeSet<usize> = present.iter().flat_map(|(id, own)| [*id, *own]).collect();
        let judges = Vec::from_iter(judges);
        // By their place in `judged`: which names they have is known only in the end.
        let mut files: Contents<usize> = Contents::default();
        let (shown, evaluator) = (self.shown, self.evaluator);
        let mut batches = Batches::new(|path: &String, content| {
            evaluator.result(module::parse(content, path), path.clone(), &judges)
        });
        let mut each = |item| match item {
            InitrdItem::Link { path, target } => files.link(path, &target),
            InitrdItem::Module { path, content } => {
                evaluator.expect(1);
                let index = batches.push(inside_of(shown, &path), content);
                files.file(path, index);
            }
        };
        let result = initrd::open(&booted.initrd.file, booted.initrd.part.as_ref(), &mut each);
        let judged = batches.finish();
        let mut stale = BTreeSet::new();
        for (release, ids) in releases {
            for (path, index) in files.of_release(release) {
                let Some(result) = judged.get(*index) else {
                    continue;
                };
                let result = result.clone().map(|mut module| {
                    let is_stale = |id: &&usize| {
                        let own = present.get(*id);
                        own.is_some_and(|own| self.is_left_over(&module, *own))
                    };
                    stale.extend(ids.iter().filter(is_stale).copied());
                    module.path = inside_of(shown, path);
                    module.initrd = Some(shown.to_owned());
                    module.verdicts.retain(|v| ids.contains(&v.kernel));
                    module
                });
                self.inside.judged.take([result]);
            }
        }
        let stale = stale
            .into_iter()
            .filter_map(|id| evaluator.entries().get(id));
        self.inside.stale.extend(stale.map(|kernel| ModuleEntry {
            initrd: Some(shown.to_owned()),
            ..report::kernel_finding(Kind::InitrdStale, shown.to_owned(), kernel)
        }));
        result
    }

    /// The kernel that an initrd is to fit: the build that a stale copy is made anew of.
    fn present_build(&self, id: usize) -> usize {
        let entry = self.evaluator.entries().get(id);
        let newer = entry.and_then(|entry| self.evaluator.newer_build(entry));
        newer.map_or(id, |newer| newer.id)
    }

    /// The kernel does not take it, and it is not known that the one on the disk, which an
    /// initrd is made of, fits no better.
    fn is_left_over(&self, module: &ModuleEntry, kernel: usize) -> bool {
        let of_kernel = |verdict: &&VerdictEntry| verdict.kernel == kernel;
        let mut verdicts = module.verdicts.iter().filter(of_kernel);
        verdicts.any(is_of_another_build) && !self.refused.contains(&(kernel, &module.name))
    }
}

/// How a report names what is inside an initrd.
fn inside_of(initrd: &str, path: &str) -> String {
    format!("{initrd}!{path}")
}

fn note(unseen: &[String]) -> Option<String> {
    if unseen.is_empty() {
        return None;
    }
    let named: Vec<&str> = unseen.iter().take(NAMED).map(String::as_str).collect();
    let named = named.join("; ");
    let more = match unseen.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    Some(format!(
        "modules inside initrds were not looked at, or not all of them: {named}{more}"
    ))
}
