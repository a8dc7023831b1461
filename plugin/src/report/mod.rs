//! Reports: what was found, as data (and so as JSON), as text for an admin,
//! and as the few lines that fit into a package manager's output.

mod alerts;
mod built;
mod conclusion;
mod findings;
mod kernel;
mod kernels;
mod messages;
mod problems;
mod prometheus;
mod rate;
mod rpmlint;
mod sarif;
mod standing;
mod text;
mod words;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::kernel::Moment;
use crate::module::Module;
use crate::place::plan::SCHEMA;
use crate::policy::{self, Decision, Mode, Severity};
use crate::verdict::{Cause, Judgement, NoBtf, Refusal, Verdict};

pub use crate::verdict::{BuiltFor, Kind};

pub use kernel::{AbilitiesEntry, BaseEntry, KernelEntry, StaleEntry};
pub use kernels::{KernelList, Listed, write_kernels};
pub use messages::{HELP_ONCE, messages, overrides};
pub use problems::{Problem, Rule, Weight, problems};
pub use prometheus::{Counts, write_prometheus};
pub use rate::{Known, Rating, Ruling};
pub use rpmlint::write_rpmlint;
pub use sarif::sarif;
pub use standing::{write_motd, write_standing};
pub use text::{Detail, write_errors, write_inputs, write_text};
pub use words::shown;

/// Everything that was judged, in the form of DESIGN's JSON schema 1.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The kernels, by their `id`.
    pub kernels: Vec<KernelEntry>,
    /// The modules, in the order in which they were asked for.
    pub modules: Vec<ModuleEntry>,
    /// What could not be read.
    pub errors: Vec<ErrorEntry>,
    /// Counts.
    pub summary: Summary,
    /// The same for the running kernel and for what boots, as far as either was
    /// held against anything.
    pub moments: BTreeMap<Moment, Tally>,
    /// What it all comes to.
    pub decision: Decision,
    /// The initrds that the kernels are booted with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub initrds: Vec<InitrdEntry>,
    /// What is wrong with modules as a build has made them, where that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problems: Option<Vec<Problem>>,
    /// What was not looked at, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// An initrd of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InitrdEntry {
    /// The file.
    pub path: String,
    /// The kernels that are booted with it.
    pub kernels: Vec<usize>,
    /// The command that makes it anew, if one is known.
    pub mend: Option<String>,
}

/// One module of a report.
#[derive(Debug, Clone, Serialize)]
pub struct ModuleEntry {
    /// The file; inside a package, the path it is installed under; inside an
    /// initrd, the initrd's, `!`, and the path in there.
    pub path: String,
    /// The module's own name; empty where a whole module directory is meant.
    pub name: String,
    /// The package it is in, if it is not on the disk.
    pub package: Option<String>,
    /// The initrd it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initrd: Option<String>,
    /// The release it says it was built for (the first word of its vermagic).
    pub release: Option<String>,
    /// Is it of the kernel's own sources (modinfo `intree`)?
    pub in_tree: bool,
    /// What this machine needs it for, where it was asked: where there is something
    /// to say of it, on this machine's own root.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needed: Vec<String>,
    /// Its BTF.
    pub btf: BtfEntry,
    /// What each kernel that it was held against does with it.
    pub verdicts: Vec<VerdictEntry>,
    /// Does the file tell what machine it is for?
    #[serde(skip)]
    pub names_machine: bool,
}

/// A module's BTF in a report.
#[derive(Debug, Clone, Default, Serialize)]
pub struct BtfEntry {
    /// Is there a `.BTF` that is not empty?
    pub present: bool,
    /// Is there a `.BTF.base`?
    pub distilled: bool,
    /// Bytes of `.BTF`.
    pub bytes: u64,
    /// The base it was built against, as far as that is certain.
    pub built_for: Option<BuiltFor>,
}

impl ModuleEntry {
    /// The entry of a module, without verdicts yet.
    pub fn new(path: String, package: Option<String>, module: &Module) -> Self {
        let bytes = module.btf.as_ref().map_or(0, Vec::len) as u64;
        let vermagic = module.vermagic.as_deref().unwrap_or_default();
        Self {
            path,
            name: module.name.clone(),
            package,
            initrd: None,
            release: vermagic.split_whitespace().next().map(str::to_owned),
            in_tree: module.in_tree,
            needed: Vec::new(),
            btf: BtfEntry {
                present: bytes > 0,
                distilled: module.btf_base.is_some(),
                bytes,
                built_for: None,
            },
            verdicts: Vec::new(),
            names_machine: module.target.is_some(),
        }
    }

