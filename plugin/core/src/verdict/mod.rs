// SPDX-License-Identifier: GPL-2.0-or-later
//! One module before one kernel.

use btf_guard_btf::{Evidence, LogFormat, Order, VerifyError};

use crate::kernel::Kernel;
use crate::module::{ElfTarget, Module};

mod base_set;
mod cause;
mod kind;
mod reason;

pub use base_set::BaseSet;
pub(crate) use base_set::BuiltFor;
pub use cause::{Cause, Causes, UnknownCause};
pub use kind::Kind;
use reason::ET_REL;
pub use reason::Reason;
pub(crate) use reason::{Assumption, ElfError, NoBtf, Unknown};

/// What one kernel will do with one module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its BTF is accepted and is this base's.
    Loads,
    /// It loads; BPF tools see no types of it.
    LoadsNoBtf {
        /// Why there are none.
        why: NoBtf,
    },
    /// The BTF does not fit, and the kernel was built to load the module without it.
    BtfDiscarded(Refusal),
    /// The kernel accepts the BTF, but it was built against another base, where
    /// what it refers to means something else.
    BtfWrong {
        /// What gives it away, one of each class.
        evidence: Vec<Evidence>,
    },
    /// The kernel will not load it.
    Refused(Refusal),
    /// It cannot be known.
    Unknown {
        /// Why not.
        why: Unknown,
    },
}

/// A refusal by the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// By the module's ELF header.
    Elf(ElfError),
    /// By its BTF; the kernel logs it in this form.
    Btf(VerifyError, LogFormat),
}

impl Refusal {
    /// Which of the loader's checks fails first.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Elf(_) => Cause::Architecture,
            Self::Btf(error, _) if error.rule.is_kernel_bug() => Cause::KernelBug,
            Self::Btf(..) => Cause::Btf,
        }
    }

    /// The negative errno that `finit_module(2)` returns; `None` where the kernel's
    /// own bug keeps it from returning one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Elf(_) => Some(ENOEXEC),
            Self::Btf(error, _) => Some(error.errno()).filter(|errno| *errno != 0),
        }
    }

    /// What the kernel logs, one message an entry, without the prefix of the
    /// BTF verifier's.
    pub(crate) fn log(&self) -> Vec<String> {
        match self {
            Self::Elf(error) => vec![error.to_string()],
            Self::Btf(error, format) => error.log(*format),
        }
    }
}

impl From<Refusal> for Reason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Elf(error) => Self::Elf(error),
            Refusal::Btf(error, _) => Self::Btf(error),
        }
    }
}

/// A verdict and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What the kernel will do.
    pub verdict: Verdict,
    /// What was not known and taken to be the kernel's default.
    pub(crate) assumed: Vec<Assumption>,
    /// What the verdict alone does not say, a sentence each, for a report.
    pub(crate) notes: Vec<String>,
}

