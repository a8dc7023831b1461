// SPDX-License-Identifier: GPL-2.0-or-later
//! Which modules this machine needs, looked up once there is something to say.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use btf_guard_sysroot::Root;

use super::{Machine, Needs};

/// What this machine needs. Nothing is read before it is asked for.
#[derive(Debug)]
pub(crate) struct HostNeeds {
    root: Root,
    /// The release that runs: its module directory tells where another's cannot.
    running: String,
    machine: OnceLock<Machine>,
    by_release: Mutex<BTreeMap<String, Arc<Needs>>>,
}

impl HostNeeds {
    /// Of this machine, whose root this is and which runs that release.
    pub(crate) fn new(root: &Root, running: &str) -> Self {
        Self {
            root: root.clone(),
            running: running.to_owned(),
            machine: OnceLock::new(),
            by_release: Mutex::default(),
        }
    }

    /// What this machine needs a module of a release for; nothing where it does not.
    pub(crate) fn reasons(&self, release: &str, module: &str) -> Vec<String> {
        // What a thread that panicked has put there is whole.
        let by_release = self.by_release.lock();
        let mut by_release = by_release.unwrap_or_else(PoisonError::into_inner);
        let needs = by_release.entry(release.to_owned()).or_insert_with(|| {
            let machine = self.machine.get_or_init(|| Machine::read(self.root.path()));
            let dirs = [release, &self.running].into_iter();
            let dirs: Vec<PathBuf> = dirs.filter_map(|r| self.root.module_dir(r)).collect();
            Arc::new(machine.needs(&dirs))
        });
        let needs = Arc::clone(needs);
        drop(by_release);
        needs.of(module).to_vec()
    }
}
