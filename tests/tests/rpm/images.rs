// SPDX-License-Identifier: GPL-2.0-or-later
//! Which files of a package are kernel images, and which of the disk's they replace.

use std::fs;
use std::path::Path;
use std::process::Command;

use btf_guard_tests::btf::{Btf, Era};
use btf_guard_tests::image::uki;
use btf_guard_tests::{Package, Root, elf, program};
use serde_json::Value;

use crate::paths::{KERNEL, dir, image, put, root};
use crate::real::{ENFORCING, assert_blocked, assert_silent, fitting, foreign, rebuilt, run};

/// A KMP is blocked whatever it ships besides that is no image in the place of one.
#[test]
fn what_is_no_image_displaces_none() {
    let extras: Vec<fn(Package) -> Package> = vec![
        |kmp| kmp,
        |kmp| kmp.file(dir("vmlinux.debug"), image(&rebuilt())),
        |kmp| kmp.file(dir("vmlinux.txt"), "text"),
        |kmp| {
            kmp.file(
                dir("vmlinuz-virt.addon.efi"),
                uki(&[(".cmdline", b"quiet")]),
            )
        },
        |kmp| kmp.directory(dir("vmlinux")),
        |kmp| kmp.directory(dir("Image")),
        |kmp| kmp.link(dir("image"), "nowhere"),
        |kmp| kmp.link(dir("vmlinux"), "vmlinuz"),
        |kmp| kmp.ghost(format!("/boot/vmlinuz-{KERNEL}")),
        |kmp| kmp.ghost(dir("vmlinux")),
        |kmp| kmp.file(format!("/boot/image-{KERNEL}"), "text"),
        |kmp| kmp.file(format!("/boot/image-{KERNEL}"), image(&rebuilt())),
        |kmp| kmp.file(dir("vmlinux"), "text"),
        |kmp| kmp.file(format!("/boot/vmlinuz-{KERNEL}"), ""),
        // Another release's.
        |kmp| {
            let other = elf::vmlinux("6.0-other", &rebuilt().build());
            kmp.file(dir("vmlinux"), other)
        },
    ];
    for (index, extra) in extras.into_iter().enumerate() {
        let root = root();
        let kmp = Package::new("kmp").file(dir("extra/kmp.ko"), foreign("kmp"));
        let kmp = root.build(&extra(kmp));
        let before = root.snapshot();
        let outcome = run(&root, &["-U"], &[&kmp]);
        assert!(!outcome.status.success(), "{index}: {outcome:?}");
        assert_eq!(root.snapshot(), before, "{index}: something changed");
        let log = outcome.log().join("\n");
        assert!(
            log.contains("error: btf-guard: blocked: "),
            "{index}: {log}"
        );
    }

    // In the place of the only one, nothing is known any more.
    let root = root();
    let kmp = Package::new("kmp")
        .file(dir("extra/kmp.ko"), foreign("kmp"))
        .file(dir("vmlinuz"), "text");
    let outcome = run(&root, &["-U"], &[&root.build(&kmp)]);
    assert!(outcome.status.success(), "{outcome:?}");
    let log = outcome.log();
    assert!(log[0].starts_with("warning: btf-guard: "), "{log:?}");
}

