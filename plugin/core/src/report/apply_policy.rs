// SPDX-License-Identifier: GPL-2.0-or-later
//! Verdicts rated by a machine's policy.

use std::collections::BTreeMap;

use btf_guard_protocol::nevra::name_of;
use btf_guard_sysroot::counters;

use super::{KernelEntry, Kind, ModuleEntry, VerdictEntry};
use crate::boot::TargetRole;
use crate::policy::{Policy, Provenance, Severity, Subject};

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
    /// The file that says that what is not judged stops a transaction, where one does.
    pub(crate) on_error: Option<&'p str>,
}

/// How bad a verdict is.
pub(super) struct Rated {
    pub(super) severity: Severity,
    /// The rules that had a part in it, by their places.
    pub(super) changed_by: Vec<usize>,
}

impl Rating<'_> {
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
    pub(super) fn rate_by<'m>(
        &self,
        modules: impl IntoIterator<Item = &'m mut ModuleEntry>,
        kernels: &[KernelEntry],
        counts: &dyn Fn(usize) -> bool,
    ) {
        for module in modules {
            cap_by_role(module, kernels);
            let mut verdicts = std::mem::take(&mut module.verdicts);
            for verdict in &mut verdicts {
                counters::count("rate", format_args!("{} {}", module.path, verdict.kernel));
                let Some(rated) = self.severity(module, verdict, kernels, counts) else {
                    verdict.rule = None;
                    continue;
                };
                let is_capped = rated.severity > verdict.max_severity;
                let decisive = rated.changed_by.last().filter(|_| !is_capped);
                let decisive = decisive.and_then(|index| self.policy.rules.get(*index));
                verdict.severity = rated.severity.min(verdict.max_severity);
                verdict.rule = decisive.map(|rule| rule.source.to_string());
            }
            module.verdicts = verdicts;
        }
    }

    /// How bad a verdict is by some of the rules, whatever it is capped at; `None` of a
    /// kernel that there is not.
    pub(super) fn severity(
        &self,
        module: &ModuleEntry,
        verdict: &VerdictEntry,
        kernels: &[KernelEntry],
        counts: &dyn Fn(usize) -> bool,
    ) -> Option<Rated> {
        let kernel = kernels.get(verdict.kernel)?;
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
        let (severity, changed_by) = self.policy.severity_by(&subject, self.now, counts);
        Some(Rated {
            severity,
            changed_by,
        })
    }

    fn provenance<'a>(&'a self, nevra: &'a str) -> Provenance<'a> {
        let known = self.packages.get(nevra);
        Provenance {
            package: name_of(nevra),
            vendor: known.and_then(|known| known.vendor.as_deref()),
            repository: known.and_then(|known| known.repository.as_deref()),
        }
    }
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
