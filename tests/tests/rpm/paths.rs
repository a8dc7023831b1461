// SPDX-License-Identifier: GPL-2.0-or-later
//! What the paths of a package mean on the disk: links, relocation, what is left out,
//! and which files are kernel images.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use btf_guard_tests::btf::{Btf, Era};
use btf_guard_tests::image::uki;
use btf_guard_tests::{Outcome, Package, Root, elf, program};

use crate::real::{ENFORCING, assert_blocked, assert_silent, fitting, foreign, rebuilt, run};

const KERNEL: &str = "6.18.15-test";

fn image(base: &Btf) -> Vec<u8> {
    elf::vmlinux(KERNEL, &base.build())
}

fn dir(below: &str) -> String {
    format!("/lib/modules/{KERNEL}/{below}")
}

/// A root with a merged `/usr` and a kernel that enforces BTF.
fn root() -> Root {
    let root = Root::new(&program());
    fs::create_dir_all(root.path().join("usr/lib")).unwrap();
    symlink("usr/lib", root.path().join("lib")).unwrap();
    put(&root, &dir("vmlinuz"), image(&Era::V6_18.base()));
    put(&root, &dir("config"), ENFORCING);
    put(&root, &dir("kernel/driver.ko"), fitting("driver"));
    root
}

fn put(root: &Root, path: &str, content: impl AsRef<[u8]>) {
    let path = root.path().join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn link(root: &Root, path: &str, target: &str) {
    let path = root.path().join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(target, path).unwrap();
}

/// The log without rpm's own words about such a package.
fn log(outcome: &Outcome) -> Vec<&str> {
    let mut log = outcome.log();
    log.retain(|line| !line.contains("RPM v3 packages are deprecated"));
    log
}

/// Where a module comes to lie: the root before, a package of it, rpm's options, and
/// the path at which the kernel will find it.
struct Way {
    prepare: fn(&Root),
    package: fn(Vec<u8>) -> Package,
    options: Vec<String>,
    found: String,
}

fn way(package: fn(Vec<u8>) -> Package, options: &[String], found: &str) -> Way {
    Way {
        prepare: |_| {},
        package,
        options: options.to_vec(),
        found: dir(found),
    }
}

const OPT: &str = "/opt/kmp/kmp.ko";

fn in_opt(module: Vec<u8>) -> Package {
    Package::new("kmp")
        .tag("Prefix", "/opt/kmp")
        .file(OPT, module)
}

fn opt_is_linked(root: &Root) {
    put(root, "/opt/kmp/readme", "");
    link(root, &dir("extra"), "/opt/kmp");
}

fn ways() -> Vec<Way> {
    let relocate = |from: &str, to: String| ["--relocate".to_owned(), format!("{from}={to}")];
    let extra = "extra/kmp.ko";
    vec![
        // A link to a module of another release, which has no kernel here.
        way(
            |module| {
                Package::new("kmp")
                    .file("/lib/modules/6.0-other/extra/kmp.ko", module)
                    .link(dir("weak-updates/kmp.ko"), "../../6.0-other/extra/kmp.ko")
            },
            &[],
            "weak-updates/kmp.ko",
        ),
        // A link to a directory.
        way(
            |module| in_opt(module).link(dir("extra"), "/opt/kmp"),
            &[],
            extra,
        ),
        way(
            |module| {
                in_opt(module)
                    .link("/opt/link", "kmp")
                    .link(dir("extra"), "../../../../opt/link")
            },
            &[],
            extra,
        ),
        // The link is there already.
        Way {
            prepare: opt_is_linked,
            ..way(
                |module| Package::new("kmp").file(dir("extra/kmp.ko"), module),
                &[],
                extra,
            )
        },
        Way {
            prepare: opt_is_linked,
            ..way(in_opt, &[], extra)
        },
        Way {
            prepare: |root| link(root, &dir("extra"), "../../../../opt/kmp"),
            ..way(in_opt, &[], extra)
        },
        Way {
            prepare: opt_is_linked,
            ..way(
                |module| in_opt(module).file(dir("updates/other.ko"), fitting("other")),
                &[],
                extra,
            )
        },
        way(in_opt, &relocate("/opt/kmp", dir("extra")), extra),
        way(
            in_opt,
            &relocate("/opt/kmp", format!("/usr//lib/./modules/{KERNEL}/extra")),
            extra,
        ),
        way(in_opt, &["--prefix".to_owned(), dir("extra")], extra),
        // rpm cleans directories, and not the paths of files.
        way(
            |module| Package::new("kmp").tag("Prefix", OPT).file(OPT, module),
            &relocate(OPT, dir("kernel/../extra/kmp.ko")),
            extra,
        ),
        way(
            |module| {
                Package::new("kmp")
                    .file(dir("extra/kmp.ko"), module)
                    .whole_paths()
            },
            &[],
            extra,
        ),
        way(
            |module| in_opt(module).link(dir("extra"), "/opt/kmp").whole_paths(),
            &[],
            extra,
        ),
    ]
}

#[test]
fn a_module_is_judged_where_the_kernel_will_find_it() {
    for (index, way) in ways().into_iter().enumerate() {
        let root = root();
        (way.prepare)(&root);
        let options: Vec<&str> = way.options.iter().map(String::as_str).collect();
        let options = [&["-U"], &options[..]].concat();
        let bad = root.build(&(way.package)(foreign("kmp")));
        let before = root.snapshot();
        let outcome = run(&root, &options, &[&bad]);
        assert!(!outcome.status.success(), "{index}: {outcome:?}");
        assert_eq!(root.snapshot(), before, "{index}: something changed");
        let log = log(&outcome);
        assert!(
            log[0].starts_with("error: btf-guard: blocked: "),
            "{index}: {log:?}"
        );

        let good = root.build(&(way.package)(fitting("kmp")).version("2"));
        let outcome = run(&root, &options, &[&good]);
        assert!(outcome.status.success(), "{index}: {outcome:?}");
        assert_eq!(self::log(&outcome), [""; 0], "{index}");
        let found = root.path().join(way.found.trim_start_matches('/'));
        // A link is followed inside the root.
        let there = fs::symlink_metadata(&found).is_ok() || way.found.contains("extra/");
        assert!(there, "{index}: {found:?}");
    }
}

/// The module lies on the disk, and the package brings the way to it.
#[test]
fn a_link_that_comes_makes_a_module_of_the_disk_a_releases() {
    for (path, target) in [
        (dir("extra"), "/srv/kmp"),
        (dir("extra/kmp.ko"), "../../../../../srv/kmp/kmp.ko"),
    ] {
        let root = root();
        put(&root, "/srv/kmp/kmp.ko", foreign("kmp"));
        let package = root.build(&Package::new("way").link(&path, target));
        assert_blocked(&root, &["-U"], &[&package]);
        put(&root, "/srv/kmp/kmp.ko", fitting("kmp"));
        assert_silent(&run(&root, &["-U"], &[&package]));
        // Nor is it judged where the same package takes the module's place.
        put(&root, "/srv/kmp/kmp.ko", foreign("kmp"));
        let both = Package::new("way")
            .version("2")
            .link(&path, target)
            .file("/srv/kmp/kmp.ko", fitting("kmp"));
        assert_silent(&run(&root, &["-U"], &[&root.build(&both)]));
    }
}

#[test]
fn what_is_not_installed_there_is_not_judged() {
    let at = dir("extra/kmp.ko");
    let exclude = |path: String| vec![format!("--excludepath={path}")];
    let share = |path: String| vec!["-D".to_owned(), format!("_netsharedpath {path}")];
    for (options, lands) in [
        (exclude(at.clone()), None),
        (exclude(dir("extra")), None),
        (vec!["--excludepath".to_owned(), dir("extra")], None),
        (share(format!("/srv:{}", dir("extra"))), None),
        (share(at.clone()), None),
        (
            vec![
                "--relocate".to_owned(),
                format!("{}=/opt/away", dir("extra")),
            ],
            Some("/opt/away/kmp.ko"),
        ),
    ] {
        let root = root();
        let kmp = Package::new("kmp")
            .tag("Prefix", &dir("extra"))
            .file(&at, foreign("kmp"))
            .file(dir("updates/good.ko"), fitting("good"));
        let kmp = root.build(&kmp);
        assert_blocked(&root, &["-U"], &[&kmp]);
        let words: Vec<&str> = options.iter().map(String::as_str).collect();
        assert_silent(&run(&root, &[&["-U"], &words[..]].concat(), &[&kmp]));
        let is_there = |path: &str| root.path().join(path.trim_start_matches('/')).exists();
        assert!(!is_there(&at), "{options:?}");
        assert!(lands.is_none_or(is_there), "{options:?}");
        assert!(is_there(&dir("updates/good.ko")), "{options:?}");
    }
    // One that is near is no excuse.
    for options in [exclude(dir("ext")), share(dir("updates"))] {
        let root = root();
        let kmp = root.build(&Package::new("kmp").file(&at, foreign("kmp")));
        assert_blocked(&root, &["-U", &options.join(" ")][..1], &[&kmp]);
    }
}

/// A shared path is not removed either: what is below it stays.
#[test]
fn what_is_shared_does_not_go() {
    let root = root();
    let kernel = Package::new("kernel").file(dir("kernel/own.ko"), fitting("own"));
    assert_silent(&run(&root, &["-U"], &[&root.build(&kernel)]));
    fs::remove_file(root.path().join(&dir("kernel/driver.ko")[1..])).unwrap();
    let shared = format!("_netsharedpath {}", dir("kernel"));
    assert_silent(&run(&root, &["-e", "-D", &shared, "kernel"], &[]));
    assert!(root.path().join(&dir("kernel/own.ko")[1..]).exists());
}

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
    let output = std::process::Command::new("gzip")
        .arg("-c")
        .arg(&file)
        .output();
    output.unwrap().stdout
}

/// `kernels`, `check` of the root and of a package find the image.
fn assert_found(root: &Root, name: &str, package: &PathBuf) {
    let json = |arguments: &[&str]| -> serde_json::Value {
        let mut command = std::process::Command::new(program());
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
