// SPDX-License-Identifier: GPL-2.0-or-later
//! The modules of an archive, some megabytes at a time: this thread reads, and then
//! all of them judge.

use rayon::prelude::*;

/// Content of an archive that is held in memory until it is worked on, in bytes.
const MAX_IN_MEMORY: usize = 16 << 20;

/// What an archive hands over, and what has come of it, in the same order.
pub(crate) struct Batches<T, R, W> {
    work: W,
    batch: Vec<(T, Vec<u8>)>,
    bytes: usize,
    done: Vec<R>,
}

impl<T, R, W> Batches<T, R, W>
where
    T: Send + Sync,
    R: Send,
    W: Fn(&T, &[u8]) -> R + Sync,
{
    pub(crate) fn new(work: W) -> Self {
        Self {
            work,
            batch: Vec::new(),
            bytes: 0,
            done: Vec::new(),
        }
    }

    /// Takes one file; returns how many were taken before it.
    pub(crate) fn push(&mut self, file: T, content: Vec<u8>) -> usize {
        let index = self.done.len() + self.batch.len();
        self.bytes += content.len();
        self.batch.push((file, content));
        if self.bytes >= MAX_IN_MEMORY {
            self.work_off();
        }
        index
    }

    pub(crate) fn finish(mut self) -> Vec<R> {
        self.work_off();
        self.done
    }

    fn work_off(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        let results = batch.par_iter();
        let results = results.map(|(file, content)| (self.work)(file, content));
        self.done.par_extend(results);
    }
}
