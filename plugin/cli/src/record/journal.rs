// SPDX-License-Identifier: GPL-2.0-or-later
//! The journal, or else syslog.

use btf_guard_core::status::journal_entries::JournalEntry;
use btf_guard_protocol::terminal::escape;
use syslog::{Facility, Formatter3164};
use systemd_journal_logger::JournalLog;

const NAME: &str = "btf-guard";

/// Writes entries to the journal; where there is none, to syslog; where there is
/// neither, nowhere: that is how the machine is set up.
pub(super) fn write(entries: &[JournalEntry]) {
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
