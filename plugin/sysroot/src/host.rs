// SPDX-License-Identifier: GPL-2.0-or-later
//! Is the running kernel one that a root's modules will meet?

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::Root;

/// The release of the running kernel, where it will meet what is in `root`: not
/// in another root or an `image` that is booted later, and not in a container or
/// chroot, nor where that cannot be told.
pub fn running_release(root: &Root, image: bool) -> Option<String> {
    let here = root.is_system() && !image && has_proc() && !is_chroot();
    let uname = rustix::system::uname();
    here.then(|| uname.release().to_string_lossy().into_owned())
}

/// Is `/proc` mounted?
pub fn has_proc() -> bool {
    Path::new("/proc/self").exists()
}

/// Is our `/` another than that of the first process, or has a container manager
/// marked this system as it started it? (`/.dockerenv` is no such mark: it stays
/// in images that are booted as machines.)
fn is_chroot() -> bool {
    let marks = ["/run/.containerenv", "/run/systemd/container"];
    let identity = |path: &str| fs::metadata(path).ok().map(|root| (root.dev(), root.ino()));
    let elsewhere = match (identity("/proc/1/root/"), identity("/")) {
        (Some(first), Some(own)) => first != own,
        _ => false,
    };
    elsewhere || marks.iter().any(|mark| Path::new(mark).exists())
}
