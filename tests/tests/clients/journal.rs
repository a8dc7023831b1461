// SPDX-License-Identifier: GPL-2.0-or-later
//! A stand-in for the journal, which runs in no root of the tests: a socket in its
//! place, and what is written to that.

use std::io::Read;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, mem, thread};

use btf_guard_tests::client::ClientRoot;

/// What btf-guard told it. What others do is read as well, so that none of them waits.
pub(crate) struct Journal(Receiver<Entry>);

/// How long an entry is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// For what was sent to be read: who sends does not wait for that.
const SETTLED: Duration = Duration::from_millis(200);

/// One entry: its fields, in order.
#[derive(Debug)]
pub(crate) struct Entry(Vec<(String, String)>);

impl Journal {
    /// From now on, what this root's programs tell the journal comes here.
    pub(crate) fn of(root: &ClientRoot) -> Self {
        let place = root.at("/run/systemd/journal");
        fs::create_dir_all(&place).unwrap();
        let socket = UnixDatagram::bind(place.join("socket")).unwrap();
        let (sender, entries) = mpsc::channel();
        // It reads until all tests are done.
        thread::spawn(move || {
            let mut bytes = vec![0; 64 << 10];
            while let Ok(length) = socket.recv(&mut bytes) {
                let entry = Entry(fields(&bytes[..length]));
                if entry.get("SYSLOG_IDENTIFIER") == "btf-guard" && sender.send(entry).is_err() {
                    break;
                }
            }
        });
        Self(entries)
    }

    /// The next entry, which is waited for.
    pub(crate) fn entry(&self) -> Entry {
        self.0.recv_timeout(PATIENCE).unwrap()
    }

    /// Is there no entry?
    pub(crate) fn is_silent(&self) -> bool {
        thread::sleep(SETTLED);
        self.0.try_recv().is_err()
    }
}

/// What units write to their standard output and error, each of which systemd connects
/// to the journal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<Vec<u8>>>);

impl Streams {
    /// From now on, what is started by `systemd-cat` in this root is heard.
    pub(crate) fn of(root: &ClientRoot) -> Self {
        let place = root.at("/run/systemd/journal");
        fs::create_dir_all(&place).unwrap();
        let listener = UnixListener::bind(place.join("stdout")).unwrap();
        let streams = Self::default();
        let heard = streams.clone();
        // It listens until all tests are done.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, heard) = (stream.unwrap(), heard.clone());
                thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while let Ok(length @ 1..) = stream.read(&mut buffer) {
                        heard.0.lock().unwrap().extend(&buffer[..length]);
                    }
                });
            }
        });
        streams
    }

    /// What was written since it was asked the last time.
    pub(crate) fn heard(&self) -> String {
        thread::sleep(SETTLED);
        let heard = mem::take(&mut *self.0.lock().unwrap());
        String::from_utf8_lossy(&heard).into_owned()
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
