// SPDX-License-Identifier: GPL-2.0-or-later
//! Arguments, terminals, pipes and threads: what is not about verdicts.

use std::fs;
use std::process::Stdio;

use super::check;
use crate::common::{self, Build, Place, ended, program, run};

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
