// SPDX-License-Identifier: GPL-2.0-or-later
//! The talk with libzypp: every message has its answer, whatever becomes of the
//! work.

use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::commit::{CommitHandler, say};
use crate::options::{PluginArgs, Surroundings};
use crate::stomp;

/// Talks until libzypp has had enough, or is gone. `false` where what it says is
/// not understood: nothing can be answered then.
pub fn run(
    input: &mut impl BufRead,
    output: &mut impl Write,
    places: PluginArgs,
    surroundings: Surroundings,
) -> bool {
    let mut handler = CommitHandler::new(places, surroundings);
    let understood = talk(input, output, &mut handler);
    attempt(|| handler.leave());
    match understood {
        Ok(()) => true,
        Err(error) => {
            say(&format!("libzypp's message is not understood: {error}"));
            false
        }
    }
}

fn talk(
    input: &mut impl BufRead,
    output: &mut impl Write,
    handler: &mut CommitHandler,
) -> Result<(), stomp::Error> {
    while let Some(frame) = stomp::read(input)? {
        let answer = match frame.command.as_str() {
            "PLUGINBEGIN" => attempt(|| handler.enter()),
            "COMMITBEGIN" => attempt(|| handler.begin(&frame.body)),
            "COMMITEND" => attempt(|| handler.end(&frame.body)),
            "PLUGINEND" => attempt(|| handler.leave()),
            "_DISCONNECT" => {
                attempt(|| handler.leave());
                stomp::write(output, "ACK", Some(0))?;
                return Ok(());
            }
            _ => "_ENOMETHOD",
        };
        stomp::write(output, answer, None)?;
    }
    Ok(())
}

/// Does a piece of work. libzypp knows two answers, and closes the plugin for
/// any other: a failure is for its log.
fn attempt(work: impl FnOnce() -> anyhow::Result<()>) -> &'static str {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => say(&format!("{error:#}")),
        Err(_) => say("internal error"),
    }
    "ACK"
}
