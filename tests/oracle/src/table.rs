// SPDX-License-Identifier: GPL-2.0-or-later
//! What the guest's `/init` wrote; its documentation has the format.

use std::collections::BTreeMap;

/// The answers of one boot.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// The kernel that ran.
    pub(crate) kernel: Option<Booted>,
    /// By file name.
    pub(crate) answers: BTreeMap<String, Answer>,
    /// The case that was begun and not ended.
    pub(crate) pending: Option<String>,
    /// Modules that could not be unloaded.
    pub(crate) stuck: Vec<String>,
    /// It came to the end.
    pub(crate) done: bool,
}

/// A kernel, by its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Booted {
    pub(crate) release: String,
    /// Bytes of `/sys/kernel/btf/vmlinux`.
    pub(crate) btf: Option<u64>,
}

/// What the kernel did with one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// 0, or what `finit_module(2)` returned.
    pub(crate) errno: i32,
    /// What it logged.
    pub(crate) log: Vec<String>,
    /// Bytes of the BTF that it now shows for the module.
    pub(crate) btf: Option<u64>,
    /// Lines were lost.
    pub(crate) lost: bool,
}

/// Reads a table as far as it came.
pub(crate) fn parse(bytes: &[u8]) -> Table {
    let text = String::from_utf8_lossy(bytes);
    let mut table = Table::default();
    let mut answer = Answer::default();
    for line in text.lines() {
        // A terminal ends its lines with CR LF.
        let fields: Vec<&str> = line.trim_end_matches('\r').split('\t').collect();
        match fields[..] {
            ["kernel", release, _, btf] => {
                table.kernel = Some(Booted {
                    release: release.to_owned(),
                    btf: btf.parse().ok(),
                });
            }
            ["begin", file] => {
                table.pending = Some(file.to_owned());
                answer = Answer::default();
            }
            ["log", text] => answer.log.push(text.to_owned()),
            ["lost"] => answer.lost = true,
            ["end", file, errno, btf] => {
                let Ok(errno) = errno.parse() else { continue };
                answer.errno = errno;
                answer.btf = btf.parse().ok();
                table.pending = None;
                table
                    .answers
                    .insert(file.to_owned(), std::mem::take(&mut answer));
            }
            ["stuck", module, errno] => table.stuck.push(format!("{module} ({errno})")),
            ["done", _] => table.done = true,
            _ => {}
        }
    }
    table
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_table_is_read_as_far_as_it_came() {
        let text = "kernel\t6.1\t#1 SMP\t77\r\nbegin\ta.ko\r\nlog\tBPF: Invalid name\r\nend\ta.ko\t22\t-\r\n\
                    begin\tb.ko\r\nend\tb.ko\t0\t12\r\nbegin\tc.ko\r\nlog\tBPF: ";
        let table = parse(text.as_bytes());
        assert_eq!(table.kernel.unwrap().btf, Some(77));
        assert_eq!(table.answers["a.ko"].errno, 22);
        assert_eq!(table.answers["a.ko"].log, ["BPF: Invalid name"]);
        assert_eq!(table.answers["b.ko"].btf, Some(12));
        assert!(table.answers["b.ko"].log.is_empty());
        assert_eq!(table.pending.unwrap(), "c.ko");
        assert!(!table.done);
    }
}