/// Fedora's and RHEL's `kernel-uki-virt`: nothing but a unified image in the module
/// directory, its copy on the ESP as a `%ghost`, and addons.
#[test]
fn a_unified_image_is_a_kernels_only_one() {
    let unified = |base: &Btf| {
        let linux = image(base);
        uki(&[
            (".linux", &linux),
            (".uname", KERNEL.as_bytes()),
            (".initrd", b""),
        ])
    };
    let copy = format!("boot/efi/EFI/Linux/0123456789abcdef0123456789abcdef-{KERNEL}.efi");
    let addon = || uki(&[(".cmdline", b"quiet")]);
    let kernel = |version: &str, base: &Btf, driver: Vec<u8>| {
        Package::new("kernel-uki-virt")
            .version(version)
            .file(dir("vmlinuz-virt.efi"), unified(base))
            .file(dir("vmlinuz-virt.efi.extra.d/a.addon.efi"), addon())
            .file(dir("vmlinuz-virt.addon.efi"), addon())
            .file(dir("config"), ENFORCING)
            .file(dir("kernel/driver.ko"), driver)
            .ghost(format!("/{copy}"))
    };
    let kmp = |module| Package::new("kmp").file(dir("extra/kmp.ko"), module);
    for has_copy in [false, true] {
        let root = Root::new(&program());
        let put_copy = |base: &Btf| {
            if has_copy {
                put(&root, &copy, unified(base));
            }
        };
        let first = kernel("1", &rebuilt(), foreign("driver"));
        assert_silent(&run(&root, &["-i"], &[&root.build(&first)]));
        put_copy(&rebuilt());
        let own = root.build(&kmp(foreign("kmp")));
        assert_silent(&run(&root, &["-i"], &[&own]));

        // The KMP stays, and the new kernel refuses it.
        let wrong = root.build(&kernel("2", &Era::V6_18.base(), fitting("driver")));
        let outcome = assert_blocked(&root, &["-U"], &[&wrong]);
        assert!(outcome.log().concat().contains("kmp"), "{outcome:?}");
        let right = root.build(&kernel("3", &rebuilt(), foreign("driver")));
        assert_silent(&run(&root, &["-U"], &[&right]));
        // Its own driver does not fit.
        assert_silent(&run(&root, &["-e", "kmp"], &[]));
        let halves = root.build(&kernel("4", &Era::V6_18.base(), foreign("driver")));
        assert_blocked(&root, &["-U"], &[&halves]);
        let next = root.build(&kernel("5", &Era::V6_18.base(), fitting("driver")));
        put_copy(&Era::V6_18.base());
        assert_silent(&run(&root, &["-U"], &[&next]));
        assert_blocked(&root, &["-i"], &[&own]);
        assert_silent(&run(
            &root,
            &["-i"],
            &[&root.build(&kmp(fitting("kmp")).version("2"))],
        ));
    }
}

/// The names of images in a module directory, each alone.
#[test]
fn a_kernel_is_found_by_every_name() {
    for name in [
        "image",
        "Image.gz",
        "vmlinux.gz",
        "vmlinuz.gz",
        "vmlinuz.efi",
    ] {
        let root = Root::new(&program());
        let image = match name.ends_with(".gz") {
            true => gzip(&image(&Era::V6_18.base())),
            false => image(&Era::V6_18.base()),
        };
        let kernel = Package::new("kernel")
            .file(dir(name), image)
            .file(dir("config"), ENFORCING)
            .file(dir("kernel/driver.ko"), fitting("driver"));
        let package = root.build(&kernel);
        assert_silent(&run(&root, &["-i"], &[&package]));
        let kmp = Package::new("kmp").file(dir("extra/kmp.ko"), foreign("kmp"));
        assert_blocked(&root, &["-i"], &[&root.build(&kmp)]);
        let halves = kernel
            .version("2")
            .file(dir("kernel/bad.ko"), foreign("bad"));
        assert_blocked(&root, &["-U"], &[&root.build(&halves)]);
        assert_found(&root, name, &package);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("image");
    fs::write(&file, bytes).unwrap();
    let output = Command::new("gzip").arg("-c").arg(&file).output();
    output.unwrap().stdout
}

/// `kernels`, `check` of the root and of a package find the image.
fn assert_found(root: &Root, name: &str, package: &Path) {
    let json = |arguments: &[&str]| -> Value {
        let mut command = Command::new(program());
        command.args(arguments).arg("--root").arg(root.path());
        let output = command.args(["--format", "json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    };
    let tree = root.path().join(&dir("")[1..]);
    let tree = tree.to_str().unwrap();
    for kernel in [KERNEL, "all", package.to_str().unwrap()] {
        let report = json(&["check", tree, "--kernel", kernel]);
        let source = report["kernels"][0]["source"].as_str().unwrap_or_default();
        assert!(source.ends_with(name), "{name} {kernel}: {report:#}");
        assert_eq!(report["modules"][0]["verdicts"][0]["verdict"], "loads");
    }
    let listed = json(&["kernels"]).to_string();
    assert!(listed.contains(name), "{name}: {listed}");
}