impl From<Verdict> for Judgement {
    fn from(verdict: Verdict) -> Self {
        Self {
            verdict,
            assumed: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// What `kernel` will do with `module`, with no other kernel to compare it with.
///
/// See [`BaseSet::judge`].
pub fn judge(module: &Module, kernel: &Kernel, causes: &Causes) -> Judgement {
    BaseSet::default().judge(module, kernel, causes)
}

fn follow_loader(module: &Module, kernel: &Kernel, causes: &Causes, bases: &BaseSet) -> Judgement {
    if causes.contains(Cause::Architecture)
        && let (Some(module), Some(kernel)) = (module.target, kernel.target)
        && let Some(error) = foreign(module, kernel)
    {
        let refused = Verdict::Refused(Refusal::Elf(error));
        let (theirs, own) = (architecture(module), architecture(kernel));
        return Judgement {
            notes: vec![format!("built for {theirs}, the kernel runs on {own}")],
            ..refused.into()
        };
    }
    if !causes.contains(Cause::Btf) {
        return Verdict::Loads.into();
    }
    judge_btf(module, kernel, bases)
}

/// `-ENOEXEC` of asm-generic/errno-base.h.
const ENOEXEC: i32 = -8;

/// What the kernel finds wrong with a module for another machine.
///
/// It reads the header with its own byte order and layout, whatever
/// `e_ident` says: of a module of the other byte order it already dislikes the
/// type, and one of the other word size has its `e_shentsize` elsewhere. Read in
/// source, the word size not measured.
fn foreign(module: ElfTarget, kernel: ElfTarget) -> Option<ElfError> {
    let elf_type = match module.order == kernel.order {
        true => module.elf_type,
        false => module.elf_type.swap_bytes(),
    };
    if elf_type != ET_REL {
        return Some(ElfError::InvalidElfType { elf_type });
    }
    if module.machine != kernel.machine {
        let machine = module.machine;
        return Some(ElfError::InvalidMachine { machine });
    }
    (module.is_64 != kernel.is_64).then_some(ElfError::InvalidSectionHeaderSize)
}

/// `btf_module_notify()` (kernel/bpf/btf.c): `.BTF` absent or empty is skipped
/// in silence; a refused one fails the load unless the kernel was built with
/// `CONFIG_MODULE_ALLOW_BTF_MISMATCH`. Whether what it accepts is what it takes
/// it for, the kernel does not ask; `bases` does.
fn judge_btf(module: &Module, kernel: &Kernel, bases: &BaseSet) -> Judgement {
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
    let allow_mismatch = kernel.config.allow_mismatch;
    let error = match btf_guard_btf::read_module(
        split,
        module.btf_base.as_deref(),
        &kernel.base,
        &kernel.abilities,
    ) {
        Ok(split) => return bases.resolve_origin(module, kernel, &split).into(),
        Err(error) => error,
    };
    // A kernel that crashes does not come to the point where it would discard the BTF.
    let bug = error.kernel_bug();
    let format = LogFormat::new(&kernel.abilities, allow_mismatch == Some(true));
    let refusal = Refusal::Btf(error, format);
    if let Some(bug) = bug {
        return Judgement {
            notes: vec![bug],
            ..Verdict::Refused(refusal).into()
        };
    }
    if allow_mismatch == Some(true) {
        return Verdict::BtfDiscarded(refusal).into();
    }
    let assumed = allow_mismatch
        .is_none()
        .then_some(Assumption::AllowMismatch);
    Judgement {
        assumed: assumed.into_iter().collect(),
        ..Verdict::Refused(refusal).into()
    }
}

/// The name of the architecture an ELF header speaks of, for people.
///
/// Numbers: the ELF specification's `e_machine`, as the Linux architectures use it.
fn architecture(target: ElfTarget) -> String {
    let name = match (target.machine, target.is_64, target.order) {
        (62, true, _) => "x86_64",
        (3, ..) => "i386",
        (183, _, Order::Little) => "aarch64",
        (40, ..) => "arm",
        (21, _, Order::Little) => "ppc64le",
        (21, _, Order::Big) => "ppc64",
        (22, true, _) => "s390x",
        (243, true, _) => "riscv64",
        (258, true, _) => "loongarch64",
        (machine, ..) => return format!("ELF machine {machine}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const X86_64: ElfTarget = ElfTarget {
        machine: 62,
        is_64: true,
        order: Order::Little,
        elf_type: ET_REL,
    };

    #[test]
    fn a_module_for_another_machine_is_named_as_the_kernel_reads_it() {
        let aarch64 = ElfTarget {
            machine: 183,
            ..X86_64
        };
        let s390x = ElfTarget {
            machine: 22,
            order: Order::Big,
            ..X86_64
        };
        let executable = ElfTarget {
            elf_type: 2,
            ..X86_64
        };
        let x32 = ElfTarget {
            is_64: false,
            ..X86_64
        };
        let swapped = "Invalid ELF header type: 256 != 1";
        for (module, kernel, expected) in [
            (X86_64, X86_64, None),
            (
                aarch64,
                X86_64,
                Some("Invalid architecture in ELF header: 183"),
            ),
            (executable, X86_64, Some("Invalid ELF header type: 2 != 1")),
            (s390x, X86_64, Some(swapped)),
            (X86_64, s390x, Some(swapped)),
            (x32, X86_64, Some("Invalid ELF section header size")),
        ] {
            let found = foreign(module, kernel).map(|error| error.to_string());
            assert_eq!(found.as_deref(), expected);
        }
    }
}
