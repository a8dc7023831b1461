//! One module before one kernel.

use serde::Serialize;

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
    /// The kernel accepts the BTF, but it does not mean what it was built to mean.
    BtfWrong {
        /// What gives it away, for a report.
        evidence: String,
    },
    /// The kernel will not load it.
    Refused(Refusal),
    /// The running kernel's module directory is gone.
    Missing,
    /// It cannot be known.
    Unknown {
        /// Why not.
        why: String,
    },
}

/// Why a module loads without types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoBtf {
    /// The module carries no `.BTF`, or an empty one.
    Absent,
    /// The kernel ignores modules' BTF (no `btf_data` in its `struct module`).
    Unsupported,
}

/// A refusal as the kernel states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which of the loader's checks fails first.
    pub cause: Cause,
    /// The negative errno that `finit_module(2)` returns.
    pub errno: i32,
    /// What the kernel logs, one message an entry, in the form of DESIGN's JSON `log`.
    pub log: Vec<String>,
}

/// The loader's checks, in the kernel's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Built for another machine.
    Architecture,
    /// The BTF, or the distilled base, does not fit.
    Btf,
    /// The kernel itself misbehaves on this input: it may crash, hang or accept garbage.
    KernelBug,
}
