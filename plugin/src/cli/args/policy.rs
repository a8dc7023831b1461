//! What was typed about the machine's policy.

use std::path::PathBuf;

use btf_guard::config::Places;
use clap::{ArgGroup, Subcommand};

use super::ListFormat;

/// Show or check the configuration
///
/// Files are read one after another, and what a later one says wins:
/// /usr/share/btf-guard/btf-guard.toml, /etc/btf-guard.toml, /etc/btf-guard.d/*.toml.
/// They are those of the machine that this runs on, whatever --root other commands get.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Show each value that counts, and where it comes from
    Show {
        /// How to write them
        #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
        format: ListFormat,

        #[command(flatten)]
        place: Place,
    },
    /// Tell what is wrong with files of the configuration
    ///
    /// Without FILE, of all that are read. Exit code 0 if nothing is, 3 otherwise.
    Check {
        /// Files, each as if it were the only one
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,

        #[command(flatten)]
        place: Place,
    },
}

/// Where the files are.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// Another place than / for the configuration and the overrides, for tests
    #[arg(long, value_name = "DIR", hide = true)]
    pub(crate) config: Option<PathBuf>,
}

impl Place {
    /// As the library has them.
    pub(crate) fn places(&self) -> Places {
        let dir = self.config.as_deref();
        dir.map_or_else(Places::default, Places::below)
    }
}

/// Let pass what would be blocked
///
/// For sudo, PackageKit and automatic updates, which pass no environment on. For root.
/// What is let pass is still warned of, and logged with its reason.
#[derive(Debug, clap::Args)]
pub(crate) struct Allow {
    #[command(flatten)]
    pub(crate) wanted: Wanted,
}

/// Block what would only be warned of
///
/// The counterpart of allow, with the same options. A transaction that only makes
/// something better is not blocked, nor one that is judged by a guess.
#[derive(Debug, clap::Args)]
pub(crate) struct Deny {
    #[command(flatten)]
    pub(crate) wanted: Wanted,
}

/// Which override, or what to do with those that there are.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("what").args(["next", "package", "until", "list", "revoke"]).multiple(true).required(true))]
pub(crate) struct Wanted {
    /// For the next transaction whose outcome it changes, within an hour where --until
    /// does not say otherwise, and until the next boot at most
    #[arg(long)]
    pub(crate) next: bool,

    /// Only where the modules or the kernel come with packages of these names, as in
    /// 'foo-kmp-*'
    #[arg(long, value_name = "GLOB")]
    pub(crate) package: Option<String>,

    /// When it ends: a day (2027-01-31), a time (14:00, 2027-01-31T14:00), a while
    /// (+2h, +3d), or next-boot
    #[arg(long, value_name = "WHEN")]
    pub(crate) until: Option<String>,

    /// Why; it is kept, shown and logged
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["list", "revoke"])]
    pub(crate) reason: Option<String>,

    /// List the overrides that count now
    #[arg(long, conflicts_with_all = ["next", "package", "until", "reason", "revoke"])]
    pub(crate) list: bool,

    /// Take one back
    #[arg(long, value_name = "ID", conflicts_with_all = ["next", "package", "until", "reason"])]
    pub(crate) revoke: Option<String>,

    /// How to write the list
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) format: ListFormat,

    #[command(flatten)]
    pub(crate) place: Place,
}
