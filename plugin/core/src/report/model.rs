// SPDX-License-Identifier: GPL-2.0-or-later
//! The report as data, the same for whoever writes JSON and whoever reads it.
//!
//! Every key is always there. A key that is added is no new `schema`; one that changes its
//! name or meaning is.

use std::collections::BTreeMap;
use std::fmt;

use btf_guard_protocol::decision::Decision;
use serde::{Deserialize, Serialize};

use crate::boot::TargetRole;
use crate::kernel::Target;
use crate::policy::Severity;
use crate::verdict::{Assumption, BuiltFor, Cause, Kind, Misfit, Reason};

/// Everything that was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub(crate) schema: u32,
    /// The kernels, by their `id`.
    pub(crate) kernels: Vec<KernelEntry>,
    /// The modules, in the order in which they were asked for.
    pub(crate) modules: Vec<ModuleEntry>,
    /// What could not be read.
    pub errors: Vec<ErrorEntry>,
    pub(crate) summary: Summary,
    /// The same for each target that anything was held against, and its decision.
    pub(crate) by_target: BTreeMap<Target, Tally>,
    /// What it all comes to.
    pub decision: Decision,
    pub(crate) initrds: Vec<InitrdEntry>,
    /// What is wrong with modules as a build has made them, where that was asked.
    pub(crate) problems: Option<Vec<LintProblem>>,
    /// What was not looked at, and why.
    pub notes: Vec<String>,
    /// Module files that are not loaded, and so not judged.
    pub(crate) shadowed: Vec<ShadowedEntry>,
    /// What is counted and not listed, where there is too much.
    #[serde(default)]
    pub(crate) left_off: Option<LeftOff>,
}

/// How much of a report is counted and not listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeftOff {
    /// Modules of which there is something to say.
    pub(crate) modules: usize,
    pub(crate) errors: usize,
}

/// A module file that is not the one of its name that is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShadowedEntry {
    pub(crate) path: String,
    /// The file that is loaded; `null` where depmod passes over the directory.
    pub(crate) by: Option<String>,
}

/// An initrd that kernels are booted with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitrdEntry {
    pub(crate) path: String,
    /// The kernels that are booted with it.
    pub(crate) kernels: Vec<usize>,
    /// The command that makes it anew, if one is known.
    pub(crate) fix_command: Option<String>,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorEntry {
    pub(crate) path: String,
    pub(crate) error: String,
    /// Nothing is wrong with it; it is only not read here.
    pub harmless: bool,
}

/// What a report says of an input that cannot be read.
pub fn failed(path: String, error: &impl ToString) -> ErrorEntry {
    ErrorEntry {
        path,
        error: error.to_string(),
        harmless: false,
    }
}

/// One kernel of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelEntry {
    /// Its place in [`Report::kernels`].
    pub id: usize,
    /// `uname -r`.
    pub release: Option<String>,
    /// `uname -v`.
    pub(crate) build: Option<String>,
    pub(crate) target: Target,
    /// `running`, or the path of its image.
    pub(crate) source: String,
    /// What part it plays on the machine.
    pub(crate) role: TargetRole,
    /// What gives it that part.
    pub(crate) role_reason: String,
    /// It is what boots when nobody chooses.
    pub(crate) default: bool,
    pub(crate) stale: Option<StaleEntry>,
    /// Why it cannot boot; `null` where nothing is known to be wrong.
    pub(crate) unbootable: Option<UnbootableEntry>,
    pub(crate) same_kernel_paths: Vec<String>,
    /// The package that its image is in, if it is not on the disk.
    pub(crate) package: Option<String>,
    /// Its base BTF; `null` where none was found.
    pub(crate) base: Option<BaseEntry>,
    pub(crate) features: FeaturesEntry,
    /// Where its config was found, in words.
    pub(crate) config: Option<String>,
    pub(crate) modules_checked: usize,
    /// Its image tells what machine it is for.
    pub(crate) names_machine: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BaseEntry {
    /// How many types; `void` is not counted, as in bpftool.
    pub(crate) types: u32,
    /// Bytes of its string section.
    pub(crate) strings: u32,
    /// SHA-256 of all of it.
    pub(crate) sha256: String,
}

