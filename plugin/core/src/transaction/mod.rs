// SPDX-License-Identifier: GPL-2.0-or-later
//! What a transaction of packages makes of a root: judged before its first change,
//! and after its last.

mod baseline;
pub mod changes;
pub mod decide;
mod destination;
pub mod directory_times;
pub mod dnf_output;
pub mod elements;
mod erased_modules;
mod fs_view;
mod future_paths;
mod loaded_after;
mod moves;
mod origins;
pub mod planned_drivers;
pub mod post;
pub mod pre;
pub mod scene;
mod staying_config;
mod transaction_start;
mod weak_updates;
