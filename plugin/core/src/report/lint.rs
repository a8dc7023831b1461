// SPDX-License-Identifier: GPL-2.0-or-later
//! What is wrong with a module that a build has just made, for the kernel that it
//! was made for.
//!
//! An admin asks what a kernel does with a module; a packager, what the build did
//! wrong. BTF that a lenient kernel would only drop is as wrong here as BTF that
//! is refused, and BTF that is missing is a problem, too.

use std::fmt;

use serde::Serialize;

use super::{KernelEntry, LintProblem, LintRule, ModuleEntry, VerdictEntry, wording};
use crate::policy::Severity;
use crate::verdict::{Cause, Kind};

/// What a kind of problem is to people.
pub(crate) struct RuleText {
    pub(crate) severity: Severity,
    /// What is wrong, in one sentence.
    pub(crate) summary: &'static str,
    /// What to do about it.
    pub(crate) help: &'static str,
}

/// The name by which packagers know it, as in JSON.
impl fmt::Display for LintRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl LintRule {
    /// All of them, the worst first.
    pub(crate) const ALL: [Self; 8] = [
        Self::BtfRefusedByOwnBase,
        Self::BtfOfAnotherKernel,
        Self::DistilledBaseDoesNotFit,
        Self::BtfCrashesKernel,
        Self::ModuleOfAnotherArchitecture,
        Self::NoBtf,
        Self::NoDistilledBase,
        Self::BtfNotChecked,
    ];

    /// What it means, and what it means for the exit code.
    pub(crate) fn text(self) -> RuleText {
        let (severity, summary, help) = match self {
            Self::BtfRefusedByOwnBase => (
                Severity::Block,
                "The kernel that the module was built for refuses the module's BTF, which does not tell that it is another's.",
                "If the module was built against this kernel's vmlinux, its encoder is at fault: try another version of pahole, and see that nothing changes .BTF afterwards.",
            ),
            Self::BtfOfAnotherKernel => (
                Severity::Block,
                "The module's BTF continues the BTF of another kernel build.",
                "Build the module against the vmlinux of the kernel that it is for: the kernel-devel package and the kernel must be of one build.",
            ),
            Self::DistilledBaseDoesNotFit => (
                Severity::Block,
                "The module's distilled base (.BTF.base) cannot be relocated to the kernel's BTF.",
                "Rebuild the module with the headers and the vmlinux of the kernel that it is for.",
            ),
            Self::BtfCrashesKernel => (
                Severity::Block,
                "The kernel misbehaves on the module's BTF.",
                "Use another version of pahole; do not ship this module.",
            ),
            Self::ModuleOfAnotherArchitecture => (
                Severity::Block,
                "The module was built for another machine.",
                "Build it with the compiler for the kernel's machine.",
            ),
            Self::NoBtf => (
                Severity::Warn,
                "The module has no BTF, though the kernel's own modules have it.",
                "Have pahole at hand when the module is built, and the kernel's vmlinux where its build directory is.",
            ),
            Self::NoDistilledBase => (
                Severity::Warn,
                "The module has no .BTF.base, so its BTF fits one build of the kernel only.",
                "Use pahole 1.28 or newer with the kernel's own scripts, which distil a base for modules that are built outside of its sources.",
            ),
            Self::BtfNotChecked => (
                Severity::Warn,
                "Whether the module's BTF fits could not be found out.",
                "Name a kernel that has BTF with --kernel.",
            ),
        };
        RuleText {
            severity,
            summary,
            help,
        }
    }
}

/// The problems of modules that a build has made, in the order of the modules;
/// what is wrong for several kernels is told of each.
pub(crate) fn problems(kernels: &[KernelEntry], modules: &[ModuleEntry]) -> Vec<LintProblem> {
    let mut found = Vec::new();
    for module in modules {
        for verdict in &module.verdicts {
            let Some(kernel) = kernels.get(verdict.kernel) else {
                continue;
            };
            if let Some((rule, details)) = problem(module, verdict, kernel) {
                found.push(LintProblem {
                    rule,
                    severity: rule.text().severity,
                    path: module.path.clone(),
                    package: module.package.clone(),
                    kernel: kernel.id,
                    details,
                });
            }
        }
    }
    found
}

