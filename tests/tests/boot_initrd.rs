// SPDX-License-Identifier: GPL-2.0-or-later
//! Modules inside initrds, written by the real `cpio` and compressors: those of
//! another build than the kernel's are found although the module directory is
//! fresh.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::Path;
use std::process::Command;

use btf_guard_tests::bootable::{BootRoot, MODULES, errors, pair};
use btf_guard_tests::initrd::{COMPRESSORS, archive_of, initrd, output, some, with_file};
use serde_json::{Value, json};

/// The initrd of some of the older build's modules, under the release of the newer.
fn old(compressor: &[&str]) -> Vec<u8> {
    initrd(&pair().old.modules, &pair().release, compressor)
}

fn new(compressor: &[&str]) -> Vec<u8> {
    initrd(&pair().new.modules, &pair().release, compressor)
}

/// A root whose kernel is booted by an entry with initrds.
fn with_entry(initrds: &[(&str, &[u8])]) -> BootRoot {
    let root = BootRoot::new();
    root.put("efi/token/linux", &pair().new_image);
    let mut lines = String::new();
    for (name, bytes) in initrds {
        root.put(&format!("efi/token/{name}"), bytes);
        lines += &format!("initrd /token/{name}\n");
    }
    let text = format!(
        "title t\nversion {}\nlinux /token/linux\n{lines}",
        pair().release
    );
    root.put("efi/loader/entries/t.conf", text.as_bytes());
    root
}

/// The modules inside initrds, and the others. What is said of an initrd itself is neither.
fn parted(report: &Value) -> (Vec<&Value>, Vec<&Value>) {
    let modules = report["modules"].as_array().unwrap().iter();
    let modules = modules.filter(|module| module["name"] != "");
    modules.partition(|module| module["initrd"].is_string())
}

fn verdicts<'a>(modules: &[&'a Value], kernel: usize) -> Vec<&'a str> {
    let verdicts = modules
        .iter()
        .flat_map(|module| module["verdicts"].as_array().unwrap());
    let of_it = verdicts.filter(|verdict| verdict["kernel"] == kernel);
    of_it
        .map(|verdict| verdict["verdict"].as_str().unwrap())
        .collect()
}

#[test]
fn old_modules_are_found_whatever_the_compression() {
    let early = "kernel/x86/microcode/AuthenticAMD.bin";
    for compressor in COMPRESSORS {
        let initrd = old(compressor);
        let root = with_entry(&[
            ("ucode.img", &with_file(early, &[7; 5000])),
            ("initrd", &initrd),
        ]);
        let (code, report) = root.check();
        assert_eq!(code, 2, "{compressor:?}");
        assert_eq!(report["notes"], json!([]), "{compressor:?}: {report:#}");
        let (inside, outside) = parted(&report);
        assert_eq!(inside.len(), some(&pair().old.modules).count());
        let refused = verdicts(&inside, 0)
            .iter()
            .filter(|v| **v == "refused")
            .count();
        assert!(refused > MODULES / 2, "{compressor:?}: {refused}");
        assert!(verdicts(&outside, 0).iter().all(|v| *v == "loads"));
        let all = inside.len() + outside.len();
        assert_eq!(report["summary"]["modules"], all);
    }
}

#[test]
fn the_report_names_the_initrd_and_what_mends_it() {
    let root = with_entry(&[("initrd", &old(&["zstd", "-q"]))]);
    root.put("usr/bin/dracut", b"");
    let (_, report) = root.check();
    let shown = root.at("efi/token/initrd").canonicalize().unwrap();
    let shown = shown.to_str().unwrap();
    let (inside, _) = parted(&report);
    assert_eq!(inside[0]["initrd"], shown);
    let path = inside[0]["path"].as_str().unwrap();
    let within = path.strip_prefix(shown).unwrap();
    let tree = format!("!usr/lib/modules/{}/kernel/drivers/", pair().release);
    assert!(
        within.starts_with(&tree) && within.ends_with(".ko"),
        "{path}"
    );
    let entry = &report["initrds"][0];
    assert_eq!(entry["path"], shown);
    assert_eq!(entry["kernels"], json!([0]));
    let mend = format!("dracut --force --kver {}", pair().release);
    assert_eq!(entry["fix_command"], mend);

    let (code, text, _) = root.run(&["check", "--kernel", "all", "--no-color"]);
    assert_eq!(code, 2);
    let mut lines = text.lines();
    let headline = lines.next().unwrap();
    let of = format!(
        " of {} modules in initrd {shown} will not load on kernel",
        inside.len()
    );
    assert!(
        headline.starts_with("error: ") && headline.contains(&of),
        "{headline}"
    );
    let help = format!("help: make the initrd anew before it is booted: {mend}");
    assert_eq!(lines.next().unwrap(), help);
    assert_eq!(
        lines.next().unwrap(),
        format!("--> {shown}{}", tree.trim_end_matches('/'))
    );
    assert!(!text.contains("note: modules inside"), "{text}");
}

