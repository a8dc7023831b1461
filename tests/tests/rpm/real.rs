// SPDX-License-Identifier: GPL-2.0-or-later
//! The whole way: the real rpm, the plugin, the real judge, and kernels in the
//! root. Most kernels here are small ones made for the test; one is a
//! distribution's.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use btf_guard_tests::btf::{Btf, Era, kind};
use btf_guard_tests::skip::skipped;
use btf_guard_tests::{Outcome, Package, Root, elf, kernels, program};

use crate::plain_package;

const KERNEL: &str = "6.18.15-test";
pub(crate) const ENFORCING: &str =
    "CONFIG_MODULES=y\n# CONFIG_MODULE_ALLOW_BTF_MISMATCH is not set\n";
const PERMITTING: &str = "CONFIG_MODULES=y\nCONFIG_MODULE_ALLOW_BTF_MISMATCH=y\n";

/// The base of another build: a type more, in the middle.
pub(crate) fn rebuilt() -> Btf {
    let mut base = Btf::base();
    base.structure("came_with_the_rebuild", 8, &[]);
    Era::V6_18.base_in(base)
}

/// A module's BTF on `base`, where `int` has this id.
fn split(base: &Btf, int: u32) -> Vec<u8> {
    let mut split = Btf::split(base);
    split.structure("driver_state", 16, &[("a", int, 0), ("b", int, 32)]);
    let prototype = split.add(0, kind::FUNC_PROTO, 0, int, &[]);
    split.named("driver_open", kind::FUNC, 0, prototype, &[]);
    split.build()
}

/// A module of the kernel in the root.
pub(crate) fn fitting(name: &str) -> Vec<u8> {
    elf::named_module(name, &split(&Era::V6_18.base(), 1))
}

/// A module of the other build.
pub(crate) fn foreign(name: &str) -> Vec<u8> {
    elf::named_module(name, &split(&rebuilt(), 2))
}

fn module_path(name: &str) -> String {
    format!("/lib/modules/{KERNEL}/extra/{name}.ko")
}

fn good() -> Package {
    Package::new("good").file(module_path("good"), fitting("good"))
}

fn bad() -> Package {
    Package::new("bad").file(module_path("bad"), foreign("bad"))
}

/// A root with a kernel that enforces BTF, or whatever `config` says.
fn root_with(config: Option<&str>) -> Root {
    root_of(&Era::V6_18.base(), config)
}

fn root_of(base: &Btf, config: Option<&str>) -> Root {
    let root = Root::new(&program());
    let dir = root.path().join("lib/modules").join(KERNEL);
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("vmlinux"), elf::vmlinux(KERNEL, &base.build())).unwrap();
    // A kernel that is as new as this one is told of if it has no module at all.
    fs::create_dir(dir.join("kernel")).unwrap();
    fs::write(dir.join("kernel/own.ko"), elf::named_module("own", b"")).unwrap();
    if let Some(config) = config {
        fs::write(dir.join("config"), config).unwrap();
    }
    root
}

pub(crate) fn run(root: &Root, options: &[&str], packages: &[&PathBuf]) -> Outcome {
    let arguments = options.iter().map(OsString::from);
    root.rpm(arguments.chain(packages.iter().map(|path| path.as_os_str().to_owned())))
}

#[track_caller]
pub(crate) fn assert_blocked(root: &Root, options: &[&str], packages: &[&PathBuf]) -> Outcome {
    let before = root.snapshot();
    let outcome = run(root, options, packages);
    assert!(!outcome.status.success(), "{outcome:?}");
    assert_eq!(root.snapshot(), before, "something changed");
    let log = outcome.log();
    assert!(log[0].starts_with("error: btf-guard: blocked: "), "{log:?}");
    assert!(
        log.iter().any(|line| line.contains("BTF_GUARD=warn")),
        "{log:?}"
    );
    assert_eq!(
        log.last(),
        Some(&"error: Plugin btf_guard: hook tsm_pre failed")
    );
    outcome
}

#[track_caller]
pub(crate) fn assert_silent(outcome: &Outcome) {
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(outcome.log(), [""; 0]);
    assert_eq!(outcome.stdout, "");
}

#[test]
fn a_module_of_this_kernel_is_installed_in_silence() {
    let root = root_with(Some(ENFORCING));
    let package = root.build(&good());
    assert_silent(&run(&root, &["-U", "--test"], &[&package]));
    assert_silent(&run(&root, &["-U"], &[&package]));
    assert_eq!(root.installed(), ["good-1-1.noarch"]);
    assert_silent(&run(&root, &["-e", "good"], &[]));
    assert_silent(&run(
        &root,
        &["-U"],
        &[&root.build(&plain_package("plain"))],
    ));
}

#[test]
fn a_module_of_another_build_is_stopped() {
    let root = root_with(Some(ENFORCING));
    let package = root.build(&bad());
    let outcome = assert_blocked(&root, &["-U"], &[&package]);
    let log = outcome.log().join("\n");
    for words in [
        "the module will not load on kernel",
        "another build of it",
        KERNEL,
        "modules: bad (in bad-1-1.noarch)",
        "failed to validate module [bad] BTF: -22",
    ] {
        assert!(log.contains(words), "{words:?} is missing from:\n{log}");
    }
    assert_blocked(&root, &["-U", "--test"], &[&package]);
    assert_blocked(&root, &["-i"], &[&package]);
}

