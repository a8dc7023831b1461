// SPDX-License-Identifier: GPL-2.0-or-later
//! What was typed about the machine's policy.

use std::path::PathBuf;

use btf_guard_core::policy::ConfigPaths;
use clap::{ArgGroup, Subcommand};

use super::ListFormat;

/// Show or check the configuration
///
/// Files are read in this order, and a later one wins:
/// /usr/share/btf-guard/btf-guard.toml, /etc/btf-guard.toml, /etc/btf-guard.d/*.toml.
/// They are always those of the running system, regardless of --root of other commands.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show the effective values, and where they come from
    Show {
        /// Output format
        #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
        format: ListFormat,

        #[command(flatten)]
        place: ConfigDirArgs,
    },
    /// Report mistakes in configuration files
    ///
    /// Without FILE, in all files that are read. Exit code 0 without mistakes, else 3.
    Check {
        /// Files to check, each by itself
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,

        #[command(flatten)]
        place: ConfigDirArgs,
    },
}

// No doc comment: clap would show it as the description of whoever flattens this.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigDirArgs {
    /// Another directory than / for configuration and overrides, for tests
    #[arg(long, value_name = "DIR", hide = true)]
    pub(crate) config: Option<PathBuf>,
}

impl ConfigDirArgs {
    pub(crate) fn places(&self) -> ConfigPaths {
        let dir = self.config.as_deref();
        dir.map_or_else(ConfigPaths::default, ConfigPaths::below)
    }
}

// No doc comment: clap would show it in place of the command's.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("what").args(["next", "package", "until", "list", "revoke"]).multiple(true).required(true))]
pub(crate) struct OverrideArgs {
    /// For the next transaction whose outcome it changes; expires after one hour (or at
    /// --until) and at reboot
    #[arg(long)]
    pub(crate) next: bool,

    /// Only for modules or kernels of packages with such names, as in 'foo-kmp-*'
    #[arg(long, value_name = "GLOB")]
    pub(crate) package: Option<String>,

    /// When it ends: a day (2027-01-31), a time (14:00, 2027-01-31T14:00), a
    /// duration (+2h, +3d), or next-boot
    #[arg(long, value_name = "WHEN")]
    pub(crate) until: Option<String>,

    /// The reason; it is stored, shown and logged
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["list", "revoke"])]
    pub(crate) reason: Option<String>,

    /// List active overrides
    #[arg(long, conflicts_with_all = ["next", "package", "until", "reason", "revoke"])]
    pub(crate) list: bool,

    /// Revoke an override
    #[arg(long, value_name = "ID", conflicts_with_all = ["next", "package", "until", "reason"])]
    pub(crate) revoke: Option<String>,

    /// Output format
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) format: ListFormat,

    #[command(flatten)]
    pub(crate) place: ConfigDirArgs,
}
