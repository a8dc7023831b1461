// SPDX-License-Identifier: GPL-2.0-or-later
//! Verdicts rated by a machine's policy, and what its rules and overrides come to.

use std::collections::BTreeMap;

use btf_guard_protocol::decision::Mode;
use btf_guard_protocol::nevra::name_of;
use btf_guard_protocol::override_source::Override;
use btf_guard_sysroot::counters;

use super::{KernelEntry, Kind, ModuleEntry, Report, VerdictEntry};
use crate::boot::TargetRole;
use crate::policy::{self, Policy, Provenance, Rule, Severity, Subject};

/// What is known of a package besides its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageOrigin {
    /// Who built it, as it says itself.
    pub(crate) vendor: Option<String>,
    /// The alias of the repository that it was fetched from.
    pub(crate) repository: Option<String>,
}

/// Rates verdicts.
#[derive(Debug)]
pub struct Rating<'p> {
    pub(crate) policy: &'p Policy,
    /// Seconds since 1970: rules end.
    pub(crate) now: u64,
    /// Packages by name, epoch, version, release, architecture.
    pub(crate) packages: BTreeMap<String, PackageOrigin>,
}

/// What an outcome rests on, besides verdicts and their severities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ruling {
    /// What made it another outcome.
    pub overrides: Vec<Override>,
    /// Those of them that hold once, by their ids.
    pub once: Vec<String>,
}

impl<'p> Rating<'p> {
    /// Gives each verdict its severity, and the rule that it comes from. What a
    /// verdict was capped at stays its most.
    pub(crate) fn rate<'m>(
        &self,
        modules: impl IntoIterator<Item = &'m mut ModuleEntry>,
        kernels: &[KernelEntry],
    ) {
        self.rate_by(modules, kernels, &|_| true);
    }

    /// The same by some of the rules alone.
    pub(crate) fn rate_by<'m>(
        &self,
        modules: impl IntoIterator<Item = &'m mut ModuleEntry>,
        kernels: &[KernelEntry],
        counts: &dyn Fn(&Rule) -> bool,
    ) {
        for module in modules {
            cap_by_role(module, kernels);
            let mut verdicts = std::mem::take(&mut module.verdicts);
            for verdict in &mut verdicts {
                let (severity, rule) = self.severity(module, verdict, kernels, counts);
                verdict.severity = severity;
                verdict.rule = rule.map(|rule| rule.source.to_string());
            }
            module.verdicts = verdicts;
        }
    }

    fn severity(
        &self,
        module: &ModuleEntry,
        verdict: &VerdictEntry,
        kernels: &[KernelEntry],
        counts: &dyn Fn(&Rule) -> bool,
    ) -> (Severity, Option<&'p Rule>) {
        counters::count("rate", format_args!("{} {}", module.path, verdict.kernel));
        let Some(kernel) = kernels.get(verdict.kernel) else {
            return (verdict.severity, None);
        };
        let packages = [&module.package, &module.owner, &kernel.package];
        let packages = packages.into_iter().flatten();
        let origins: Vec<Provenance<'_>> = packages.map(|nevra| self.provenance(nevra)).collect();
        let subject = Subject {
            origins: &origins,
            module: &module.name,
            release: kernel.release.as_deref(),
            moment: kernel.target,
            verdict: verdict.verdict,
            guess: !verdict.assumed.is_empty(),
            needed: !module.used_by_host.is_empty(),
        };
        let (severity, rule) = self.policy.severity_by(&subject, self.now, counts);
        match severity > verdict.max_severity {
            true => (verdict.max_severity, None),
            false => (severity, rule),
        }
    }

    fn provenance<'a>(&'a self, nevra: &'a str) -> Provenance<'a> {
        let known = self.packages.get(nevra);
        Provenance {
            package: name_of(nevra),
            vendor: known.and_then(|known| known.vendor.as_deref()),
            repository: known.and_then(|known| known.repository.as_deref()),
        }
    }

    /// What made the report's outcome another one than verdicts and the table of
    /// severities alone would.
    ///
    /// Of the one-shot overrides only those count without which the outcome would
    /// be another: nothing is used up for nothing.
    pub fn ruling(&self, report: &Report, mode: Mode, asked: Option<Override>) -> Ruling {
        let decided = |counts: &dyn Fn(&Rule) -> bool| self.rated_by(report, mode, counts).decision;
        let decision = policy::decide(worst(&report.modules), mode);
        let mut idle: Vec<&Rule> = Vec::new();
        for rule in self.policy.rules.iter().filter(|rule| rule.is_one_shot()) {
            let without = |other: &Rule| other != rule && !idle.contains(&other);
            if decided(&without) == decision {
                idle.push(rule);
            }
        }
        let mut overrides = Vec::new();
        let mut once = Vec::new();
        for rule in &self.policy.rules {
            let counts = match rule.is_one_shot() {
                true => !idle.contains(&rule),
                false => decided(&|other| other != rule) != decision,
            };
            if counts {
                overrides.push(rule.source.clone());
                once.extend(rule.source.id.clone().filter(|_| rule.is_one_shot()));
            }
        }
        let unasked = policy::decide(worst(&report.modules), Mode::Block);
        overrides.extend(asked.filter(|_| unasked != decision));
        Ruling { overrides, once }
    }

    /// The same findings, as they would be by some of the rules alone.
    pub fn rated_by(&self, report: &Report, mode: Mode, counts: &dyn Fn(&Rule) -> bool) -> Report {
        let mut rated = report.clone();
        self.rate_by(&mut rated.modules, &rated.kernels, counts);
        rated.decision = policy::decide(worst(&rated.modules), mode);
        rated
    }
}

fn worst(modules: &[ModuleEntry]) -> Severity {
    let severities = modules.iter().map(ModuleEntry::severity);
    severities.max().unwrap_or(Severity::None)
}

/// The most that each verdict can come to by the part that its kernel plays. What
/// another target of its release takes is no reason to stop a transaction, unless what
/// boots by default refuses it.
fn cap_by_role(module: &mut ModuleEntry, kernels: &[KernelEntry]) {
    let is_loaded = |verdict: &VerdictEntry| {
        let kernel = kernels.get(verdict.kernel)?;
        let boots = matches!(kernel.role, TargetRole::Default | TargetRole::Entry);
        (boots && verdict.verdict.is_loaded()).then_some(&kernel.release)
    };
    let is_about_kernel = module.is_about_kernel();
    let taken_by: Vec<_> = module.verdicts.iter().filter_map(is_loaded).collect();
    for verdict in &mut module.verdicts {
        let Some(kernel) = kernels.get(verdict.kernel) else {
            continue;
        };
        verdict.cap(match kernel.role {
            TargetRole::Running | TargetRole::Default => Severity::Block,
            // One that was put aside has no modules any more, and is no copy.
            TargetRole::Unlisted if is_about_kernel && verdict.verdict != Kind::Unbootable => {
                Severity::Info
            }
            TargetRole::Entry if !is_about_kernel && !taken_by.contains(&&kernel.release) => {
                Severity::Block
            }
            TargetRole::Entry | TargetRole::Unlisted => Severity::Warn,
            TargetRole::Rescue | TargetRole::Foreign => Severity::Info,
        });
    }
}
