//! A stand-in for the journal, which runs in no root of the tests: a socket in its
//! place, and what is written to that.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use btf_guard_tests::client::ClientRoot;

pub(crate) struct Journal(UnixDatagram);

/// One entry: its fields, in order.
#[derive(Debug)]
pub(crate) struct Entry(Vec<(String, String)>);

impl Journal {
    /// From now on, what this root's programs tell the journal comes here.
    pub(crate) fn of(root: &ClientRoot) -> Self {
        let place = root.at("/run/systemd/journal");
        fs::create_dir_all(&place).unwrap();
        let socket = UnixDatagram::bind(place.join("socket")).unwrap();
        let patience = Some(Duration::from_secs(5));
        socket.set_read_timeout(patience).unwrap();
        Self(socket)
    }

    /// The next entry, which is waited for.
    pub(crate) fn entry(&self) -> Entry {
        let mut bytes = vec![0; 64 << 10];
        // Whoever connects tries with an empty one.
        let mut length = 0;
        while length == 0 {
            length = self.0.recv(&mut bytes).unwrap();
        }
        Entry(fields(&bytes[..length]))
    }
}

impl Entry {
    /// The field of this name; empty where there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        let mut all = self.0.iter();
        let found = all.find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// The fields of an entry in the journal's own format, each with the length of its
/// value or in one line.
fn fields(mut bytes: &[u8]) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
        bytes = &bytes[end + 1..];
        if let Some((name, value)) = line.split_once('=') {
            fields.push((name.to_owned(), value.to_owned()));
            continue;
        }
        let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
        let value = String::from_utf8_lossy(&bytes[8..8 + length]).into_owned();
        bytes = &bytes[8 + length + 1..];
        fields.push((line, value));
    }
    fields
}
