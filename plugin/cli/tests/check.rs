// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard check` as it is called: exit codes, text, JSON.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::process::Stdio;

use common::{
    Build, Place, RELEASE, bare_module, base, config, ended, module, module_path, program, run,
};
use object::Architecture;
use serde_json::{Value, json};

/// Runs `check` with a root and further words.
fn check(root: &Place, words: &[&str]) -> (i32, String) {
    let root = root.path().to_str().unwrap();
    let args = [&["check", "--cache", "none", "--root", root], words].concat();
    let (code, out, err) = run(&args);
    (code, out + &err)
}

fn json(root: &Place, words: &[&str]) -> (i32, Value) {
    let (code, out) = check(root, &[words, &["--format", "json"]].concat());
    (code, serde_json::from_str(&out).expect(&out))
}

#[test]
fn a_healthy_root_is_one_line_and_0() {
    let root = Place::new();
    let image = root.boot(Build::New);
    // An entry without an initrd: nothing is left to ask for.
    let entry = format!("menuentry a {{\n linux /boot/vmlinuz-{RELEASE} root=1\n}}\n");
    root.file("boot/grub/grub.cfg", entry);
    root.install("one", Build::New);
    root.install("two", Build::New);
    let (code, out) = check(&root, &[]);
    assert_eq!(
        out,
        format!(
            "ok: all 2 modules load on kernel {RELEASE} ({})\n",
            image.display()
        )
    );
    assert_eq!(code, 0);
}

#[test]
fn modules_of_another_build_are_refused_and_the_first_two_lines_say_it() {
    let root = Place::new();
    let image = root.boot(Build::New);
    root.install("stale", Build::Old);
    root.install("fine", Build::New);
    let dir = root.path().join(format!("lib/modules/{RELEASE}/updates"));
    let (code, out) = check(&root, &[]);
    let kernel = format!("kernel {RELEASE} ({})", image.display());
    assert_eq!(
        out,
        format!(
            "\
error: 1 of 2 modules will not load on {kernel}: its BTF was built for another build of it
help: bring kernel {RELEASE} and its modules from one build: reinstall its package, or rebuild the modules against it, before it is booted
--> {}
  | 1 module: stale
  |   BPF: [2] STRUCT
  |   BPF: size=0 vlen=0
  |   BPF: Invalid name
  |   failed to validate module [stale] BTF: -22

2 modules, {kernel}: 1 load, 1 refused
note: modules inside initrds were not looked at, or not all of them: that of {}, which no boot entry names
",
            dir.display(),
            image.display()
        )
    );
    assert_eq!(code, 2);

    assert_eq!(
        check(&root, &["--mode", "warn", "-q"]),
        (1, "warn\n".into())
    );
    assert_eq!(check(&root, &["-q"]), (2, "block\n".into()));
    assert_eq!(check(&root, &["--mode", "off"]), (0, String::new()));
}

#[test]
fn the_config_decides_what_a_mismatch_means() {
    let root = Place::new();
    root.boot(Build::New);
    let stale = root.install("stale", Build::Old);
    let stale = stale.to_str().unwrap();
    let verdict = |words: &[&str]| {
        let (code, report) = json(&root, words);
        let verdict = &report["modules"][0]["verdicts"][0];
        let allow = &report["kernels"][0]["abilities"]["allow_mismatch"];
        (
            code,
            verdict["verdict"].as_str().unwrap().to_owned(),
            verdict["severity"].as_str().unwrap().to_owned(),
            verdict["assumed"].clone(),
            allow.clone(),
        )
    };
    let expected = |code, verdict: &str, severity: &str, assumed, allow| {
        (
            code,
            verdict.to_owned(),
            severity.to_owned(),
            assumed,
            allow,
        )
    };
    assert_eq!(
        verdict(&[stale]),
        expected(2, "refused", "block", json!([]), false.into())
    );

    root.config(true);
    let discarded = expected(1, "btf-discarded", "warn", json!([]), true.into());
    assert_eq!(verdict(&[stale]), discarded);

    fs::remove_file(root.path().join(format!("boot/config-{RELEASE}"))).unwrap();
    assert_eq!(
        verdict(&[stale]),
        expected(
            1,
            "refused",
            "warn",
            serde_json::json!(["allow_mismatch"]),
            Value::Null
        )
    );
    let (_, text) = check(&root, &[stale]);
    assert!(
        text.contains("note: no config of this kernel was found"),
        "{text}"
    );

    let given = root.file("given.config", config(true));
    let given = given.to_str().unwrap();
    assert_eq!(verdict(&["--kernel-config", given, stale]), discarded);
}

