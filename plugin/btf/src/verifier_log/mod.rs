// SPDX-License-Identifier: GPL-2.0-or-later
//! What the kernel logs while it verifies BTF.

pub(crate) mod buffer;
pub(crate) mod format;
