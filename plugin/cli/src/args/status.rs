// SPDX-License-Identifier: GPL-2.0-or-later
//! What was typed for the findings that stand.

use std::path::PathBuf;

use clap::ArgAction;

use super::StandingFormat;

/// Show current findings
///
/// Findings of transactions and checks are stored in /var/lib/btf-guard, which only
/// root can read. A finding holds as long as neither its module nor its kernel
/// changes. If one of them has changed, or if nothing was ever checked, everything is
/// checked now.
#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    /// Judge all modules against all kernels of this machine, as check --kernel all does
    #[arg(long)]
    pub(crate) rescan: bool,

    /// Compare what the kernel has refused since boot with the predictions, and report
    /// where these were wrong
    #[arg(long)]
    pub(crate) boot: bool,

    /// Output format
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) format: StandingFormat,

    /// A few lines for the message of the day; none without findings
    #[arg(long, conflicts_with = "format")]
    pub(crate) motd: bool,

    /// Also write those lines to FILE, which is removed without findings
    #[arg(long, value_name = "FILE")]
    pub(crate) motd_file: Option<PathBuf>,

    /// Also write metrics to btf-guard.prom in DIR, for node_exporter, if that directory exists
    #[arg(long, value_name = "DIR")]
    pub(crate) textfile: Option<PathBuf>,

    /// No colors, not even on a terminal
    #[arg(long, action = ArgAction::SetTrue)]
    pub(crate) no_color: bool,

    /// For tests: the root, which is then no running machine's
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub(crate) root: PathBuf,

    /// For tests: where findings are kept
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/var/lib/btf-guard",
        hide = true
    )]
    pub(crate) store: PathBuf,

    /// For tests: kernel image cache directory
    #[arg(long, value_name = "DIR", hide = true)]
    pub(crate) cache: Option<PathBuf>,

    /// Another directory than / for configuration and overrides, for tests
    #[arg(long, value_name = "DIR", hide = true)]
    pub(crate) config: Option<PathBuf>,

    /// For tests: the kernel's log, in the form of /dev/kmsg
    #[arg(long, value_name = "FILE", default_value = "/dev/kmsg", hide = true)]
    pub(crate) kmsg: PathBuf,
}
