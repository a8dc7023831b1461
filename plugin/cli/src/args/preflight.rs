// SPDX-License-Identifier: GPL-2.0-or-later
//! What was typed for a preflight.

use std::path::PathBuf;

use btf_guard_protocol::zypp::Verb;
use clap::Subcommand;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::{MachineArgs, Way};

/// Report which modules kernels will refuse after an update
///
/// Installs nothing. The package manager itself selects the packages. Those that matter are
/// downloaded, and judged as in the transaction: what comes, against the kernels that
/// will be there. For use before an automatic update: exit code 2 means that modules
/// would no longer load after a reboot.
#[derive(Debug, Subcommand)]
pub(crate) enum Preflight {
    Zypper(Zypper),
    Dnf(Dnf),
}

/// Judge what zypper would install
///
/// Asks libzypp's solver, and downloads packages with kernels or modules into
/// zypper's own cache, where the update then finds them.
#[derive(Debug, clap::Args)]
pub(crate) struct Zypper {
    /// zypper's command
    #[arg(value_name = "VERB", value_parser = zypper_verb())]
    pub(crate) verb: Verb,

    #[command(flatten)]
    pub(crate) wish: ZypperWish,

    /// For in: names of packages, as on zypper's command line
    #[arg(value_name = "PACKAGE")]
    pub(crate) packages: Vec<String>,
}

/// What does not depend on zypper's verb.
#[derive(Debug, clap::Args)]
pub(crate) struct ZypperWish {
    /// Do not refresh repositories
    #[arg(long)]
    pub(crate) no_refresh: bool,

    #[command(flatten)]
    pub(crate) place: RootArgs,

    #[command(flatten)]
    pub(crate) way: Way,
}

/// Judge what dnf would install
///
/// Has dnf resolve and download without installing, and removes the packages
/// afterwards. All of dnf's questions are answered with yes. Signatures of packages are
/// not checked here, because that could add keys to rpm's database; the update itself
/// checks them.
#[derive(Debug, clap::Args)]
pub(crate) struct Dnf {
    /// dnf's command
    #[arg(value_name = "VERB", value_parser = dnf_verb())]
    pub(crate) verb: String,

    /// Names of packages, as on dnf's command line
    #[arg(value_name = "PACKAGE")]
    pub(crate) packages: Vec<String>,

    #[command(flatten)]
    pub(crate) place: RootArgs,

    #[command(flatten)]
    pub(crate) way: Way,
}

/// Where the packages would be installed.
#[derive(Debug, clap::Args)]
pub(crate) struct RootArgs {
    /// Root directory that the packages are for
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(crate) root: PathBuf,

    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

fn zypper_verb() -> impl TypedValueParser<Value = Verb> {
    PossibleValuesParser::new([
        PossibleValue::new("up").alias("update"),
        PossibleValue::new("dup").alias("dist-upgrade"),
        PossibleValue::new("patch"),
        PossibleValue::new("in").alias("install"),
    ])
    .map(|word| match word.as_str() {
        "dup" | "dist-upgrade" => Verb::Dup,
        "patch" => Verb::Patch,
        "in" | "install" => Verb::In,
        _ => Verb::Up,
    })
}

/// Those of dnf 4 and dnf5 that bring packages and install them, so that both
/// know how to download only.
fn dnf_verb() -> impl TypedValueParser<Value = String> {
    PossibleValuesParser::new([
        PossibleValue::new("upgrade").aliases(["up", "update"]),
        PossibleValue::new("upgrade-minimal"),
        PossibleValue::new("distro-sync").alias("dsync"),
        PossibleValue::new("install").alias("in"),
        PossibleValue::new("reinstall"),
        PossibleValue::new("downgrade"),
    ])
}
