//! The kernel's log of one refusal, line by line as `/dev/kmsg` shows it.

use super::escape::escape;

/// `BPF_VERIFIER_TMP_LOG_SIZE` less its NUL: what one call can hold.
pub(super) const CALL_MAX: usize = 1023;

/// Lines that are kept. One function prototype can log a line for each of
/// millions of parameters; what the kernel says last is what matters.
const KEPT: usize = 64;

/// Messages that one `btf_parse_module()` leaves behind.
///
/// Each call of `bpf_verifier_vlog()` is one kernel log line, with the prefix
/// `BPF: ` (`kernel/bpf/log.c`). An entry here is that line without the prefix,
/// without trailing blanks, and with bytes that do not print escaped as
/// `msg_print_ext_body()` (`kernel/printk/printk.c`) escapes them. Lines that
/// are blank then are dropped.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: Vec<String>,
    line_max: usize,
    left_out: usize,
}

impl Log {
    /// `line_max`: the longest text of one kernel log line, prefix included.
    pub(super) fn new(line_max: usize) -> Self {
        Self {
            entries: Vec::new(),
            line_max,
            left_out: 0,
        }
    }

    /// One `btf_verifier_log()` call.
    pub(super) fn bpf(&mut self, text: &[u8]) {
        const PREFIX: usize = "BPF: ".len();
        let text = text.get(..CALL_MAX).unwrap_or(text);
        let room = self.line_max.saturating_sub(PREFIX);
        self.push(text.get(..room).unwrap_or(text));
    }

    /// One `pr_warn()` without a prefix.
    pub(super) fn bare(&mut self, text: &[u8]) {
        self.push(text.get(..self.line_max).unwrap_or(text));
    }

    fn push(&mut self, text: &[u8]) {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let mut entry = escape(text);
        entry.truncate(entry.trim_end_matches(' ').len());
        if entry.is_empty() {
            return;
        }
        // Of very many lines the first and the last are kept.
        if self.entries.len() == KEPT {
            self.entries.remove(KEPT / 2);
            self.left_out += 1;
        }
        self.entries.push(entry);
    }

    pub(super) fn into_entries(mut self) -> Vec<String> {
        if self.left_out > 0 {
            let gap = format!("({} lines left out)", self.left_out);
            self.entries.insert(KEPT / 2, gap);
        }
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_very_many_lines_the_first_and_the_last_are_kept() {
        let mut log = Log::new(1023);
        for line in 0..100_000 {
            log.bpf(line.to_string().as_bytes());
        }
        let entries = log.into_entries();
        assert_eq!(entries.len(), KEPT + 1);
        assert_eq!(entries[0], "0");
        assert_eq!(entries[31], "31");
        assert_eq!(entries[32], "(99936 lines left out)");
        assert_eq!(entries[33], "99968");
        assert_eq!(entries[64], "99999");
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
