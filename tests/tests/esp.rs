// SPDX-License-Identifier: GPL-2.0-or-later
//! An EFI system partition that is one: a FAT file system, mounted.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use btf_guard_tests::bootable::{BootRoot, Stale, pair};
use btf_guard_tests::borrowed;
use btf_guard_tests::skip::skipped;
use tempfile::TempDir;

/// A FAT file system in a file, mounted read-only.
struct Esp {
    dir: TempDir,
}

impl Esp {
    /// Makes it of what lies in `content`; `None`, and a line that says so,
    /// where neither the kernel nor GRUB can mount it.
    fn mount(content: &Path) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image");
        File::create(&image).unwrap().set_len(96 << 20).unwrap();
        let run = |program: &str, args: &[&str]| {
            let found = borrowed::program(&[program]);
            let found = found.unwrap_or_else(|| panic!("no {program}; run `make test`"));
            let done = Command::new(found).args(args).output().unwrap();
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "{program}: {said}");
        };
        let image_name = image.to_str().unwrap();
        run("mkfs.fat", &["-F", "32", "-n", "ESP", image_name]);
        for entry in fs::read_dir(content).unwrap() {
            let path = entry.unwrap().path();
            run(
                "mcopy",
                &["-s", "-i", image_name, path.to_str().unwrap(), "::/"],
            );
        }
        let esp = Self { dir };
        fs::create_dir(esp.at()).unwrap();
        let by_kernel = Command::new("mount")
            .args(["-t", "vfat", "-o", "loop,ro"])
            .args([&image, &esp.at()])
            .output();
        let mut mounted = by_kernel.is_ok_and(|done| done.status.success());
        if !mounted && let Some(grub) = borrowed::program(&["grub-mount", "grub2-mount"]) {
            let by_grub = Command::new(grub).args([&image, &esp.at()]).output();
            mounted = by_grub.is_ok_and(|done| done.status.success());
        }
        if !mounted {
            let why = "neither this kernel nor grub-mount mounts FAT here";
            skipped("an EFI system partition in FAT", why);
            return None;
        }
        Some(esp)
    }

    fn at(&self) -> std::path::PathBuf {
        self.dir.path().join("esp")
    }
}

impl Drop for Esp {
    fn drop(&mut self) {
        // Before its directory is removed; what is not mounted fails unheard.
        let _ = Command::new("umount").arg(self.at()).output();
    }
}

/// The names of a partition whose entry names its image in another case.
fn content(root: &BootRoot, image: &[u8]) {
    root.put("content/Token/Linux-File", image);
    root.put(
        "content/LOADER/ENTRIES/Some-Entry.CONF",
        b"title Some\nlinux /TOKEN/linux-FILE\noptions root=1\n",
    );
    // What would boot if the other were not chosen.
    root.put("content/Token/New", &pair().new_image);
    root.put("content/LOADER/ENTRIES/ZZZ.CONF", b"linux /token/new\n");
    root.put("content/LOADER/LOADER.CONF", b"default some-ENTRY.conf\n");
}

#[test]
fn names_are_found_in_any_case() {
    let root = BootRoot::new();
    content(&root, &pair().new_image);
    let Some(esp) = Esp::mount(&root.at("content")) else {
        return;
    };
    // FAT itself: the file is there under every spelling.
    let spelled = fs::read(esp.at().join("toKEN/LINUX-file")).unwrap();
    assert!(spelled == pair().new_image);
    let mounted = esp.at();
    let args = ["--esp", mounted.to_str().unwrap()];
    root.assert_fresh(&args);
    drop(esp);

    content(&root, &pair().old_image);
    let esp = Esp::mount(&root.at("content")).unwrap();
    let mounted = esp.at();
    let mounted = mounted.to_str().unwrap();
    let image = format!("{mounted}/TOKEN/linux-FILE");
    let own = "/usr/lib/modules/REL/vmlinuz";
    let stale = Stale {
        image: &image,
        default: true,
        mend: &format!("cp {own} {image}"),
    };
    root.assert_stale(stale, &["--esp", mounted]);
}
