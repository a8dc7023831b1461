// SPDX-License-Identifier: GPL-2.0-or-later
//! What becomes of a transaction: the judge's decision and the admin's wish.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use btf_guard_protocol::decision::Mode;
use btf_guard_protocol::event::EventOutcome;
use btf_guard_protocol::override_source::{Override, OverrideSource};
use btf_guard_tests::{Judge, Root};

use crate::{module_package, plain_package};

const BLOCK: [(&str, &str); 3] = [
    ("error", "btf-guard: 1 module would be refused"),
    ("warning", "btf-guard: 100%s sure"),
    ("notice", "btf-guard: run btf-guard explain"),
];

#[test]
fn without_modules_the_judge_is_never_started() {
    let judge = Judge::answering("block", &BLOCK);
    let root = Root::new(&judge.path());
    let package = root.build(&plain_package("plain"));
    for arguments in [&["-U", "--test"][..], &["-U"], &["-U", "--force"]] {
        let outcome = root.rpm(
            arguments
                .iter()
                .map(AsRef::as_ref)
                .chain([package.as_os_str()]),
        );
        assert!(outcome.status.success(), "{outcome:?}");
        assert_eq!(outcome.log(), [""; 0]);
        assert_eq!(outcome.stdout, "");
    }
    assert_eq!(root.installed(), ["plain-1-1.noarch"]);
    let outcome = root.rpm(["-e", "plain"]);
    assert!(outcome.status.success(), "{outcome:?}");
    assert!(!judge.was_started());
}

#[test]
fn a_block_stops_before_anything_changes() {
    let judge = Judge::answering("block", &BLOCK);
    let root = Root::new(&judge.path());
    let plain = root.build(&plain_package("plain"));
    assert!(
        root.rpm(["-U".as_ref(), plain.as_os_str()])
            .status
            .success()
    );
    let package = root.build(&module_package("mod"));
    let before = root.snapshot();

    let outcome = root.rpm(["-U".as_ref(), package.as_os_str()]);
    assert!(!outcome.status.success(), "{outcome:?}");
    assert_eq!(
        outcome.log(),
        [
            "error: btf-guard: 1 module would be refused",
            "warning: btf-guard: 100%s sure",
            "error: Plugin btf_guard: hook tsm_pre failed",
        ]
    );
    assert_eq!(outcome.stdout, "btf-guard: run btf-guard explain\n");
    assert_eq!(root.snapshot(), before);
    assert_eq!(judge.plan().mode, None);
}

#[test]
fn a_snapshot_sees_a_change() {
    let root = Root::without_plugin();
    let before = root.snapshot();
    let package = root.build(&plain_package("plain"));
    let outcome = root.rpm(
        ["-U", "--justdb"]
            .map(AsRef::as_ref)
            .into_iter()
            .chain([package.as_os_str()]),
    );
    assert!(outcome.status.success(), "{outcome:?}");
    let database_changed = root.snapshot();
    assert_ne!(database_changed, before);
    std::fs::create_dir(root.path().join("etc")).unwrap();
    assert_ne!(root.snapshot(), database_changed);
}

#[test]
fn one_bad_package_of_two_stops_both() {
    let judge = Judge::answering("block", &BLOCK);
    let root = Root::new(&judge.path());
    let before = root.snapshot();
    let plain = root.build(&plain_package("plain"));
    let package = root.build(&module_package("mod"));
    let outcome = root.rpm(["-U".as_ref(), plain.as_os_str(), package.as_os_str()]);
    assert!(!outcome.status.success(), "{outcome:?}");
    assert_eq!(root.snapshot(), before);
    let plan = judge.plan();
    assert_eq!(
        plan.elements.len(),
        1,
        "only the package with a module is named"
    );
}

#[test]
fn a_warning_is_shown_and_the_transaction_goes_on() {
    let judge = Judge::answering("warn", &[("warning", "btf-guard: until the reboot")]);
    let root = Root::new(&judge.path());
    let package = root.build(&module_package("mod"));
    let outcome = root.rpm(["-U".as_ref(), package.as_os_str()]);
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(outcome.log(), ["warning: btf-guard: until the reboot"]);
    assert_eq!(root.installed(), ["mod-1-1.noarch"]);
}