/// Without entries, the places tell; an entry that names another is believed.
#[test]
fn initrds_beside_images() {
    let (release, old) = (&pair().release, old(&["zstd", "-q"]));
    for initrd in [
        "boot/initrd-#",
        "boot/initrd.img-#",
        "boot/initramfs-#.img",
        "usr/lib/modules/#/initrd",
        "usr/lib/modules/#/initramfs.img",
    ] {
        let root = BootRoot::new();
        let initrd = initrd.replace('#', release);
        root.put(&format!("boot/vmlinuz-{release}"), &pair().new_image);
        root.put("boot/initrd-6.0-other", &old);
        root.put(&initrd, &old);
        let (code, report) = root.check();
        assert_eq!(code, 2, "{initrd}");
        let shown = root.at(&initrd).canonicalize().unwrap();
        assert_eq!(report["initrds"].as_array().unwrap().len(), 1);
        assert_eq!(report["initrds"][0]["path"], shown.to_str().unwrap());
        root.put("boot/other", &new(&["zstd", "-q"]));
        let entry = format!("version {release}\nlinux /vmlinuz-{release}\ninitrd /other\n");
        root.put("boot/loader/entries/t.conf", entry.as_bytes());
        let believed = if initrd.starts_with("boot/") { 0 } else { 2 };
        assert_eq!(root.check().0, believed, "{initrd}");
    }
}

#[test]
fn grub_and_debians_names() {
    let release = &pair().release;
    let root = BootRoot::new();
    root.put(&format!("boot/vmlinuz-{release}"), &pair().new_image);
    root.put(
        &format!("boot/initrd.img-{release}"),
        &old(&["xz", "--check=crc32"]),
    );
    let item = |initrd: &str| {
        format!("menuentry a {{\n linux /boot/vmlinuz-{release} root=1\n initrd {initrd}\n}}\n")
    };
    let named = item(&format!("/boot/initrd.img-{release}"));
    root.put("boot/grub/grub.cfg", named.as_bytes());
    root.put("usr/sbin/update-initramfs", b"");
    let (code, report) = root.check();
    assert_eq!(code, 2);
    let mend = format!("update-initramfs -u -k {release}");
    assert_eq!(report["initrds"][0]["fix_command"], mend);
    assert_eq!(report["notes"], json!([]));

    root.put("boot/grub/grub.cfg", item("/boot/nothing").as_bytes());
    let (code, report) = root.check();
    assert_eq!((code, &report["summary"]["unbootable"]), (2, &1.into()));
    let kernels = report["kernels"].as_array().unwrap().iter();
    let mut faults = kernels.filter_map(|kernel| kernel["unbootable"]["why"].as_str());
    let why = faults.next().unwrap();
    assert!(why.starts_with("line 1: expected "), "{why}");
    assert!(
        why.ends_with("/boot/nothing, which does not exist"),
        "{why}"
    );
    // Nothing names the image at all: the initrd is the one beside it, if there is one.
    root.put("boot/grub/grub.cfg", b"");
    let (code, report) = root.check();
    assert_eq!(code, 2);
    assert_eq!(report["notes"], json!([]));
    fs::remove_file(root.at(&format!("boot/initrd.img-{release}"))).unwrap();
    let (code, report) = root.check();
    assert_eq!(code, 0);
    let note = report["notes"][0].as_str().unwrap();
    let why = format!("/boot/vmlinuz-{release}, which no boot entry names");
    assert!(note.ends_with(&why), "{note}");
}