#[test]
fn one_of_two_is_enough() {
    let root = root_with(Some(ENFORCING));
    let (good, bad) = (root.build(&good()), root.build(&bad()));
    assert_blocked(&root, &["-U"], &[&good, &bad]);
    assert_silent(&run(&root, &["-U"], &[&good]));
    assert_blocked(&root, &["-U", "--force"], &[&bad, &good]);
}

#[test]
fn the_admin_may_know_better() {
    let root = root_with(Some(ENFORCING));
    let package = root.build(&bad());
    let mut by_environment = root.command(["-U".as_ref(), package.as_os_str()]);
    by_environment.env("BTF_GUARD", "warn");
    let mut by_macro = root.command(["-D", "_btf_guard warn", "-U"]);
    by_macro.arg(&package);
    for command in [by_environment, by_macro] {
        let outcome = root.run(command);
        assert!(outcome.status.success(), "{outcome:?}");
        let log = outcome.log();
        assert!(log[0].starts_with("warning: btf-guard: "), "{log:?}");
        assert!(
            log.iter().all(|line| line.starts_with("warning: ")),
            "{log:?}"
        );
        assert_eq!(root.installed(), ["bad-1-1.noarch"]);
        assert_silent(&run(&root, &["-e", "bad"], &[]));
    }
    let mut off = root.command(["-U".as_ref(), package.as_os_str()]);
    off.env("BTF_GUARD", "off");
    assert_silent(&root.run(off));
}

/// zypper's classic back end runs rpm once a package: once one is installed, a
/// block would come in the middle of its commit. In the other back end there is
/// one transaction.
#[test]
fn in_the_middle_of_a_commit_nothing_is_blocked() {
    let root = root_with(Some(ENFORCING));
    let package = root.build(&bad());
    let in_commit = |mut command: Command, package: &Path| {
        command.arg("-U").arg(package);
        command.env("ZYPP_IS_RUNNING", std::process::id().to_string());
        root.run(command)
    };
    let none: [&str; 0] = [];
    let single = in_commit(root.single(none), &package);
    assert!(!single.status.success(), "{single:?}");
    let first = root.build(&Package::new("first").file("/usr/share/first", "text"));
    assert_silent(&in_commit(root.command(none), &first));
    let outcome = in_commit(root.command(none), &package);
    assert!(outcome.status.success(), "{outcome:?}");
    assert!(
        outcome.log()[0].starts_with("warning: btf-guard: "),
        "{outcome:?}"
    );
}

#[test]
fn what_was_broken_before_does_not_block() {
    let root = root_with(Some(ENFORCING));
    let package = root.build(&bad());
    let mut first = root.command(["-U".as_ref(), package.as_os_str()]);
    first.env("BTF_GUARD", "off");
    assert_silent(&root.run(first));
    let again = run(&root, &["-U", "--force"], &[&package]);
    assert!(again.status.success(), "{again:?}");
    // The repair is never stopped, and a step back to what is broken is.
    let repair = root.build(
        &Package::new("bad")
            .version("2")
            .file(module_path("bad"), fitting("bad")),
    );
    assert_silent(&run(&root, &["-U"], &[&repair]));
    assert_blocked(&root, &["-U", "--oldpackage"], &[&package]);
}

#[test]
fn a_kernel_that_permits_mismatches_only_warns() {
    for config in [Some(PERMITTING), None] {
        let root = root_with(config);
        let outcome = run(&root, &["-U"], &[&root.build(&bad())]);
        assert!(outcome.status.success(), "{outcome:?}");
        assert!(
            outcome.log()[0].starts_with("warning: btf-guard: "),
            "{outcome:?}"
        );
        assert_eq!(root.installed(), ["bad-1-1.noarch"]);
    }
}

#[test]
fn a_kernel_that_comes_along_is_the_one_that_counts() {
    let kernel = |base: &Btf| {
        Package::new("kernel")
            .file(
                format!("/lib/modules/{KERNEL}/vmlinux"),
                elf::vmlinux(KERNEL, &base.build()),
            )
            .file(format!("/lib/modules/{KERNEL}/config"), ENFORCING)
            .file(module_path("driver"), foreign("driver"))
    };
    let root = root_with(Some(ENFORCING));
    let whole = root.build(&kernel(&rebuilt()));
    assert_silent(&run(&root, &["-U", "--replacefiles"], &[&whole]));

    // The kernel on the disk would take them, but it is about to be replaced.
    let root = root_of(&rebuilt(), Some(ENFORCING));
    let halves = root.build(&kernel(&Era::V6_18.base()));
    assert_blocked(&root, &["-U", "--replacefiles"], &[&halves]);
}

#[test]
fn modules_for_no_kernel_of_the_root_are_not_judged() {
    let root = root_with(Some(ENFORCING));
    let package = Package::new("other").file("/lib/modules/5.0-other/m.ko", foreign("m"));
    assert_silent(&run(&root, &["-U"], &[&root.build(&package)]));
}

