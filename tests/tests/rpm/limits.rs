// SPDX-License-Identifier: GPL-2.0-or-later
//! What a process may open, write and see is less than usual: rpm does what it does
//! without us, and what can be judged is.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use btf_guard_tests::{Outcome, Package, Root};
use rpm::{BuildConfig, FileOptions, PackageBuilder};

use crate::paths::{KERNEL, dir, image, put, root};
use crate::real::{fitting, foreign, rebuilt};

/// rpm behind a line of the shell's.
fn run(root: &Root, line: &str, arguments: &[&str], packages: &[PathBuf]) -> Outcome {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c"]);
    command.args([&format!("{line}; exec \"$@\""), "sh", "rpm"]);
    command.args(root.options()).args(arguments).args(packages);
    root.run(command)
}

/// The module is refused, and stopped.
fn assert_stopped(root: &Root, outcome: &Outcome) {
    let log = outcome.log();
    assert!(!outcome.status.success(), "{outcome:?}");
    let is_stop = |line: &&str| line.starts_with("error: btf-guard: blocked: ");
    assert!(log.iter().any(is_stop), "{outcome:?}");
    assert_eq!(root.installed(), [""; 0]);
}

fn bad(root: &Root) -> PathBuf {
    root.build(&Package::new("bad").file(dir("extra/bad.ko"), foreign("bad")))
}

#[test]
fn more_packages_than_descriptors_are_judged() {
    let root = root();
    let good = |number: u32| {
        let name = format!("good_{number}");
        let path = dir(&format!("extra/{name}.ko"));
        root.build(&Package::new(&name).file(path, fitting(&name)))
    };
    let mut packages: Vec<_> = (0..100).map(good).collect();
    packages.push(bad(&root));
    let outcome = run(&root, "ulimit -Sn 64", &["-U"], &packages);
    assert_stopped(&root, &outcome);
    let log = outcome.log().join("\n");
    assert!(log.contains("(in bad-1-1.noarch)"), "{log}");
    assert!(!log.contains("not judged"), "{log}");
}

/// The shell counts in 512 bytes; rpm's database needs some 100,000.
#[test]
fn a_plan_that_is_longer_than_a_file_may_be_does_not_end_rpm() {
    let root = root();
    let mut many = Package::new("many");
    for number in 0..4_000 {
        let name = format!("module_{number}");
        many = many.file(dir(&format!("extra/{name}.ko")), fitting(&name));
    }
    let many = root.build(&many);
    let plain = root.build(&crate::plain_package("plain"));
    assert!(run(&root, "true", &["-U"], &[plain]).status.success());
    for mode in ["off", "block"] {
        let line = format!("export BTF_GUARD={mode}; ulimit -f 300");
        let outcome = run(&root, &line, &["-U", "--test"], std::slice::from_ref(&many));
        assert!(outcome.status.success(), "{mode}: {outcome:?}");
        let log = outcome.log();
        let is_said = log
            .iter()
            .any(|line| line.contains("cannot be handed over: "));
        assert_eq!(
            (log.len(), is_said),
            match mode {
                "off" => (0, false),
                _ => (1, true),
            },
            "{outcome:?}"
        );
    }
}

#[test]
fn without_proc_all_is_judged() {
    let root = root();
    let bad = bad(&root);
    let outcome = run(&root, "mount -t tmpfs none /proc", &["-U"], &[bad]);
    assert_stopped(&root, &outcome);
}

/// rpmbuild makes no such package; rpm installs it.
#[test]
fn an_image_whose_path_leads_up_is_seen() {
    for way in ["/opt/..", "/boot/../usr/.."] {
        let root = root();
        fs::create_dir_all(root.path().join("opt")).unwrap();
        put(&root, &dir("extra/kmp.ko"), fitting("kmp"));
        let mut builder = PackageBuilder::new("kernel", "1", "GPL-2.0", "noarch", "kernel");
        builder.using_config(BuildConfig::v4());
        let path = format!("{way}/lib/modules/{KERNEL}/vmlinuz");
        let options = FileOptions::new(path);
        builder
            .with_file_contents(image(&rebuilt()), options)
            .unwrap();
        let package = root.path().join("kernel.rpm");
        let mut file = fs::File::create(&package).unwrap();
        builder.build().unwrap().write(&mut file).unwrap();
        let outcome = run(&root, "true", &["-U", "--nosignature"], &[package]);
        assert!(outcome.log().concat().contains("kmp"), "{outcome:?}");
    }
}