#[test]
fn what_cannot_be_read_is_3_and_the_rest_is_still_judged() {
    let root = Place::new();
    root.boot(Build::New);
    let stale = root.install("stale", Build::Old);
    let broken = root.file("broken.ko", b"\x7fELF");
    let cut = root.file("cut.rpm", &common::package("p", &[])[..100]);
    let empty = root.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let absent = root.path().join("absent.ko");
    let paths = [&broken, &stale, &cut, &empty, &absent].map(|path| path.to_str().unwrap());
    let (code, report) = json(&root, &paths);
    assert_eq!(code, 3);
    assert_eq!(report["modules"][0]["name"], "stale");
    assert_eq!(report["summary"]["refused"], 1);
    let errors: Vec<_> = report["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["path"].as_str().unwrap())
        .collect();
    assert_eq!(errors, [paths[0], paths[2], paths[3], paths[4]]);
    let (_, text) = check(&root, &paths);
    assert!(
        text.starts_with("error: the module will not load"),
        "{text}"
    );
    assert!(
        text.contains("no kernel module is in this directory"),
        "{text}"
    );
    assert!(text.contains("at offset 0x"), "{text}");
}

#[test]
fn a_kernel_that_is_none_leaves_the_others() {
    let root = Place::new();
    root.boot(Build::New);
    let stale = root.install("stale", Build::Old);
    let garbage = root.file("garbage", "no kernel");
    let garbage = garbage.to_str().unwrap();
    let words = [
        "--kernel",
        "6.9.9",
        "--kernel",
        garbage,
        "--kernel",
        RELEASE,
        stale.to_str().unwrap(),
    ];
    let (code, report) = json(&root, &words);
    assert_eq!((code, report["decision"].as_str()), (3, Some("block")));
    assert_eq!(report["summary"]["refused"], 1);
    assert_eq!(report["errors"][0]["path"], "--kernel 6.9.9");
    assert_eq!(report["errors"][1]["path"], garbage);

    let dir = root.path().to_str().unwrap();
    let off = [
        &["check", "--cache", "none", "--root", dir, "--mode", "off"][..],
        &words,
    ]
    .concat();
    let (code, out, err) = run(&off);
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(
        err.contains("error: --kernel 6.9.9: no such kernel under"),
        "{err}"
    );
}

#[test]
fn mistakes_in_the_call_are_3_and_help_is_0() {
    for (args, complaint) in [
        (&["check", "--no-such-option"][..], "--no-such-option"),
        (&["nonsense"][..], "nonsense"),
        (
            &["check", "--format", "xml"][..],
            "possible values: text, json, prometheus, sarif, rpmlint",
        ),
        (&["check", "--causes", "crc"][..], "no such cause: 'crc'"),
        (
            &["check", "--root", "/no/such/root"][..],
            "--root /no/such/root",
        ),
        (&["check", "--jobs", "0"][..], "--jobs"),
    ] {
        let (code, out, err) = run(args);
        assert_eq!((code, out.as_str()), (3, ""), "{args:?}");
        assert!(err.contains(complaint), "{args:?}: {err}");
    }
    let root = Place::new();
    let (code, text) = check(&root, &[]);
    assert_eq!(code, 3);
    assert!(text.contains("no kernel was found under"), "{text}");
    let (code, text) = check(&root, &["--kernel", "6.9.9"]);
    assert_eq!(code, 3);
    assert!(
        text.contains("--kernel 6.9.9: no such kernel under"),
        "{text}"
    );
    let (code, help, _) = run(&["check", "--help"]);
    assert_eq!(code, 0);
    assert!(help.contains("sarif") && help.contains("rpmlint"), "{help}");
}

#[test]
fn every_path_is_held_against_every_kernel() {
    let root = Place::new();
    let (old, new) = (
        root.file("old.btf", base(Build::Old)),
        root.file("new.btf", base(Build::New)),
    );
    let ko = root.file("old.ko", module("old", Build::Old));
    let raw = root.file("thing.btf", common::split(Build::New));
    let bare = root.file("bare.ko", bare_module("bare"));
    let arm = common::elf(
        "arm",
        Some(&common::split(Build::New)),
        Architecture::Aarch64,
    );
    let arm = root.file("arm.ko", arm);
    let words = [
        "--kernel",
        old.to_str().unwrap(),
        "--kernel",
        new.to_str().unwrap(),
        ko.to_str().unwrap(),
        raw.to_str().unwrap(),
        bare.to_str().unwrap(),
        arm.to_str().unwrap(),
    ];
    let (code, report) = json(&root, &words);
    let verdicts: Vec<String> = report["modules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|module| {
            let verdicts = module["verdicts"].as_array().unwrap().iter();
            let verdicts = verdicts.map(|v| v["verdict"].as_str().unwrap());
            format!(
                "{} {}",
                module["name"].as_str().unwrap(),
                verdicts.collect::<Vec<_>>().join(" ")
            )
        })
        .collect();
    assert_eq!(
        verdicts,
        [
            "old loads refused",
            "thing refused loads",
            "bare loads-no-btf loads-no-btf",
            // Raw BTF does not tell its machine: only the BTF is judged.
            "arm refused loads",
        ]
    );
    assert_eq!(report["summary"]["modules"], 4);
    // No config is known, so nothing blocks.
    assert_eq!((code, report["decision"].as_str()), (1, Some("warn")));

    let (_, text) = check(&root, &[&words[..], &["-v", "--causes", "btf"]].concat());
    for line in [
        "  loads without types: ",
        "not checked: architecture (--causes)",
        "not checked: architecture, of 1 module known by BTF alone",
        "  config: not found",
    ] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
}

