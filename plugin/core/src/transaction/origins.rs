// SPDX-License-Identifier: GPL-2.0-or-later
//! Where the packages of a transaction come from.

use std::collections::BTreeMap;

use btf_guard_protocol::nevra::same_package;
use btf_guard_protocol::plan::Plan;

use super::changes::Transaction;
use crate::report::PackageOrigin;

/// What rules may say of the packages that come.
pub(crate) fn origins(plan: &Plan, transaction: &Transaction) -> BTreeMap<String, PackageOrigin> {
    let repository = |nevra: &str| {
        let mut all = plan.repositories.iter();
        let found = all.find(|(known, _)| same_package(known, nevra));
        found.map(|(_, repository)| repository.clone())
    };
    let packages = transaction.packages.iter();
    let known = packages.map(|incoming| {
        let nevra = incoming.package.nevra();
        let known = PackageOrigin {
            vendor: incoming.package.vendor.clone(),
            repository: repository(nevra),
        };
        (nevra.to_owned(), known)
    });
    known.collect()
}
