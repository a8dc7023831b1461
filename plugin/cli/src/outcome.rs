// SPDX-License-Identifier: GPL-2.0-or-later
//! How the program ends.

use btf_guard_protocol::decision::Decision;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything that was asked for was judged.
    Judged(Decision),
    /// Something asked for could not be read; the rest was judged.
    Incomplete,
    /// Nothing to judge was asked for, and it was done.
    Done,
}
