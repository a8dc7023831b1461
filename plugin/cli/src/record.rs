// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard record`: an event in, and into the logs; what of it was undecided is
//! decided first.

use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Context, bail};
use btf_guard_core::config::Loaded;
use btf_guard_core::policy::overrides::give_back;
use btf_guard_core::status::journal_entries::{self, JournalEntry};
use btf_guard_protocol::event::{Event, EventOutcome, MAX_EVENT, SCHEMA};
use btf_guard_protocol::judge_client::Judge;
use btf_guard_protocol::override_source::Override;
use btf_guard_protocol::terminal::escape;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::process::geteuid;
use syslog::{Facility, Formatter3164};
use systemd_journal_logger::JournalLog;

use crate::args::ConfigDirArgs;
use crate::output::Outcome;
use crate::{output, status};

const NAME: &str = "btf-guard";

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
    if event.outcome == EventOutcome::NotDone {
        let is_given = |used: &Override| {
            let given = used.id.as_deref().map(|id| give_back(&places, id));
            given.is_some_and(|given| given.unwrap_or(false))
        };
        event.overrides.retain(is_given);
    }
    write_journal(&journal_entries::of(&event));
    let kept = btf_guard_core::status::record::keep(&event, Path::new(status::STORE));
    let config = Loaded::read(&places).config;
    // The machine's file is root's.
    let is_root = geteuid().is_root();
    if let Some(path) = config.jsonl.value.as_ref().filter(|_| is_root) {
        append_jsonl(path, &event).with_context(|| path.display().to_string())?;
    }
    kept?;
    replied?;
    Ok(Outcome::Done)
}

/// Writes entries to the journal, else to syslog; a machine without either is set up so.
fn write_journal(entries: &[JournalEntry]) {
    let written = entries.iter().map(journal);
    if written.collect::<std::io::Result<Vec<()>>>().is_err() {
        syslog(entries);
    }
}

fn journal(entry: &JournalEntry) -> std::io::Result<()> {
    let fields = entry.fields.iter();
    let fields = fields.map(|(name, value)| (*name, escape(value)));
    let journal = JournalLog::empty()?
        .with_syslog_identifier(NAME.to_owned())
        .with_extra_fields(fields);
    let message = escape(&entry.message);
    journal.journal_send(
        &log::Record::builder()
            .args(format_args!("{message}"))
            .level(entry.level)
            .target(NAME)
            .build(),
    )
}

fn syslog(entries: &[JournalEntry]) {
    let formatter = Formatter3164 {
        facility: Facility::LOG_AUTHPRIV,
        hostname: None,
        process: NAME.to_owned(),
        pid: std::process::id(),
    };
    let Ok(mut logger) = syslog::unix(formatter) else {
        return;
    };
    for entry in entries {
        let message = escape(&entry.message);
        // Where one does not arrive, the next will not either.
        let written = match entry.level {
            log::Level::Error => logger.err(&message),
            _ => logger.warning(&message),
        };
        if written.is_err() {
            return;
        }
    }
}

/// Adds an event as one whole line, to a file that only this user can write, in such a directory.
fn append_jsonl(path: &Path, event: &Event) -> io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    // A line is one line, whatever the judge has written.
    line.retain(|byte| *byte != b'\n');
    line.push(b'\n');
    // It is appended as a whole. Whoever can read the file could hold a lock for ever.
    File::from(open_log(path)?).write_all(&line)
}

fn open_log(path: &Path) -> io::Result<OwnedFd> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other("it is not a file"));
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = openat(CWD, parent, flags, Mode::empty())?;
    let found = fstat(&dir)?;
    // A group of the system's may keep logs there: what it may put there is looked at.
    let group = Mode::WGRP.as_raw_mode();
    check_owner(found.st_uid, found.st_mode & !group, "its directory")?;
    // Where something waits that is no file, opening it may wait, too.
    if let Ok(found) = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)
        && FileType::from_raw_mode(found.st_mode) != FileType::RegularFile
    {
        return Err(io::Error::other("it is not a file of its own"));
    }
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::CLOEXEC;
    let file = openat(&dir, name, flags, Mode::RUSR | Mode::WUSR)?;
    let found = fstat(&file)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile || found.st_nlink != 1 {
        return Err(io::Error::other("it is not a file of its own"));
    }
    check_owner(found.st_uid, found.st_mode, "it")?;
    Ok(file)
}

fn check_owner(uid: u32, mode: u32, what: &str) -> io::Result<()> {
    if uid != geteuid().as_raw() {
        return Err(io::Error::other(format!("{what} belongs to user {uid}")));
    }
    if Mode::from_raw_mode(mode).intersects(Mode::WOTH | Mode::WGRP) {
        return Err(io::Error::other(format!("others can write {what}")));
    }
    Ok(())
}