fn problem(
    module: &ModuleEntry,
    verdict: &VerdictEntry,
    kernel: &KernelEntry,
) -> Option<(LintRule, String)> {
    let name = wording::kernel(kernel);
    match verdict.verdict {
        Kind::Refused | Kind::BtfDiscarded => {
            let rule = match verdict.cause {
                Some(Cause::Architecture) => LintRule::ModuleOfAnotherArchitecture,
                Some(Cause::KernelBug) => LintRule::BtfCrashesKernel,
                _ if module.btf.distilled && kernel.abilities.distilled_base => {
                    LintRule::DistilledBaseDoesNotFit
                }
                _ if is_of_another(module, kernel) => LintRule::BtfOfAnotherKernel,
                _ => LintRule::BtfRefusedByOwnBase,
            };
            let said = wording::reason(verdict);
            let origin = origin(module, kernel);
            Some((rule, format!("{name} refuses it: {said}{origin}")))
        }
        Kind::BtfWrong => {
            let (why, origin) = (wording::reason(verdict), origin(module, kernel));
            let details = format!("{name} would take it for its own: {why}{origin}");
            Some((LintRule::BtfOfAnotherKernel, details))
        }
        Kind::Unknown => {
            let why = wording::reason(verdict);
            Some((LintRule::BtfNotChecked, format!("{name}: {why}")))
        }
        Kind::LoadsNoBtf if !module.btf.present && kernel.abilities.module_btf => {
            Some((LintRule::NoBtf, format!("{name} reads the BTF of modules")))
        }
        // Without one it would have been held against this base.
        Kind::Loads
            if !module.in_tree && !module.btf.distilled && kernel.abilities.distilled_base =>
        {
            let details = format!("{name} relocates a distilled base");
            Some((LintRule::NoDistilledBase, details))
        }
        Kind::Loads | Kind::LoadsNoBtf | Kind::Missing => None,
    }
}

/// True if the BTF itself tells that it continues another base.
fn is_of_another(module: &ModuleEntry, kernel: &KernelEntry) -> bool {
    match (&module.btf.built_for, &kernel.base) {
        (Some(built_for), Some(base)) => built_for.strings != base.strings,
        _ => false,
    }
}

