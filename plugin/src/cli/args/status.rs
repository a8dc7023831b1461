//! What was typed for the findings that stand.

use std::path::PathBuf;

use clap::ArgAction;

use super::StandingFormat;

/// Tell which findings stand now
///
/// Findings are kept from transactions and checks, in /var/lib/btf-guard, which only
/// root can read. Each stands for as long as neither its module nor its kernel
/// changes; what has changed is judged again. Where nothing was ever checked,
/// everything is.
#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    /// Judge all modules by all kernels of this machine, as check --kernel all does
    #[arg(long)]
    pub(crate) rescan: bool,

    /// Hold what the kernel has refused since it was booted against what was predicted, and say
    /// where that was wrong
    #[arg(long)]
    pub(crate) boot: bool,

    /// How to write them
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) format: StandingFormat,

    /// At most a few lines for those who log in; nothing where nothing stands
    #[arg(long, conflicts_with = "format")]
    pub(crate) motd: bool,

    /// Also keep those lines in FILE, which is removed where nothing stands
    #[arg(long, value_name = "FILE")]
    pub(crate) motd_file: Option<PathBuf>,

    /// Also keep metrics in btf-guard.prom in DIR, for node_exporter; if there is such a directory
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

    /// For tests: where to keep what images hold
    #[arg(long, value_name = "DIR", hide = true)]
    pub(crate) cache: Option<PathBuf>,

    /// Another place than / for the configuration and the overrides, for tests
    #[arg(long, value_name = "DIR", hide = true)]
    pub(crate) config: Option<PathBuf>,

    /// For tests: the kernel's log, in the form of /dev/kmsg
    #[arg(long, value_name = "FILE", default_value = "/dev/kmsg", hide = true)]
    pub(crate) kmsg: PathBuf,
}
