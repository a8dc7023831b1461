// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard check --built`: modules as a build has made them.

use object::Architecture;
use serde_json::Value;

use crate::common::{self, Build, Place, RELEASE, bare_module, base, config, elf, long, run};

/// Runs `check --built` on a build root, in a root that has the kernel or not.
fn check(root: &Place, built: &Place, words: &[&str]) -> (i32, String) {
    let [root, built] = [root, built].map(|place| place.path().to_str().unwrap().to_owned());
    let args = ["check", "--built", "--root", &root, &built];
    let (code, out, err) = run(&[&args, words].concat());
    (code, out + &err)
}

/// A root that can boot a kernel whose own modules have BTF.
fn machine(build: Build) -> Place {
    let root = Place::booting(build);
    let with = format!("{}CONFIG_DEBUG_INFO_BTF_MODULES=y\n", config(false));
    root.file(&format!("boot/config-{RELEASE}"), with);
    root
}

fn extra(name: &str) -> String {
    format!("usr/lib/modules/{RELEASE}/extra/{name}.ko")
}

#[test]
fn what_fits_the_installed_kernel_is_nothing_to_talk_about() {
    let (root, built) = (machine(Build::New), Place::new());
    let image = root.path().join(format!("boot/vmlinuz-{RELEASE}"));
    built.file(&extra("fine"), long("fine", Build::New));
    let kernel = format!("kernel {RELEASE} ({})", image.display());
    let ok = format!("ok: 1 module, {kernel}: nothing is wrong\n");
    assert_eq!(check(&root, &built, &[]), (0, ok));
}

#[test]
fn each_problem_has_its_name_and_weight() {
    let (root, built) = (machine(Build::New), Place::new());
    built.file(&extra("stale"), long("stale", Build::Old));
    built.file(&extra("bare"), bare_module("bare"));
    // Cut off, as by a tool that writes the section anew.
    let mut broken = common::split(Build::New);
    broken.truncate(broken.len() - 1);
    let broken = elf("broken", Some(&broken), Architecture::X86_64);
    built.file(&extra("broken"), broken);

    let subject = ["--format", "rpmlint", "--package", "demo.x86_64"];
    let (code, out) = check(&root, &built, &subject);
    let dir = built.path().join(extra("bare"));
    let dir = dir.parent().unwrap().display();
    let lines: Vec<&str> = out.lines().collect();
    for (line, (problem, name)) in lines.iter().zip([
        ("W: no-btf", "bare"),
        ("E: btf-refused-by-own-base", "broken"),
        ("E: btf-of-another-kernel", "stale"),
    ]) {
        let start = format!("demo.x86_64: {problem} {dir}/{name}.ko");
        assert!(line.starts_with(&start), "{out}");
    }
    assert_eq!((code, lines.len()), (2, 3));
    let (code, _) = check(&root, &built, &["--mode", "warn"]);
    assert_eq!(code, 1);
}

#[test]
fn missing_btf_alone_is_a_warning_and_none_where_the_kernel_reads_none() {
    let (root, built) = (machine(Build::New), Place::new());
    built.file(&extra("bare"), bare_module("bare"));
    let (code, out) = check(&root, &built, &[]);
    let first = "warning: no-btf (1 of 1 module): ";
    assert!(out.starts_with(first), "{out}");
    assert_eq!(code, 1);

    let off = "CONFIG_MODULES=y\n# CONFIG_DEBUG_INFO_BTF_MODULES is not set\n";
    let off = root.file("off", off);
    let (code, out) = check(&root, &built, &["--kernel-config", off.to_str().unwrap()]);
    assert_eq!((code, out.lines().count()), (0, 1), "{out}");
}

#[test]
fn the_kernel_that_the_build_has_made_comes_before_the_one_installed() {
    let (root, built) = (machine(Build::Old), Place::new());
    built.boot(Build::New);
    built.file(&extra("fine"), long("fine", Build::New));
    let (code, out) = check(&root, &built, &[]);
    assert_eq!(code, 0, "{out}");
    let old = root.file("old", base(Build::Old));
    let (code, out) = check(&root, &built, &["--kernel", old.to_str().unwrap()]);
    assert!(out.contains("btf-of-another-kernel"), "{out}");
    assert_eq!(code, 2);
}

#[test]
fn a_build_directory_serves_where_no_kernel_is() {
    let (root, built) = (Place::new(), Place::new());
    let sources = format!("usr/src/linux-headers-{RELEASE}");
    root.file(&format!("{sources}/vmlinux"), base(Build::New));
    root.file(&format!("{sources}/.config"), config(true));
    built.file(&extra("stale"), long("stale", Build::Old));
    let (code, out) = check(&root, &built, &["--format", "json"]);
    let report: Value = serde_json::from_str(&out).expect(&out);
    // That the kernel would do without it makes it no better.
    assert_eq!(report["kernels"][0]["features"]["allow_mismatch"], true);
    assert_eq!(report["problems"][0]["rule"], "btf-of-another-kernel");
    assert_eq!(report["problems"][0]["severity"], "block");
    assert_eq!((code, &report["decision"]), (2, &"block".into()));
}

#[test]
fn without_a_kernel_nothing_is_found_good() {
    let (root, built) = (Place::new(), Place::new());
    built.file(&extra("fine"), long("fine", Build::New));
    let error = format!(
        "error: kernel {RELEASE}: no kernel of this release was found, in the build or in \
         the root: name one with --kernel\n"
    );
    assert_eq!(check(&root, &built, &[]), (3, error));
}

#[test]
fn sarif_has_what_the_check_has() {
    let (root, built) = (machine(Build::New), Place::new());
    built.file(&extra("stale"), long("stale", Build::Old));
    for words in [&["--format", "sarif"][..], &["--format", "sarif", "-v"]] {
        let (code, out) = check(&root, &built, words);
        let log: Value = serde_json::from_str(&out).expect(&out);
        let result = &log["runs"][0]["results"][0];
        assert_eq!(log["version"], "2.1.0");
        assert_eq!(result["ruleId"], "btf-of-another-kernel");
        let uri = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        let file = built.path().join(extra("stale"));
        assert_eq!(uri, &format!("file://{}", file.display()));
        assert_eq!(code, 2);
    }
}