    /// The entry of a module of which no more is known than that all of these
    /// kernels load it, each an id and its moment.
    pub fn that_loads(
        path: String,
        package: Option<String>,
        kernels: impl IntoIterator<Item = (usize, Moment)>,
    ) -> Self {
        let file = path.rsplit('/').next().unwrap_or_default();
        let stem = file.split_once(".ko").map_or(file, |(stem, _)| stem);
        let loads = |(id, moment)| VerdictEntry::new(id, moment, Verdict::Loads.into());
        Self {
            name: stem.replace('-', "_"),
            path,
            package,
            initrd: None,
            release: None,
            in_tree: true,
            needed: Vec::new(),
            btf: BtfEntry {
                present: true,
                ..BtfEntry::default()
            },
            verdicts: kernels.into_iter().map(loads).collect(),
            names_machine: true,
        }
    }

    /// Do all kernels that it was held against load it and take its BTF?
    pub fn loads(&self) -> bool {
        let loads = |verdict: &VerdictEntry| verdict.verdict == Kind::Loads;
        !self.verdicts.is_empty() && self.verdicts.iter().all(loads)
    }

    /// The entry of a kernel's module directory that is gone or empty.
    pub fn missing(path: String, kernel: &KernelEntry) -> Self {
        let judgement = Verdict::Missing.into();
        Self {
            path,
            name: String::new(),
            package: None,
            initrd: None,
            release: kernel.release.clone(),
            in_tree: true,
            needed: Vec::new(),
            btf: BtfEntry::default(),
            verdicts: vec![VerdictEntry::new(kernel.id, kernel.moment, judgement)],
            names_machine: true,
        }
    }

    /// The worst that any kernel does with it.
    pub fn severity(&self) -> Severity {
        let severities = self.verdicts.iter().map(|verdict| verdict.severity);
        severities.max().unwrap_or(Severity::None)
    }

    fn is_directory(&self) -> bool {
        self.name.is_empty()
    }
}

/// One verdict of a report.
#[derive(Debug, Clone, Serialize)]
pub struct VerdictEntry {
    /// The kernel's id.
    pub kernel: usize,
    /// The verdict, by name.
    pub verdict: Kind,
    /// Of a refusal, or of BTF that is discarded.
    #[serde(flatten)]
    pub refusal: Option<RefusalEntry>,
    /// Why nothing else can be said, why there are no types, or why they are
    /// wrong, in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What shows that the BTF belongs to another base, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// The class of the first evidence.
    #[serde(skip)]
    pub(crate) class: &'static str,
    /// What was taken to be the kernel's default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assumed: Vec<&'static str>,
    /// What the verdict alone does not say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How bad it is.
    pub severity: Severity,
    /// The most that it can be, whatever the policy says.
    #[serde(skip)]
    pub(crate) most: Severity,
    /// The rule or override that its severity comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// It was as bad before the transaction that is judged.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub before: bool,
}

/// A refusal as the kernel states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusalEntry {
    /// Which of the loader's checks fails first.
    pub cause: Cause,
    /// The negative errno; `null` where a bug keeps the kernel from returning one.
    pub errno: Option<i32>,
    /// What the kernel logs.
    pub log: Vec<String>,
}

impl VerdictEntry {
    /// The entry of a judgement by the kernel `id`, rated by the default policy.
    pub fn new(id: usize, moment: Moment, judgement: Judgement) -> Self {
        let severity = policy::severity(&judgement, moment);
        let stated = |Refusal { cause, errno, log }| {
            let errno = (errno != 0).then_some(errno);
            Some(RefusalEntry { cause, errno, log })
        };
        let (mut evidence, mut class) = (Vec::new(), "");
        let (verdict, refusal, why) = match judgement.verdict {
            Verdict::Loads => (Kind::Loads, None, None),
            Verdict::LoadsNoBtf { why } => (Kind::LoadsNoBtf, None, Some(no_btf(why).to_owned())),
            Verdict::BtfDiscarded(refusal) => (Kind::BtfDiscarded, stated(refusal), None),
            Verdict::BtfWrong { evidence: found } => {
                evidence = found.iter().map(ToString::to_string).collect();
                class = found.first().map_or("", |first| first.clue.class());
                (Kind::BtfWrong, None, evidence.first().cloned())
            }
            Verdict::Refused(refusal) => (Kind::Refused, stated(refusal), None),
            Verdict::Missing => (Kind::Missing, None, None),
            Verdict::Unknown { why } => (Kind::Unknown, None, Some(why)),
        };
        Self {
            kernel: id,
            verdict,
            refusal,
            why,
            evidence,
            class,
            assumed: judgement.assumed,
            notes: judgement.notes,
            severity,
            most: Severity::Block,
            rule: None,
            before: false,
        }
    }

