// SPDX-License-Identifier: GPL-2.0-or-later
//! Roots with PackageKit, built from Debian's source with back ends that use rpm.

use std::fs;

use super::client_root::ClientRoot;
use super::namespace::As;
use super::suite::Suite;
use crate::artifacts::packagekit;
use crate::skip::skipped;

impl ClientRoot {
    /// With PackageKit beside btf-guard; `None`, aloud, where `packagekit.sh` could
    /// not build it and has said why.
    pub fn with_packagekit(suite: Suite) -> Option<Self> {
        Self::beside_packagekit(suite, As::Chroot)
    }

    /// The same, as the root of a machine.
    pub fn machine_with_packagekit(suite: Suite) -> Option<Self> {
        Self::beside_packagekit(suite, As::Machine)
    }

    fn beside_packagekit(suite: Suite, kind: As) -> Option<Self> {
        // Where there is no root, that is all there is to say.
        suite.base()?;
        let layer = packagekit().join(suite.name());
        if !layer.is_dir() {
            let reasons = fs::read_to_string(packagekit().join("SKIPPED")).unwrap();
            let own = format!("PackageKit for {}: ", suite.name());
            let mut lines = reasons.lines();
            let why = lines.find_map(|line| line.strip_prefix(&own));
            let why = why.unwrap_or_else(|| panic!("no {}: run `make test`", layer.display()));
            skipped(&format!("PackageKit of {}", suite.name()), why);
            return None;
        }
        Self::above(suite, vec![layer], kind, true)
    }
}
