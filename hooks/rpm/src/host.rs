// SPDX-License-Identifier: GPL-2.0-or-later
//! Which program this process is, as far as it hides what rpm logs.

use std::fs;

/// A program on librpm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// dnf 4: Python, with libdnf and librpm.
    Dnf4,
    /// dnf 5 and every other program on libdnf5.
    Libdnf5,
    /// rpm, zypper and all others: what rpm logs is for their users to see.
    Other,
}

impl Host {
    /// Tells it from the libraries that are mapped. The kernel writes their list anew
    /// for each reader, which takes a millisecond in a dnf.
    pub(crate) fn of_this_process() -> Self {
        Self::by_maps(&fs::read("/proc/self/maps").unwrap_or_default())
    }

    /// The same from `/proc/PID/maps`: the names of files come last in its lines.
    fn by_maps(maps: &[u8]) -> Self {
        let names = || {
            let lines = maps.split(|byte| *byte == b'\n');
            lines.filter_map(|line| line.rsplit(|byte| *byte == b'/').next())
        };
        let has = |library: &[u8]| names().any(|name| name.starts_with(library));
        if has(b"libdnf5.so") {
            Self::Libdnf5
        } else if has(b"libdnf.so") && has(b"_rpm.") {
            Self::Dnf4
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths of the real programs' libraries.
    #[test]
    fn hosts_are_told_by_what_they_map() {
        let libdnf5 = "/usr/lib64/libdnf5.so.2.0.0";
        let libdnf = "/usr/lib/x86_64-linux-gnu/libdnf.so.2";
        let python = "/usr/lib/python3/dist-packages/rpm/_rpm.cpython-311-x86_64-linux-gnu.so";
        for (paths, expected) in [
            (&[libdnf5, "/usr/lib64/librpm.so.10"][..], Host::Libdnf5),
            (&[libdnf, python, "/opt/libdnf5.so.1"], Host::Libdnf5),
            (&[python, libdnf], Host::Dnf4),
            (&[python], Host::Other),
            (&[libdnf], Host::Other),
            (
                &["", "/usr/bin/rpm", "/home/libdnf5.so.d/x", "[vdso]"],
                Host::Other,
            ),
            (&[], Host::Other),
        ] {
            let line = |path: &&str| format!("7f1c80 r-xp 000 fd:01 12   {path}\n");
            let maps: String = paths.iter().map(line).collect();
            assert_eq!(Host::by_maps(maps.as_bytes()), expected, "{paths:?}");
        }
        assert_eq!(Host::of_this_process(), Host::Other);
    }
}