    /// Marks what the transaction did not bring about: worth knowing, no more.
    pub fn was_so_before(&mut self) {
        self.before = true;
        self.cap(Severity::Info);
    }

    /// Makes it this bad at most, by whatever policy.
    pub fn cap(&mut self, most: Severity) {
        self.most = self.most.min(most);
        self.severity = self.severity.min(most);
    }

    /// Marks what the transaction may not have brought about: a guess never
    /// blocks. `why` is what could not be read.
    pub fn may_have_been_so_before(&mut self, why: &str) {
        self.cap(Severity::Warn);
        let note = format!("whether it was so before this transaction is not known: {why}");
        self.notes.push(note);
    }
}

fn no_btf(why: NoBtf) -> &'static str {
    match why {
        NoBtf::Absent => "the module has no BTF",
        NoBtf::Unsupported => "the kernel ignores modules' BTF",
    }
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorEntry {
    /// What it was.
    pub path: String,
    /// Why not.
    pub error: String,
    /// Nothing is wrong with it; it is only not read here.
    #[serde(skip)]
    pub harmless: bool,
}

/// Counts: modules, and verdicts by name (one a module and kernel).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub struct Summary {
    pub modules: usize,
    pub loads: usize,
    pub loads_no_btf: usize,
    pub btf_discarded: usize,
    pub btf_wrong: usize,
    pub refused: usize,
    pub missing: usize,
    pub unknown: usize,
}

/// What a part of a report comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Counts.
    pub summary: Summary,
    /// The decision by these verdicts alone.
    pub decision: Decision,
}

impl Summary {
    /// Counts a module and those of its verdicts that are `wanted`, if there are
    /// any; returns the worst of them.
    fn count(
        &mut self,
        module: &ModuleEntry,
        wanted: impl Fn(&VerdictEntry) -> bool,
    ) -> Option<Severity> {
        let mut worst = None;
        for verdict in module.verdicts.iter().filter(|verdict| wanted(verdict)) {
            *self.of(verdict.verdict) += 1;
            worst = worst.max(Some(verdict.severity));
        }
        if !module.is_directory() && worst.is_some() {
            self.modules += 1;
        }
        worst
    }

    fn of(&mut self, kind: Kind) -> &mut usize {
        match kind {
            Kind::Loads => &mut self.loads,
            Kind::LoadsNoBtf => &mut self.loads_no_btf,
            Kind::BtfDiscarded => &mut self.btf_discarded,
            Kind::BtfWrong => &mut self.btf_wrong,
            Kind::Refused => &mut self.refused,
            Kind::Missing => &mut self.missing,
            Kind::Unknown => &mut self.unknown,
        }
    }
}

impl Report {
    /// Puts a report together and decides by `mode`.
    pub fn new(
        mut kernels: Vec<KernelEntry>,
        modules: Vec<ModuleEntry>,
        errors: Vec<ErrorEntry>,
        mode: Mode,
    ) -> Self {
        let mut moments = BTreeMap::new();
        for moment in [Moment::Now, Moment::Boot] {
            let of = |id: usize| kernels.get(id).is_some_and(|k| k.moment == moment);
            let mut summary = Summary::default();
            let counted = modules
                .iter()
                .filter_map(|module| summary.count(module, |verdict| of(verdict.kernel)));
            if let Some(worst) = counted.max() {
                let decision = policy::decide(worst, mode);
                moments.insert(moment, Tally { summary, decision });
            }
        }
        let mut summary = Summary::default();
        let mut worst = Severity::None;
        for module in &modules {
            worst = worst.max(summary.count(module, |_| true).unwrap_or(Severity::None));
            for verdict in module.verdicts.iter().filter(|_| !module.is_directory()) {
                if let Some(kernel) = kernels.get_mut(verdict.kernel) {
                    kernel.judged += 1;
                }
            }
        }
        Self {
            schema: SCHEMA,
            kernels,
            modules,
            errors,
            summary,
            moments,
            decision: policy::decide(worst, mode),
            initrds: Vec::new(),
            problems: None,
            notes: Vec::new(),
        }
    }

    /// Judges the modules as what a build has made, each for the kernel that it was
    /// built for: the decision is that of the problems found.
    pub fn as_built(mut self, mode: Mode) -> Self {
        let problems = problems(&self.kernels, &self.modules);
        let worst = problems.iter().map(|problem| problem.rule.severity());
        self.decision = policy::decide(worst.max().unwrap_or(Severity::None), mode);
        self.problems = Some(problems);
        self
    }

    /// Leaves out the modules of which there is nothing to say; they stay counted.
    pub fn forget_the_healthy(&mut self) {
        self.modules
            .retain(|module| module.severity() != Severity::None);
    }
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
