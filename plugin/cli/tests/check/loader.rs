// SPDX-License-Identifier: GPL-2.0-or-later
//! What the kernel refuses before it looks at BTF: files that are no modules, and modules
//! where there is no loader.

use crate::common::{Build, Place, RELEASE, bare_module, module, module_path};
use crate::{check, json};

#[test]
fn a_file_that_is_no_module_is_refused_wherever_it_is() {
    let whole = module("x", Build::New);
    for (content, rule, errno, log) in [
        (&b""[..], "empty-file", -22, json!([])),
        (
            b"no module",
            "invalid-elf-length",
            -8,
            json!(["Invalid ELF header len 9"]),
        ),
        (
            &[b'#'; 100],
            "invalid-elf-magic",
            -8,
            json!(["Invalid ELF header magic: != \\x7fELF"]),
        ),
        (
            &whole[..whole.len() - 1],
            "section-table-outside",
            -8,
            json!(["Invalid ELF section header overflow"]),
        ),
        (
            b"\x28\xb5\x2f\xfd\x00",
            "damaged-compression",
            -22,
            json!([]),
        ),
    ] {
        let root = Place::booting(Build::New);
        let file = root.file(&module_path("x"), content);
        let dir = file.parent().unwrap().to_str().unwrap().to_owned();
        let package = root.package("kmp", &[(module_path("x"), content.to_vec())]);
        let (file, package) = (file.to_str().unwrap(), package.to_str().unwrap());
        for words in [&[][..], &[file], &[&dir], &[package]] {
            let (code, report) = json(&root, words);
            let found = &report["modules"][0]["verdicts"][0];
            let keys = ["verdict", "cause", "errno", "log", "severity"];
            let found = json!([keys.map(|key| &found[key]), found["reason"]["rule"]]);
            let expected = json!([["refused", "elf", errno, log, "block"], rule]);
            assert_eq!((code, found), (2, expected), "{words:?}");
            assert_eq!(report["errors"], json!([]), "{words:?}");
        }
        let (_, text) = check(&root, &[file]);
        let expected = "will not load on kernel";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("it is empty, damaged or no module"), "{text}");
        assert!(!text.contains("failed to validate module"), "{text}");
    }
}

#[test]
fn without_config_modules_there_is_no_system_call() {
    let root = Place::booting(Build::New);
    root.install("fine", Build::New);
    root.file(&module_path("bare"), bare_module("bare"));
    let off = "CONFIG_64BIT=y\n# CONFIG_MODULES is not set\n";
    root.file(&format!("boot/config-{RELEASE}"), off);
    let (code, report) = json(&root, &[]);
    for index in [0, 1] {
        let found = &report["modules"][index]["verdicts"][0];
        let keys = ["verdict", "cause", "errno", "log", "assumed"];
        let expected = json!(["refused", "no-module-support", -38, [], []]);
        assert_eq!(json!(keys.map(|key| &found[key])), expected);
        assert_eq!(found["reason"], json!({"rule": "no-module-support"}));
    }
    assert_eq!(code, 2);
    let (_, text) = check(&root, &[]);
    assert!(
        text.contains("it is built without CONFIG_MODULES"),
        "{text}"
    );
    // A config that does not name it is a part of one.
    root.file(&format!("boot/config-{RELEASE}"), "CONFIG_64BIT=y\n");
    assert_eq!(json(&root, &[]).0, 0);
}
