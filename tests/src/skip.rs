// SPDX-License-Identifier: GPL-2.0-or-later
//! Skips that are seen and counted.

use std::io::Write as _;

/// Says that something was not tested, and why: at once, past the test
/// harness's capture, and in the file that `BTF_GUARD_SKIPS` names, which
/// `make test` counts at its end.
pub fn skipped(what: &str, why: &str) {
    let line = format!("{what}: {why}\n");
    let _ = std::io::stderr().write_all(format!("SKIPPED: {line}").as_bytes());
    if let Some(file) = std::env::var_os("BTF_GUARD_SKIPS") {
        let written = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&file)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        assert!(written.is_ok(), "cannot note a skip in {}", file.display());
    }
}
