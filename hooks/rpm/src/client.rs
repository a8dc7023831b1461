//! Which client this process is, as far as it hides what rpm logs.

use crate::mapped;

/// A client of librpm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    /// dnf 4: Python, with libdnf and librpm.
    Dnf4,
    /// dnf 5 and every other program on libdnf5.
    Libdnf5,
    /// rpm, zypper and all others: what rpm logs is for their users to see.
    Other,
}

/// Does this process run hooks of its own after a transaction, which ask what the
/// plugin has seen? What maps a client's library may.
pub(crate) fn has_hooks() -> bool {
    Client::of_this_process() != Client::Other
}

impl Client {
    /// Tells it from the libraries that are mapped.
    pub(crate) fn of_this_process() -> Self {
        let mut seen = Seen::default();
        mapped::each(&mut seen, Seen::look);
        seen.client()
    }
}

/// What tells a client.
#[derive(Default)]
struct Seen {
    libdnf5: bool,
    libdnf: bool,
    python: bool,
}

impl Seen {
    /// Looks at the path of one library.
    fn look(&mut self, path: &[u8]) {
        let Some(name) = path.rsplit(|byte| *byte == b'/').next() else {
            return;
        };
        self.libdnf5 |= name.starts_with(b"libdnf5.so");
        self.libdnf |= name.starts_with(b"libdnf.so");
        self.python |= name.starts_with(b"_rpm.");
    }

    fn client(&self) -> Client {
        match self {
            Self { libdnf5: true, .. } => Client::Libdnf5,
            Self {
                libdnf: true,
                python: true,
                ..
            } => Client::Dnf4,
            _ => Client::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths of the real programs' libraries.
    #[test]
    fn clients_are_told_by_what_they_map() {
        let libdnf = "/usr/lib/x86_64-linux-gnu/libdnf.so.2";
        let python = "/usr/lib/python3/dist-packages/rpm/_rpm.cpython-311-x86_64-linux-gnu.so";
        for (paths, expected) in [
            (
                &["/usr/lib64/libdnf5.so.2.0.0", "/usr/lib64/librpm.so.10"][..],
                Client::Libdnf5,
            ),
            (&[libdnf, python, "/opt/libdnf5.so.1"], Client::Libdnf5),
            (&[python, libdnf], Client::Dnf4),
            (&[python], Client::Other),
            (&[libdnf], Client::Other),
            (
                &[
                    "",
                    "/usr/bin/rpm",
                    "/home/libdnf5.so.d/x",
                    "linux-vdso.so.1",
                ],
                Client::Other,
            ),
            (&[], Client::Other),
        ] {
            let mut seen = Seen::default();
            for path in paths {
                seen.look(path.as_bytes());
            }
            assert_eq!(seen.client(), expected, "{paths:?}");
        }
    }
}
