//! Which client this process is, as far as it hides what rpm logs.

use std::fs::File;
use std::io::Read;

/// The most that is read of `/proc/self/maps`; dnf 5 has 100 KiB of it.
const MAX_MAPS: u64 = 8 << 20;

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

/// The programs that are nothing but rpm.
const PLAIN: [&str; 2] = ["rpm", "zypp-rpm"];

/// Does this process run hooks of its own after a transaction, which ask what the
/// plugin has seen? What maps a client's library may; rpm itself is told apart for
/// less.
pub(crate) fn has_hooks() -> bool {
    let program = std::env::current_exe();
    let plain = program.is_ok_and(|program| PLAIN.iter().any(|plain| program.ends_with(plain)));
    !plain && Client::of_this_process() != Client::Other
}

impl Client {
    /// Tells it from the libraries that are mapped.
    pub(crate) fn of_this_process() -> Self {
        let mut maps = Vec::new();
        let read = File::open("/proc/self/maps")
            .map(|file| file.take(MAX_MAPS))
            .and_then(|mut file| file.read_to_end(&mut maps));
        match read {
            Ok(_) => Self::of(&maps),
            // Without /proc: rpm in a bare chroot, most likely.
            Err(_) => Self::Other,
        }
    }

    fn of(maps: &[u8]) -> Self {
        let (mut libdnf, mut python) = (false, false);
        for line in maps.split(|byte| *byte == b'\n') {
            let Some(name) = line.rsplit(|byte| *byte == b'/').next() else {
                continue;
            };
            if name.starts_with(b"libdnf5.so") {
                return Self::Libdnf5;
            }
            libdnf |= name.starts_with(b"libdnf.so");
            python |= name.starts_with(b"_rpm.");
        }
        match libdnf && python {
            true => Self::Dnf4,
            false => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of `/proc/PID/maps` of the real programs.
    #[test]
    fn clients_are_told_by_what_they_map() {
        let line =
            |path: &str| format!("7f0c6a600000-7f0c6a68f000 r--p 00000000 fe:00 42 {path}\n");
        let maps = |paths: &[&str]| paths.iter().map(|path| line(path)).collect::<String>();
        let libdnf = "/usr/lib/x86_64-linux-gnu/libdnf.so.2";
        let python = "/usr/lib/python3/dist-packages/rpm/_rpm.cpython-311-x86_64-linux-gnu.so";
        for (paths, expected) in [
            (
                &["/usr/lib64/libdnf5.so.2.0.0", "/usr/lib64/librpm.so.10"][..],
                Client::Libdnf5,
            ),
            (&["/usr/lib64/libdnf5.so.2 (deleted)"], Client::Libdnf5),
            (&[python, libdnf], Client::Dnf4),
            (&[python], Client::Other),
            (&[libdnf], Client::Other),
            (
                &["/usr/bin/rpm", "/home/libdnf5.so.d/x", "[stack]"],
                Client::Other,
            ),
            (&[], Client::Other),
        ] {
            assert_eq!(Client::of(maps(paths).as_bytes()), expected, "{paths:?}");
        }
    }
}