#[test]
fn each_kernel_meets_its_own_modules() {
    let root = Place::new();
    root.boot(Build::New);
    root.install("fine", Build::New);
    root.file("boot/vmlinuz-6.1-other", base(Build::Old));
    root.file("boot/config-6.1-other", config(false));
    root.file(
        "lib/modules/6.1-other/kernel/old.ko",
        module("old", Build::Old),
    );
    root.file("boot/vmlinuz-6.2-gone", base(Build::Old));
    let (code, report) = json(&root, &["--kernel", "all"]);
    let verdicts: Vec<_> = report["modules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|module| {
            let verdict = &module["verdicts"][0];
            let kernel = verdict["kernel"].as_u64().unwrap() as usize;
            (
                report["kernels"][kernel]["release"].as_str().unwrap(),
                module["name"].as_str().unwrap(),
                verdict["verdict"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        verdicts,
        [("6.1-other", "old", "loads"), (RELEASE, "fine", "loads"),]
    );
    // A rescue kernel has no modules, and boots.
    assert_eq!(code, 0);
    let words = ["--kernel", "6.2-gone"];
    let ok = format!(
        "ok: there are no modules to judge\n\
         note: modules inside initrds were not looked at, or not all of them: \
         those of {}, which only --kernel all looks for\n",
        root.path().join("boot/vmlinuz-6.2-gone").display()
    );
    assert_eq!(check(&root, &words), (0, ok));
    let (_, text) = check(&root, &[&words[..], &["-v"]].concat());
    assert!(text.contains("  no modules were held against it"), "{text}");
    let (code, _) = check(&root, &["--kernel", RELEASE, "--kernel", "6.1-other"]);
    assert_eq!(code, 0);
}

#[test]
fn the_same_kernel_at_two_places_is_judged_once() {
    let root = Place::new();
    root.boot(Build::New);
    root.file(&format!("lib/modules/{RELEASE}/vmlinux"), base(Build::New));
    root.install("fine", Build::New);
    let (code, report) = json(&root, &[]);
    assert_eq!(code, 0);
    assert_eq!(report["kernels"].as_array().unwrap().len(), 1);
    let path = |inside: String| root.path().canonicalize().unwrap().join(inside);
    let also = path(format!("boot/vmlinuz-{RELEASE}"));
    assert_eq!(
        report["kernels"][0]["same_kernel_paths"][0],
        also.to_str().unwrap()
    );
}

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

#[test]
fn colors_are_for_terminals() {
    let root = Place::new();
    root.boot(Build::New);
    root.install("stale", Build::Old);
    let dir = root.path().to_str().unwrap();
    let args = ["check", "--cache", "none", "--root", dir];
    assert!(!run(&args).1.contains('\u{1b}'));
    let forced = |args: &[&str]| {
        ended(
            program()
                .args(args)
                .env("CLICOLOR_FORCE", "1")
                .output()
                .unwrap(),
        )
        .1
    };
    assert!(forced(&args).contains("\u{1b}["));
    assert!(!forced(&["check", "--cache", "none", "--root", dir, "--no-color"]).contains('\u{1b}'));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let root = Place::new();
    root.boot(Build::New);
    for number in 0..50 {
        root.install(&format!("m{number}"), Build::Old);
    }
    let dir = root.path().to_str().unwrap();
    for format in ["text", "json"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut program = program();
        program.args([
            "check", "--cache", "none", "--root", dir, "--format", format,
        ]);
        program.stdout(writer).stderr(Stdio::piped());
        let output = program.spawn().unwrap().wait_with_output().unwrap();
        let (code, _, err) = ended(output);
        // What was found stays found.
        assert_eq!((code, err.as_str()), (2, ""), "{format}");

        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut program = common::program();
        program.args([
            "check", "--cache", "none", "--root", dir, "--format", format,
        ]);
        let output = program.stdout(full).output().unwrap();
        let (code, _, err) = ended(output);
        assert_eq!(code, 4, "{format}: {err}");
        assert!(err.contains("cannot write the output"), "{err}");
    }
}

#[test]
fn the_order_does_not_depend_on_the_number_of_threads() {
    let root = Place::new();
    root.boot(Build::New);
    for number in 0..200 {
        let build = if number % 3 == 0 {
            Build::Old
        } else {
            Build::New
        };
        root.install(&format!("m{number}"), build);
    }
    let (_, one) = check(&root, &["--format", "json", "--jobs", "1"]);
    let (_, eight) = check(&root, &["--format", "json", "--jobs", "8"]);
    assert!(one == eight);
}

#[test]
fn manual_pages_and_completions_come_from_the_definitions() {
    let place = Place::new();
    let dir = place.path().to_str().unwrap();
    assert_eq!(run(&["generate", "man", dir]).0, 0);
    assert_eq!(run(&["generate", "completions", dir]).0, 0);
    let read = |name: &str| fs::read_to_string(place.path().join(name)).unwrap();
    assert!(read("btf-guard-check.1").contains("kernel\\-config"));
    assert!(read("btf-guard.1").contains("btf\\-guard"));
    for completions in ["btf-guard.bash", "_btf-guard", "btf-guard.fish"] {
        assert!(read(completions).contains("kernel-config"), "{completions}");
    }
    assert_eq!(run(&["generate", "man", "/no/such/directory"]).0, 3);
}
