// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard record`: an event in, and into the logs; what of it was undecided is
//! decided first.

mod journal;
mod jsonl;

use std::env;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, bail};
use btf_guard_core::config::Loaded;
use btf_guard_core::status::journal_entries;
use btf_guard_protocol::event::{Event, MAX_EVENT, SCHEMA};
use btf_guard_protocol::judge_client::Judge;

use crate::args::ConfigDirArgs;
use crate::output::Outcome;
use crate::{output, status};

/// The program that judges and records: this one.
pub(crate) fn this_program() -> Judge {
    let installed = Judge::default();
    Judge {
        program: env::current_exe().unwrap_or(installed.program),
        ..installed
    }
}

pub(crate) fn run(place: &ConfigDirArgs) -> anyhow::Result<Outcome> {
    let mut text = Vec::new();
    let read = io::stdin().take(MAX_EVENT + 1).read_to_end(&mut text);
    if read.context("cannot read the event from standard input")? as u64 > MAX_EVENT {
        bail!("the event is longer than {} MiB", MAX_EVENT >> 20);
    }
    let mut event: Event = serde_json::from_slice(&text).context("the event is not understood")?;
    if event.schema != SCHEMA {
        bail!("the event has schema {}, not {SCHEMA}", event.schema);
    }
    let places = place.places();
    let mut replied = Ok(());
    if let Some(decided) = btf_guard_core::transaction::decide::decide(&mut event, &places) {
        // First of all: it holds, whatever becomes of the logs.
        replied = output::json(&decided.reply);
        if !decided.is_recorded {
            replied?;
            return Ok(Outcome::Done);
        }
    }
    journal::write(&journal_entries::of(&event));
    let kept = btf_guard_core::status::record::keep(&event, Path::new(status::STORE));
    let config = Loaded::read(&places).config;
    // The machine's file is root's.
    let is_root = rustix::process::geteuid().is_root();
    if let Some(path) = config.jsonl.value.as_ref().filter(|_| is_root) {
        jsonl::append(path, &event).with_context(|| path.display().to_string())?;
    }
    kept?;
    replied?;
    Ok(Outcome::Done)
}
