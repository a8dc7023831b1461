// SPDX-License-Identifier: GPL-2.0-or-later
//! Where the configuration and the overrides are.

use std::path::{Path, PathBuf};

/// The files and directories that make a machine's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigPaths {
    /// The vendor's file.
    pub(crate) vendor: PathBuf,
    /// The admin's file.
    pub(crate) admin: PathBuf,
    /// The admin's further files.
    pub(crate) drop_ins: PathBuf,
    /// Overrides for one transaction, in a directory `allow` below it.
    pub(crate) run: PathBuf,
    /// Standing overrides, in a directory `overrides` below it.
    pub(crate) state: PathBuf,
    /// The kernel command line.
    pub(crate) command_line: PathBuf,
}

impl ConfigPaths {
    /// Below another directory than `/`.
    pub fn below(root: &Path) -> Self {
        Self {
            vendor: root.join("usr/share/btf-guard/btf-guard.toml"),
            admin: root.join("etc/btf-guard.toml"),
            drop_ins: root.join("etc/btf-guard.d"),
            run: root.join("run/btf-guard"),
            state: root.join("var/lib/btf-guard"),
            command_line: root.join("proc/cmdline"),
        }
    }
}

/// Those of the system.
impl Default for ConfigPaths {
    fn default() -> Self {
        Self::below(Path::new("/"))
    }
}
