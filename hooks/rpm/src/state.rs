// SPDX-License-Identifier: GPL-2.0-or-later
//! What the plugin remembers from one call to the next.
//!
//! A client calls with its test run first and with the same transaction again,
//! in one process and with one instance of the plugin. The test run's judgement
//! holds for the real run too, if it is for the same packages and paths; after
//! the real run, what was asked before it is asked again of the disk.
//!
//! The state is locked only to put something in or take it out: never while
//! librpm runs, which may call back.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use btf_guard_protocol::judge_client::{self, Judge};
use btf_guard_protocol::plan::{Answer, Element, Plan};
use btf_guard_sysroot::file_id::FileId;

use crate::output::Reported;
use crate::tsm_post::After;

/// How long the judgement of a test run holds. A client goes on at once; one
/// that asks its user in between gets a new one, because the disk may have
/// changed.
const MAX_AGE: Duration = Duration::from_secs(600);

static CALLS: Mutex<Calls> = Mutex::new(Calls {
    test: None,
    real: None,
});

/// A file was touched since what is to be asked after a real run was kept.
static IS_TOUCHED: AtomicBool = AtomicBool::new(false);

struct Calls {
    test: Option<(Instant, Test)>,
    real: Option<After>,
}

/// A test run that is over: what was judged, and what was reported of it.
type Test = (Option<JudgedPlan>, Reported);

/// Keeps a test run, in place of any before it.
pub(crate) fn keep_test(judged: Option<JudgedPlan>, reported: Reported) {
    calls().test = Some((Instant::now(), (judged, reported)));
}

/// The last test run, unless it was long ago.
pub(crate) fn take_test() -> Option<Test> {
    let (at, test) = calls().test.take()?;
    (at.elapsed() < MAX_AGE).then_some(test)
}

/// Keeps what to ask after a real run, until its end.
pub(crate) fn keep_real(after: impl FnOnce() -> After) {
    // Of a run that was never heard of again: its note goes before the new one comes.
    drop(take_real());
    let after = after();
    IS_TOUCHED.store(false, Ordering::Relaxed);
    calls().real = Some(after);
}

/// What to ask after a real run, and whether that has touched a file.
pub(crate) fn take_real() -> Option<(After, bool)> {
    let after = calls().real.take();
    after.map(|after| (after, IS_TOUCHED.load(Ordering::Relaxed)))
}

pub(crate) fn note_touched() {
    IS_TOUCHED.store(true, Ordering::Relaxed);
}

fn calls() -> MutexGuard<'static, Calls> {
    CALLS.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) struct JudgedPlan {
    pub(crate) plan: Plan,
    /// The packages' files. `None` where they cannot be told from others.
    files: Option<Vec<FileId>>,
    /// The answer, or why there is none.
    pub(crate) answer: Result<Answer, String>,
}

impl JudgedPlan {
    /// Takes the answer of before, if it was given to the same plan with the same
    /// files, and asks for one otherwise.
    pub(crate) fn new(
        judge: &Judge,
        plan: Plan,
        packages: Vec<OwnedFd>,
        earlier: Option<Self>,
    ) -> Self {
        let files = ids(&packages);
        let same = earlier.filter(|earlier| earlier.is_of(&plan, files.as_deref()));
        let answer = same.map_or_else(
            || judge_client::ask(judge, &plan, packages).map_err(|failure| failure.to_string()),
            |same| same.answer,
        );
        Self {
            plan,
            files,
            answer,
        }
    }

    /// It is the same transaction: on this root, as the admin asked for it, of these
    /// elements with these paths, from these files. Descriptors are numbered anew each
    /// time, and that it is a test does not change what is found.
    fn is_of(&self, plan: &Plan, files: Option<&[FileId]>) -> bool {
        let own = &self.plan;
        files.is_some()
            && files == self.files.as_deref()
            && (&own.root, own.mode, own.offline_image)
                == (&plan.root, plan.mode, plan.offline_image)
            && own
                .elements
                .iter()
                .map(key)
                .eq(plan.elements.iter().map(key))
    }
}

fn key(element: &Element) -> impl PartialEq {
    let Element {
        nevra,
        action,
        file,
        paths,
        moved,
    } = element;
    (nevra, *action, file.is_some(), paths, moved)
}

fn ids(packages: &[OwnedFd]) -> Option<Vec<FileId>> {
    let mut ids = Vec::new();
    ids.try_reserve_exact(packages.len()).ok()?;
    for package in packages {
        let file = File::from(package.try_clone().ok()?);
        ids.push(FileId::from(&file.metadata().ok()?));
    }
    Some(ids)
}
