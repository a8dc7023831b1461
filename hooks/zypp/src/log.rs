// SPDX-License-Identifier: GPL-2.0-or-later
//! zypper's log.

use std::io::Write;

/// A line for zypper's log, which standard error goes to.
pub(crate) fn say(what: &str) {
    let line: String = what
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    let _ = std::io::stderr().write_all(format!("btf-guard: {line}\n").as_bytes());
}