impl fmt::Display for BaseEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} types, {} bytes of strings", self.types, self.strings)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StaleEntry {
    /// The image that it should be a copy of.
    pub(crate) newer_image: String,
    /// `uname -v` of that image.
    pub(crate) build: Option<String>,
    /// The command that makes the copy anew.
    pub(crate) fix_command: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UnbootableEntry {
    /// The file that is not there or damaged, or names one that is.
    pub(crate) path: String,
    /// What was expected there.
    pub(crate) why: String,
    /// The command that makes it anew, if one is known.
    pub(crate) fix_command: Option<String>,
}

/// What a kernel can do, as far as a report tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FeaturesEntry {
    /// Number of BTF kinds it knows.
    pub(crate) kinds: u32,
    /// It relocates `.BTF.base`.
    pub(crate) distilled_base: bool,
    /// It reads the BTF of modules, and has a base for it.
    pub(crate) module_btf: bool,
    /// `CONFIG_MODULE_ALLOW_BTF_MISMATCH`; `null` if no config was found.
    pub(crate) allow_mismatch: Option<bool>,
}

/// One module of a report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleEntry {
    /// The file; inside a package, the path it is installed under; inside an
    /// initrd, the initrd's, `!`, and the path in there.
    pub(crate) path: String,
    /// The module's own name; empty where the kernel itself is meant, its module
    /// directory, its image or an initrd.
    pub(crate) name: String,
    /// The package it is in, if it is not on the disk.
    pub(crate) package: Option<String>,
    /// The installed package that the file is of, as far as that is known.
    pub(crate) owner: Option<String>,
    pub(crate) link: Option<LinkEntry>,
    pub(crate) initrd: Option<String>,
    /// The release it says it was built for (the first word of its vermagic).
    pub(crate) release: Option<String>,
    /// It is of the kernel's own sources (modinfo `intree`).
    pub(crate) in_tree: bool,
    /// What this machine needs it for; asked only of findings, on this machine's own root.
    pub(crate) used_by_host: Vec<String>,
    pub(crate) btf: BtfEntry,
    /// What each kernel that it was held against does with it.
    pub(crate) verdicts: Vec<VerdictEntry>,
    /// The file tells what machine it is for.
    pub(crate) names_machine: bool,
}

/// A module that is found by a link to one of another release, as in `weak-updates/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LinkEntry {
    /// The file.
    pub(crate) target: String,
    /// The release that it is of.
    pub(crate) release: String,
    /// That release's kernel loads it; `null` where that was not judged.
    pub(crate) loads_there: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BtfEntry {
    /// There is a `.BTF` that is not empty.
    pub(crate) present: bool,
    /// There is a `.BTF.base`.
    pub(crate) distilled: bool,
    /// Bytes of `.BTF`.
    pub(crate) bytes: u64,
    /// The base it was built against, as far as that is certain.
    pub(crate) built_for: Option<BuiltFor>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VerdictEntry {
    pub(crate) kernel: usize,
    pub(crate) verdict: Kind,
    /// Which of the loader's checks fails first, where one does.
    pub(crate) cause: Option<Cause>,
    /// The negative errno of a refusal; `null` also where a bug keeps the kernel
    /// from returning one.
    pub(crate) errno: Option<i32>,
    /// Which rule decides, on what; `null` where the module simply loads, and of what is
    /// wrong with the kernel itself.
    pub(crate) reason: Option<Reason>,
    /// What the kernel logs.
    pub(crate) log: Vec<String>,
    /// What shows that the BTF belongs to another base, a line each.
    pub(crate) evidence: Vec<String>,
    /// What was not known, and without which the verdict could be another.
    pub(crate) assumed: Vec<Assumption>,
    /// Why the BTF does not fit, where it is not that it was built for another base.
    pub(crate) misfit: Option<Misfit>,
    /// What the verdict alone does not say.
    pub(crate) notes: Vec<String>,
    pub(crate) severity: Severity,
    /// The most that it can be, whatever the policy says.
    pub(crate) max_severity: Severity,
    /// The rule or override that its severity comes from.
    pub(crate) rule: Option<String>,
    /// It was as bad before the transaction that is judged.
    pub(crate) preexisting: bool,
}

/// Counts: modules, and verdicts by name (one a module and kernel).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Summary {
    pub(crate) modules: usize,
    pub(crate) loads: usize,
    pub(crate) loads_no_btf: usize,
    pub(crate) btf_discarded: usize,
    pub(crate) btf_wrong: usize,
    pub(crate) refused: usize,
    pub(crate) no_modules: usize,
    pub(crate) unbootable: usize,
    pub(crate) stale_copy: usize,
    pub(crate) initrd_stale: usize,
    pub(crate) driver_lost: usize,
    pub(crate) unknown: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) summary: Summary,
    /// The decision by these verdicts alone.
    pub(crate) decision: Decision,
}

