//! Manual pages and completions, from the definitions of the arguments.

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use super::Outcome;
use super::args::{Args, Generate};

pub(crate) fn run(what: &Generate) -> anyhow::Result<Outcome> {
    let mut command = Args::command();
    match what {
        Generate::Man { dir } => clap_mangen::generate_to(command, dir)
            .with_context(|| format!("cannot write manual pages to {}", dir.display()))?,
        Generate::Completions { dir } => {
            for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
                clap_complete::generate_to(shell, &mut command, "btf-guard", dir)
                    .with_context(|| format!("cannot write completions to {}", dir.display()))?;
            }
        }
    }
    Ok(Outcome::Done)
}
