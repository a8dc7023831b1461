// SPDX-License-Identifier: GPL-2.0-or-later
//! What `make test` builds and fetches before it runs the tests.

use std::path::PathBuf;

/// The built rpm plugin, whatever its file name.
pub fn plugin() -> PathBuf {
    required("BTF_GUARD_PLUGIN")
}

/// The built `btf-guard` program.
pub fn program() -> PathBuf {
    required("BTF_GUARD_BIN")
}

/// The built program that asks libzypp; it lies beside `btf-guard`.
pub fn fetcher() -> PathBuf {
    program().with_file_name("btf-guard-zypp-fetch")
}

/// The built commit plugin for zypper; it lies beside `btf-guard`.
pub fn committer() -> PathBuf {
    program().with_file_name("btf-guard-zypp")
}

/// The shim around the libzypp of a root of a distribution, if it could be built.
pub fn shim(suite: &str) -> Option<PathBuf> {
    let shim = required("BTF_GUARD_SHIMS").join(format!("{suite}.so"));
    shim.exists().then_some(shim)
}

/// A directory with one subdirectory per extracted kernel package.
pub fn kernels() -> PathBuf {
    required("BTF_GUARD_KERNELS")
}

/// A directory with the packages of `make rpm` in `RPMS`, and in `tests` those that
/// were built for each root, in two releases.
pub fn rpms() -> PathBuf {
    required("BTF_GUARD_RPMS")
}

/// A directory with one subdirectory per root of a distribution.
pub(crate) fn roots() -> PathBuf {
    required("BTF_GUARD_ROOTS")
}

/// A directory with one layer for each root that PackageKit could be built for.
pub(crate) fn packagekit() -> PathBuf {
    required("BTF_GUARD_PACKAGEKIT")
}

/// A directory with what module packages are built with.
pub(crate) fn workshop() -> PathBuf {
    required("BTF_GUARD_WORKSHOP")
}

/// The built program that has real kernels load modules; it lies beside `btf-guard`.
pub fn oracle() -> PathBuf {
    program().with_file_name("oracle")
}

/// The first process of the oracle's guests.
pub fn init() -> PathBuf {
    required("BTF_GUARD_INIT")
}

fn required(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable).map(PathBuf::from);
    let path = path.unwrap_or_else(|| panic!("{variable} is not set: run `make test`"));
    path.canonicalize()
        .unwrap_or_else(|error| panic!("{variable}={}: {error}: run `make test`", path.display()))
}
