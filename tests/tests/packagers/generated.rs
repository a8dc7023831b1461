// SPDX-License-Identifier: GPL-2.0-or-later
//! What packages record of bases when they are built, and what solvers make of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use btf_guard_tests::client::{ClientRoot, Suite, Workshop, packages, rpmbuild, settle};
use btf_guard_tests::{Extracted, kernels};

use crate::builds::{WHOLE, built, replace_vmlinux};

/// Switches the generator on.
const GENERATE: [&str; 2] = ["--define", "_btf_guard_generate 1"];

/// A kernel package around files that are there already.
const KERNEL: &str = "\
Name: kernel-probe
Version: 1
Release: 1
Summary: A kernel
License: GPL-2.0-only
%description
A kernel.
%install
cp -a /build/tree/. %{buildroot}
%files
/usr/lib/modules/*
";

/// Puts the image of a kernel and some of its modules where [`KERNEL`] takes them.
pub(crate) fn lay_out(root: &ClientRoot, kernel: &Extracted) {
    let tree = format!("/build/tree/usr/lib/modules/{}", kernel.release);
    root.copy(&format!("{tree}/vmlinuz"), &kernel.image);
    for module in kernel.modules.iter().step_by(kernel.modules.len() / 12) {
        let name = module.file_name().unwrap().to_str().unwrap();
        root.copy(&format!("{tree}/kernel/{name}"), module);
    }
}

/// Builds the kernel package, its modules left as they are.
pub(crate) fn kernel_package(root: &ClientRoot, options: &[&str]) -> PathBuf {
    let kept = ["--define", "__os_install_post %{nil}"];
    let options = [&kept, options].concat();
    let outcome = rpmbuild(root, KERNEL, &options, &[]);
    assert!(outcome.status.success(), "{outcome:?}");
    let mut all = packages(root).into_iter();
    let found = all.find(|path| path.to_string_lossy().contains("kernel-probe"));
    found.expect("a kernel package")
}

fn relations(package: &Path, what: &str) -> Vec<String> {
    let asked = Command::new("rpm")
        .args(["-qp", what])
        .arg(package)
        .output();
    let text = String::from_utf8(asked.unwrap().stdout).unwrap();
    let ours = text.lines().filter(|line| line.contains("btf-"));
    ours.map(str::to_owned).collect()
}

#[test]
fn a_kernel_package_records_its_base() {
    let stable = |kernel: &Extracted| kernel.name.contains("6.1.") && kernel.name.contains("cloud");
    let mut all = Extracted::all(&kernels()).into_iter().filter(stable);
    let new = all.next_back().expect("a build of 6.1: run `make test`");
    let mut records = Vec::new();
    // rpm 4.18 asks about each file, 4.20 and 6 about all.
    for suite in Suite::ALL {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        settle(&root);
        lay_out(&root, &new);
        let silent = kernel_package(&root, &[]);
        assert_eq!(relations(&silent, "--provides"), Vec::<String>::new());
        let path = kernel_package(&root, &GENERATE);
        let provides = relations(&path, "--provides");
        let [base] = provides.as_slice() else {
            panic!("{suite:?}: {provides:?}");
        };
        let release = &new.release;
        assert!(
            base.starts_with(&format!("btf-base({release}) = ")),
            "{base}"
        );
        assert_eq!(relations(&path, "--requires"), Vec::<String>::new());
        records.push(provides.clone());
    }
    assert!(
        records.iter().all(|record| *record == records[0]),
        "{records:?}"
    );
}

#[test]
fn solvers_choose_the_module_package_that_was_built_for_the_kernel() {
    let Some(workshop) = Workshop::all().pop() else {
        return;
    };
    let release = &workshop.kernel.release;
    let directory = tempfile::tempdir().unwrap();
    let scratch = directory.path();
    let build = |version: &str, variables: &[(&str, &str)]| {
        let spec = crate::document::spec();
        assert!(spec.contains("Version:        1\n"));
        let spec = spec.replace("Version:        1\n", &format!("Version: {version}\n"));
        workshop.clean();
        let outcome = workshop.rpmbuild(&spec, &GENERATE, variables);
        assert!(outcome.status.success(), "{outcome:?}");
        let [built] = workshop.packages().try_into().unwrap();
        let kept = scratch.join(format!("probe-kmp-{version}-1.x86_64.rpm"));
        fs::copy(built, &kept).unwrap();
        kept
    };
    // What carries its base with it, or has no BTF, fits whatever comes.
    let outcome = built(&workshop, &GENERATE, &[]);
    assert!(outcome.status.success(), "{outcome:?}");
    let [distilled] = workshop.packages().try_into().unwrap();
    assert_eq!(relations(&distilled, "--requires"), Vec::<String>::new());

    let fits = build("1", &[("MAKEFLAGS", WHOLE)]);
    replace_vmlinux(&workshop, scratch);
    let newer = build("2", &[("MAKEFLAGS", WHOLE)]);
    lay_out(&workshop.root, &workshop.kernel);
    workshop.clean();
    let kernel = kernel_package(&workshop.root, &GENERATE);
    let base = &relations(&kernel, "--provides")[0];
    let condition = format!("({base} if btf-base({release}))");
    assert_eq!(
        relations(&fits, "--requires"),
        std::slice::from_ref(&condition)
    );
    let [other] = relations(&newer, "--requires").try_into().unwrap();
    assert_ne!(other, condition);

    for suite in Suite::ALL {
        let kept = scratch.join("kernel-probe-1-1.x86_64.rpm");
        fs::copy(&kernel, &kept).unwrap();
        let zypper = ["zypper", "--non-interactive", "install", "-C", "probe-kmp"];
        let dnf = match suite {
            Suite::Forky => "dnf5",
            Suite::Bookworm | Suite::Trixie => "dnf",
        };
        let dnf = [dnf, "-y", "--setopt=best=False", "install", "probe-kmp"];
        for words in [&zypper, &dnf] {
            let Some(root) = ClientRoot::without_guard(suite) else {
                continue;
            };
            root.offer_built("modules", &[fits.clone(), newer.clone(), kept.clone()]);
            let first = [&words[..words.len() - 1], &["kernel-probe"]].concat();
            let outcome = root.run(first);
            assert!(outcome.status.success(), "{suite:?}: {outcome:?}");
            let outcome = root.run(*words);
            assert!(outcome.status.success(), "{suite:?}: {outcome:?}");
            assert_eq!(
                root.installed(),
                ["kernel-probe-1-1.x86_64", "probe-kmp-1-1.x86_64"],
                "{suite:?}: {outcome:?}"
            );
        }
        // Without the kernel there is no condition.
        let Some(root) = ClientRoot::without_guard(suite) else {
            continue;
        };
        root.offer_built("modules", &[fits.clone(), newer.clone()]);
        let outcome = root.run(dnf);
        assert_eq!(root.installed(), ["probe-kmp-2-1.x86_64"], "{outcome:?}");
    }
}