#[test]
fn what_cannot_be_read_warns() {
    let root = root_with(Some(ENFORCING));
    // Of a class that nobody knows: what the kernel would read there is not known.
    let unknown = [&b"\x7fELF\x03"[..], &[0; 60]].concat();
    let package = Package::new("garbage").file(module_path("garbage"), unknown);
    let outcome = run(&root, &["-U"], &[&root.build(&package)]);
    assert!(outcome.status.success(), "{outcome:?}");
    let log = outcome.log().join("\n");
    assert!(
        log.contains("garbage.ko") || outcome.stdout.contains("garbage.ko"),
        "{outcome:?}"
    );

    // The kernel is not readable: nothing can be known, and nothing is stopped.
    let vmlinux = root.path().join("lib/modules").join(KERNEL).join("vmlinux");
    fs::write(&vmlinux, b"\x7fELF but no more").unwrap();
    let outcome = run(&root, &["-U"], &[&root.build(&bad())]);
    assert!(outcome.status.success(), "{outcome:?}");
}

#[test]
fn a_damaged_package_is_for_rpm_to_refuse() {
    let root = root_with(Some(ENFORCING));
    let whole = root.build(&bad());
    let bytes = fs::read(&whole).unwrap();
    let cut = whole.with_file_name("cut.rpm");
    fs::write(&cut, &bytes[..bytes.len() - 40]).unwrap();
    let mut bent_bytes = bytes.clone();
    let at = bytes.len() - 200;
    bent_bytes[at..at + 60].fill(0xff);
    let bent = whole.with_file_name("bent.rpm");
    fs::write(&bent, bent_bytes).unwrap();
    for package in [&cut, &bent] {
        let before = root.snapshot();
        let outcome = run(&root, &["-U", "-D", "_pkgverify_level all"], &[package]);
        assert!(!outcome.status.success(), "{outcome:?}");
        assert_eq!(root.snapshot(), before);
    }
}

#[test]
fn the_running_kernel_counts_in_the_real_root_only() {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let release = release.trim();
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        skipped("the running kernel in a transaction", "it shows no BTF");
        return;
    }
    let root = root_with(None);
    let path = format!("/lib/modules/{release}/extra/foreign.ko");
    let package = root.build(&Package::new("foreign").file(path, foreign("foreign")));
    assert_silent(&run(&root, &["-U"], &[&package]));

    // Nothing is installed: --test, and a database of its own.
    let database = tempfile::tempdir().unwrap();
    let mut real = root.command(["--root", "/", "-U", "--test"]);
    real.arg("--dbpath").arg(database.path()).arg(&package);
    let outcome = root.run(real);
    // Until the reboot only, so it warns or, where mismatches are permitted, notes.
    assert!(outcome.status.success(), "{outcome:?}");
    let mut image = root.command(["--root", "/", "-U", "--test"]);
    image.arg("--dbpath").arg(database.path()).arg(&package);
    image.env("TRANSACTIONAL_UPDATE", "1");
    assert_silent(&root.run(image));
    let checked = std::process::Command::new(program())
        .args(["check", "--quiet"])
        .arg(&package)
        .args(["--kernel", "running"])
        .output()
        .unwrap();
    if checked.status.code() == Some(1) {
        assert!(
            outcome.log()[0].starts_with("warning: btf-guard: "),
            "{outcome:?}"
        );
        assert!(outcome.stderr.contains(release), "{outcome:?}");
    } else {
        assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    }
}

#[test]
fn a_distribution_kernel_and_its_siblings_modules() {
    let mut dirs: Vec<PathBuf> = fs::read_dir(kernels())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.starts_with("image-6.1.") && name.contains("cloud")
        })
        .collect();
    dirs.sort();
    let [older, newer] = &dirs[dirs.len() - 2..] else {
        panic!("no pair of sibling builds: run `make test`")
    };
    let release = newer
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .replace("image-", "");
    let root = Root::new(&program());
    let dir = root.path().join("lib/modules").join(&release);
    fs::create_dir_all(&dir).unwrap();
    fs::copy(
        newer.join(format!("boot/vmlinuz-{release}")),
        dir.join("vmlinuz"),
    )
    .unwrap();
    // 6.1 of Debian permits mismatches; here it is judged as if it did not.
    fs::write(dir.join("config"), ENFORCING).unwrap();

    let package = |from: &Path, name: &str| {
        let mut package = Package::new(name);
        for entry in walkdir::WalkDir::new(from).sort_by_file_name() {
            let entry = entry.unwrap();
            let file = entry.file_name().to_string_lossy().into_owned();
            if file.starts_with("nf_") && file.contains(".ko") {
                let path = format!("/lib/modules/{release}/extra/{file}");
                package = package.copy(path, entry.path());
            }
        }
        root.build(&package)
    };
    assert_silent(&run(&root, &["-U"], &[&package(newer, "own")]));
    assert_blocked(&root, &["-U", "--force"], &[&package(older, "sibling")]);
}
