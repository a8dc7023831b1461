// SPDX-License-Identifier: GPL-2.0-or-later
//! What is wrong with a module that a build has just made, for the kernel that it
//! was made for.
//!
//! An admin asks what a kernel does with a module; a packager, what the build did
//! wrong. BTF that a lenient kernel would only drop is as wrong here as BTF that
//! is refused, and BTF that is missing is a problem, too.

use std::fmt;

use serde::Serialize;

use super::{KernelEntry, LintProblem, LintRule, ModuleEntry, Report, VerdictEntry, wording};
use crate::policy::Severity;
use crate::verdict::{Cause, Kind, Misfit, Reason};

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
    pub(crate) const ALL: [Self; 9] = [
        Self::BtfRefusedByOwnBase,
        Self::BtfOfAnotherKernel,
        Self::DistilledBaseDoesNotFit,
        Self::BtfCrashesKernel,
        Self::ModuleOfAnotherArchitecture,
        Self::NotAModule,
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
            Self::NotAModule => (
                Severity::Block,
                "The file is empty, damaged or no kernel module.",
                "See that the build ends well and that nothing changes the file afterwards.",
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

/// The problems of modules, in their order; what is wrong for several kernels, of each.
pub(crate) fn problems(report: &Report) -> Vec<LintProblem> {
    let problems = report.verdicts().filter_map(|(module, verdict, kernel)| {
        let (rule, details) = problem(module, verdict, kernel)?;
        Some(LintProblem {
            rule,
            severity: rule.text().severity,
            path: module.path.clone(),
            package: module.package.clone(),
            kernel: kernel.id,
            details,
        })
    });
    problems.collect()
}

fn problem(
    module: &ModuleEntry,
    verdict: &VerdictEntry,
    kernel: &KernelEntry,
) -> Option<(LintRule, String)> {
    let name = wording::kernel(kernel);
    match verdict.verdict {
        Kind::Refused | Kind::BtfDiscarded => {
            let is_of_kernel = matches!(verdict.reason, Some(Reason::Kernel(_)));
            let rule = match verdict.cause {
                _ if is_of_kernel => LintRule::BtfNotChecked,
                Some(Cause::Elf) => LintRule::NotAModule,
                Some(Cause::Architecture) => LintRule::ModuleOfAnotherArchitecture,
                Some(Cause::KernelBug) => LintRule::BtfCrashesKernel,
                _ if verdict.misfit == Some(Misfit::NotRelocated)
                    || module.btf.distilled && kernel.features.distilled_base =>
                {
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
        Kind::LoadsNoBtf if !module.btf.present && kernel.features.module_btf => {
            Some((LintRule::NoBtf, format!("{name} reads the BTF of modules")))
        }
        // Without one it would have been held against this base.
        Kind::Loads
            if !module.in_tree && !module.btf.distilled && kernel.features.distilled_base =>
        {
            let details = format!("{name} relocates a distilled base");
            Some((LintRule::NoDistilledBase, details))
        }
        Kind::Loads
        | Kind::LoadsNoBtf
        | Kind::NoModules
        | Kind::Unbootable
        | Kind::StaleCopy
        | Kind::InitrdStale
        | Kind::DriverLost => None,
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
    use super::*;
    use crate::kernel::Target;
    use crate::report::fixtures::{judged, kernel, misfit, module, refusal, report, silent};
    use crate::verdict::{BuiltFor, ElfError, NoBtf, Refusal, Unknown, Verdict};
    use btf_guard_btf::BtfRule;

    type Change = fn(&mut KernelEntry, &mut ModuleEntry);

    /// What is told of a module of the kernel's own sources that has BTF, changed.
    fn told(verdict: Verdict, change: Change) -> Option<LintProblem> {
        let mut kernel = kernel(0, Target::NextBoot);
        let mut module = module("probe", vec![judged(&kernel, verdict)]);
        change(&mut kernel, &mut module);
        problems(&report(vec![kernel], vec![module])).pop()
    }

    fn continues(strings: Option<u32>, module: &mut ModuleEntry) {
        module.btf.built_for = strings.map(BuiltFor::unknown);
    }

    const NOTHING: Change = |_, _| ();
    const OTHER: Change = |_, module| continues(Some(7), module);
    const DISTILLED: Change = |_, module| module.btf.distilled = true;
    const BARE: Change = |_, module| module.btf.present = false;
    const OUT_OF_TREE: Change = |_, module| module.in_tree = false;

    #[test]
    fn what_is_refused_is_told_apart_by_the_base_it_continues() {
        let evidence = Vec::new();
        let bug = refusal(BtfRule::EmbeddedEndless { id: 7 }, None);
        let machine = Refusal::Elf(ElfError::InvalidSectionHeaderSize);
        let own: Change = |kernel, module| {
            continues(kernel.base.as_ref().map(|base| base.strings), module);
        };
        let ignored: Change = |kernel, module| {
            module.btf.distilled = true;
            kernel.features.distilled_base = false;
        };
        let refused = || Verdict::Refused(misfit("x"));
        let discarded = Verdict::BtfDiscarded(misfit("x"));
        for (verdict, change, expected) in [
            (refused(), own, LintRule::BtfRefusedByOwnBase),
            (refused(), NOTHING, LintRule::BtfRefusedByOwnBase),
            (refused(), OTHER, LintRule::BtfOfAnotherKernel),
            (discarded, OTHER, LintRule::BtfOfAnotherKernel),
            (
                Verdict::BtfWrong { evidence },
                NOTHING,
                LintRule::BtfOfAnotherKernel,
            ),
            (refused(), DISTILLED, LintRule::DistilledBaseDoesNotFit),
            (refused(), ignored, LintRule::BtfRefusedByOwnBase),
            (
                Verdict::Refused(machine),
                OTHER,
                LintRule::ModuleOfAnotherArchitecture,
            ),
            (Verdict::Refused(bug), OTHER, LintRule::BtfCrashesKernel),
        ] {
            let found = told(verdict.clone(), change).map(|problem| problem.rule);
            assert_eq!(found, Some(expected), "{verdict:?}");
        }
    }

    #[test]
    fn a_line_says_what_the_kernel_would_say_and_where_the_btf_is_from() {
        let details = |refusal, change| {
            let problem = told(Verdict::Refused(refusal), change);
            problem.map(|problem| problem.details).unwrap_or_default()
        };
        let kernel = "kernel 6.18.15-cloud (/boot/vmlinuz-6.18.15-cloud)";
        assert_eq!(
            details(misfit("x"), OTHER),
            format!(
                "{kernel} refuses it: [114893] STRUCT x_block | size=392 vlen=17 | Invalid name; \
                 built for a base with 7 bytes of strings, not for 6.18.15-cloud with 2092587"
            )
        );
        let silent = details(silent(), NOTHING);
        assert_eq!(silent, format!("{kernel} refuses it: without a word"));
    }

    #[test]
    fn what_is_missing_is_a_problem_only_where_the_kernel_uses_it() {
        let no_btf = |why| Verdict::LoadsNoBtf { why };
        let ignored: Change = |kernel, module| {
            module.btf.present = false;
            kernel.features.module_btf = false;
        };
        let distilled: Change = |_, module| {
            module.in_tree = false;
            module.btf.distilled = true;
        };
        let older: Change = |kernel, module| {
            module.in_tree = false;
            kernel.features.distilled_base = false;
        };
        let why = Unknown::NoBaseBtf;
        for (verdict, change, expected) in [
            (no_btf(NoBtf::Absent), BARE, Some(LintRule::NoBtf)),
            (no_btf(NoBtf::Absent), ignored, None),
            (no_btf(NoBtf::Unsupported), NOTHING, None),
            (Verdict::Loads, OUT_OF_TREE, Some(LintRule::NoDistilledBase)),
            (Verdict::Loads, NOTHING, None),
            (Verdict::Loads, distilled, None),
            (Verdict::Loads, older, None),
            (
                Verdict::Unknown { why },
                NOTHING,
                Some(LintRule::BtfNotChecked),
            ),
        ] {
            let found = told(verdict.clone(), change).map(|problem| problem.rule);
            assert_eq!(found, expected, "{verdict:?}");
        }
    }
}
