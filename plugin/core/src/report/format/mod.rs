// SPDX-License-Identifier: GPL-2.0-or-later
//! A report as text, as JSON, as a hook's few lines.

pub(super) mod kernel_list;
pub(crate) mod rpm_log;
pub(crate) mod rpmlint;
pub(super) mod sarif;
pub(crate) mod style;
pub(crate) mod text;
mod text_summary;
