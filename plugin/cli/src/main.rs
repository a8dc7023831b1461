// SPDX-License-Identifier: GPL-2.0-or-later
//! The program `btf-guard`: what was typed, what it means, and how it ends.

mod allow;
mod args;
mod cache_dir;
mod check;
mod config;
mod generate;
mod hook;
mod judge;
mod kernels;
mod output;
mod preflight;
mod progress;
mod record;
mod rpm_depgen;
mod sandbox;
mod status;

use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::ExitCode;

use btf_guard_core::policy::overrides::TokenKind;
use btf_guard_protocol::decision::Decision;
use btf_guard_protocol::terminal::escape;
use clap::Parser;

use crate::args::{Args, Command, ZYPPER_NAME, ZypperArgs};
pub(crate) use crate::output::Outcome;

/// Exit codes, which scripts rely on.
const FINDINGS_AT_WARN: u8 = 1;
const FINDINGS_AT_BLOCK: u8 = 2;
const USAGE_OR_INPUT: u8 = 3;
const INTERNAL: u8 = 4;

fn main() -> ExitCode {
    let command = match typed() {
        Ok(command) => command,
        Err(answer) => return usage(&answer),
    };
    env_logger::Builder::from_env(env_logger::Env::new().filter("BTF_GUARD_LOG"))
        .format(|out, line| {
            let message = escape(&line.args().to_string());
            writeln!(out, "[{} {}] {message}", line.level(), line.target())
        })
        .init();
    panic::set_hook(Box::new(|panic| {
        // Standard error may be gone as well: there is nobody left to tell.
        let _ = writeln!(
            io::stderr(),
            "btf-guard: internal error, please report it: {}",
            escape(&panic.to_string())
        );
    }));
    match panic::catch_unwind(AssertUnwindSafe(|| run(command))) {
        Ok(Ok(outcome)) => code(outcome),
        Ok(Err(error)) => {
            let _ = writeln!(io::stderr(), "error: {}", escape(&format!("{error:#}")));
            match error.is::<crate::output::Lost>() {
                true => INTERNAL.into(),
                false => USAGE_OR_INPUT.into(),
            }
        }
        Err(_) => INTERNAL.into(),
    }
}

/// zypper starts this program under a name of its own.
fn typed() -> Result<Command, clap::Error> {
    let name = std::env::args_os().next();
    let name = name.as_deref().map(Path::new).and_then(Path::file_name);
    match name.is_some_and(|name| name == ZYPPER_NAME) {
        true => ZypperArgs::try_parse().map(Into::into),
        false => Args::try_parse().map(|args| args.command),
    }
}

fn run(command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Check(args) => crate::check::run(args),
        Command::Kernels(args) => crate::kernels::run(&args),
        Command::Preflight(args) => crate::preflight::run(&args),
        Command::Status(args) => crate::status::run(&args),
        Command::Allow(args) => crate::allow::run(&args, TokenKind::Allow),
        Command::Deny(args) => crate::allow::run(&args, TokenKind::Deny),
        Command::Config(what) => crate::config::run(&what),
        Command::Judge(args) => crate::judge::run(&args),
        Command::Record(place) => crate::record::run(&place),
        Command::Hook(hook) => Ok(crate::hook::run(&hook)),
        Command::Generate(what) => crate::generate::run(&what),
    }
}

fn code(outcome: Outcome) -> ExitCode {
    match outcome {
        Outcome::Done | Outcome::Judged(Decision::Allow) => ExitCode::SUCCESS,
        Outcome::Judged(Decision::Warn) => FINDINGS_AT_WARN.into(),
        Outcome::Judged(Decision::Block) => FINDINGS_AT_BLOCK.into(),
        Outcome::Incomplete => USAGE_OR_INPUT.into(),
    }
}

/// Help and version are asked for; everything else is a mistake.
fn usage(answer: &clap::Error) -> ExitCode {
    let printed = answer.print();
    if answer.use_stderr() {
        return USAGE_OR_INPUT.into();
    }
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => INTERNAL.into(),
        _ => ExitCode::SUCCESS,
    }
}
