// SPDX-License-Identifier: GPL-2.0-or-later
//! What a transaction brings, or meets on the disk, that is not looked at.

use super::Planned;

impl Planned<'_> {
    /// Says of packages that they cannot be read, and of links and directories that there is
    /// more than is looked at: what is behind it could be loaded.
    pub(super) fn note_unreadable(&mut self) {
        for (nevra, error) in &self.transaction.unreadable {
            self.state.failed(nevra, error);
        }
        if self.links.are_cut || self.transaction.paths.are_given_up() {
            let why = "they lead to more than is looked at; the rest is not judged";
            self.state.failed("links to modules", &why);
        }
        let trees = self
            .after
            .keys()
            .filter_map(|release| self.view.tree(release));
        for (path, why) in trees.flat_map(|tree| tree.cut.clone()) {
            self.state.failed(path.display(), &why);
        }
    }
}
