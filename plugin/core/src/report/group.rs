// SPDX-License-Identifier: GPL-2.0-or-later
//! What belongs together in a report: the same thing happening to many modules.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{ModuleEntry, Report, VerdictEntry};
use crate::policy::Severity;
use crate::verdict::{Cause, Kind, Misfit};

/// One kernel's same verdict on a number of modules, for the same cause: those
/// of one initrd, or all others.
pub(crate) struct FindingGroup<'a> {
    /// The kernel's id.
    pub(crate) kernel: usize,
    pub(crate) kind: Kind,
    pub(crate) cause: Option<Cause>,
    pub(crate) misfit: Option<Misfit>,
    pub(crate) initrd: Option<&'a str>,
    pub(crate) severity: Severity,
    /// It was so before the transaction.
    pub(crate) before: bool,
    /// The modules by the kernel's complaint: first those with modules that this
    /// machine needs, then the most frequent.
    pub(crate) groups: Vec<Vec<ModuleVerdict<'a>>>,
}

#[derive(Clone, Copy)]
pub(crate) struct ModuleVerdict<'a> {
    pub(crate) module: &'a ModuleEntry,
    pub(crate) verdict: &'a VerdictEntry,
}

impl<'a> FindingGroup<'a> {
    pub(crate) fn cases(&self) -> impl Iterator<Item = ModuleVerdict<'a>> {
        self.groups.iter().flatten().copied()
    }

    pub(crate) fn count(&self) -> usize {
        self.groups.iter().map(Vec::len).sum()
    }

    /// The modules that this machine needs, and the first reason.
    pub(crate) fn used_by_host(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.cases().filter_map(|case| {
            let reason = case.module.used_by_host.first()?;
            Some((case.module.name.as_str(), reason.as_str()))
        })
    }

    /// The first packages that the modules are in or of, each once.
    pub(crate) fn packages(&self, most: usize) -> Vec<&'a str> {
        let packages = self
            .cases()
            .filter_map(|case| case.module.package_or_owner());
        first_distinct(packages, most)
    }

    /// It is about the kernel's module directory or image, not about modules.
    pub(crate) fn is_about_kernel(&self) -> bool {
        self.first()
            .is_some_and(|case| case.module.is_about_kernel())
    }

    pub(crate) fn first(&self) -> Option<ModuleVerdict<'a>> {
        self.cases().next()
    }
}

/// The first few of these that differ from one another.
pub(crate) fn first_distinct<T: PartialEq>(all: impl Iterator<Item = T>, most: usize) -> Vec<T> {
    let mut found = Vec::new();
    for one in all {
        if found.len() < most && !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

/// The findings of a report, the worst first; what simply loads is none.
pub(super) fn findings(report: &Report) -> Vec<FindingGroup<'_>> {
    let mut found: BTreeMap<_, Vec<Vec<ModuleVerdict<'_>>>> = BTreeMap::new();
    for module in &report.modules {
        for verdict in &module.verdicts {
            if matches!(verdict.verdict, Kind::Loads | Kind::LoadsNoBtf) {
                continue;
            }
            let key = (
                Reverse(verdict.severity),
                verdict.preexisting,
                verdict.kernel,
                verdict.verdict,
                verdict.cause,
                verdict.misfit,
                module.initrd.as_deref(),
            );
            let groups = found.entry(key).or_default();
            let case = ModuleVerdict { module, verdict };
            match groups.iter_mut().find(|group| is_like(group, verdict)) {
                Some(group) => group.push(case),
                None => groups.push(vec![case]),
            }
        }
    }
    let mut findings = Vec::new();
    for ((severity, before, kernel, kind, cause, misfit, initrd), mut groups) in found {
        let is_unused = |case: &ModuleVerdict<'_>| case.module.used_by_host.is_empty();
        for group in &mut groups {
            group.sort_by_key(is_unused);
        }
        groups.sort_by_key(|group| (group.iter().all(is_unused), Reverse(group.len())));
        findings.push(FindingGroup {
            kernel,
            kind,
            cause,
            misfit,
            initrd,
            severity: severity.0,
            before,
            groups,
        });
    }
    // Where its modules are told of, what is to be done about it is told with them.
    let is_told_with_modules = |finding: &&FindingGroup<'_>| {
        let is_misfit = matches!(
            finding.kind,
            Kind::Refused | Kind::BtfDiscarded | Kind::BtfWrong
        );
        let kernel = report.kernels.get(finding.kernel);
        let is_copy = kernel.is_some_and(|kernel| kernel.stale.is_some());
        is_misfit && finding.severity >= Severity::Warn && !is_copy
    };
    let told: BTreeSet<_> = findings
        .iter()
        .filter(is_told_with_modules)
        .map(|finding| (finding.kernel, finding.initrd))
        .collect();
    findings.retain(|finding: &FindingGroup<'_>| {
        finding.kind != Kind::InitrdStale || !told.contains(&(finding.kernel, finding.initrd))
    });
    // Within a severity: what was so before stays behind what was not.
    findings.sort_by_key(|finding| {
        let is_unused = finding.used_by_host().next().is_none();
        (Reverse(finding.severity), finding.before, is_unused)
    });
    findings
}

/// True if the same rule decides over it as over the modules of a group.
fn is_like(group: &[ModuleVerdict<'_>], verdict: &VerdictEntry) -> bool {
    let first = group.first().map(|case| &case.verdict.reason);
    match (first, &verdict.reason) {
        (Some(Some(one)), Some(other)) => one.is_like(other),
        (Some(one), other) => one == other,
        (None, _) => false,
    }
}
