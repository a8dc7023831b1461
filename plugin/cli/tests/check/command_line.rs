// SPDX-License-Identifier: GPL-2.0-or-later
//! Arguments, terminals, pipes and threads: what is not about verdicts.

use std::fs;
use std::process::Stdio;

use super::check;
use crate::common::{Build, Place, ended, program, run};

#[test]
fn mistakes_in_the_call_are_3_and_help_is_0() {
    let root = Place::new();
    let root = root.path().to_str().unwrap();
    for (args, complaint) in [
        (&["check", "--no-such-option"][..], "--no-such-option"),
        (&["nonsense"][..], "nonsense"),
        (
            &["check", "--format", "xml"][..],
            "possible values: text, json, prometheus, sarif, rpmlint",
        ),
        (
            &["kernels", "--format", "prometheus"],
            "possible values: text, json]",
        ),
        (&["check", "--causes", "crc"], "no such cause: 'crc'"),
        (&["check", "--root", "/no/root"], "--root /no/root"),
        (&["check", "--jobs", "0"], "--jobs"),
        (
            &["check", "--root", root, "--cache", "none"],
            "no kernel was found under",
        ),
        (
            &["generate", "man", "/no/such/directory"],
            "/no/such/directory",
        ),
    ] {
        let (code, out, err) = run(args);
        assert_eq!((code, out.as_str()), (3, ""), "{args:?}");
        assert!(err.contains(complaint), "{args:?}: {err}");
    }
    let (code, out, _) = run(&["check", "--root", root, "--kernel", "6.9.9"]);
    assert_eq!(code, 3);
    let error = "--kernel 6.9.9: no such kernel under";
    assert!(out.contains(error), "{out}");
    let (code, help, _) = run(&["check", "--help"]);
    assert_eq!(code, 0);
    assert!(help.contains("sarif") && help.contains("rpmlint"), "{help}");
}

#[test]
fn colors_are_for_terminals() {
    let root = Place::booting(Build::New);
    root.install("stale", Build::Old);
    let dir = root.path().to_str().unwrap();
    let args = ["check", "--cache", "none", "--root", dir];
    assert!(!run(&args).1.contains('\u{1b}'));
    let forced = |more: &[&str]| {
        let mut program = program();
        program.args(args).args(more).env("CLICOLOR_FORCE", "1");
        ended(program.output().unwrap()).1
    };
    assert!(forced(&[]).contains("\u{1b}["));
    assert!(!forced(&["--no-color"]).contains('\u{1b}'));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let root = Place::booting(Build::New);
    for number in 0..50 {
        root.install(&format!("m{number}"), Build::Old);
    }
    let dir = root.path().to_str().unwrap();
    for format in ["text", "json"] {
        let check = |out: Stdio| {
            let mut program = program();
            program.args(["check", "--cache", "none", "--root", dir]);
            program.args(["--format", format]);
            ended(program.stdout(out).output().unwrap())
        };
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (code, _, err) = check(writer.into());
        // What was found stays found.
        assert_eq!((code, err.as_str()), (2, ""), "{format}");

        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let (code, _, err) = check(full.into());
        assert_eq!(code, 4, "{format}: {err}");
        assert!(err.contains("cannot write the output"), "{err}");
    }
}

#[test]
fn the_order_does_not_depend_on_the_number_of_threads() {
    let root = Place::booting(Build::New);
    for number in 0..200 {
        let builds = [Build::Old, Build::New, Build::New];
        root.install(&format!("m{number}"), builds[number % 3]);
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
}
