// SPDX-License-Identifier: GPL-2.0-or-later
//! The program that libzypp starts.

use std::fs::File;
use std::io::{stdin, stdout};
use std::os::fd::AsFd;
use std::process::ExitCode;

use btf_guard_zypp::dispatch;
use btf_guard_zypp::options::{PluginArgs, Surroundings};
use clap::Parser;

fn main() -> ExitCode {
    let surroundings = Surroundings::of_this_process();
    let places = PluginArgs::parse().in_snapshot(&surroundings);
    // As it is: Rust's own would write each line by itself, so that libzypp is woken
    // for half a frame.
    let Ok(answers) = stdout().as_fd().try_clone_to_owned() else {
        return ExitCode::FAILURE;
    };
    let mut answers = File::from(answers);
    match dispatch::run(&mut stdin().lock(), &mut answers, places, surroundings) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
