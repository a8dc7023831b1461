// SPDX-License-Identifier: GPL-2.0-or-later
//! Roots that can boot, built of two real builds of a kernel under one release:
//! what `kernels` and `check --kernel all` say of them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use btf_guard_core::kernel::image;
use btf_guard_tests::bootable::{BootRoot, MODULES, Stale, errors, of, pair};
use btf_guard_tests::elf;
use serde_json::Value;

#[test]
fn a_fresh_copy_is_the_same_kernel() {
    let root = BootRoot::new();
    root.put("efi/token/linux", &pair().new_image);
    root.entry("fresh", "/token/linux");
    root.put("efi/loader/loader.conf", b"default fresh.conf\n");
    let list = root.kernels();
    let copy = of(&list, "efi/token/linux");
    assert_eq!(copy["stale"], Value::Null);
    assert_eq!(copy["default"], true);
    assert_eq!(copy["orphan"], false);
    assert_eq!(copy["boot_paths"][0]["method"], "entry");
    assert_eq!(of(&list, "/vmlinuz")["base"], copy["base"]);
    let (code, report) = root.check();
    assert_eq!(code, 0, "{report:#}");
    // One build, judged once.
    assert_eq!(report["kernels"].as_array().unwrap().len(), 1);
    assert_eq!(report["summary"]["loads"], report["summary"]["modules"]);
}

#[test]
fn a_stale_copy_is_found_by_its_content() {
    let root = BootRoot::new();
    root.put("efi/token/linux", &pair().old_image);
    root.entry("old", "/token/linux");
    root.put("efi/loader/loader.conf", b"default old.conf\n");
    root.put("usr/bin/kernel-install", b"");
    let list = root.kernels();
    let (copy, own) = (of(&list, "efi/token/linux"), of(&list, "/vmlinuz"));
    assert_eq!(copy["release"], own["release"]);
    assert_ne!(copy["build"], own["build"]);
    assert_eq!(own["stale"], Value::Null);
    let stale = &copy["stale"];
    assert!(stale["newer_image"].as_str().unwrap().ends_with("/vmlinuz"));
    let release = &pair().release;
    let mend = format!("kernel-install add {release} /usr/lib/modules/{release}/vmlinuz");
    assert_eq!(stale["fix_command"], mend);
    assert_eq!(copy["default"], true);

    let (code, report) = root.check();
    assert_eq!(code, 2);
    let refused = report["summary"]["refused"].as_u64().unwrap();
    assert!(refused > MODULES as u64 / 2, "{refused}");
    let (code, text, _) = root.run(&["check", "--kernel", "all", "--no-color"]);
    assert_eq!(code, 2);
    let help = text.lines().nth(1).unwrap();
    assert!(
        help.starts_with("help: this copy is stale, and it is what boots"),
        "{help}"
    );
    assert!(help.contains("/vmlinuz") && help.ends_with(&mend), "{help}");
    // Without --kernel, a root that does not run has all of its kernels judged.
    assert_eq!(root.run(&["check"]).0, 2);
}

#[test]
fn a_left_over_file_in_boot_is_a_stale_copy_too() {
    let root = BootRoot::new();
    root.put(
        &format!("boot/vmlinuz-{}", pair().release),
        &pair().old_image,
    );
    let list = root.kernels();
    let copy = of(&list, &format!("boot/vmlinuz-{}", pair().release));
    assert_ne!(copy["stale"], Value::Null);
    assert_eq!(copy["role"], "unlisted");
    assert_eq!(root.check().0, 1);
}

/// As ukify builds one, but by objcopy.
#[test]
fn a_unified_kernel_image_is_looked_into() {
    let root = BootRoot::new();
    root.put("linux", &pair().old_image);
    root.put("uname", pair().release.as_bytes());
    root.put("cmdline", b"quiet splash");
    root.put("osrel", b"ID=test\nVERSION_ID=1\nPRETTY_NAME=\"Test 1\"\n");
    // Any PE file will do for what comes before the sections; a kernel is one.
    root.put("stub", &pair().new_image);
    let section = |name: &str, at: &str| {
        let path = root.at(name);
        [
            "--add-section".to_owned(),
            format!(".{name}={}", path.display()),
            "--change-section-vma".to_owned(),
            format!(".{name}={at}"),
        ]
    };
    let made = Command::new("objcopy")
        .args(section("osrel", "0x20000000"))
        .args(section("uname", "0x20010000"))
        .args(section("cmdline", "0x20020000"))
        .args(section("linux", "0x20030000"))
        .arg(root.at("stub"))
        .arg(root.at("made.efi"))
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    fs::create_dir_all(root.at("efi/EFI/Linux")).unwrap();
    fs::rename(root.at("made.efi"), root.at("efi/EFI/Linux/test.efi")).unwrap();
    let list = root.kernels();
    let uki = of(&list, "EFI/Linux/test.efi");
    assert_eq!(uki["release"], pair().release);
    assert_ne!(uki["stale"], Value::Null, "{list:#}");
    assert_eq!(uki["boot_paths"][0]["method"], "uki");
    assert_eq!(uki["boot_paths"][0]["title"], "Test 1");
    let stale = Stale {
        image: "/efi/EFI/Linux/test.efi",
        default: true,
        mend: "ukify build --linux=/usr/lib/modules/REL/vmlinuz --initrd=INITRD \
               --cmdline='quiet splash' --output=/efi/EFI/Linux/test.efi",
    };
    root.assert_stale(stale, &[]);
}

