// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard judge` and `check` under a machine's policy: files and overrides.

use std::path::Path;

use btf_guard_protocol::decision::Mode;
use btf_guard_protocol::override_source::OverrideSource;

use crate::common::judge::{Answer, Transaction, kernel, kmp};
use crate::common::{Build, Place, run};

/// A root with a kernel, packages, and a machine's files.
struct Scene {
    root: Place,
    machine: Place,
}

impl Scene {
    /// With this configuration.
    fn with(text: &str) -> Self {
        let scene = Self {
            root: Place::booting(Build::New),
            machine: Place::new(),
        };
        scene.configure(text);
        scene
    }

    fn configure(&self, text: &str) {
        self.machine.file("etc/btf-guard.toml", text);
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

    fn install(&self, package: &Path) -> Transaction {
        let transaction = Transaction::on(&self.root).under(&self.machine);
        transaction.install(package)
    }

    /// Modules that the kernel refuses.
    fn bad(&self) -> Transaction {
        self.install(&kmp(&self.root, "bad", &[("stale", Build::Old)]))
    }

    /// The same, as this asks for it.
    fn bad_by(&self, mode: Mode, source: OverrideSource) -> Answer {
        let mut transaction = self.bad().mode(mode);
        transaction.plan.mode_source = Some(source);
        transaction.judge()
    }
}

fn sources(answer: &Answer) -> Vec<&str> {
    let overrides = answer.0["overrides"].as_array();
    let overrides = overrides.into_iter().flatten();
    overrides.map(|o| o["source"].as_str().unwrap()).collect()
}

#[test]
fn a_rule_that_changes_the_outcome_is_named() {
    let scene = Scene::with("[[rule]]\nseverity = 'info'\nreason = 'known'\npackage = 'bad'");
    let answer = scene.bad().judge();
    answer.is("allow").finds(&["stale refused info"]);
    assert_eq!(sources(&answer), ["rule"]);
    answer.says(":1: known");
    // One that changes nothing is not.
    scene.configure("[[rule]]\nseverity = 'block'\nverdict = 'refused'");
    assert_eq!(sources(scene.bad().judge().is("block")), [""; 0]);
}

#[test]
fn a_rule_knows_the_repository_that_the_plan_names() {
    let scene = Scene::with("[[rule]]\nseverity = 'warn'\nreason = 'r'\nrepository = 'up*'");
    scene.bad().judge().is("block");
    let mut transaction = scene.bad();
    let known = ("bad-1-1.x86_64".to_owned(), "updates".to_owned());
    transaction.plan.repositories.extend([known]);
    transaction.judge().is("warn");
}

#[test]
fn what_holds_once_is_named_only_where_it_makes_the_difference() {
    let scene = Scene::with("");
    let id = scene.make(&["allow", "--next"]);
    let answer = scene.bad().judge();
    assert_eq!(sources(answer.is("warn")), ["one-shot"]);
    assert_eq!(answer.0["once"], serde_json::json!([id]));
    let fallback = &answer.0["fallback"];
    assert_eq!(fallback["decision"], "block");
    let first = fallback["messages"][0]["text"].as_str().unwrap();
    assert!(first.starts_with("btf-guard: blocked: "), "{first}");

    // Nothing would have been stopped: nothing is used up.
    let good = kmp(&scene.root, "good", &[("fine", Build::New)]);
    for transaction in [scene.install(&good), scene.bad().mode(Mode::Warn)] {
        assert!(transaction.judge().0["once"].is_null());
    }
    // One that stands does it alone, and of two one is enough.
    scene.make(&["allow", "--next"]);
    assert_eq!(scene.bad().judge().0["once"].as_array().unwrap().len(), 1);
    scene.make(&["allow", "--package", "b*"]);
    assert!(scene.bad().judge().is("warn").0["once"].is_null());
}

#[test]
fn a_kernel_that_comes_is_a_package_too() {
    let scene = Scene::with("");
    scene.root.install("mine", Build::New);
    let kernel = kernel(&scene.root, "kernel-default", Build::Old);
    let answer = scene.install(&kernel).judge();
    answer.is("block").says("allow --package 'kernel-default'");
    scene.make(&["allow", "--package", "kernel-default"]);
    scene.install(&kernel).judge().is("warn");
}

#[test]
fn denying_stops_neither_guesses_nor_what_was_so_before() {
    let (guess, before) = (Scene::with(""), Scene::with(""));
    std::fs::remove_file(guess.root.config(false)).unwrap();
    before.root.install("stale", Build::Old);
    for (scene, expected) in [(guess, "warn"), (before, "allow")] {
        scene.make(&["deny", "--package", "*"]);
        scene.bad().judge().is(expected);
    }
}

#[test]
fn who_asks_is_named_where_it_made_the_difference() {
    let scene = Scene::with("mode = 'warn'");
    assert_eq!(sources(&scene.bad().judge()), ["configuration"]);
    scene.bad_by(Mode::Block, OverrideSource::Macro).is("block");
    scene.machine.file("proc/cmdline", "quiet btf_guard=off");
    scene.bad().judge().is("allow").is_silent();
    let environment = OverrideSource::Environment;
    scene.bad_by(Mode::Block, environment).is("block");
}

#[test]
fn what_is_wrong_with_files_is_one_line() {
    let scene = Scene::with("moode = 1");
    scene.machine.file("etc/btf-guard.d/1.toml", "third = 3");
    let lines = scene.bad().judge().is("block").messages();
    let complaints = lines.iter().filter(|l| l.contains("etc/btf-guard"));
    let complaints: Vec<_> = complaints.collect();
    assert_eq!(complaints.len(), 1, "{lines:?}");
    let expected = "(did you mean `mode`?), and 1 more; a file with a mistake is not used at all";
    assert!(complaints[0].contains(expected), "{complaints:?}");
}

#[test]
fn a_check_rates_as_the_machine_does() {
    let scene = Scene::with("");
    scene.root.install("stale", Build::Old);
    let places = [&scene.root, &scene.machine].map(|place| place.path().to_str().unwrap());
    let check = || {
        let place = ["check", "--root", places[0], "--config", places[1]];
        run(&[&place[..], &["--cache", "none", "-q"]].concat()).0
    };
    assert_eq!(check(), 2);
    for (severity, code) in [("warn", 1), ("info", 0)] {
        scene.configure(&format!("[severity.boot]\nrefused = '{severity}'"));
        assert_eq!(check(), code);
    }
    scene.configure("");
    scene.make(&["allow", "--next"]);
    assert_eq!(check(), 2, "what holds once is for transactions");
    scene.make(&["allow", "--until", "+1h"]);
    assert_eq!(check(), 1);
}
