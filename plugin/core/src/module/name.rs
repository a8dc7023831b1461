// SPDX-License-Identifier: GPL-2.0-or-later
//! Names of modules.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use btf_guard_btf::printable;

/// The name of the module in a file, by the file's name: up to the first dot, with
/// `-` as `_`. Nothing else of the path counts, and no file is without a name: one
/// that begins with a dot has all of its own.
///
/// So `path_to_modname()` of kmod finds it (shared/util.c), which `modprobe` and
/// `depmod` use. The kernel's build makes `KBUILD_MODNAME` from the same file name
/// (`name-fix`, scripts/Makefile.lib).
pub(crate) fn name_of_file(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    let file = path.file_name().unwrap_or(path.as_os_str()).as_bytes();
    let stem = file.split(|byte| *byte == b'.').next();
    let stem = stem.filter(|stem| !stem.is_empty()).unwrap_or(file);
    same_name(&printable(stem))
}

/// A module's name as the kernel has it, which knows no `-`. Whoever types one may
/// write either (modprobe(8)).
pub(crate) fn same_name(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn a_file_has_the_name_that_kmod_finds() {
        for (file, name) in [
            ("nf-conntrack.ko", "nf_conntrack"),
            ("snd-hda.ko.zst", "snd_hda"),
            ("/lib/modules/6.1.ko/kernel/a-b.ko.xz", "a_b"),
            ("../extra/a.ko", "a"),
            ("a.b.ko", "a"),
            ("a.kov", "a"),
            ("nf-nat.btf", "nf_nat"),
            ("plain", "plain"),
            ("/lib/modules/6.1/kernel/", "kernel"),
            (".ko", ".ko"),
            (".hidden-one.ko", ".hidden_one.ko"),
            ("", ""),
        ] {
            assert_eq!(name_of_file(file), name, "{file}");
        }
        // What cannot be shown is escaped.
        let file = OsStr::from_bytes(b"/x/a\xff-\x1b.ko");
        assert_eq!(name_of_file(file), "a\\xff_\\x1b");
    }
}
