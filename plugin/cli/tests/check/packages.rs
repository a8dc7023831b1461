// SPDX-License-Identifier: GPL-2.0-or-later
//! Modules and kernels inside packages.

use super::{check, json};
use crate::common::{self, Build, Place, RELEASE, base, module, module_path};

#[test]
fn packages_are_judged_and_kernels_are_found_in_packages() {
    let root = Place::new();
    let readme = ("/usr/share/doc/readme".to_owned(), b"x".to_vec());
    let files = [
        (module_path("stale"), module("stale", Build::Old)),
        (module_path("fine"), module("fine", Build::New)),
        readme.clone(),
    ];
    let modules = root.package("kmp", &files);
    let kernel = common::judge::kernel(&root, "kernel", Build::New);
    let docs = root.package("docs", &[readme]);
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
    let ok = (0, "ok: there are no modules to judge\n".to_owned());
    assert_eq!(check(&root, &[&kernel[..], &[docs]].concat()), ok);
    let (code, text) = check(&root, &["--kernel", docs, docs]);
    assert_eq!(code, 3);
    let error = "no kernel image is in this package";
    assert!(text.contains(error), "{text}");
}

#[test]
fn hard_links_are_one_module_and_one_image() {
    let root = Place::new();
    let image = |number| format!("/boot/vmlinuz-6.{number}");
    let many: Vec<String> = (10..27).map(image).collect();
    let packages = [
        (
            &["c", "a", "b"].map(module_path)[..],
            module("stale", Build::Old),
        ),
        (&[image(1), image(2)], base(Build::New)),
        (&many, base(Build::New)),
    ];
    let packages = packages.map(|(paths, content)| {
        let name = format!("{}.rpm", paths.len());
        root.file(&name, common::links(paths, &content))
    });
    let [modules, few, many] = packages.each_ref().map(|path| path.to_str().unwrap());
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
