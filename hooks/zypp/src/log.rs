// SPDX-License-Identifier: GPL-2.0-or-later
//! zypper's log.

use std::io::Write;

use btf_guard_protocol::terminal::escape;

/// A line for zypper's log, which standard error goes to.
pub(crate) fn say(what: &str) {
    let _ = std::io::stderr().write_all(log_line(what).as_bytes());
}

fn log_line(what: &str) -> String {
    format!("btf-guard: {}\n", escape(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_zyppers_log_stays_in_its_line() {
        assert_eq!(
            log_line("/lib/\u{202e}a\x1b[2J\nb.ko"),
            "btf-guard: /lib/\\u{202e}a\\u{1b}[2J\\u{a}b.ko\n"
        );
    }
}
