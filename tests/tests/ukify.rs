// SPDX-License-Identifier: GPL-2.0-or-later
//! Unified kernel images by systemd's ukify, around real kernels.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use btf_guard_core::kernel::image;
use btf_guard_tests::bootable::{BootRoot, Stale, of, pair};
use btf_guard_tests::image::zboot;
use btf_guard_tests::initrd::archive;
use btf_guard_tests::skip::skipped;
use btf_guard_tests::{COMPRESSORS, Foreign, borrowed, kernels};

/// ukify, with the stub of an architecture.
struct Ukify {
    program: PathBuf,
    stub: PathBuf,
}

impl Ukify {
    /// `None`, and a line that says so, where this machine has none.
    fn find(test: &str, stub: &str) -> Option<Self> {
        let (Some(program), Some(stub)) = (borrowed::program(&["ukify"]), borrowed::stub(stub))
        else {
            skipped(test, "no ukify, or no stub of systemd-boot, is to be had");
            return None;
        };
        Some(Self { program, stub })
    }

    /// Makes a UKI and returns its bytes.
    fn build(&self, linux: &[u8], more: &[&str]) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| {
            fs::write(dir.path().join(name), bytes).unwrap();
        };
        put("linux", linux);
        put("initrd", &archive(b"no module"));
        put("osrel", b"ID=test\nVERSION_ID=1\nPRETTY_NAME=\"Test 1\"\n");
        let file = |option: &str, path: &Path| {
            let mut argument = OsString::from(option);
            argument.push(path);
            argument
        };
        let made = Command::new(&self.program)
            .arg("build")
            .arg(file("--linux=", &dir.path().join("linux")))
            .arg(file("--initrd=", &dir.path().join("initrd")))
            .arg(file("--os-release=@", &dir.path().join("osrel")))
            .arg(file("--stub=", &self.stub))
            .arg("--cmdline=root=/dev/vda1 quiet")
            .args(more)
            .arg(file("--output=", &dir.path().join("uki")))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{said}");
        fs::read(dir.path().join("uki")).unwrap()
    }
}

#[test]
fn a_fresh_one_and_a_stale_one() {
    let Some(ukify) = Ukify::find("a UKI by ukify", "linuxx64.efi.stub") else {
        return;
    };
    let root = BootRoot::new();
    let path = "efi/EFI/Linux/test-1.efi";
    // The release stands in the image, where ukify finds it.
    root.put(path, &ukify.build(&pair().new_image, &[]));
    root.assert_fresh(&[]);
    let list = root.kernels();
    let uki = of(&list, path);
    assert_eq!(uki["release"], pair().release);
    assert_eq!(uki["default"], true);
    assert_eq!(uki["boot_paths"][0]["method"], "uki");
    assert_eq!(uki["boot_paths"][0]["title"], "Test 1");

    root.put(path, &ukify.build(&pair().old_image, &[]));
    let stale = Stale {
        image: "/efi/EFI/Linux/test-1.efi",
        default: true,
        mend: "ukify build --linux=/usr/lib/modules/REL/vmlinuz --initrd=INITRD \
               --cmdline='root=/dev/vda1 quiet' --output=/efi/EFI/Linux/test-1.efi",
    };
    root.assert_stale(stale, &[]);
    let whole = fs::read(root.at(path)).unwrap();
    root.put(path, &whole[..whole.len() / 2]);
    let said = root.said(&["check", "--kernel", "all", "--no-color"]);
    assert_eq!(said.code, 2, "{said:#?}");
    let start = "error: kernel REL (/efi/EFI/Linux/test-1.efi) cannot boot: ";
    assert!(said.out[0].starts_with(start), "{said:#?}");
    assert!(said.out[0].contains(" inside the file"), "{said:#?}");
}

#[test]
fn what_it_says_of_itself() {
    let Some(ukify) = Ukify::find("the sections that ukify writes", "linuxx64.efi.stub") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("uki.efi");
    let bytes = ukify.build(&pair().new_image, &["--uname=6.1.0-named"]);
    fs::write(&path, &bytes).unwrap();
    let peek = image::peek(&path).unwrap();
    // The image's own word is the better one.
    assert_eq!(peek.release.as_ref(), Some(&pair().release));
    let uki = peek.uki.unwrap();
    assert_eq!(uki.uname.as_deref(), Some("6.1.0-named"));
    assert_eq!(uki.cmdline.as_deref(), Some("root=/dev/vda1 quiet"));
    assert!(uki.os_release.unwrap().contains("Test 1"));
    let part = |range: std::ops::Range<u64>| &bytes[range.start as usize..range.end as usize];
    assert!(part(uki.linux) == &pair().new_image[..]);
    assert!(part(uki.initrd.unwrap()).starts_with(b"070701"));
}

#[test]
fn an_arm64_kernel_plain_and_in_a_zboot() {
    let Some(ukify) = Ukify::find("a UKI by ukify for arm64", "linuxaa64.efi.stub") else {
        return;
    };
    let all = Foreign::all(&kernels());
    let Some(arm64) = all.iter().find(|foreign| foreign.architecture == "arm64") else {
        skipped("a UKI by ukify for arm64", "no kernel for arm64");
        return;
    };
    let plain = fs::read(&arm64.kernel.image).unwrap();
    let expected = image::parse(&plain).unwrap();
    let gzip = COMPRESSORS.iter().find(|c| c.name == "gzip").unwrap();
    for linux in [&plain, &zboot(&gzip.quick(&plain))] {
        let bytes = ukify.build(linux, &["--uname=x", "--efi-arch=aa64"]);
        let image = image::parse(&bytes).unwrap();
        assert!(image.base_btf == expected.base_btf);
        assert_eq!(image.release.as_ref(), Some(&arm64.kernel.release));
        assert_eq!(image.build, expected.build);
        assert_eq!(image.target, expected.target);
    }
}
