// SPDX-License-Identifier: GPL-2.0-or-later
//! The other places in which the check runs: the build root policy, the build
//! service, CI.

use std::fs;
use std::process::Command;

use btf_guard_tests::client::Workshop;
use btf_guard_tests::program;

use crate::builds::{WHOLE, built, replace_vmlinux};
use crate::document::{blocks, line_of};

/// What every package of a project is built with: the block of the page, and no
/// check in the spec file.
fn policy() -> Vec<String> {
    let [macros] = blocks("macros").try_into().expect("one block of macros");
    let line = macros.trim().strip_prefix("%global ").expect("a macro");
    let (name, value) = line.split_once(' ').unwrap();
    let value = value.replace("%{?__os_install_post} ", "");
    let define = |text: &str| ["--define".to_owned(), text.to_owned()];
    [
        define(&format!("{name} {value}")),
        define("btf_guard_check true"),
    ]
    .concat()
}

#[test]
fn the_policy_and_the_build_service_stop_what_the_check_would() {
    let Some(workshop) = Workshop::all().pop() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let policy = policy();
    let policy: Vec<&str> = policy.iter().map(String::as_str).collect();
    let fine = built(&workshop, &policy, &[("MAKEFLAGS", WHOLE)]);
    assert!(fine.status.success(), "{fine:?}");
    assert!(fine.stdout.contains(": W: no-distilled-base "), "{fine:?}");

    let root = &workshop.root;
    let service = || root.run(["/usr/lib/build/checks/95-check-btf-guard"]);
    root.run(["ln", "-s", "/build", "/.build.packages"]);
    let outcome = service();
    assert!(outcome.status.success(), "{outcome:?}");
    assert!(
        outcome.stdout.contains("probe-kmp.x86_64: W: "),
        "{outcome:?}"
    );

    // The module is built for what is not the kernel's vmlinux: that is installed.
    let installed = format!("/boot/vmlinuz-{}", workshop.kernel.release);
    root.copy(&installed, &workshop.kernel.image);
    replace_vmlinux(&workshop, directory.path());
    let outcome = built(&workshop, &policy, &[("MAKEFLAGS", WHOLE)]);
    assert!(!outcome.status.success(), "{outcome:?}");
    assert!(
        outcome.stdout.contains(": E: btf-of-another-kernel "),
        "{outcome:?}"
    );
    let variables = [("MAKEFLAGS", WHOLE), ("BTF_GUARD_BRP", "warn")];
    let outcome = built(&workshop, &policy, &variables);
    assert!(outcome.status.success(), "{outcome:?}");

    let outcome = service();
    assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
    assert!(
        outcome
            .stdout
            .contains("probe-kmp.x86_64: E: btf-of-another-kernel ")
    );
    root.put("/build/SOURCES/btf-guard-warn-only", "");
    assert!(service().status.success());
    fs::remove_file(root.at("/build/SOURCES/btf-guard-warn-only")).unwrap();

    // What is missing is nobody's fault.
    fs::remove_file(root.at(&installed)).unwrap();
    fs::remove_file(root.at(&workshop.vmlinux())).unwrap();
    let outcome = service();
    assert!(outcome.status.success(), "{outcome:?}");
    let outcome = root
        .client(["/usr/lib/build/checks/95-check-btf-guard"])
        .env("BTF_GUARD_PROGRAM", "/no/such/program")
        .run();
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(outcome.stdout, "");
}

#[test]
fn the_lines_for_ci_find_what_does_not_fit() {
    let Some(workshop) = Workshop::all().pop() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let package = |name: &str| {
        let [built] = workshop.packages().try_into().unwrap();
        fs::copy(built, here.join(name)).unwrap();
    };
    let unchecked = ["--define", "btf_guard_check true"];
    crate::generated::lay_out(&workshop.root, &workshop.kernel);
    workshop.clean();
    crate::generated::kernel_package(&workshop.root, &[]);
    package("kernel.rpm");
    let outcome = built(&workshop, &unchecked, &[]);
    assert!(outcome.status.success(), "{outcome:?}");
    package("probe-kmp.rpm");

    // As on a machine where btf-guard is installed.
    let bin = here.join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(program(), bin.join("btf-guard")).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let run = |line: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-ec", line]).current_dir(here);
        shell.env("PATH", &path).output().unwrap()
    };
    let github = line_of("github", "- run: ");
    let gitlab = line_of("gitlab", "- ");
    for line in [&github, &gitlab] {
        let output = run(line);
        assert_eq!(output.status.code(), Some(0), "{line}: {output:?}");
    }
    replace_vmlinux(&workshop, here);
    let outcome = built(&workshop, &unchecked, &[("MAKEFLAGS", WHOLE)]);
    assert!(outcome.status.success(), "{outcome:?}");
    package("probe-kmp.rpm");
    for line in [&github, &gitlab] {
        let output = run(line);
        assert_eq!(output.status.code(), Some(2), "{line}: {output:?}");
    }
    let sarif = fs::read(here.join("btf.sarif")).unwrap();
    let log: serde_json::Value = serde_json::from_slice(&sarif).unwrap();
    let result = &log["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "btf-of-another-kernel", "{log}");
    validate(&workshop, &sarif);
    // The validator does not take everything.
    let text = String::from_utf8(sarif).unwrap();
    let wrong = text.replace("\"level\":\"error\"", "\"level\":\"loud\"");
    assert_ne!(text, wrong);
    assert!(!is_valid(&workshop, wrong.as_bytes()).unwrap_or(false));
}

/// Holds a SARIF log against the schema, where that could be fetched.
fn validate(workshop: &Workshop, log: &[u8]) {
    match is_valid(workshop, log) {
        Some(valid) => assert!(valid, "{}", String::from_utf8_lossy(log)),
        None => btf_guard_tests::skip::skipped("validating SARIF", "its schema was not fetched"),
    }
}

fn is_valid(workshop: &Workshop, log: &[u8]) -> Option<bool> {
    let schema = fs::read(btf_guard_tests::client::sarif_schema()?).unwrap();
    workshop.root.put("/srv/schema.json", schema);
    workshop.root.put("/srv/log.json", log);
    let words = ["jsonschema", "-i", "/srv/log.json", "/srv/schema.json"];
    Some(workshop.root.run(words).status.success())
}
