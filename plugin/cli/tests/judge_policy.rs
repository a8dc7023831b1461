// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard judge` and `check` under a machine's policy: files and overrides.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use btf_guard_protocol::decision::Mode;
use btf_guard_protocol::override_source::OverrideSource;

use crate::common::judge::{Answer, Transaction, kernel, kmp};
use common::{Build, Place, run};

/// A root with a kernel, packages, and a machine's files.
struct Scene {
    root: Place,
    files: Place,
    machine: Place,
}

impl Scene {
    fn new() -> Self {
        let root = Place::new();
        root.boot(Build::New);
        root.config(false);
        Self {
            root,
            files: Place::new(),
            machine: Place::new(),
        }
    }

    fn with(text: &str) -> Self {
        let scene = Self::new();
        scene.machine.file("etc/btf-guard.toml", text);
        scene
    }

    /// Makes an override; its id.
    fn make(&self, words: &[&str]) -> String {
        for parent in ["run/x", "var/lib/x"] {
            self.machine.file(parent, "");
        }
        let place = self.machine.path().to_str().unwrap();
        let words = [words, &["--reason", "because", "--config", place]].concat();
        let (code, out, err) = run(&words);
        assert_eq!((code, err.as_str()), (0, ""), "{words:?}");
        out.split(' ').next().unwrap().to_owned()
    }

    /// Modules that the kernel refuses.
    fn bad(&self) -> Transaction {
        let bad = kmp(&self.files, "bad", &[("stale", Build::Old)]);
        Transaction::on(&self.root)
            .under(&self.machine)
            .install(&bad)
    }
}

