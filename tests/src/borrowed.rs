// SPDX-License-Identifier: GPL-2.0-or-later
//! Programs that are not on every machine and that nothing needs.
//! `tests/setup/borrow.sh` brings them where it can.

use std::env;
use std::path::PathBuf;

fn directory() -> Option<PathBuf> {
    env::var_os("BTF_GUARD_BORROWED").map(PathBuf::from)
}

/// The first of these programs that is there, of the machine or borrowed.
pub fn program(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<_> = env::split_paths(&path).collect();
    dirs.extend(["/usr/sbin".into(), "/sbin".into()]);
    dirs.extend(directory().map(|dir| dir.join("bin")));
    let mut places = names
        .iter()
        .flat_map(|name| dirs.iter().map(move |dir| dir.join(name)));
    places.find(|place| place.is_file())
}

/// One of systemd-boot's stubs, such as `linuxx64.efi.stub`.
pub fn stub(name: &str) -> Option<PathBuf> {
    let inside = "usr/lib/systemd/boot/efi";
    let borrowed = directory().map(|dir| dir.join("root").join(inside));
    let dirs = [Some(PathBuf::from("/").join(inside)), borrowed];
    let mut places = dirs.into_iter().flatten().map(|dir| dir.join(name));
    places.find(|place| place.is_file())
}