#[test]
fn a_fresh_initrd_is_quiet() {
    let root = with_entry(&[("initrd", &new(&["zstd", "-q"]))]);
    let (code, report) = root.check();
    assert_eq!(code, 0, "{report:#}");
    let (inside, outside) = parted(&report);
    assert_eq!(inside.len(), some(&pair().new.modules).count());
    assert_eq!(report["summary"]["loads"], inside.len() + outside.len());
    assert_eq!(report["summary"]["loads"], report["summary"]["modules"]);
    let (code, text, _) = root.run(&["check", "--kernel", "all", "--no-color"]);
    assert_eq!(code, 0);
    // What nothing boots has no initrd to ask for.
    let (code, alone) = BootRoot::new().check();
    assert_eq!((code, &alone["notes"]), (0, &json!([])));
    assert!(
        text.starts_with("ok: all ") && text.lines().count() == 1,
        "{text}"
    );
}

/// initramfs-tools puts the modules in front of what it compresses; a link of
/// weak-modules leads to another release's module.
#[test]
fn parts_links_and_other_releases() {
    let release = &pair().release;
    let older = &pair().old.release;
    let orphans = initrd(&pair().old.modules, older, &["cat"]);
    let fresh = new(&["gzip"]);
    let root = with_entry(&[("initrd", &[&orphans[..], &fresh].concat())]);
    let (code, report) = root.check();
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(parted(&report).0.len(), some(&pair().new.modules).count());

    let module = pair()
        .old
        .modules
        .iter()
        .find(|path| path.ends_with("xfs.ko"))
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let extra = dir.path().join("lib/modules").join(older).join("extra");
    let weak = dir
        .path()
        .join("lib/modules")
        .join(release)
        .join("weak-updates");
    fs::create_dir_all(&extra).unwrap();
    fs::create_dir_all(&weak).unwrap();
    fs::copy(module, extra.join("xfs.ko")).unwrap();
    let target = Path::new("/lib/modules").join(older).join("extra/xfs.ko");
    std::os::unix::fs::symlink(target, weak.join("xfs.ko")).unwrap();
    let root = with_entry(&[("initrd", &archive_of(dir.path()))]);
    let (code, report) = root.check();
    assert_eq!(code, 2, "{report:#}");
    let (inside, _) = parted(&report);
    assert_eq!(inside.len(), 1);
    let path = inside[0]["path"].as_str().unwrap();
    assert!(
        path.ends_with(&format!("!lib/modules/{release}/weak-updates/xfs.ko")),
        "{path}"
    );
}

#[test]
fn one_initrd_of_two_kernels_is_read_once() {
    let root = with_entry(&[("initrd", &old(&["zstd", "-q"]))]);
    // A stale copy: the initrd fits it, the module directory does not.
    root.put("efi/old/linux", &pair().old_image);
    for id in ["again", "more"] {
        let text = format!("title {id}\nlinux /old/linux\ninitrd /token/initrd\n");
        root.put(&format!("efi/loader/entries/{id}.conf"), text.as_bytes());
    }
    let (code, report) = root.check();
    assert_eq!(code, 2);
    assert_eq!(report["initrds"].as_array().unwrap().len(), 1);
    let kernels = report["kernels"].as_array().unwrap();
    let (inside, _) = parted(&report);
    assert_eq!(inside.len(), some(&pair().old.modules).count());
    for kernel in kernels {
        let id = kernel["id"].as_u64().unwrap() as usize;
        let verdicts = verdicts(&inside, id);
        assert_eq!(verdicts.len(), inside.len());
        let loads = verdicts.iter().filter(|v| **v == "loads").count();
        let stale = kernel["stale"].is_object();
        assert_eq!(loads == inside.len(), stale, "{loads}: {kernel:#}");
    }
}

#[test]
fn one_initrd_of_two_releases_has_modules_for_each() {
    let both = [
        initrd(&pair().old.modules, &pair().old.release, &["zstd", "-q"]),
        new(&["zstd", "-q"]),
    ];
    let root = with_entry(&[("initrd", &both.concat())]);
    root.put("efi/older/linux", &fs::read(&pair().old.image).unwrap());
    let text = "title older\nlinux /older/linux\ninitrd /token/initrd\n";
    root.put("efi/loader/entries/older.conf", text.as_bytes());
    let (code, report) = root.check();
    let (inside, _) = parted(&report);
    let modules = some(&pair().old.modules).count() + some(&pair().new.modules).count();
    assert_eq!(inside.len(), modules);
    for module in inside {
        let verdicts = module["verdicts"].as_array().unwrap();
        assert_eq!(verdicts.len(), 1, "{module:#}");
        assert_eq!(verdicts[0]["verdict"], "loads");
        let kernel = &report["kernels"][verdicts[0]["kernel"].as_u64().unwrap() as usize];
        assert_eq!(kernel["release"], module["release"]);
    }
    // The other release has no modules but these.
    assert_eq!((code, &report["summary"]["no-modules"]), (1, &1.into()));
}