fn sources(answer: &Answer) -> Vec<String> {
    let overrides = answer.0["overrides"].as_array();
    let overrides = overrides.map(Vec::as_slice).unwrap_or_default().iter();
    overrides
        .map(|o| o["source"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_rule_that_changes_the_outcome_is_named() {
    let scene =
        Scene::with("[[rule]]\nseverity = \"info\"\nreason = \"known\"\npackage = \"bad\"\n");
    let answer = scene.bad().judge();
    assert_eq!(answer.decision(), "allow");
    assert_eq!(answer.verdicts(), ["stale refused info"]);
    assert_eq!(sources(&answer), ["rule"]);
    assert!(answer.says(":1: known"), "{:?}", answer.messages());
    // One that changes nothing is not.
    let scene = Scene::with("[[rule]]\nseverity = \"block\"\nverdict = \"refused\"\n");
    let answer = scene.bad().judge();
    assert_eq!((answer.decision(), sources(&answer).len()), ("block", 0));
}

#[test]
fn a_rule_knows_the_repository_that_the_plan_names() {
    let rule = "[[rule]]\nseverity = \"warn\"\nreason = \"r\"\nrepository = \"up*\"\n";
    let scene = Scene::with(rule);
    assert_eq!(scene.bad().judge().decision(), "block");
    let mut transaction = scene.bad();
    let known = ("bad-1-1.x86_64".to_owned(), "updates".to_owned());
    transaction.plan.repositories.extend([known]);
    assert_eq!(transaction.judge().decision(), "warn");
}

#[test]
fn what_holds_once_is_named_only_where_it_makes_the_difference() {
    let scene = Scene::new();
    let id = scene.make(&["allow", "--next"]);
    let answer = scene.bad().judge();
    assert_eq!(
        (answer.decision(), sources(&answer)),
        ("warn", vec!["one-shot".into()])
    );
    assert_eq!(answer.0["once"], serde_json::json!([id]));
    let fallback = &answer.0["fallback"];
    assert_eq!(fallback["decision"], "block");
    let first = fallback["messages"][0]["text"].as_str().unwrap();
    assert!(first.starts_with("btf-guard: blocked: "), "{first}");

    // Nothing would have been stopped: nothing is used up.
    let good = kmp(&scene.files, "good", &[("fine", Build::New)]);
    let good = Transaction::on(&scene.root)
        .under(&scene.machine)
        .install(&good);
    let warned = scene.bad().mode(Mode::Warn);
    for answer in [good.judge(), warned.judge()] {
        assert!(answer.0["once"].is_null(), "{:?}", answer.0["once"]);
    }
    // One that stands does it alone, and of two one is enough.
    scene.make(&["allow", "--next"]);
    assert_eq!(scene.bad().judge().0["once"].as_array().unwrap().len(), 1);
    scene.make(&["allow", "--package", "b*"]);
    let answer = scene.bad().judge();
    assert!(answer.0["once"].is_null(), "{:?}", answer.0["once"]);
    assert_eq!(answer.decision(), "warn");
}

#[test]
fn a_kernel_that_comes_is_a_package_too() {
    let scene = Scene::new();
    scene.root.install("mine", Build::New);
    let kernel = kernel(&scene.files, "kernel-default", Build::Old);
    let transaction = || {
        Transaction::on(&scene.root)
            .under(&scene.machine)
            .install(&kernel)
    };
    let answer = transaction().judge();
    assert_eq!(answer.decision(), "block", "{:?}", answer.messages());
    assert!(answer.says("allow --package 'kernel-default'"));
    scene.make(&["allow", "--package", "kernel-default"]);
    assert_eq!(transaction().judge().decision(), "warn");
}

#[test]
fn denying_stops_neither_guesses_nor_what_was_so_before() {
    let (guess, before) = (Scene::new(), Scene::new());
    std::fs::remove_file(guess.root.config(false)).unwrap();
    before.root.install("stale", Build::Old);
    for (scene, expected) in [(guess, "warn"), (before, "allow")] {
        scene.make(&["deny", "--package", "*"]);
        let answer = scene.bad().judge();
        assert_eq!(answer.decision(), expected, "{:?}", answer.messages());
    }
}

#[test]
fn who_asks_is_named_where_it_made_the_difference() {
    let scene = Scene::with("mode = \"warn\"\n");
    assert_eq!(sources(&scene.bad().judge()), ["configuration"]);
    let mut transaction = scene.bad().mode(Mode::Block);
    transaction.plan.mode_source = Some(OverrideSource::Macro);
    assert_eq!(transaction.judge().decision(), "block");
    scene.machine.file("proc/cmdline", "quiet btf_guard=off");
    let answer = scene.bad().judge();
    assert_eq!((answer.decision(), answer.messages().len()), ("allow", 0));
    let mut transaction = scene.bad().mode(Mode::Block);
    transaction.plan.mode_source = Some(OverrideSource::Environment);
    assert_eq!(transaction.judge().decision(), "block");
}

#[test]
fn what_is_wrong_with_files_is_one_line() {
    let scene = Scene::with("moode = 1\nother = 2\n");
    scene.machine.file("etc/btf-guard.d/1.toml", "third = 3\n");
    let answer = scene.bad().judge();
    assert_eq!(answer.decision(), "block");
    let lines = answer.messages();
    let complaints: Vec<_> = lines
        .iter()
        .filter(|l| l.contains("etc/btf-guard"))
        .collect();
    assert_eq!(complaints.len(), 1, "{lines:?}");
    let expected = "(did you mean `mode`?), and 1 more; a file with a mistake is not used at all";
    assert!(complaints[0].contains(expected), "{complaints:?}");
}

#[test]
fn a_check_rates_as_the_machine_does() {
    let scene = Scene::new();
    scene.root.install("stale", Build::Old);
    let root = scene.root.path().to_str().unwrap();
    let place = scene.machine.path().to_str().unwrap();
    let check = || {
        let words = [
            "check", "--root", root, "--cache", "none", "--config", place, "-q",
        ];
        run(&words).0
    };
    assert_eq!(check(), 2);
    scene.machine.file(
        "etc/btf-guard.toml",
        "[severity.boot]\nrefused = \"warn\"\n",
    );
    assert_eq!(check(), 1);
    scene.machine.file(
        "etc/btf-guard.toml",
        "[severity.boot]\nrefused = \"info\"\n",
    );
    assert_eq!(check(), 0);
    scene.machine.file("etc/btf-guard.toml", "");
    scene.make(&["allow", "--next"]);
    assert_eq!(check(), 2, "what holds once is for transactions");
    scene.make(&["allow", "--until", "+1h"]);
    assert_eq!(check(), 1);
}
