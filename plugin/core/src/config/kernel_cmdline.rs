// SPDX-License-Identifier: GPL-2.0-or-later
//! What the kernel command line says, for this boot.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use btf_guard_protocol::decision::Mode;

/// Longer than any kernel takes one, in bytes.
const MAX_LINE: u64 = 64 << 10;

/// The mode that `btf_guard=` on the kernel command line names: `off` or `warn`.
/// Of several the last counts.
///
/// # Errors
/// A line for the admin, where it names neither.
pub fn command_line(file: &Path) -> Result<Option<Mode>, String> {
    let mut line = Vec::new();
    let read = File::open(file).and_then(|file| file.take(MAX_LINE).read_to_end(&mut line));
    // Without /proc there is nothing to obey.
    if read.is_err() {
        return Ok(None);
    }
    parse(&String::from_utf8_lossy(&line))
}

fn parse(line: &str) -> Result<Option<Mode>, String> {
    // What stands behind `--` is for the first process.
    let words = line.split_whitespace().take_while(|word| *word != "--");
    let value = words.filter_map(|word| word.strip_prefix("btf_guard="));
    match value.last() {
        None => Ok(None),
        Some("off") => Ok(Some(Mode::Off)),
        Some("warn") => Ok(Some(Mode::Warn)),
        Some(other) => Err(format!(
            "the kernel command line's btf_guard is {other:?}, not off or warn: ignored"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts() {
        for (line, expected) in [
            ("", Ok(None)),
            ("root=/dev/sda1 quiet", Ok(None)),
            ("btf_guard=off quiet\n", Ok(Some(Mode::Off))),
            ("btf_guard=off btf_guard=warn", Ok(Some(Mode::Warn))),
            ("x.btf_guard=off init=/btf_guard=off", Ok(None)),
            ("quiet -- btf_guard=off", Ok(None)),
        ] {
            assert_eq!(parse(line), expected, "{line}");
        }
        for line in ["btf_guard=", "btf_guard=block", "btf_guard=OFF"] {
            assert!(parse(line).is_err(), "{line}");
        }
        assert_eq!(command_line(Path::new("/nonexistent")), Ok(None));
    }
}