#[test]
fn an_allowed_transaction_is_silent() {
    let judge = Judge::answering("allow", &[]);
    let root = Root::new(&judge.path());
    let package = root.build(&module_package("mod"));
    let outcome = root.rpm(["-U".as_ref(), package.as_os_str()]);
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(outcome.log(), [""; 0]);
    assert!(judge.was_started());
}

#[test]
fn off_by_environment_or_macro_says_and_does_nothing() {
    let judge = Judge::answering("block", &BLOCK);
    let root = Root::new(&judge.path());
    let package = root.build(&module_package("mod"));

    let mut by_environment = root.command(["-U".as_ref(), package.as_os_str()]);
    by_environment.env("BTF_GUARD", "off");
    let mut by_macro = root.command(["-D", "_btf_guard off", "-U", "--force"]);
    by_macro.arg(&package);
    // The environment is nearer to the person who types than a macro file is.
    let mut environment_first = root.command(["-D", "_btf_guard block", "-U", "--force"]);
    environment_first.arg(&package).env("BTF_GUARD", "off");
    for (command, source) in [
        (by_environment, OverrideSource::Environment),
        (by_macro, OverrideSource::Macro),
        (environment_first, OverrideSource::Environment),
    ] {
        let outcome = root.run(command);
        assert!(outcome.status.success(), "{outcome:?}");
        assert_eq!((outcome.log().len(), outcome.stdout.as_str()), (0, ""));
        // It is written down all the same, each once.
        let recorded = judge.recorded();
        let event = recorded.last().unwrap();
        assert_eq!(event.overrides, [Override::of(source)]);
        assert_eq!(event.outcome, EventOutcome::Overridden);
        let why = format!("{} says off", source.name());
        assert_eq!(event.failure.as_deref(), Some(why.as_str()));
        assert_eq!(event.root, root.path().join(""));
    }
    assert_eq!(judge.recorded().len(), 3);
    assert!(!judge.was_started());
}

#[test]
fn off_where_nothing_is_changed_or_touched_is_not_written_down() {
    let judge = Judge::answering("block", &BLOCK);
    let root = Root::new(&judge.path());
    let plain = root.build(&plain_package("plain"));
    let package = root.build(&module_package("mod"));
    for (options, package) in [
        (&["-U"][..], &plain),
        (&["-U", "--test"], &package),
        (&["-U", "--justdb"], &package),
    ] {
        let mut command = root.command(options);
        command.arg(package).env("BTF_GUARD", "off");
        let outcome = root.run(command);
        assert!(outcome.status.success(), "{outcome:?}");
        assert_eq!(judge.recorded().len(), 0, "{options:?}");
    }
    // An erasure is a change.
    let mut command = root.command(["-e", "mod"]);
    command.env("BTF_GUARD", "off");
    assert!(root.run(command).status.success());
    assert_eq!(judge.recorded().len(), 1);
}

/// `off` is for the day on which btf-guard itself is what fails.
#[test]
fn off_is_silent_even_where_the_record_fails() {
    let broken = tempfile::tempdir().unwrap();
    let draft = broken.path().join("draft");
    for body in [
        "echo garbage; echo complaint >&2; exit 4",
        "kill -SEGV $$",
        "exec cat /dev/zero",
        "exec sleep 1000",
    ] {
        std::fs::write(&draft, format!("#!/bin/sh\n{body}\n")).unwrap();
        // By another process, as for every double: a file open for writing does not run.
        let program = broken.path().join("btf-guard");
        let mut install = Command::new("install");
        install.args(["-m", "755"]).args([&draft, &program]);
        assert!(install.status().unwrap().success());
        is_silent_with(&program);
    }
    is_silent_with("/nonexistent/btf-guard".as_ref());
}

