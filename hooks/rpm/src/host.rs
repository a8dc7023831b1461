// SPDX-License-Identifier: GPL-2.0-or-later
//! Which program this process is, as far as it hides what rpm logs.

use crate::loaded_libs;

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
    /// Tells it from the libraries that are mapped.
    pub(crate) fn of_this_process() -> Self {
        let mut libraries = Libraries::default();
        loaded_libs::each(&mut libraries, Libraries::look);
        libraries.host()
    }
}

/// The libraries that tell it.
#[derive(Default)]
struct Libraries {
    libdnf5: bool,
    libdnf: bool,
    python: bool,
}

impl Libraries {
    /// Looks at the path of one library.
    fn look(&mut self, path: &[u8]) {
        let Some(name) = path.rsplit(|byte| *byte == b'/').next() else {
            return;
        };
        self.libdnf5 |= name.starts_with(b"libdnf5.so");
        self.libdnf |= name.starts_with(b"libdnf.so");
        self.python |= name.starts_with(b"_rpm.");
    }

    fn host(&self) -> Host {
        match self {
            Self { libdnf5: true, .. } => Host::Libdnf5,
            Self {
                libdnf: true,
                python: true,
                ..
            } => Host::Dnf4,
            _ => Host::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths of the real programs' libraries.
    #[test]
    fn hosts_are_told_by_what_they_map() {
        let libdnf = "/usr/lib/x86_64-linux-gnu/libdnf.so.2";
        let python = "/usr/lib/python3/dist-packages/rpm/_rpm.cpython-311-x86_64-linux-gnu.so";
        for (paths, expected) in [
            (
                &["/usr/lib64/libdnf5.so.2.0.0", "/usr/lib64/librpm.so.10"][..],
                Host::Libdnf5,
            ),
            (&[libdnf, python, "/opt/libdnf5.so.1"], Host::Libdnf5),
            (&[python, libdnf], Host::Dnf4),
            (&[python], Host::Other),
            (&[libdnf], Host::Other),
            (
                &[
                    "",
                    "/usr/bin/rpm",
                    "/home/libdnf5.so.d/x",
                    "linux-vdso.so.1",
                ],
                Host::Other,
            ),
            (&[], Host::Other),
        ] {
            let mut libraries = Libraries::default();
            for path in paths {
                libraries.look(path.as_bytes());
            }
            assert_eq!(libraries.host(), expected, "{paths:?}");
        }
    }
}