/// A kind of problem of a build; [`LintRule::text`] says what each means. The names are
/// a contract: they are what packagers write into their lists of exceptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LintRule {
    BtfRefusedByOwnBase,
    BtfOfAnotherKernel,
    DistilledBaseDoesNotFit,
    BtfCrashesKernel,
    ModuleOfAnotherArchitecture,
    NotAModule,
    NoBtf,
    NoDistilledBase,
    BtfNotChecked,
}

/// One problem with one module that a build has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LintProblem {
    pub(crate) rule: LintRule,
    pub(crate) severity: Severity,
    /// The module, as [`ModuleEntry::path`].
    pub(crate) path: String,
    pub(crate) package: Option<String>,
    /// The kernel that it was held against, by its id.
    pub(crate) kernel: usize,
    /// What is wrong with this one, in a line.
    pub(crate) details: String,
}

impl Report {
    /// Each verdict, with its module and kernel.
    pub(crate) fn verdicts(
        &self,
    ) -> impl Iterator<Item = (&ModuleEntry, &VerdictEntry, &KernelEntry)> {
        let modules = self.modules.iter();
        let verdicts = modules.flat_map(|m| m.verdicts.iter().map(move |verdict| (m, verdict)));
        verdicts.filter_map(|(m, verdict)| Some((m, verdict, self.kernels.get(verdict.kernel)?)))
    }

    /// Names the initrds that were looked into.
    pub fn with_initrds(self, initrds: Vec<InitrdEntry>) -> Self {
        Self { initrds, ..self }
    }

    /// Leaves out the modules of which there is nothing to say; they stay counted.
    pub fn retain_findings(&mut self) {
        self.modules
            .retain(|module| module.severity() != Severity::None);
    }
}

impl ModuleEntry {
    /// The worst that any kernel does with it.
    pub(crate) fn severity(&self) -> Severity {
        let severities = self.verdicts.iter().map(|verdict| verdict.severity);
        severities.max().unwrap_or(Severity::None)
    }

    /// The package that it is in, or that has put it where it is.
    pub(crate) fn package_or_owner(&self) -> Option<&str> {
        self.package.as_deref().or(self.owner.as_deref())
    }

    /// Makes each verdict this bad at most.
    pub(crate) fn cap(&mut self, most: Severity) {
        for verdict in &mut self.verdicts {
            verdict.cap(most);
        }
    }

    /// It is a file of another release, of a module that the kernel lacks: there was
    /// nothing to judge.
    pub(crate) fn is_lost(&self) -> bool {
        let mut verdicts = self.verdicts.iter();
        verdicts.any(|verdict| verdict.verdict == Kind::DriverLost)
    }

    /// It is a kernel's module directory, image or initrd, not a module.
    pub(crate) fn is_about_kernel(&self) -> bool {
        self.name.is_empty()
    }
}

impl VerdictEntry {
    /// The first line that the kernel logs, or what else decides.
    pub(crate) fn first_line(&self) -> Option<String> {
        let reason = || match self.cause {
            Some(_) => None,
            None => self.reason.as_ref().map(ToString::to_string),
        };
        self.log.first().cloned().or_else(reason)
    }

    /// Marks what the transaction did not bring about: worth knowing, no more.
    pub(crate) fn set_preexisting(&mut self) {
        self.preexisting = true;
        self.cap(Severity::Info);
    }

    /// Marks what the transaction may not have brought about: a guess never
    /// blocks. `why` is what could not be read.
    pub(crate) fn set_maybe_preexisting(&mut self, why: &str) {
        self.cap(Severity::Warn);
        let note = format!("whether it was so before this transaction is not known: {why}");
        self.notes.push(note);
    }

    /// Makes it this bad at most, by whatever policy.
    pub(crate) fn cap(&mut self, most: Severity) {
        self.max_severity = self.max_severity.min(most);
        self.severity = self.severity.min(most);
    }
}
