// SPDX-License-Identifier: GPL-2.0-or-later
//! Room for the descriptors of a transaction's packages.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit of this process is as high as it may be, until this is dropped: a transaction
/// may have more packages than a client opens files.
pub(crate) struct DescriptorRoom {
    before: Option<Rlimit>,
}

impl DescriptorRoom {
    pub(crate) fn open() -> Self {
        let before = getrlimit(Resource::Nofile);
        let highest = Rlimit {
            current: before.maximum,
            maximum: before.maximum,
        };
        let is_raised =
            before.current != before.maximum && setrlimit(Resource::Nofile, highest).is_ok();
        Self {
            before: is_raised.then_some(before),
        }
    }
}

impl Drop for DescriptorRoom {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            // What is open beyond it stays open.
            let _ = setrlimit(Resource::Nofile, before);
        }
    }
}
