// SPDX-License-Identifier: GPL-2.0-or-later
//! A module is a name, and the file that depmod chooses is the one that counts: kernel
//! module packages as SUSE and RHEL have them, with links in `weak-updates/`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use btf_guard_tests::btf::{Btf, Era};
use btf_guard_tests::{Outcome, Package, Root, elf, program};
use serde_json::Value;

use crate::real::{ENFORCING, assert_silent, fitting, foreign, rebuilt, run};

const OLD: &str = "6.18.12-1-default";
const NEW: &str = "6.18.15-1-default";
const SUSE: &str = "search updates extra weak-updates kgraft built-in\n";
const RHEL: &str = "search updates extra built-in weak-updates\n";

fn kernel(version: &str, release: &str, base: &Btf) -> Package {
    let dir = format!("/lib/modules/{release}");
    Package::new("kernel")
        .version(version)
        .file(
            format!("{dir}/vmlinuz"),
            elf::vmlinux(release, &base.build()),
        )
        .file(format!("{dir}/config"), ENFORCING)
        .file(format!("{dir}/kernel/driver.ko"), module("driver", base))
}

/// A module that was built for one of the two builds.
fn module(name: &str, base: &Btf) -> Vec<u8> {
    match base.build() == rebuilt().build() {
        true => foreign(name),
        false => fitting(name),
    }
}

fn path(release: &str, below: &str) -> String {
    format!("/lib/modules/{release}/{below}")
}

/// The module package `demo-kmp` for a release, in `updates/`.
fn kmp(version: &str, release: &str, base: &Btf) -> Package {
    let file = path(release, "updates/demo.ko");
    Package::new("demo-kmp")
        .version(version)
        .file(file, module("demo", base))
}

/// What weak-modules2 does.
const LINKS: &str = r#"
    local dir = "/lib/modules/6.18.15-1-default/weak-updates"
    posix.mkdir(dir)
    posix.symlink("/lib/modules/6.18.12-1-default/updates/demo.ko", dir .. "/demo.ko")"#;

struct Machine(Root);

