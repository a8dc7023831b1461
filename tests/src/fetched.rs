// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernels that `make test` fetched, with their modules.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use btf_guard_core::kernel::Kernel;
use btf_guard_core::module::{self, Module};

use crate::Extracted;

/// An extracted kernel package with modules.
pub struct Fetched {
    /// The name of its directory.
    pub name: String,
    /// Its kernel.
    pub kernel: Kernel,
    /// Its modules, by path.
    pub modules: Vec<Module>,
}

impl Fetched {
    /// All of them that have modules, by name.
    pub fn all() -> Vec<Self> {
        let all = Extracted::all(&crate::kernels());
        all.iter().map(Self::open).collect()
    }

    fn open(extracted: &Extracted) -> Self {
        Self {
            name: extracted.name.clone(),
            kernel: Kernel::open(&extracted.image, None).unwrap(),
            modules: in_parallel(&extracted.modules, |path| module::open(path).unwrap()),
        }
    }
}

/// Does the work of each item, on two threads; the results in the order of the items.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((at, item)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    items.get(at).map(|item| (at, item))
                } {
                    let result = work(item);
                    done.lock().unwrap().push((at, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
