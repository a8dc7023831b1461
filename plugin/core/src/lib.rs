// SPDX-License-Identifier: GPL-2.0-or-later
//! btf-guard: predicts, when a package is installed, what a kernel will do
//! with a module's BTF.
//!
//! The library judges; it never prints, never exits and never reads the
//! environment. [`module`] and [`kernel`] know nothing of packages, and
//! [`verdict`] nothing of a policy.

pub mod boot;
pub mod check;
pub mod compression;
mod conf_files;
pub mod config;
mod depmod;
pub mod evaluate;
mod fnmatch;
pub mod host_modules;
pub mod initrd;
pub mod kernel;
pub mod module;
pub mod policy;
pub mod report;
pub mod rpm;
pub mod status;
pub mod time_limit;
pub mod transaction;
pub mod vercmp;
pub mod verdict;
