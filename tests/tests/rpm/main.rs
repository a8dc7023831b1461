// SPDX-License-Identifier: GPL-2.0-or-later
//! The rpm plugin in the real rpm, against scratch roots.
//!
//! Needs to be root: rpm changes its root directory to install.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod after;
mod commit;
mod decisions;
mod depmod_order;
mod drivers;
mod failures;
mod host;
mod hostile;
mod images;
mod initrds;
mod limits;
mod memory;
mod paths;
mod plans;
mod planted;
mod real;
mod roles;
mod symbols;

use btf_guard_tests::Package;

/// The release that the test packages are for.
const RELEASE: &str = "6.1.0-test";

/// A package with one module. What is in it does not matter to a test double.
fn module_package(name: &str) -> Package {
    let path = format!("/lib/modules/{RELEASE}/extra/{name}.ko");
    Package::new(name).file(path, format!("module {name}"))
}

/// A package with files, none of them a module or a kernel image.
fn plain_package(name: &str) -> Package {
    Package::new(name)
        .file(format!("/usr/share/{name}/file"), "text")
        .file(format!("/usr/share/{name}/fake.ko"), "not in a module tree")
        .file("/boot/grub2/grub.cfg", "text")
        .file("/boot/initrd-6.1", "text")
        .file(format!("/lib/modules/{RELEASE}/modules.order"), "text")
}