fn origin(module: &ModuleEntry, kernel: &KernelEntry) -> String {
    match &module.btf.built_for {
        Some(built_for) if is_of_another(module, kernel) => {
            format!("; {}", wording::origin(built_for, kernel))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::kernel::Target;
    use crate::report::fixtures::{judged, kernel, misfit, module, refusal, silent};
    use crate::verdict::{BuiltFor, ElfError, NoBtf, Refusal, Unknown, Verdict};
    use btf_guard_btf::BtfRule;

    fn told(
        verdict: Verdict,
        change: impl Fn(&mut KernelEntry, &mut ModuleEntry),
    ) -> Vec<LintProblem> {
        let mut kernel = kernel(0, Target::NextBoot);
        let mut module = module("probe", vec![judged(&kernel, verdict)]);
        change(&mut kernel, &mut module);
        problems(&[kernel], &[module])
    }

    fn rule(
        verdict: Verdict,
        change: impl Fn(&mut KernelEntry, &mut ModuleEntry),
    ) -> Option<LintRule> {
        told(verdict, change).first().map(|problem| problem.rule)
    }

    fn built_for(strings: u32) -> Option<BuiltFor> {
        Some(BuiltFor {
            strings,
            types: None,
            release: None,
            source: None,
        })
    }

    #[test]
    fn what_is_refused_is_told_apart_by_the_base_it_continues() {
        let refused = || Verdict::Refused(misfit("x"));
        let own = rule(refused(), |kernel, module| {
            module.btf.built_for = built_for(kernel.base.as_ref().unwrap().strings);
        });
        assert_eq!(own, Some(LintRule::BtfRefusedByOwnBase));
        assert_eq!(
            rule(refused(), |_, _| ()),
            Some(LintRule::BtfRefusedByOwnBase)
        );
        let other = |_: &mut KernelEntry, module: &mut ModuleEntry| {
            module.btf.built_for = built_for(7);
        };
        assert_eq!(rule(refused(), other), Some(LintRule::BtfOfAnotherKernel));
        let discarded = Verdict::BtfDiscarded(misfit("x"));
        assert_eq!(rule(discarded, other), Some(LintRule::BtfOfAnotherKernel));
        let wrong = Verdict::BtfWrong {
            evidence: Vec::new(),
        };
        assert_eq!(rule(wrong, |_, _| ()), Some(LintRule::BtfOfAnotherKernel));
        let distilled = |_: &mut KernelEntry, module: &mut ModuleEntry| module.btf.distilled = true;
        assert_eq!(
            rule(refused(), distilled),
            Some(LintRule::DistilledBaseDoesNotFit)
        );
        let ignored = |kernel: &mut KernelEntry, module: &mut ModuleEntry| {
            distilled(kernel, module);
            kernel.abilities.distilled_base = false;
        };
        assert_eq!(
            rule(refused(), ignored),
            Some(LintRule::BtfRefusedByOwnBase)
        );
        let bug = BtfRule::EmbeddedEndless { id: 7 };
        for (refusal, expected) in [
            (
                Refusal::Elf(ElfError::InvalidSectionHeaderSize),
                LintRule::ModuleOfAnotherArchitecture,
            ),
            (refusal(bug, None), LintRule::BtfCrashesKernel),
        ] {
            assert_eq!(rule(Verdict::Refused(refusal), other), Some(expected));
        }
    }

    #[test]
    fn a_line_says_what_the_kernel_would_say_and_where_the_btf_is_from() {
        let found = told(Verdict::Refused(misfit("x")), |_, module| {
            module.btf.built_for = built_for(7);
        });
        assert_eq!(
            found.first().unwrap().details,
            "kernel 6.18.15-cloud (/boot/vmlinuz-6.18.15-cloud) refuses it: \
             [114893] STRUCT x_block | size=392 vlen=17 | Invalid name; \
             built for a base with 7 bytes of strings, not for 6.18.15-cloud with 2092587"
        );
        let silent = told(Verdict::Refused(silent()), |_, _| ());
        assert!(
            silent
                .first()
                .unwrap()
                .details
                .ends_with("refuses it: without a word")
        );
    }

    #[test]
    fn what_is_missing_is_a_problem_only_where_the_kernel_uses_it() {
        let absent = || Verdict::LoadsNoBtf { why: NoBtf::Absent };
        let bare = |_: &mut KernelEntry, module: &mut ModuleEntry| module.btf.present = false;
        assert_eq!(rule(absent(), bare), Some(LintRule::NoBtf));
        let ignored = |kernel: &mut KernelEntry, module: &mut ModuleEntry| {
            bare(kernel, module);
            kernel.abilities.module_btf = false;
        };
        assert_eq!(rule(absent(), ignored), None);
        let unused = Verdict::LoadsNoBtf {
            why: NoBtf::Unsupported,
        };
        assert_eq!(rule(unused, |_, _| ()), None);

        let outside = |_: &mut KernelEntry, module: &mut ModuleEntry| module.in_tree = false;
        assert_eq!(
            rule(Verdict::Loads, outside),
            Some(LintRule::NoDistilledBase)
        );
        assert_eq!(rule(Verdict::Loads, |_, _| ()), None);
        let distilled = |_: &mut KernelEntry, module: &mut ModuleEntry| {
            module.in_tree = false;
            module.btf.distilled = true;
        };
        assert_eq!(rule(Verdict::Loads, distilled), None);
        let older = |kernel: &mut KernelEntry, module: &mut ModuleEntry| {
            outside(kernel, module);
            kernel.abilities.distilled_base = false;
        };
        assert_eq!(rule(Verdict::Loads, older), None);
    }

    #[test]
    fn what_is_not_known_is_told_as_that() {
        let unknown = Verdict::Unknown {
            why: Unknown::NoBaseBtf,
        };
        assert_eq!(rule(unknown, |_, _| ()), Some(LintRule::BtfNotChecked));
        assert_eq!(rule(Verdict::Missing, |_, _| ()), None);
    }
}
