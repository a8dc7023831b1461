//! The program that libzypp starts.

use std::io::{stdin, stdout};
use std::process::ExitCode;

use btf_guard_zypp::session;
use btf_guard_zypp::settings::{Places, Surroundings};
use clap::Parser;

fn main() -> ExitCode {
    let surroundings = Surroundings::of_this_process();
    let places = Places::parse().in_snapshot(&surroundings);
    match session::run(
        &mut stdin().lock(),
        &mut stdout().lock(),
        places,
        surroundings,
    ) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
