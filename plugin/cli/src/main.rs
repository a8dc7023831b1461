// SPDX-License-Identifier: GPL-2.0-or-later
//! The `btf-guard` program.
pub mod allow;
pub mod args;
pub mod cache_dir;
pub mod check;
pub mod check_built;
pub mod config;
pub mod generate;
pub mod hook;
pub mod judge;
pub mod kernels;
pub mod outcome;
pub mod output;
pub mod preflight;
pub mod progress;
pub mod record;
pub mod rpm_depgen;
mod run;
pub mod sandbox;
pub mod status;

fn main() -> std::process::ExitCode {
    run::main()
}
