// SPDX-License-Identifier: GPL-2.0-or-later
//! The file that findings are kept in.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{io, thread};

use btf_guard_protocol::state::trusted_dir::{NotTrusted, Private, ReadError};
use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::Errno;
use serde::Deserialize;

use super::{Findings, MAX_FINDINGS, SCHEMA};

/// Names in the directory.
const NAME: &str = "findings.json";
const DAMAGED: &str = "findings.json.damaged";
const LOCK: &str = "findings.lock";

/// The longest that is read, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// How long another process's turn is waited for. A transaction waits behind this.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// Why findings cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Others could have written the directory or the file, or the system refused.
    #[error(transparent)]
    Refused(#[from] NotTrusted),
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Somebody else holds it.
    #[error("another process holds it")]
    Busy,
}

impl Error {
    /// The disk cannot be written, or somebody else holds it for long: no reason not to
    /// tell what stands.
    pub fn is_passing(&self) -> bool {
        let error = match self {
            Self::Refused(NotTrusted::System(error)) | Self::Io(error) => error,
            Self::Refused(_) => return false,
            Self::Busy => return true,
        };
        use io::ErrorKind::{
            NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
        };
        matches!(
            error.kind(),
            ReadOnlyFilesystem | StorageFull | QuotaExceeded | PermissionDenied | NotFound
        )
    }
}

/// The findings, with nobody else at them.
#[derive(Debug)]
pub struct Held {
    /// `None` where nothing can be kept.
    place: Option<Place>,
    /// What was kept; empty where nothing was.
    pub findings: Findings,
    /// What was kept cannot be read, and is now aside.
    pub damaged: Option<Damaged>,
}

#[derive(Debug)]
struct Place {
    dir: Private,
    /// Gives the turn to the next when it is closed.
    _lock: File,
}

/// Why the file was put aside, and where it is.
#[derive(Debug, thiserror::Error)]
#[error("{why}: it is now {}", aside.display())]
pub struct Damaged {
    pub(crate) aside: PathBuf,
    pub(crate) why: ReadError,
}

impl Held {
    /// Takes a turn at the findings in `dir`, which is made where there is none; its
    /// parent must be there. It must be this user's alone, and another process's turn must end.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let private = Private::create(dir)?;
        let lock = lock(&dir.join(LOCK))?;
        let (findings, damaged) = match read(&private) {
            Ok(findings) => (findings, None),
            Err(why) => {
                // A second one says no more than the first did.
                std::fs::rename(dir.join(NAME), dir.join(DAMAGED))?;
                let aside = dir.join(DAMAGED);
                (Findings::default(), Some(Damaged { aside, why }))
            }
        };
        Ok(Self {
            place: Some(Place {
                dir: private,
                _lock: lock,
            }),
            findings,
            damaged,
        })
    }

    /// The findings as they were kept, without a turn at them: [keeping](Self::keep) them
    /// does nothing. Where none can be read, nothing is known.
    pub fn read_only(dir: &Path) -> Self {
        let dir = Private::open(dir).ok().flatten();
        let findings = dir.and_then(|dir| read(&dir).ok());
        Self {
            place: None,
            findings: findings.unwrap_or_default(),
            damaged: None,
        }
    }

    /// Keeps the findings as they are now; after an error those from before are still there.
    pub fn keep(&mut self) -> Result<(), Error> {
        self.findings.schema = SCHEMA;
        self.findings.findings.truncate(MAX_FINDINGS);
        let Some(place) = &self.place else {
            return Ok(());
        };
        let bytes = serde_json::to_vec(&self.findings).map_err(io::Error::from)?;
        Ok(place.dir.write(NAME, &bytes)?)
    }
}

#[derive(Deserialize)]
struct SchemaVersion {
    schema: u32,
}

/// What was kept, or what is wrong with it.
fn read(dir: &Private) -> Result<Findings, ReadError> {
    let Some(text) = dir.read(NAME, MAX_FILE)? else {
        return Ok(Findings::default());
    };
    let SchemaVersion { schema } = serde_json::from_slice(&text)?;
    match schema {
        SCHEMA => Ok(serde_json::from_slice(&text)?),
        // An older version wrote it; the next look at everything finds all of it again.
        older if older < SCHEMA => Ok(Findings::default()),
        newer => Err(ReadError::Schema(newer)),
    }
}

/// A lock that ends with its file. The directory is this user's alone, so nobody
/// else has put a link there.
fn lock(path: &Path) -> Result<File, Error> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let file = File::from(openat(CWD, path, flags, mode).map_err(io::Error::from)?);
    let begun = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK) if begun.elapsed() < LOCK_TIMEOUT => {
                thread::sleep(LOCK_INTERVAL)
            }
            Err(Errno::WOULDBLOCK) => return Err(Error::Busy),
            Err(errno) => return Err(io::Error::from(errno).into()),
        }
    }
}
