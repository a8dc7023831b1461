//! A payload in a stream: this thread decompresses, the pool works on what comes.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use btf_guard::place::package::{Error, Package};

/// Content of an archive that is held in memory until it is worked on, in bytes.
pub(crate) const ROOM: usize = 16 << 20;

/// A file of a payload: the paths it is installed under, several for hard links,
/// and its content.
pub(crate) struct Piece {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) content: Vec<u8>,
}

/// Goes once through a payload. Each file that is `wanted` is worked on by some
/// thread of the pool, with a state of its own that `make` has made; the results
/// come in no order. `more` is asked behind each file whether to go on.
///
/// Not to be called by a thread of the pool, which may have to wait for itself.
pub(crate) fn each<S: Send, T: Send>(
    package: &Package,
    wanted: impl Fn(&Path) -> bool,
    make: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, Piece) -> T + Sync,
    mut more: impl FnMut(&[&Path]) -> ControlFlow<()>,
) -> (Vec<T>, Result<(), Error>) {
    let room = Room::new(ROOM);
    let states = Mutex::new(Vec::new());
    let done = Mutex::new(Vec::new());
    let result = rayon::in_place_scope(|scope| {
        package.extract(wanted, |paths, content| {
            let piece = Piece {
                paths: paths.iter().map(|path| path.to_path_buf()).collect(),
                content,
            };
            let taken = room.take(piece.content.len());
            let (states, done, make, work) = (&states, &done, &make, &work);
            scope.spawn(move |_| {
                let state = lock(states).pop();
                let mut state = state.unwrap_or_else(make);
                let result = work(&mut state, piece);
                lock(done).push(result);
                lock(states).push(state);
                drop(taken);
            });
            more(paths)
        })
    });
    (
        done.into_inner().unwrap_or_else(PoisonError::into_inner),
        result,
    )
}

/// Bytes that may be under way at a time.
struct Room {
    limit: usize,
    used: Mutex<usize>,
    freed: Condvar,
}

impl Room {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            used: Mutex::new(0),
            freed: Condvar::new(),
        }
    }

    /// Waits until there is room, which there always is for a single piece.
    fn take(&self, bytes: usize) -> Taken<'_> {
        let mut used = lock(&self.used);
        while *used > 0 && used.saturating_add(bytes) > self.limit {
            used = self
                .freed
                .wait(used)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *used = used.saturating_add(bytes);
        Taken { room: self, bytes }
    }
}

/// A part of the room, until it is dropped: after a panic, too.
struct Taken<'r> {
    room: &'r Room,
    bytes: usize,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut used = lock(&self.room.used);
        *used = used.saturating_sub(self.bytes);
        self.room.freed.notify_one();
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
        let room = Room::new(10);
        let first = room.take(7);
        thread::scope(|scope| {
            let second = scope.spawn(|| drop(room.take(4)));
            thread::sleep(Duration::from_millis(50));
            assert!(!second.is_finished());
            assert_eq!(*lock(&room.used), 7);
            drop(first);
            second.join().unwrap();
        });
        // One that is larger than the room is let in alone.
        drop(room.take(11));
        assert_eq!(*lock(&room.used), 0);
    }
}