impl Machine {
    /// With the lines of a distribution for depmod.
    fn new(search: &str) -> Self {
        let machine = Self(Root::new(&program()));
        machine.write("usr/lib/depmod.d/00-system.conf", search);
        machine
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.0.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// The link that weak-modules2 has made for an older package.
    fn link(&self) {
        let dir = self
            .0
            .path()
            .join(path(NEW, "weak-updates").trim_start_matches('/'));
        fs::create_dir_all(&dir).unwrap();
        symlink(path(OLD, "updates/demo.ko"), dir.join("demo.ko")).unwrap();
    }

    fn install(&self, packages: &[Package]) {
        for package in packages {
            assert_silent(&self.rpm("-i", &[package]));
        }
    }

    fn rpm(&self, option: &str, packages: &[&Package]) -> Outcome {
        let packages: Vec<PathBuf> = packages.iter().map(|p| self.0.build(p)).collect();
        run(&self.0, &[option], &packages.iter().collect::<Vec<_>>())
    }

    fn erase(&self, package: &str) -> Outcome {
        run(&self.0, &["-e", package], &[])
    }

    /// The exit code of `check`, what it judges, and what it finds shadowed, below
    /// `/lib/modules`.
    fn check(&self) -> (i32, Vec<String>, Vec<String>) {
        let mut command = Command::new(program());
        command.args(["check", "--kernel", "all", "--format", "json", "--root"]);
        let output = command.arg(self.0.path()).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let [modules, shadowed] = ["modules", "shadowed"].map(|list| {
            let list = report[list].as_array().unwrap().iter();
            let paths = list.map(|entry| entry["path"].as_str().unwrap());
            let paths = paths.map(|path| path.split_once("/lib/modules/").unwrap().1);
            paths.map(str::to_owned).collect()
        });
        (output.status.code().unwrap(), modules, shadowed)
    }
}

#[track_caller]
fn assert_blocked(outcome: &Outcome, words: &[&str]) {
    assert!(!outcome.status.success(), "{outcome:?}");
    let log = outcome.log();
    assert!(log[0].starts_with("error: btf-guard: blocked: "), "{log:?}");
    assert_words(outcome, words);
}

#[track_caller]
fn assert_words(outcome: &Outcome, words: &[&str]) {
    let log = outcome.log().join("\n");
    for word in words {
        assert!(log.contains(word), "{word:?} is missing from:\n{log}");
    }
}

/// Both kernels, each with its module package, and the link to the older one.
fn updated(search: &str) -> Machine {
    let (old, new) = (rebuilt(), Era::V6_18.base());
    let machine = Machine::new(search);
    machine.install(&[kernel("1", OLD, &old), kmp("1", OLD, &old)]);
    let kernel = kernel("2", NEW, &new).lua("%post", LINKS);
    // In one transaction, and the kernel first: the link is made before the good file lands.
    assert_silent(&machine.rpm("-i", &[&kernel, &kmp("2", NEW, &new)]));
    assert!(
        machine
            .0
            .path()
            .join(&path(NEW, "weak-updates/demo.ko")[1..])
            .is_symlink()
    );
    machine
}

#[test]
fn an_update_of_kernel_and_module_package_is_silent() {
    let machine = updated(SUSE);
    let (code, modules, shadowed) = machine.check();
    assert_eq!(code, 0);
    assert!(
        modules.contains(&format!("{NEW}/updates/demo.ko")),
        "{modules:?}"
    );
    assert_eq!(shadowed, [format!("{NEW}/weak-updates/demo.ko")]);
    let mut command = Command::new(program());
    command.args(["check", "-v", "--kernel", "all", "--root"]);
    let output = command.arg(machine.0.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("weak-updates/demo.ko is shadowed by "),
        "{text}"
    );
}

#[test]
fn a_removal_that_uncovers_an_old_link_is_stopped() {
    let machine = updated(SUSE);
    let outcome = machine.erase("demo-kmp-2");
    let link = path(NEW, "weak-updates/demo.ko");
    let target = path(OLD, "updates/demo.ko");
    assert_blocked(
        &outcome,
        &[
            NEW,
            "modules: demo (in demo-kmp-1-1.noarch)",
            &link,
            &format!("is a link to {}", machine.0.path().display()),
            &format!("{target} of demo-kmp-1-1.noarch, a module of {OLD}"),
            &format!("install what was built for {NEW}, or remove demo-kmp-1-1.noarch"),
            "allow --package 'demo-kmp'",
        ],
    );
    assert!(
        machine
            .0
            .path()
            .join(&path(NEW, "updates/demo.ko")[1..])
            .exists()
    );

    // The older package goes with it, and so does what the link leads to.
    assert_silent(&run(&machine.0, &["-e", "demo-kmp-1", "demo-kmp-2"], &[]));
    assert_eq!(machine.check().0, 0);
}

#[test]
fn a_removal_that_uncovers_a_module_of_the_kernels_own_is_none() {
    let machine = updated(RHEL);
    machine.write(&path(NEW, "kernel/demo.ko"), fitting("demo"));
    assert_silent(&machine.erase("demo-kmp-2"));
    let (code, modules, shadowed) = machine.check();
    assert_eq!(code, 0);
    assert!(
        modules.contains(&format!("{NEW}/kernel/demo.ko")),
        "{modules:?}"
    );
    assert_eq!(shadowed, [format!("{NEW}/weak-updates/demo.ko")]);

    // With SUSE's lines, weak-updates comes before the kernel's own.
    let machine = updated(SUSE);
    machine.write(&path(NEW, "kernel/demo.ko"), fitting("demo"));
    assert_blocked(
        &machine.erase("demo-kmp-2"),
        &[&path(NEW, "weak-updates/demo.ko")],
    );
}

/// What a scriptlet does is seen when it is done.
#[test]
fn a_link_that_a_scriptlet_leaves_is_told_afterwards() {
    let (old, new) = (rebuilt(), Era::V6_18.base());
    let machine = Machine::new(SUSE);
    machine.install(&[kernel("1", OLD, &old), kmp("1", OLD, &old)]);
    let outcome = machine.rpm("-i", &[&kernel("2", NEW, &new).lua("%post", LINKS)]);
    assert!(outcome.status.success(), "{outcome:?}");
    let target = path(OLD, "updates/demo.ko");
    assert_words(
        &outcome,
        &[
            &format!("will not load on kernel {NEW}"),
            &path(NEW, "weak-updates/demo.ko is a link to "),
            &format!("{target} of demo-kmp-1-1.noarch, a module of {OLD}"),
        ],
    );
    // What another release's module does here is a warning.
    assert_eq!(machine.check().0, 1);
}

#[test]
fn an_update_of_a_linked_module_is_stopped_where_one_worked() {
    let (old, new) = (rebuilt(), Era::V6_18.base());
    let worse = kmp("2", OLD, &old);
    for (before, code) in [(elf::module(&[]), false), (foreign("demo"), true)] {
        let machine = Machine::new(SUSE);
        let kmp = Package::new("demo-kmp").file(path(OLD, "updates/demo.ko"), before);
        machine.install(&[kernel("1", OLD, &old), kernel("2", NEW, &new)]);
        machine.install(&[kmp]);
        machine.link();
        let outcome = machine.rpm("-U", &[&worse]);
        assert_eq!(outcome.status.success(), code, "{outcome:?}");
        if !code {
            let words = [
                &path(NEW, "weak-updates/demo.ko is a link to ")[..],
                &format!("of demo-kmp-2-1.noarch, a module of {OLD}, which loads it"),
            ];
            assert_blocked(&outcome, &words);
        }
    }
}

#[test]
fn a_module_package_that_stays_is_what_is_named_and_allowed() {
    let machine = Machine::new(SUSE);
    machine.install(&[kernel("1", NEW, &rebuilt()), kmp("1", NEW, &rebuilt())]);
    let outcome = machine.rpm("-U", &[&kernel("2", NEW, &Era::V6_18.base())]);
    let file = path(NEW, "updates/demo.ko of demo-kmp-1-1.noarch");
    assert_blocked(
        &outcome,
        &[
            &file,
            "modules: demo (in demo-kmp-1-1.noarch)",
            "allow --package 'demo-kmp'",
        ],
    );
    assert!(
        !outcome.stderr.contains("--package 'kernel'"),
        "{outcome:?}"
    );
}

#[test]
fn what_comes_is_judged_where_it_is_loaded() {
    let base = Era::V6_18.base();
    let wrong = Package::new("wrong").file(path(NEW, "extra/driver.ko"), foreign("driver"));
    for (search, is_loaded) in [
        (RHEL, true),
        ("search built-in extra\n", false),
        ("search extra built-in\noverride driver * kernel\n", false),
    ] {
        let machine = Machine::new(search);
        machine.install(&[kernel("1", NEW, &base)]);
        let outcome = machine.rpm("-i", &[&wrong]);
        match is_loaded {
            true => assert_blocked(&outcome, &["modules: driver (in wrong-1-1.noarch)"]),
            false => assert_silent(&outcome),
        }
    }
    // Which of the two is loaded is up to the file system: nothing is stopped on a guess.
    let machine = Machine::new("search updates built-in\n");
    machine.install(&[kernel("1", NEW, &base)]);
    let outcome = machine.rpm("-i", &[&wrong]);
    assert!(outcome.status.success(), "{outcome:?}");
    assert_words(
        &outcome,
        &["which of 2 files of this name is loaded is not known"],
    );
}

#[test]
fn an_unreadable_file_of_the_name_changes_nothing() {
    let machine = Machine::new(SUSE);
    let (old, new) = (rebuilt(), Era::V6_18.base());
    machine.install(&[kernel("1", NEW, &old), kmp("1", NEW, &old)]);
    machine.write(&path(NEW, "extra/demo.ko"), "not a module");
    assert_eq!(machine.check().0, 0);
    assert_silent(&machine.rpm("-U", &[&kernel("2", NEW, &new), &kmp("2", NEW, &new)]));
    assert_eq!(machine.check().0, 0);
    // And so where the finding is a real one.
    let outcome = machine.rpm("-U", &[&kmp("3", NEW, &old)]);
    assert_blocked(&outcome, &["modules: demo (in demo-kmp-3-1.noarch)"]);
}
