// SPDX-License-Identifier: GPL-2.0-or-later
//! The findings that stand now: what was found of each module and kernel, kept until
//! one of them changes.
//!
//! They are in a file that only root reads and writes ([`Held`]). A [`Finding`]
//! carries what the disk looked like when it was judged ([`FileId`]); while that is
//! so, it stands without another look.

pub mod boot_check;
pub mod journal_entries;
mod prometheus;
pub mod publish;
pub mod recheck;
pub mod record;
mod store;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use btf_guard_protocol::decision::{Decision, Mode};
use btf_guard_sysroot::file_id::FileId;
use serde::{Deserialize, Serialize};

use crate::kernel::Target;
use crate::policy::{self, Severity};
use crate::report::{KernelEntry, ModuleEntry, Report, VerdictEntry};
use crate::verdict::{Cause, Kind};

pub use prometheus::{MetricCounts, prometheus_text};
pub use publish::{publish, withdraw};
pub use store::Held;
pub use text::{motd_text, standing_text};

/// The version of [`Findings`].
pub const SCHEMA: u32 = 3;

/// Findings that are kept: several kernels, of which none takes any of its modules.
pub(crate) const MAX_FINDINGS: usize = 50_000;

/// Everything that was found and stands, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    pub(crate) schema: u32,
    /// When all kernels and modules were judged last, in seconds since 1970. `None`
    /// if never: then there may be more than is listed.
    pub checked: Option<u64>,
    /// The last look at all of them could not see everything.
    #[serde(default)]
    pub incomplete: bool,
    /// What was found, sorted by what it is about.
    pub findings: Vec<Finding>,
}

impl Default for Findings {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            checked: None,
            incomplete: false,
            findings: Vec::new(),
        }
    }
}

/// One kernel's verdict on one module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The module's file, the directory of all modules where that is empty, or an
    /// initrd, `!`, and the path in there.
    pub(crate) module: String,
    /// The module's name; empty for a directory.
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) package: Option<String>,
    #[serde(default)]
    pub(crate) initrd: Option<String>,
    pub(crate) kernel: FindingKernel,
    pub(crate) verdict: Kind,
    /// Which of its checks fails first.
    #[serde(default)]
    pub(crate) cause: Option<Cause>,
    #[serde(default)]
    pub(crate) errno: Option<i32>,
    /// The first line that it logs, or why nothing else can be said.
    #[serde(default)]
    pub(crate) log: Option<String>,
    pub(crate) severity: Severity,
    #[serde(default)]
    pub(crate) used_by_host: Vec<String>,
    /// When it was found first, in seconds since 1970.
    pub(crate) since: u64,
    /// Who found it: a package manager's program, a check, the kernel itself.
    pub(crate) client: String,
    /// What the disk looked like; `None` if it has to be judged before it is told.
    #[serde(default)]
    pub(crate) judged: Option<JudgedFiles>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FindingKernel {
    pub(crate) release: Option<String>,
    pub(crate) target: Target,
    /// `running`, or the path of its image.
    pub(crate) source: String,
    /// SHA-256 of its base BTF.
    #[serde(default)]
    pub(crate) base: Option<String>,
    /// Of the running kernel: the boot that it runs since.
    #[serde(default)]
    pub(crate) boot: Option<String>,
}

/// The files that a finding is about, as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JudgedFiles {
    /// The module's, or the initrd's.
    pub(crate) module: FileId,
    /// The kernel's image; `None` for the kernel that runs.
    pub(crate) image: Option<FileId>,
}

impl Findings {
    /// Everything was looked at, and nothing has kept anything from being seen since.
    pub fn is_complete(&self) -> bool {
        self.checked.is_some() && !self.incomplete
    }

    /// What they come to.
    pub fn decision(&self) -> Decision {
        let severities = self.findings.iter().map(|finding| finding.severity);
        policy::decide(severities.max().unwrap_or(Severity::None), Mode::Block)
    }

    /// Adds what was found now. The same module before the same kernel is one
    /// finding, which keeps the time of the first.
    pub fn add(&mut self, found: Vec<Finding>) {
        let known = self.findings.drain(..).map(|old| (old.about(), old));
        let mut all: BTreeMap<About, Finding> = known.collect();
        for mut new in found {
            let about = new.about();
            match all.get(&about) {
                Some(old) if old.verdict == new.verdict => {
                    new.since = old.since;
                    new.client.clone_from(&old.client);
                }
                None if all.len() >= MAX_FINDINGS => continue,
                _ => {}
            }
            all.insert(about, new);
        }
        self.findings = all.into_values().collect();
    }

    /// Adds what nothing is known of yet.
    pub fn add_unknown(&mut self, pending: Vec<Finding>) {
        let known: BTreeSet<About> = self.findings.iter().map(Finding::about).collect();
        let new = pending.into_iter();
        self.add(new.filter(|new| !known.contains(&new.about())).collect());
    }
}

fn why_unbootable(verdict: &VerdictEntry, kernel: &KernelEntry) -> Option<String> {
    let fault = kernel.unbootable.as_ref();
    let why = fault.map(|fault| fault.why.clone());
    why.filter(|_| verdict.verdict == Kind::Unbootable)
}

/// What a finding is about: the same module before the same kernel.
pub(crate) type About = (String, Target, String);

/// Who found something, and when.
#[derive(Debug, Clone, Copy)]
pub struct FindingOrigin<'a> {
    /// Seconds since 1970.
    pub time: u64,
    /// Who.
    pub client: &'a str,
    /// Which boot runs.
    pub boot: Option<&'a str>,
}

/// The findings of a report at warn or above, and those that were told before: how
/// bad those are the report does not say any more. None is stamped.
///
/// By a path that is not absolute nothing is found again: such are left out.
pub fn findings(report: &Report, origin: FindingOrigin<'_>) -> Vec<Finding> {
    let told = report.verdicts().filter(|(module, verdict, _)| {
        let is_told = verdict.severity >= Severity::Warn || verdict.preexisting;
        is_told && Path::new(&module.path).is_absolute()
    });
    told.map(|(module, verdict, kernel)| Finding::of(module, verdict, kernel, origin))
        .collect()
}

impl Finding {
    fn of(
        module: &ModuleEntry,
        verdict: &VerdictEntry,
        kernel: &KernelEntry,
        origin: FindingOrigin<'_>,
    ) -> Self {
        let running = kernel.target == Target::Running;
        Self {
            module: module.path.clone(),
            name: module.name.clone(),
            package: module.package.clone().or_else(|| module.owner.clone()),
            initrd: module.initrd.clone(),
            kernel: FindingKernel {
                release: kernel.release.clone(),
                target: kernel.target,
                source: kernel.source.clone(),
                base: kernel.base.as_ref().map(|base| base.sha256.clone()),
                boot: origin.boot.filter(|_| running).map(str::to_owned),
            },
            verdict: verdict.verdict,
            cause: verdict.cause,
            errno: verdict.errno,
            log: verdict
                .first_line()
                .or_else(|| why_unbootable(verdict, kernel)),
            severity: verdict.severity,
            used_by_host: module.used_by_host.clone(),
            since: origin.time,
            client: origin.client.to_owned(),
            judged: None,
        }
    }

    pub(crate) fn about(&self) -> About {
        let FindingKernel { target, source, .. } = &self.kernel;
        (self.module.clone(), *target, source.clone())
    }

    pub(crate) fn file(&self) -> &str {
        self.initrd.as_deref().unwrap_or(&self.module)
    }
}
