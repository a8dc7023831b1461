// SPDX-License-Identifier: GPL-2.0-or-later
//! A payload in a stream: this thread decompresses, the pool works on what comes.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::rpm::file_list::Error;
use crate::rpm::package::Package;

/// Content of an archive that is held in memory until it is worked on, in bytes.
pub(crate) const MAX_IN_MEMORY: usize = 16 << 20;

/// A file of a payload: the paths it is installed under, several for hard links,
/// and its content.
pub(crate) struct PayloadFile {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) content: Vec<u8>,
}

impl PayloadFile {
    /// What names a module that does not name itself: the first of its paths.
    pub(crate) fn name(&self) -> String {
        let first = self.paths.iter().min().and_then(|path| path.file_name());
        first.unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Goes once through a payload. Each file that is `wanted` is worked on by some
/// thread of the pool, with a state of its own that `make` has made; the results
/// come in no order.
///
/// Not to be called by a thread of the pool, which may have to wait for itself.
pub(crate) fn each<S: Send, T: Send>(
    package: &Package,
    wanted: impl Fn(&Path) -> bool,
    make: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, PayloadFile) -> T + Sync,
) -> (Vec<T>, Result<(), Error>) {
    let budget = ByteBudget::new(MAX_IN_MEMORY);
    let states = Mutex::new(Vec::new());
    let done = Mutex::new(Vec::new());
    let result = rayon::in_place_scope(|scope| {
        package.extract(wanted, |paths, content| {
            let file = PayloadFile {
                paths: paths.iter().map(|path| path.to_path_buf()).collect(),
                content,
            };
            let permit = budget.take(file.content.len());
            let (states, done, make, work) = (&states, &done, &make, &work);
            scope.spawn(move |_| {
                let state = lock(states).pop();
                let mut state = state.unwrap_or_else(make);
                let result = work(&mut state, file);
                lock(done).push(result);
                lock(states).push(state);
                drop(permit);
            });
            ControlFlow::Continue(())
        })
    });
    (
        done.into_inner().unwrap_or_else(PoisonError::into_inner),
        result,
    )
}

/// Bytes that may be under way at a time.
struct ByteBudget {
    limit: usize,
    used: Mutex<usize>,
    freed: Condvar,
}

impl ByteBudget {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            used: Mutex::new(0),
            freed: Condvar::new(),
        }
    }

    /// Waits until so many bytes are free; a single file is always let in.
    fn take(&self, bytes: usize) -> Permit<'_> {
        let mut used = lock(&self.used);
        while *used > 0 && used.saturating_add(bytes) > self.limit {
            used = self
                .freed
                .wait(used)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *used = used.saturating_add(bytes);
        Permit {
            budget: self,
            bytes,
        }
    }
}

/// Bytes of the budget, until it is dropped: after a panic, too.
struct Permit<'r> {
    budget: &'r ByteBudget,
    bytes: usize,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut used = lock(&self.budget.used);
        *used = used.saturating_sub(self.bytes);
        self.budget.freed.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_does_not_fit_waits_for_what_is_under_way() {
        let budget = ByteBudget::new(10);
        let first = budget.take(7);
        thread::scope(|scope| {
            let second = scope.spawn(|| drop(budget.take(4)));
            thread::sleep(Duration::from_millis(50));
            assert!(!second.is_finished());
            assert_eq!(*lock(&budget.used), 7);
            drop(first);
            second.join().unwrap();
        });
        // One that is larger than the budget is let in alone.
        drop(budget.take(11));
        assert_eq!(*lock(&budget.used), 0);
    }
}
