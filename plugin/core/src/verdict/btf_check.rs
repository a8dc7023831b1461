// SPDX-License-Identifier: GPL-2.0-or-later
//! What becomes of a module's BTF: `btf_module_notify()` (kernel/bpf/btf.c).

use btf_guard_btf::features::{Features, VersionRule};
use btf_guard_btf::{BaseFault, LogFormat, Split, VerifyError};

use super::base_set::Origin;
use super::{Assumption, Judgement, KernelFault, Misfit, NoBtf, Refusal, Unknown, Verdict};
use crate::kernel::Kernel;
use crate::module::Module;

/// `.BTF` absent or empty is skipped in silence; a refused one fails the load unless the
/// kernel was built with `CONFIG_MODULE_ALLOW_BTF_MISMATCH`. Whether what it accepts is
/// what it takes it for, the kernel does not ask; `origin` does.
pub(super) fn judge(module: &Module, kernel: &Kernel, origin: Origin<'_>) -> Judgement {
    let Some(split) = module.btf.as_deref().filter(|btf| !btf.is_empty()) else {
        return Verdict::LoadsNoBtf { why: NoBtf::Absent }.into();
    };
    if kernel.base.is_none() && kernel.config.module_btf != Some(false) {
        let why = Unknown::NoBaseBtf;
        return Verdict::Unknown { why }.into();
    }
    if kernel.base.is_none() || !kernel.abilities.module_btf {
        let why = NoBtf::Unsupported;
        return Verdict::LoadsNoBtf { why }.into();
    }
    let own = kernel.own_btf();
    let guessed = own.guessed.iter().copied();
    let mut assumed: Vec<Assumption> = guessed.map(Assumption::Version).collect();
    let refusal = match &own.fault {
        Some(BaseFault::Newer) => {
            let why = Unknown::NewerKernel;
            return Verdict::Unknown { why }.into();
        }
        Some(BaseFault::Invalid(error)) => Refusal::Kernel(KernelFault::KernelBtfInvalid {
            error: error.clone(),
        }),
        None => {
            let distilled = module.btf_base.as_deref();
            let relocated = distilled.filter(|_| kernel.abilities.distilled_base);
            if !relocated.is_none_or(|raw| btf_guard_btf::is_affordable(raw, &kernel.base)) {
                let why = Unknown::TooCostly;
                return Verdict::Unknown { why }.into();
            }
            let read =
                |can: &Features| btf_guard_btf::read_module(split, distilled, &kernel.base, can);
            let outcome = read(&kernel.abilities);
            let errno =
                |outcome: &Result<_, VerifyError>| outcome.as_ref().err().map(VerifyError::errno);
            let found = errno(&outcome);
            assumed.extend(guesses(kernel, |rule| {
                let mut others = kernel.abilities.otherwise(rule).into_iter();
                let is_relocated = rule == VersionRule::MarksAllEmbedded;
                (!is_relocated || distilled.is_some())
                    && others.any(|other| errno(&read(&other)) != found)
            }));
            match outcome {
                Ok(split) => {
                    let verdict = origin.resolve(module, kernel, &split);
                    let misfit = matches!(verdict, Verdict::BtfWrong { .. })
                        .then(|| not_relocated(module, kernel));
                    return Judgement {
                        assumed,
                        misfit: misfit.flatten(),
                        ..verdict.into()
                    };
                }
                Err(error) => {
                    let allows = kernel.config.allow_mismatch == Some(true);
                    Refusal::Btf(error, LogFormat::new(&kernel.abilities, allows))
                }
            }
        }
    };
    refused(refusal, assumed, module, kernel)
}

/// A refusal, and what this kernel makes of it.
fn refused(
    refusal: Refusal,
    mut assumed: Vec<Assumption>,
    module: &Module,
    kernel: &Kernel,
) -> Judgement {
    let (misfit, note) = match &refusal {
        // A kernel that crashes does not come to the point where it would discard the BTF.
        Refusal::Btf(error, _) if error.rule.is_kernel_bug() => {
            return Judgement {
                assumed,
                notes: error.kernel_bug().into_iter().collect(),
                ..Verdict::Refused(refusal).into()
            };
        }
        Refusal::Btf(error, _) => (misfit(error, module, kernel), None),
        other => (None, Some(super::Reason::from(other.clone()).to_string())),
    };
    let allows = kernel.config.allow_mismatch;
    if allows.is_none() {
        assumed.push(Assumption::AllowMismatch);
    }
    let verdict = match allows {
        Some(true) => Verdict::BtfDiscarded(refusal),
        _ => Verdict::Refused(refusal),
    };
    Judgement {
        assumed,
        misfit,
        notes: note.into_iter().collect(),
        ..verdict.into()
    }
}

/// The guesses about a kernel for which this is true.
fn guesses(
    kernel: &Kernel,
    matters: impl Fn(VersionRule) -> bool,
) -> impl Iterator<Item = Assumption> {
    let all = kernel.abilities.guessed.iter().copied();
    all.filter(move |rule| matters(*rule))
        .map(Assumption::Version)
}

/// Why `error` is not for being built against another base, if so.
fn misfit(error: &VerifyError, module: &Module, kernel: &Kernel) -> Option<Misfit> {
    let not_relocated = not_relocated(module, kernel);
    if not_relocated.is_some() || module.btf_base.is_some() {
        return not_relocated;
    }
    let split = Split::parse(module.btf.as_deref()?, kernel.base.order())?;
    let faulty = error.subject.as_ref().map(|subject| subject.id);
    btf_guard_btf::continues(&split, &kernel.base, faulty).then_some(Misfit::OwnBase)
}

fn not_relocated(module: &Module, kernel: &Kernel) -> Option<Misfit> {
    let is_distilled = module.btf_base.is_some() && !kernel.abilities.distilled_base;
    is_distilled.then_some(Misfit::NotRelocated)
}