#[test]
fn what_is_broken_is_said_and_the_rest_is_judged() {
    let root = BootRoot::new();
    let whole = &pair().new_image;
    root.put("efi/token/cut", &whole[..whole.len() / 2]);
    root.put("outside", &pair().old_image);
    root.entry("cut", "/token/cut");
    root.entry("missing", "/token/nothing");
    root.entry("out", "/token/../../outside");
    root.put("efi/loader/entries/empty.conf", b"title nothing to boot\n");
    symlink("loop", root.at("efi/token/loop")).unwrap();
    root.entry("loop", "/token/loop");
    let list = root.kernels();
    let said = errors(&list);
    for name in ["cut", "missing.conf", "out.conf", "loop", "empty.conf"] {
        assert!(
            said.iter().any(|line| line.contains(name)),
            "{name}: {said:#?}"
        );
    }
    assert!(
        list["kernels"]
            .as_array()
            .unwrap()
            .iter()
            .all(|kernel| { !kernel["source"].as_str().unwrap().ends_with("outside") }),
        "{list:#}"
    );
    let (code, report) = root.check();
    // The first entry boots by default.
    assert_eq!(code, 2);
    assert_eq!(errors(&report).len(), 1);
    assert_eq!(report["summary"]["unbootable"], 4);
    assert_eq!(report["summary"]["loads"], report["summary"]["modules"]);
    assert!(report["summary"]["loads"].as_u64().unwrap() >= MODULES as u64);
}

#[test]
fn a_root_with_nothing_but_broken_entries_does_not_boot() {
    let root = BootRoot::empty();
    root.entry("missing", "/token/nothing");
    let (code, report) = root.check();
    assert_eq!((code, &report["summary"]["unbootable"]), (2, &1.into()));
    assert_eq!(root.run(&["kernels"]).0, 3);
}

#[test]
fn what_is_known_not_to_boot_is_said_whatever_cannot_be_judged() {
    let root = BootRoot::empty();
    root.put("boot/vmlinuz-6.1", b"");
    let (code, report) = root.check();
    assert_eq!((code, &report["decision"]), (2, &"block".into()));
    assert_eq!(report["summary"]["unbootable"], 1);
}

#[test]
fn a_damaged_unified_image_is_an_entry_that_does_not_boot() {
    let root = BootRoot::new();
    let image = &pair().new_image;
    let name = format!("efi/EFI/Linux/token-{}.efi", pair().release);
    root.put(&name, &image[..image.len() / 2]);
    let (code, report) = root.check();
    assert_eq!((code, errors(&report).len()), (2, 0));
    let kernel = of(&report, &name);
    assert_eq!(kernel["release"], pair().release);
    assert_eq!(kernel["role"], "default");
    assert_ne!(kernel["unbootable"], Value::Null);
    assert_eq!(errors(&root.kernels()).len(), 1);
}

/// Built again, with no change to a type: nothing but the build tells the copy apart.
#[test]
fn a_copy_of_another_build_with_the_same_types_is_stale() {
    let root = BootRoot::new();
    let base = image::open(&pair().new.image).unwrap().base_btf;
    let vmlinux = elf::vmlinux(&pair().release, &base);
    let payload = zstd::encode_all(&vmlinux[..], 1).unwrap();
    root.put("efi/token/linux", &elf::bzimage(&pair().release, &payload));
    root.entry("copy", "/token/linux");
    root.put("efi/loader/loader.conf", b"default copy.conf\n");
    let (code, report) = root.check();
    assert_eq!(report["summary"]["stale-copy"], 1, "{report:#}");
    // Every module loads.
    assert_eq!((code, &report["summary"]["refused"]), (1, &0.into()));
}

#[test]
fn an_image_is_unpacked_once_and_a_damaged_cache_is_mended() {
    let root = BootRoot::new();
    let before = root.kernels();
    let mut entries = fs::read_dir(root.at("var/cache")).unwrap();
    let entry = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none());
    let good = fs::read(&entry).unwrap();
    fs::write(&entry, &good[..good.len() / 2]).unwrap();
    assert_eq!(root.kernels(), before);
    assert_eq!(fs::read(&entry).unwrap(), good);
    // What is kept is what is used.
    fs::remove_dir_all(root.at("var/cache")).unwrap();
    assert_eq!(root.kernels(), before);
}
