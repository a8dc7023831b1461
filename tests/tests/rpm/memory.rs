// SPDX-License-Identifier: GPL-2.0-or-later
//! A test run and the transaction itself, in one process: asked and told once.

use std::path::Path;
use std::process::Command;

use btf_guard_tests::{Judge, Outcome, Root};
use serde_json::json;

use crate::module_package;

/// Runs the client in `clients/runs.py` with a module package.
fn client(root: &Root, steps: &[&str]) -> Outcome {
    let package = root.build(&module_package("mod"));
    let options = root.options();
    let words = options.iter().map(|option| option.to_str().unwrap());
    let defines = words.skip_while(|word| *word != "--define");
    let macros = defines.filter(|word| *word != "--define");
    let mut command = Command::new("/usr/bin/python3");
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/runs.py"))
        .arg(root.path())
        .args(macros.map(|define| define.replacen(' ', "=", 1)))
        .arg(&package)
        .args(steps)
        .env("PACKAGE", &package);
    root.run(command)
}

fn judge(decision: &str, level: &str) -> Judge {
    let messages = json!([{"level": level, "text": "btf-guard: found"}]);
    let before = json!({"schema": 2, "decision": decision, "messages": messages});
    let after = json!({"schema": 2, "decision": "allow", "messages": []});
    Judge::staged(&before, &after)
}

#[test]
fn a_warning_of_the_test_run_is_not_told_again() {
    let judge = judge("warn", "warning");
    let outcome = client(&Root::new(&judge.path()), &["test", "run"]);
    assert_eq!(outcome.stdout, "[\"ok\", \"ok\"]\n", "{outcome:?}");
    assert_eq!(
        outcome.log(),
        ["-- test", "warning: btf-guard: found", "-- run"]
    );
    assert_eq!(judge.times_asked(), 1);
    assert!(judge.plan().test);
    assert!(
        judge.plan_after().is_some(),
        "what was remembered is followed up"
    );
}

#[test]
fn a_block_of_the_test_run_holds_for_the_real_one() {
    let judge = judge("block", "error");
    let root = Root::new(&judge.path());
    let before = root.snapshot();
    let outcome = client(&root, &["test", "run"]);
    assert_eq!(outcome.stdout, "[\"failed\", \"failed\"]\n", "{outcome:?}");
    let failed = "error: Plugin btf_guard: hook tsm_pre failed";
    assert_eq!(
        outcome.log(),
        [
            "-- test",
            "error: btf-guard: found",
            failed,
            "-- run",
            "error: btf-guard: blocked, as in the test run; nothing was changed",
            failed,
        ]
    );
    assert_eq!(judge.times_asked(), 1);
    assert_eq!(root.snapshot(), before);
}

#[test]
fn another_file_is_another_package() {
    for change in [
        "sh:touch -d '2020-01-01' $PACKAGE",
        "sh:cp -p $PACKAGE $PACKAGE.new; mv $PACKAGE.new $PACKAGE",
    ] {
        let judge = judge("warn", "warning");
        let outcome = client(&Root::new(&judge.path()), &["test", change, "run"]);
        assert_eq!(outcome.stdout, "[\"ok\", \"ok\"]\n", "{outcome:?}");
        // Asked again; that the answer is the same need not be told.
        assert_eq!(judge.times_asked(), 2, "{change}");
        let told = ["-- test", "warning: btf-guard: found", "-- sh", "-- run"];
        assert_eq!(outcome.log(), told, "{change}");
    }
}

#[test]
fn what_another_file_brings_is_told() {
    let judge = Judge::script(
        r#"cat > /dev/null; echo . >> $E/asked
        echo "{\"schema\":2,\"decision\":\"warn\",\"messages\":[
              {\"level\":\"warning\",\"text\":\"answer $(wc -l < $E/asked)\"}]}""#,
    );
    let change = "sh:touch -d '2020-01-01' $PACKAGE";
    let outcome = client(&Root::new(&judge.path()), &["test", change, "run"]);
    let told = [
        "-- test",
        "warning: answer 1",
        "-- sh",
        "-- run",
        "warning: answer 2",
        "warning: answer 3",
    ];
    assert_eq!(outcome.log(), told, "before, before again, after");
}

#[test]
fn every_test_run_and_every_second_run_is_asked_anew() {
    let judge = judge("warn", "warning");
    let root = Root::new(&judge.path());
    let outcome = client(&root, &["test", "test", "run", "new", "run"]);
    assert_eq!(judge.times_asked(), 3);
    let log = outcome.log();
    let told = log.into_iter().filter(|line| line.ends_with("found"));
    assert_eq!(told.count(), 3, "{outcome:?}");
}

#[test]
fn a_judge_that_fails_is_complained_of_once() {
    let judge = Judge::script("echo . >> $E/asked; exit 3");
    let outcome = client(&Root::new(&judge.path()), &["test", "run"]);
    assert_eq!(outcome.stdout, "[\"ok\", \"ok\"]\n", "{outcome:?}");
    let log = outcome.log();
    assert_eq!((log[0], log[2], log.len()), ("-- test", "-- run", 3));
    assert!(log[1].contains("ended with exit status: 3"), "{log:?}");
    assert_eq!(
        judge.times_asked(),
        1,
        "nor is it asked after the last change"
    );
}
