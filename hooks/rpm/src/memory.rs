//! What the plugin remembers from one call to the next.
//!
//! A client calls with its test run first and with the same transaction again,
//! in one process and with one instance of the plugin. The test run's judgement
//! holds for the real run too, if it is for the same packages and paths; after
//! the real run, what was asked before it is asked again of the disk.
//!
//! The memory is locked only to put something in or take it out: never while
//! librpm runs, which may call back.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use btf_guard::place::plan::{Answer, Plan};
use rustix::fs::fstat;
use sha2::{Digest, Sha256};

use crate::after::After;
use crate::voice::Told;

/// How long the judgement of a test run holds. A client goes on at once; one
/// that asks its user in between gets a new one, because the disk may have
/// changed.
const HOLDS: Duration = Duration::from_secs(600);

static MEMORY: Mutex<Memory> = Mutex::new(Memory {
    test: None,
    real: None,
});

/// Not in the memory, which is locked: this is called for each scriptlet.
static SCRIPTLETS: AtomicBool = AtomicBool::new(false);

struct Memory {
    test: Option<(Instant, Test)>,
    real: Option<After>,
}

/// A test run that is over.
#[derive(Default)]
pub(crate) struct Test {
    /// What was judged, and the answer or why there is none.
    pub(crate) judged: Option<(Key, Result<Answer, String>)>,
    /// What was shown of it.
    pub(crate) told: Told,
}

/// Keeps a test run, in place of any before it.
pub(crate) fn keep_test(test: Test) {
    memory().test = Some((Instant::now(), test));
}

/// The last test run, unless it was long ago. A real run takes it: the next one
/// stands for itself.
pub(crate) fn take_test() -> Option<Test> {
    let (at, test) = memory().test.take()?;
    (at.elapsed() < HOLDS).then_some(test)
}

/// Keeps what to ask after a real run, until its end.
pub(crate) fn keep_real(after: After) {
    SCRIPTLETS.store(false, Ordering::Relaxed);
    memory().real = Some(after);
}

/// What to ask after the real run that ends, if anything.
pub(crate) fn take_real() -> Option<After> {
    memory().real.take()
}

/// A scriptlet is about to run.
pub(crate) fn scriptlet_runs() {
    SCRIPTLETS.store(true, Ordering::Relaxed);
}

/// Have any run since the real run began?
pub(crate) fn scriptlets_ran() -> bool {
    SCRIPTLETS.load(Ordering::Relaxed)
}

fn memory() -> MutexGuard<'static, Memory> {
    MEMORY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What tells one plan from another: the root, what the admin asked for, the
/// elements with their paths, and the package files themselves.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Key([u8; 32]);

impl Key {
    /// The key of a plan with its packages' files. `None` where it cannot be made.
    pub(crate) fn of(plan: &Plan, packages: &[OwnedFd]) -> Option<Self> {
        // Descriptors are numbered anew each time; that it is a test does not
        // change what is found.
        let elements = plan.elements.iter();
        let elements: Vec<_> = elements
            .map(|element| {
                let has_file = element.file.is_some();
                (&element.nevra, element.action, &element.paths, has_file)
            })
            .collect();
        let files: Result<Vec<_>, _> = packages.iter().map(fstat).collect();
        let files = files.ok()?;
        let files: Vec<_> = files
            .iter()
            .map(|file| {
                let modified = (file.st_mtime, file.st_mtime_nsec);
                (file.st_dev, file.st_ino, file.st_size, modified)
            })
            .collect();
        let whole = (&plan.root, plan.mode, plan.image, elements, files);
        let whole = serde_json::to_vec(&whole).ok()?;
        Some(Self(Sha256::digest(whole).into()))
    }
}
