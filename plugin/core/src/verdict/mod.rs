// SPDX-License-Identifier: GPL-2.0-or-later
//! One module before one kernel.

use btf_guard_btf::{Evidence, LogFormat, Order, VerifyError};

use crate::kernel::Kernel;
pub use crate::module::ElfError;
use crate::module::{ElfTarget, Module};

mod base_set;
mod btf_check;
mod cause;
mod kind;
mod reason;

pub use base_set::BaseSet;
pub(crate) use base_set::BuiltFor;
use base_set::Origin;
pub use cause::{Cause, Causes, UnknownCause};
pub use kind::Kind;
pub use reason::Reason;
pub(crate) use reason::{Assumption, KernelFault, Misfit, NoBtf, Unknown};

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
    /// Of every module, or of the BTF of every module.
    Kernel(KernelFault),
    /// By the module's file.
    Elf(ElfError),
    /// By its BTF; the kernel logs it in this form.
    Btf(VerifyError, LogFormat),
}

impl Refusal {
    /// Which of the loader's checks fails first.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Kernel(KernelFault::NoModuleSupport) => Cause::NoModuleSupport,
            Self::Elf(error) if error.is_for_another_machine() => Cause::Architecture,
            Self::Elf(_) => Cause::Elf,
            Self::Btf(error, _) if error.rule.is_kernel_bug() => Cause::KernelBug,
            Self::Btf(..) | Self::Kernel(KernelFault::KernelBtfInvalid { .. }) => Cause::Btf,
        }
    }

    /// The negative errno that `finit_module(2)` returns; `None` where the kernel's
    /// own bug keeps it from returning one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Kernel(KernelFault::NoModuleSupport) => Some(ENOSYS),
            Self::Kernel(KernelFault::KernelBtfInvalid { error }) => Some(error.errno()),
            Self::Elf(error) => Some(error.errno()),
            Self::Btf(error, _) => Some(error.errno()).filter(|errno| *errno != 0),
        }
    }

    /// What the kernel logs, one message an entry, without the prefix of the
    /// BTF verifier's.
    pub(crate) fn log(&self) -> Vec<String> {
        match self {
            // Of its own BTF it tells when it first needs it, which mostly is long before.
            Self::Kernel(_) => Vec::new(),
            Self::Elf(error) => error.log(),
            Self::Btf(error, format) => error.log(*format),
        }
    }
}

impl From<Refusal> for Reason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Kernel(fault) => Self::Kernel(fault),
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
    /// What was not known, and without which the verdict could be another.
    pub(crate) assumed: Vec<Assumption>,
    /// Why BTF does not fit, where it is not that it was built for another base.
    pub(crate) misfit: Option<Misfit>,
    /// What the verdict alone does not say, a sentence each, for a report.
    pub(crate) notes: Vec<String>,
}

impl From<Verdict> for Judgement {
    fn from(verdict: Verdict) -> Self {
        Self {
            verdict,
            assumed: Vec::new(),
            misfit: None,
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

fn follow_loader(
    module: &Module,
    kernel: &Kernel,
    causes: &Causes,
    origin: Origin<'_>,
) -> Judgement {
    if kernel.config.modules == Some(false) {
        return Verdict::Refused(Refusal::Kernel(KernelFault::NoModuleSupport)).into();
    }
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
    if let Some((error, found)) = &module.fault {
        let refusal = Refusal::Elf(*error);
        if refusal.cause() == Cause::Elf || causes.contains(refusal.cause()) {
            return Judgement {
                notes: vec![found.clone()],
                ..Verdict::Refused(refusal).into()
            };
        }
    }
    if !causes.contains(Cause::Btf) {
        return Verdict::Loads.into();
    }
    btf_check::judge(module, kernel, origin)
}

/// `-ENOSYS` of asm-generic/errno.h: what a system call returns that the kernel lacks
/// (`kernel/sys_ni.c`).
const ENOSYS: i32 = -38;

/// `ET_REL` of the ELF specification.
const ET_REL: u16 = 1;

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