#[test]
fn a_unified_kernel_image_has_its_initrd_inside() {
    for (initrd, expected) in [(old(&["zstd", "-q"]), 2), (new(&["zstd", "-q"]), 0)] {
        let root = BootRoot::new();
        root.put("linux", &pair().new_image);
        root.put("osrel", b"ID=test\nPRETTY_NAME=\"Test\"\n");
        root.put("uname", pair().release.as_bytes());
        root.put("initrd", &initrd);
        root.put("usr/bin/kernel-install", b"");
        let mut objcopy = Command::new("objcopy");
        let sections = ["osrel", "uname", "linux", "initrd"].into_iter().zip(2..);
        for (name, at) in sections {
            objcopy.arg("--add-section");
            objcopy.arg(format!(".{name}={}", root.at(name).display()));
            objcopy.arg("--change-section-vma");
            objcopy.arg(format!(".{name}=0x{at}0000000"));
        }
        fs::create_dir_all(root.at("efi/EFI/Linux")).unwrap();
        // Any PE file will do for what comes before the sections.
        output(
            objcopy
                .arg(&pair().new.image)
                .arg(root.at("efi/EFI/Linux/t.efi")),
        );
        let (code, report) = root.check();
        assert_eq!(code, expected, "{report:#}");
        let (inside, _) = parted(&report);
        assert_eq!(inside.len(), some(&pair().old.modules).count());
        let path = inside[0]["path"].as_str().unwrap();
        assert!(
            path.contains("efi/EFI/Linux/t.efi!usr/lib/modules/"),
            "{path}"
        );
        let release = &pair().release;
        let mend = format!("kernel-install add {release} /usr/lib/modules/{release}/vmlinuz");
        assert_eq!(report["initrds"][0]["fix_command"], mend);
    }
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let good = old(&["zstd", "-q"]);
    let cut = &good[..good.len() / 2];
    let root = with_entry(&[("garbage", b"not an initrd"), ("initrd", cut)]);
    let (code, report) = root.check();
    // What came before the end was judged.
    assert_eq!(code, 2);
    let inside = parted(&report).0.len();
    assert!(
        inside > 0 && inside < some(&pair().old.modules).count(),
        "{inside}"
    );
    let unread = report["errors"].as_array().unwrap();
    let [garbage, cut] = &unread[..] else {
        panic!("{unread:#?}");
    };
    let told = |entry: &Value, name: &str, error: &str| {
        entry["path"].as_str().unwrap().ends_with(name)
            && entry["error"].as_str().unwrap().starts_with(error)
    };
    let expected = "at offset 0x0: expected an entry of a cpio";
    assert!(told(garbage, "/efi/token/garbage", expected), "{garbage}");
    let expected = "in the zstd stream at offset 0x0, unpacked, at";
    assert!(told(cut, "/efi/token/initrd", expected), "{cut}");

    // A module that is none: the kernel refuses it.
    let module = format!("lib/modules/{}/kernel/drivers/none.ko", pair().release);
    let initrd = with_file(&module, b"none");
    let (code, report) = with_entry(&[("initrd", &initrd)]).check();
    assert_eq!((code, errors(&report).len()), (2, 0));
    let inside = parted(&report).0;
    assert_eq!(inside[0]["verdicts"][0]["errno"], -8);

    let root = with_entry(&[("garbage", b"not an initrd")]);
    let (code, text, err) = root.run(&["check", "--kernel", "all", "--no-color"]);
    assert_eq!((code, err.as_str()), (3, ""), "{text}");
    assert!(text.contains("efi/token/garbage: at offset 0x0"), "{text}");
    // A kernel that is named has no entry to ask.
    let (code, text, _) = root.run(&["check", "--kernel", &pair().release, "--no-color"]);
    assert_eq!(code, 0);
    assert!(text.contains("which only --kernel all looks for"), "{text}");
    // Nor does a module that is named lie in one.
    let module = pair().new.modules[0].display().to_string();
    let (code, text, _) = root.run(&["check", &module, "--kernel", "all", "--no-color"]);
    assert_eq!(code, 0);
    assert!(!text.contains("initrd"), "{text}");
}
