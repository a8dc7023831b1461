// SPDX-License-Identifier: GPL-2.0-or-later
//! Whether what is written to a stream goes into a log.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Whether a log keeps what is written to a stream, each line by itself. systemd sets
/// `INVOCATION_ID` for its units (systemd.exec(5)); a shell in one has a terminal. A
/// unit that empties its environment, as PackageKit's daemon does, is known by the
/// other end of its stream.
pub fn is_log(stream: impl AsFd + IsTerminal, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    variable("INVOCATION_ID").is_some() && !stream.is_terminal() || is_journal(stream)
}

/// The journal's streams are `sd_journal_stream_fd(3)`'s.
fn is_journal(stream: impl AsFd) -> bool {
    let Ok(own) = stream.as_fd().try_clone_to_owned() else {
        return false;
    };
    let Ok(peer) = UnixStream::from(own).peer_addr() else {
        return false;
    };
    // A journal of a namespace has its name behind a dot.
    let ends = |path: &Path| {
        let directory = path.parent().and_then(Path::file_name);
        path.file_name().is_some_and(|name| name == "stdout")
            && directory.is_some_and(|name| name.as_encoded_bytes().starts_with(b"journal"))
    };
    peer.as_pathname().is_some_and(ends)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn the_journals_streams_are_known_by_their_other_end() {
        let top = tempfile::tempdir().unwrap();
        for (name, expected) in [
            ("journal/stdout", true),
            ("journal.private/stdout", true),
            ("journal/socket", false),
            ("other/stdout", false),
        ] {
            let place = top.path().join(name);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            let _listener = UnixListener::bind(&place).unwrap();
            let stream = UnixStream::connect(&place).unwrap();
            assert_eq!(is_journal(stream), expected, "{name}");
        }
        let (one, _other) = UnixStream::pair().unwrap();
        assert!(!is_journal(one));
        let null = || File::open("/dev/null").unwrap();
        assert!(!is_journal(null()));
        assert!(is_log(null(), |name| (name == "INVOCATION_ID").then(|| "1".into())));
        assert!(!is_log(null(), |_| None));
    }
}
