// SPDX-License-Identifier: GPL-2.0-or-later
//! Modules inside the initrds that kernels are booted with.

use std::collections::{BTreeMap, BTreeSet};

use btf_guard_sysroot::Root;

use crate::boot;
use crate::boot::inventory::{Initrd, InstalledKernel};
use crate::evaluate::{Batches, Evaluator, Judged};
use crate::initrd::{self, Contents, InitrdItem};
use crate::kernel::Target;
use crate::module;
use crate::report::InitrdEntry;

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
    pub(crate) note: Option<String>,
}

impl Initrds {
    /// Adds kernels that the root can boot to the evaluator, and notes their initrds.
    pub(crate) fn add_installed(
        &mut self,
        kernels: Vec<InstalledKernel>,
        root: &Root,
        evaluator: &mut Evaluator,
    ) {
        let known = kernels.iter().filter(|kernel| kernel.initrds_are_known());
        let known = known.filter_map(|kernel| kernel.kernel.release.clone());
        let known: BTreeSet<String> = known.collect();
        for installed in kernels {
            let release = installed.kernel.release.clone().unwrap_or_default();
            let via = &installed.bootable.via;
            let lost = via.iter().flat_map(|via| &via.lost_initrds);
            self.unseen.extend(lost.cloned());
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
            for (initrd, mend) in initrds {
                self.add(initrd, id, mend);
            }
        }
    }

    fn add(&mut self, initrd: Initrd, kernel: usize, mend: Option<String>) {
        match self.all.iter_mut().find(|known| known.initrd == initrd) {
            Some(known) if known.kernels.contains(&kernel) => {}
            Some(known) => known.kernels.push(kernel),
            None => self.all.push(Booted {
                initrd,
                kernels: vec![kernel],
                mend,
            }),
        }
    }

    /// Holds the modules in each initrd against the kernels that are booted with it.
    pub(crate) fn judge(mut self, evaluator: &Evaluator) -> Inside {
        let mut inside = Inside::default();
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
                let why = format!("{path}: more than {MOST} initrds");
                self.unseen.push(why);
                continue;
            }
            if let Err(error) = booted.judge(&path, evaluator, &mut inside) {
                self.unseen.push(format!("{path}: {error}"));
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

impl Booted {
    fn judge(
        &self,
        shown: &str,
        evaluator: &Evaluator,
        inside: &mut Inside,
    ) -> Result<(), initrd::Error> {
        let mut releases: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for id in &self.kernels {
            let entry = evaluator.entries().get(*id);
            if let Some(release) = entry.and_then(|entry| entry.release.as_deref()) {
                releases.entry(release).or_default().push(*id);
            }
        }
        // By their place in `judged`: which names they have is known only in the end.
        let mut files: Contents<usize> = Contents::default();
        let mut batches = Batches::new(|path: &String, content| {
            evaluator.result(module::parse(content, path), path.clone(), &self.kernels)
        });
        let mut each = |item| match item {
            InitrdItem::Link { path, target } => files.link(path, &target),
            InitrdItem::Module { path, content } => {
                evaluator.expect(1);
                let index = batches.push(inside_of(shown, &path), content);
                files.file(path, index);
            }
        };
        let result = initrd::open(&self.initrd.file, self.initrd.part.as_ref(), &mut each);
        let judged = batches.finish();
        for (release, ids) in releases {
            for (path, index) in files.of_release(release) {
                inside
                    .judged
                    .take(judged.get(*index).cloned().map(|result| {
                        let mut module = result?;
                        module.path = inside_of(shown, path);
                        module.initrd = Some(shown.to_owned());
                        module.verdicts.retain(|v| ids.contains(&v.kernel));
                        Ok(module)
                    }));
            }
        }
        result
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
