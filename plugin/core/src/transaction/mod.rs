// SPDX-License-Identifier: GPL-2.0-or-later
//! What a transaction of packages makes of a root: judged before its first change,
//! and after its last.

mod baseline;
pub mod decide;
pub mod directory_times;
pub mod dnf_output;
pub mod elements;
pub mod fs_view;
mod located;
pub mod post;
pub mod pre;
pub mod scene;
