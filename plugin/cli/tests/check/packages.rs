// SPDX-License-Identifier: GPL-2.0-or-later
//! Modules and kernels inside packages.

use super::{check, json};
use crate::common::{self, Build, Place, RELEASE, base, config, module, module_path};

#[test]
fn packages_are_judged_and_kernels_are_found_in_packages() {
    let root = Place::new();
    let modules = root.package(
        "kmp",
        &[
            (module_path("stale"), module("stale", Build::Old)),
            (module_path("fine"), module("fine", Build::New)),
            ("/usr/share/doc/readme".into(), b"x".to_vec()),
        ],
    );
    let kernel = root.package(
        "kernel",
        &[
            (format!("/boot/vmlinuz-{RELEASE}"), base(Build::New)),
            (
                format!("/lib/modules/{RELEASE}/config"),
                config(false).into(),
            ),
        ],
    );
    let docs = root.package("docs", &[("/usr/share/doc/readme".into(), b"x".to_vec())]);
    let kernel = ["--kernel", kernel.to_str().unwrap()];
    let (code, report) = json(&root, &[&kernel[..], &[modules.to_str().unwrap()]].concat());
    assert_eq!(code, 2);
    assert_eq!(report["kernels"][0]["package"], "kernel-1-1.x86_64");
    assert_eq!(
        report["kernels"][0]["config"],
        format!("/lib/modules/{RELEASE}/config in kernel-1-1.x86_64")
    );
    assert_eq!(report["modules"][0]["path"], module_path("fine"));
    assert_eq!(report["modules"][1]["package"], "kmp-1-1.x86_64");
    assert_eq!(report["modules"][1]["verdicts"][0]["verdict"], "refused");
    assert_eq!(report["summary"]["modules"], 2);

    let docs = docs.to_str().unwrap();
    assert_eq!(
        check(&root, &[&kernel[..], &[docs]].concat()),
        (0, "ok: there are no modules to judge\n".into())
    );
    let (code, text) = check(&root, &["--kernel", docs, docs]);
    assert_eq!(code, 3);
    assert!(
        text.contains("no kernel image is in this package"),
        "{text}"
    );
}

#[test]
fn hard_links_are_one_module_and_one_image() {
    let root = Place::new();
    let link = |name: &str, paths: &[String], content: Vec<u8>| {
        root.file(name, common::links(paths, &content))
    };
    let modules = link(
        "modules.rpm",
        &["c", "a", "b"].map(module_path),
        module("stale", Build::Old),
    );
    let image = |number| format!("/boot/vmlinuz-6.{number}");
    let few = link("few.rpm", &[image(1), image(2)], base(Build::New));
    let many: Vec<String> = (10..27).map(image).collect();
    let many = link("many.rpm", &many, base(Build::New));
    let (modules, few, many) = (
        modules.to_str().unwrap(),
        few.to_str().unwrap(),
        many.to_str().unwrap(),
    );
    let (code, report) = json(&root, &["--kernel", few, modules]);
    assert_eq!(code, 1);
    assert_eq!(report["summary"]["modules"], 1);
    assert_eq!(report["modules"][0]["path"], module_path("a"));
    assert_eq!(report["kernels"][0]["release"], "6.1");
    assert_eq!(report["kernels"][1]["release"], "6.2");
    assert_eq!(report["kernels"][1]["source"], image(2));

    let (code, report) = json(&root, &["--kernel", many, modules]);
    assert_eq!(code, 3);
    assert_eq!(report["kernels"].as_array().unwrap().len(), 16);
    assert_eq!(
        report["errors"][0]["error"],
        "more than 16 kernel images; the others are not read"
    );
}
