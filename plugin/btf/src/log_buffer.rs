// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernel's log of one refusal, line by line as `/dev/kmsg` shows it.

use crate::escape::escape;

/// `BPF_VERIFIER_TMP_LOG_SIZE` less its NUL: what one call can hold.
pub(crate) const CALL_MAX: usize = 1023;

/// Lines that are kept at the start and at the end of a log. One function prototype
/// can log a line for each of millions of parameters; what the kernel says last is
/// what matters.
pub(crate) const EDGE: usize = 32;

/// Messages that one `btf_parse_module()` leaves behind.
///
/// Each call of `bpf_verifier_vlog()` is one kernel log line, with the prefix
/// `BPF: ` (`kernel/bpf/log.c`). An entry here is that line without the prefix,
/// without trailing blanks, and with bytes that do not print escaped as
/// `msg_print_ext_body()` (`kernel/printk/printk.c`) escapes them. Lines that
/// are blank then are dropped.
#[derive(Debug, Default)]
pub(crate) struct Log {
    entries: Vec<String>,
    line_max: usize,
    /// Lines in the middle that were never made.
    skipped: usize,
}

impl Log {
    /// `line_max`: the longest text of one kernel log line, prefix included.
    pub(crate) fn new(line_max: usize) -> Self {
        Self {
            entries: Vec::new(),
            line_max,
            skipped: 0,
        }
    }

    /// One `btf_verifier_log()` call.
    pub(crate) fn bpf(&mut self, text: &[u8]) {
        const PREFIX: usize = "BPF: ".len();
        let text = text.get(..CALL_MAX).unwrap_or(text);
        let room = self.line_max.saturating_sub(PREFIX);
        self.push(text.get(..room).unwrap_or(text));
    }

    /// One `pr_warn()` without a prefix.
    pub(crate) fn bare(&mut self, text: &[u8]) {
        self.push(text.get(..self.line_max).unwrap_or(text));
    }

    /// The kernel logs so many lines here that nobody keeps; [`EDGE`] or more follow.
    pub(crate) fn skip(&mut self, lines: usize) {
        self.skipped = lines;
    }

    fn push(&mut self, text: &[u8]) {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let mut entry = escape(text);
        entry.truncate(entry.trim_end_matches(' ').len());
        if !entry.is_empty() {
            self.entries.push(entry);
        }
    }

    /// Of very many lines the first and the last.
    pub(crate) fn into_entries(self) -> Vec<String> {
        let mut entries = self.entries;
        let left_out = (entries.len() + self.skipped).saturating_sub(2 * EDGE);
        if left_out == 0 {
            return entries;
        }
        let last = entries.split_off(entries.len() - EDGE);
        entries.truncate(EDGE);
        entries.push(format!("({left_out} lines left out)"));
        entries.extend(last);
        entries
    }
}

/// The bytes that [`escape`](crate::escape::escape) was given.
pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split("\\x");
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let (code, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        bytes.extend(u8::from_str_radix(code, 16));
        bytes.extend(rest.bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_very_many_lines_the_first_and_the_last_are_kept() {
        let mut log = Log::new(1023);
        for line in (0..40).chain(99_960..100_000) {
            log.bpf(line.to_string().as_bytes());
            if line == 39 {
                log.skip(99_920);
            }
        }
        let entries = log.into_entries();
        assert_eq!(entries.len(), 2 * EDGE + 1);
        let edges = [0, 31, 32, 33, 64].map(|at| entries[at].as_str());
        let left_out = "(99936 lines left out)";
        assert_eq!(edges, ["0", "31", left_out, "99968", "99999"]);
    }

    #[test]
    fn what_is_escaped_can_be_read_back() {
        let bytes: Vec<u8> = (0..=255).chain(*b"\\x41\\").collect();
        assert_eq!(unescape(&escape(&bytes)), bytes);
    }

    #[test]
    fn lines_are_trimmed_escaped_and_cut() {
        let mut log = Log::new(1023);
        log.bpf(b"[1] STRUCT foo ");
        log.bpf(b" ");
        log.bpf(b"\tm\xe9 \\");
        log.bpf(b"two\nlines\n");
        log.bpf(&[b'a'; 2000]);
        log.bare(&[b'b'; 2000]);
        let entries = log.into_entries();
        assert_eq!(entries[0], "[1] STRUCT foo");
        assert_eq!(entries[1], "\\x09m\\xe9 \\x5c");
        assert_eq!(entries[2], "two\\x0alines");
        assert_eq!(entries[3].len(), 1018);
        assert_eq!(entries[4].len(), 1023);
    }
}
