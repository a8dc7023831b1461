// SPDX-License-Identifier: GPL-2.0-or-later
//! What was typed for `zypper btf-guard`.
//!
//! zypper starts `/usr/lib/zypper/commands/zypper-btf-guard`, which is this
//! program under another name.

use btf_guard_protocol::zypp::Verb;
use clap::{Parser, Subcommand};

use super::preflight::{Preflight, Zypper, ZypperWish};
use super::{Check, Command, Kernels};

/// The name under which zypper starts the program, and looks for its manual page.
pub(crate) const NAME: &str = "zypper-btf-guard";

/// Report which modules kernels will refuse after an update
///
/// Installs nothing. zypper starts it as `zypper btf-guard`; the verbs are zypper's own.
#[derive(Debug, Parser)]
#[command(name = NAME, bin_name = "zypper btf-guard", version)]
#[command(disable_help_subcommand = true)]
#[command(after_help = super::EXIT_CODES)]
pub(crate) struct ZypperArgs {
    #[command(subcommand)]
    command: ZypperCommand,
}

#[derive(Debug, Subcommand)]
enum ZypperCommand {
    /// Judge what `zypper update` would install
    #[command(alias = "update")]
    Up(ZypperWish),
    /// Judge what `zypper dist-upgrade` would install
    #[command(alias = "dist-upgrade")]
    Dup(ZypperWish),
    /// Judge what `zypper patch` would install
    Patch(ZypperWish),
    /// Judge what `zypper install` would install
    #[command(alias = "install")]
    In(Packages),
    Preflight(Zypper),
    Check(Check),
    Kernels(Kernels),
}

#[derive(Debug, clap::Args)]
struct Packages {
    /// Names of packages, as on zypper's command line
    #[arg(value_name = "PACKAGE", required = true)]
    packages: Vec<String>,

    #[command(flatten)]
    wish: ZypperWish,
}

impl From<ZypperArgs> for Command {
    fn from(typed: ZypperArgs) -> Self {
        let preflight = |verb, packages, wish| {
            Self::Preflight(Preflight::Zypper(Zypper {
                verb,
                wish,
                packages,
            }))
        };
        match typed.command {
            ZypperCommand::Up(wish) => preflight(Verb::Up, Vec::new(), wish),
            ZypperCommand::Dup(wish) => preflight(Verb::Dup, Vec::new(), wish),
            ZypperCommand::Patch(wish) => preflight(Verb::Patch, Vec::new(), wish),
            ZypperCommand::In(Packages { packages, wish }) => preflight(Verb::In, packages, wish),
            ZypperCommand::Preflight(zypper) => Self::Preflight(Preflight::Zypper(zypper)),
            ZypperCommand::Check(check) => Self::Check(check),
            ZypperCommand::Kernels(kernels) => Self::Kernels(kernels),
        }
    }
}
