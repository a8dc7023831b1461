// SPDX-License-Identifier: GPL-2.0-or-later
//! What an admin has written.

use crate::common::judge::{Transaction, kmp_of};
use crate::common::{Build, Place};
use crate::grows_linearly;
use crate::packages::judge;

/// Under so many rules, each of which the one verdict meets or does not.
fn under(rule: impl Fn(usize) -> String, count: usize) -> f64 {
    let (root, machine) = (Place::booting(Build::New), Place::new());
    machine.file(
        "etc/btf-guard.toml",
        (0..count).map(rule).collect::<String>(),
    );
    let bad = kmp_of(&root, "bad", Build::Old);
    judge(&Transaction::on(&root).under(&machine).install(&bad))
}

#[test]
fn rules_about_others() {
    grows_linearly(100, |count| {
        under(
            |number| format!("[[rule]]\nmodule = 'x{number}'\nseverity = 'info'\nreason = 'r'\n"),
            count,
        )
    });
}
