// SPDX-License-Identifier: GPL-2.0-or-later
//! Manual pages and completions, from the definitions of the arguments.

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::{Args, Generate, ZypperArgs};
use crate::output::Outcome;
use crate::rpm_depgen;

pub(crate) fn run(what: &Generate) -> anyhow::Result<Outcome> {
    match what {
        Generate::Man { dir } => {
            for command in [Args::command(), ZypperArgs::command()] {
                clap_mangen::generate_to(command, dir)
                    .with_context(|| format!("cannot write manual pages to {}", dir.display()))?;
            }
        }
        Generate::Completions { dir } => {
            let mut command = Args::command();
            for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
                clap_complete::generate_to(shell, &mut command, "btf-guard", dir)
                    .with_context(|| format!("cannot write completions to {}", dir.display()))?;
            }
        }
        Generate::Dependencies(args) => return rpm_depgen::run(args),
    }
    Ok(Outcome::Done)
}
