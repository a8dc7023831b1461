// SPDX-License-Identifier: GPL-2.0-or-later
//! Where a split BTF comes from: does it belong to this base?
//!
//! The kernel takes split BTF on trust: it checks names letter by letter and
//! never asks what an id leads to. A module whose BTF was made for another build
//! may pass, and BPF programs then read wrong types. Three things tell:
//!
//! - [`base_strings`]: the length of the string section that it continues, from
//!   the split BTF alone;
//! - [`evidence()`]: what no split BTF on its own base does;
//! - [`same_meaning`]: whether it means the same on two bases, exactly.
//!
//! `docs/kernel-rules.md` has the rules and how each was measured.

mod base_strings_len;
mod equivalence;
pub mod evidence;
mod joined;
mod scan;

pub use base_strings_len::base_strings;
pub use equivalence::{BasePairMemo, Comparison, Difference, same_meaning};
pub use evidence::{Evidence, Mismatch};
pub use scan::{continues, evidence, fits};