fn is_silent_with(program: &Path) {
    let root = Root::new(program);
    let package = root.build(&module_package("mod"));
    let mut command = root.command(["-U"]);
    command.arg(&package).env("BTF_GUARD", "off");
    let begun = Instant::now();
    let outcome = root.run(command);
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!((outcome.log().len(), outcome.stdout.as_str()), (0, ""));
    assert_eq!(root.installed(), ["mod-1-1.noarch"]);
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[test]
fn warn_by_environment_or_macro_demotes_a_block() {
    let judge = Judge::answering("block", &BLOCK);
    let root = Root::new(&judge.path());
    let package = root.build(&module_package("mod"));

    let mut by_environment = root.command(["-U".as_ref(), package.as_os_str()]);
    by_environment.env("BTF_GUARD", "warn");
    let mut by_macro = root.command(["-D", "_btf_guard warn", "-U", "--force"]);
    by_macro.arg(&package);
    for command in [by_environment, by_macro] {
        let outcome = root.run(command);
        assert!(outcome.status.success(), "{outcome:?}");
        let log = [
            "warning: btf-guard: 1 module would be refused",
            "warning: btf-guard: 100%s sure",
        ];
        assert_eq!(outcome.log(), log);
        assert_eq!(judge.plan().mode, Some(Mode::Warn));
    }
    assert_eq!(root.installed(), ["mod-1-1.noarch"]);
}

#[test]
fn a_mode_that_means_nothing_is_named_and_does_not_disarm() {
    let judge = Judge::answering("block", &BLOCK);
    let root = Root::new(&judge.path());
    let package = root.build(&module_package("mod"));
    let mut command = root.command(["-U".as_ref(), package.as_os_str()]);
    command.env("BTF_GUARD", "0ff");
    let outcome = root.run(command);
    assert!(!outcome.status.success(), "{outcome:?}");
    assert_eq!(
        outcome.log()[0],
        "warning: btf-guard: the environment's BTF_GUARD is \"0ff\", not off, warn or block: ignored"
    );
}

#[test]
fn a_test_run_is_judged_as_one() {
    let judge = Judge::answering("block", &BLOCK);
    let root = Root::new(&judge.path());
    let package = root.build(&module_package("mod"));
    let before = root.snapshot();
    let mut command = root.command(["-U", "--test"]);
    command.arg(&package);
    let outcome = root.run(command);
    assert!(!outcome.status.success(), "{outcome:?}");
    assert!(judge.plan().test);
    assert_eq!(root.snapshot(), before);
}

#[test]
fn a_change_of_the_database_alone_is_not_judged() {
    let judge = Judge::answering("block", &BLOCK);
    let root = Root::new(&judge.path());
    let package = root.build(&module_package("mod"));
    let mut command = root.command(["-U", "--justdb"]);
    command.arg(&package);
    let outcome = root.run(command);
    assert!(outcome.status.success(), "{outcome:?}");
    assert!(!judge.was_started());
}

#[test]
fn what_the_judge_says_cannot_steer_the_terminal() {
    let judge = Judge::answering("warn", &[("warning", "a\u{1b}[2Jb\nc\u{202e}d")]);
    let root = Root::new(&judge.path());
    let package = root.build(&module_package("mod"));
    let outcome = root.rpm(["-U".as_ref(), package.as_os_str()]);
    assert_eq!(outcome.log(), ["warning: a\\u{1b}[2Jb\\u{a}c\\u{202e}d"]);
}

#[test]
fn an_answer_without_end_is_cut() {
    let messages = vec![("warning", "again"); 1000];
    let judge = Judge::answering("warn", &messages);
    let root = Root::new(&judge.path());
    let package = root.build(&module_package("mod"));
    let outcome = root.rpm(["-U".as_ref(), package.as_os_str()]);
    assert_eq!(outcome.log().len(), 200);
    assert_eq!(outcome.stdout, "btf-guard: 800 more lines not shown\n");
}

#[test]
fn an_automatic_update_gets_one_line_a_finding() {
    let lines = [
        ("warning", "btf-guard: 1 module will not load"),
        ("warning", "  help: wait"),
        ("warning", "  modules: mod"),
        ("warning", "btf-guard: another"),
    ];
    let judge = Judge::answering("warn", &lines);
    let root = Root::new(&judge.path());
    let package = root.build(&module_package("mod"));
    let mut command = root.command(["-U".as_ref(), package.as_os_str()]);
    // As systemd starts it; standard error is a pipe here.
    command.env("INVOCATION_ID", "8f2d1ad1b6a14e0c9d1c5d4b3f0f5a67");
    let outcome = root.run(command);
    assert!(outcome.status.success(), "{outcome:?}");
    let expected = [
        "warning: btf-guard: 1 module will not load; help: wait; modules: mod",
        "warning: btf-guard: another",
    ];
    assert_eq!(outcome.log(), expected);
}
