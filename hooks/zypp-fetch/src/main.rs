// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard-zypp-fetch`: asks libzypp which packages a transaction brings,
//! and brings them into its cache.
//!
//! A program of its own, because libzypp may hang or crash, and who asks must
//! not: one request on standard input, lines of JSON on standard output, as
//! [`btf_guard_protocol::zypp`] says. It installs nothing.
//!
//! [`kernel_package`] tells which packages matter, [`all_kernel_packages`] which of
//! all there are, [`resolve`] talks to libzypp, [`response`] holds what is to be said,
//! and [`deadline`] says it in time even if libzypp does not come back.

mod all_kernel_packages;
mod deadline;
mod error;
mod kernel_package;
mod request;
mod resolve;
mod response;
mod stdout;

use std::process::ExitCode;

use deadline::Deadline;
use response::Response;
use stdout::Stdout;

fn main() -> ExitCode {
    let output = match Stdout::of_this_process() {
        Ok(output) => output,
        // There is nowhere to say it.
        Err(_) => return ExitCode::from(stdout::FAILED),
    };
    let answer = Response::new(output);
    let request = match request::read(std::io::stdin().lock()) {
        Ok(request) => request,
        Err(failure) => return ExitCode::from(answer.fail(&failure)),
    };
    let deadline = Deadline::of(&request);
    let result = deadline::watch_over(&deadline, &answer)
        .and_then(|()| resolve::answer(&request, &deadline, &answer));
    ExitCode::from(match result {
        Ok(()) => answer.finish(),
        Err(failure) => answer.fail(&failure),
    })
}
