// SPDX-License-Identifier: GPL-2.0-or-later
//! A report that is no longer than its reader takes, however much there is to say.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde::Serialize;

use super::model::LeftOff;
use super::{ModuleEntry, Report};

impl Report {
    /// Something could not be judged.
    pub fn is_partial(&self) -> bool {
        self.errors.iter().any(|error| !error.harmless)
    }

    /// Lists as many modules as fit into so many bytes of JSON, the worst first, and as
    /// many errors as fit into as many again. What is not listed stays counted, in
    /// `left_off` too.
    pub fn bound(&mut self, bytes: usize) {
        let severity = |index: &usize| self.modules.get(*index).map(ModuleEntry::severity);
        let mut worst: Vec<usize> = (0..self.modules.len()).collect();
        worst.sort_by_key(|index| Reverse(severity(index)));
        let mut room = bytes;
        let fits = |index: &usize| takes(&mut room, self.modules.get(*index));
        let kept: BTreeSet<usize> = worst.into_iter().take_while(fits).collect();
        let mut room = bytes;
        let fits = |error: &_| takes(&mut room, Some(error));
        let errors = self.errors.iter().take_while(fits).count();
        let left_off = LeftOff {
            modules: self.modules.len() - kept.len(),
            errors: self.errors.len() - errors,
        };
        let mut index = 0..;
        self.modules
            .retain(|_| index.next().is_some_and(|index| kept.contains(&index)));
        self.errors.truncate(errors);
        self.left_off = (left_off != LeftOff::default()).then_some(left_off);
    }
}

/// Takes the JSON of an entry off the room that is left, if there is that much.
fn takes(room: &mut usize, entry: Option<&impl Serialize>) -> bool {
    let text = entry.and_then(|entry| serde_json::to_vec(entry).ok());
    let left = text.and_then(|text| room.checked_sub(text.len() + 1));
    *room = left.unwrap_or(0);
    left.is_some()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]

    use super::*;
    use crate::kernel::Target;
    use crate::report::failed;
    use crate::report::fixtures::{judged, kernel, module, refused, report, silent};
    use crate::verdict::Verdict;

    #[test]
    fn the_worst_is_listed_and_all_is_counted() {
        let kernel = kernel(0, Target::NextBoot);
        let discarded = || vec![judged(&kernel, Verdict::BtfDiscarded(silent()))];
        let entry = |index: usize| match index {
            900 => refused(&kernel, "last"),
            _ => module(&format!("module_{index}"), discarded()),
        };
        let modules = (0..1000).map(entry).collect();
        let mut whole = report(vec![kernel.clone()], modules);
        let errors = (0..1000).map(|index| failed(format!("{index}.ko"), &"it is cut off"));
        whole.errors = errors.collect();
        let mut bounded = whole.clone();
        bounded.bound(50 << 10);
        let LeftOff { modules, errors } = bounded.left_off.unwrap_or_default();
        assert!(modules > 0 && errors > 0);
        assert_eq!(bounded.modules.len() + modules, 1000);
        assert_eq!(bounded.errors.len() + errors, 1000);
        let length = serde_json::to_vec(&bounded).map_or(0, |text| text.len());
        assert!(length < 110 << 10, "{length}");
        assert_eq!(bounded.modules[0].name, "module_0");
        assert!(bounded.modules.iter().any(|module| module.name == "last"));
        assert_eq!(bounded.summary, whole.summary);

        let mut all = whole.clone();
        all.bound(1 << 20);
        assert_eq!(all, whole);
    }
}
