// SPDX-License-Identifier: GPL-2.0-or-later
//! The program that libzypp starts.
pub mod carrier_cache;
pub mod commit;
pub mod deadline;
pub mod dispatch;
pub mod fetch_client;
pub mod log;
pub mod options;
pub mod package_cache;
pub mod steps;
pub mod stomp;

use std::fs::File;
use std::io::{stdin, stdout};
use std::os::fd::AsFd;
use std::process::ExitCode;

use clap::Parser;
use options::{PluginArgs, Surroundings};

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
