// SPDX-License-Identifier: GPL-2.0-or-later
//! What the plugin makes of a commit: before it and after it.

use std::fs;
use std::path::Path;

use btf_guard_protocol::decision::{Decision, Mode};
use btf_guard_protocol::event::{Event, EventOutcome};
use btf_guard_protocol::plan::{Plan, Stage};
use btf_guard_tests::Judge;

use crate::{ACK, Scene, TRANSCRIPTS, Talk, blocking, commit_begin, script, transcript, warning};

#[test]
fn real_commits_are_answered_frame_by_frame() {
    for name in TRANSCRIPTS {
        let scene = Scene::new(blocking());
        let mut talk = scene.talk();
        let frames = transcript(name);
        let (last, frames) = frames.split_last().unwrap();
        for frame in frames {
            assert_eq!(talk.ask(frame), ACK, "{name}: {}", scene.log());
            if frame.starts_with(b"COMMITBEGIN") {
                let handoff = scene.handoff().unwrap();
                assert_eq!(handoff.decision, Decision::Block, "{name}");
                assert_eq!(handoff.messages[0].text, "btf-guard: blocked");
                assert_eq!(handoff.judged, ["demo-kmp-1-1.noarch"]);
                assert_eq!(handoff.root, Path::new("/"));
            }
        }
        assert!(scene.handoff().is_none(), "{name}");
        assert_eq!(talk.ask(last), "ACK\nexit:0\n\n\0", "{name}");
        assert_eq!(talk.end(), (String::new(), Some(0)), "{name}");
    }
}

#[test]
fn the_plan_is_that_of_the_commit_before_and_after() {
    let scene = Scene::new(warning());
    let mut talk = scene.talk();
    for frame in transcript("libzypp-17.38-done") {
        talk.ask(&frame);
        if frame.starts_with(b"COMMITBEGIN") {
            let plan = scene.judge.plan();
            assert_eq!((plan.stage, plan.mode), (Stage::Pre, None));
            let [element] = &plan.elements[..] else {
                panic!("{plan:?}");
            };
            assert_eq!(element.nevra, "demo-kmp-1-1.noarch");
            assert!(element.file.is_some());
            assert_eq!(
                element.paths,
                [Path::new("/lib/modules/6.1.0-test/extra/demo.ko")]
            );
            scene.let_through();
        }
    }
    let plan: Plan = serde_json::from_str(&scene.judge.read("plan-after")).unwrap();
    assert_eq!(plan.stage, Stage::Post);
    assert_eq!(plan.reported_keys, ["k"]);
    assert!(plan.since.is_some());
    assert_eq!(plan.elements.len(), 1);
    assert_eq!(plan.elements[0].file, None);
    assert_eq!(scene.log().matches("btf-guard: after\n").count(), 1);
}

#[test]
fn after_a_commit_that_failed_the_disk_is_judged_only_if_something_changed() {
    for begun in [false, true] {
        let scene = Scene::new(warning());
        let mut talk = scene.talk();
        for frame in transcript("libzypp-17.25-failed") {
            talk.ask(&frame);
            if begun && frame.starts_with(b"COMMITBEGIN") {
                scene.let_through();
            }
        }
        assert_eq!(scene.log().contains("btf-guard: after\n"), begun);
        // What it would have used up, too.
        let recorded = scene.judge.recorded();
        let given = |event: &&Event| event.outcome == EventOutcome::NotDone;
        let given = recorded
            .iter()
            .find(given)
            .map(|event| event.overrides.len());
        assert_eq!(given, (!begun).then_some(1));
        assert_eq!(fs::read_dir(scene.at("handoffs")).unwrap().count(), 0);
    }
}

/// A user who ignores every failure: libzypp says that all is done.
#[test]
fn where_nothing_was_let_through_the_disk_is_asked_without_what_was_said() {
    let scene = Scene::new(warning());
    let mut talk = scene.talk();
    for frame in transcript("libzypp-17.38-done") {
        talk.ask(&frame);
    }
    let plan: Plan = serde_json::from_str(&scene.judge.read("plan-after")).unwrap();
    assert_eq!(plan.reported_keys, [""; 0]);
    assert!(scene.log().contains("btf-guard: after\n"));
}

#[test]
fn where_the_judge_or_a_package_fails_there_is_no_hand_off() {
    type Spoil = fn(&Scene);
    let cases: [(&str, &str, Spoil); 4] = [
        ("exit 3", "the judge ended with exit status: 3", |_| ()),
        ("echo garbage", "is not understood", |_| ()),
        ("exit 0", "is not in the cache", |scene| {
            fs::remove_file(scene.at("cache/repo/demo-kmp-1-1.noarch.rpm")).unwrap();
        }),
        (
            "exit 0",
            "demo-kmp-1-1.noarch.rpm is first-1-1.noarch",
            |scene| {
                let cache = scene.at("cache/repo");
                fs::copy(
                    cache.join("first-1-1.noarch.rpm"),
                    cache.join("demo-kmp-1-1.noarch.rpm"),
                )
                .unwrap();
            },
        ),
    ];
    for (judge, reason, spoil) in cases {
        let scene = Scene::new(Judge::script(judge));
        spoil(&scene);
        let mut talk = scene.talk();
        assert_eq!(talk.ask(&commit_begin()), ACK);
        assert!(scene.handoff().is_none());
        assert!(scene.log().contains(reason), "{reason}: {}", scene.log());
    }
}

#[test]
fn the_fetch_program_says_what_comes_and_where_it_lies() {
    let mut scene = Scene::new(blocking());
    let path = scene.at("elsewhere.rpm");
    fs::rename(scene.at("cache/repo/demo-kmp-1-1.noarch.rpm"), &path).unwrap();
    let step = serde_json::json!({"action": "install", "nevra": "demo-kmp-1-1.noarch",
        "name": "demo-kmp", "repository": "repo", "size": 0,
        "path": path, "kernel": true});
    let result = serde_json::json!({"result": {"steps": [step], "problems": ["a problem"]}});
    let request = scene.at("request").display().to_string();
    scene.fetch = Some(format!("cat >{request}\ncat <<'END'\n{result}\nEND"));
    let mut talk = scene.talk();
    assert_eq!(talk.ask(&commit_begin()), ACK);
    assert_eq!(scene.handoff().unwrap().judged, ["demo-kmp-1-1.noarch"]);
    assert!(scene.log().contains("btf-guard: a problem\n"));
    let request: serde_json::Value =
        serde_json::from_slice(&fs::read(scene.at("request")).unwrap()).unwrap();
    assert_eq!(request["fetch"], "kernel");
    assert!(
        (5..=14).contains(&request["deadline"].as_u64().unwrap()),
        "{request}"
    );
    let steps = request["ask"]["commit"]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 2, "{request}");
}

#[test]
fn the_admins_wish_holds() {
    for (value, expected) in [
        ("off", None),
        ("warn", Some(Mode::Warn)),
        ("block", Some(Mode::Block)),
    ] {
        let scene = Scene::new(blocking());
        let mut command = scene.plugin();
        command.env("BTF_GUARD", value);
        let mut talk = Talk::with(command);
        for frame in transcript("libzypp-17.38-done") {
            assert!(talk.ask(&frame).starts_with("ACK"));
        }
        assert_eq!(scene.judge.was_started(), expected.is_some());
        if expected.is_some() {
            assert_eq!(scene.judge.plan().mode, expected);
        }
    }
    // The macro, where the environment says nothing.
    let scene = Scene::new(blocking());
    script(&scene.at("rpm"), "echo off");
    script(&scene.at("fetch"), "exit 1");
    assert_eq!(scene.talk().ask(&commit_begin()), ACK);
    assert!(!scene.judge.was_started());
}

/// It is booted later, and mostly nobody is there to try a second time.
#[test]
fn a_transactional_update_is_no_work_on_what_runs() {
    for (value, expected) in [("", false), ("true", true)] {
        let scene = Scene::new(warning());
        let mut command = scene.plugin();
        command
            .env("TRANSACTIONAL_UPDATE", value)
            .env_remove("ZYPP_LOCKFILE_ROOT");
        let mut talk = Talk::with(command);
        assert_eq!(talk.ask(b"PLUGINBEGIN\n\n\0"), ACK);
        assert_eq!(scene.is_watched(), !expected, "{value:?}");
        assert_eq!(talk.ask(&commit_begin()), ACK);
        assert_eq!(scene.judge.plan().offline_image, expected, "{value:?}");
        scene.let_through();
        talk.end();
        let plan: Plan = serde_json::from_str(&scene.judge.read("plan-after")).unwrap();
        assert_eq!(plan.offline_image, expected, "{value:?}");
    }
}

#[test]
fn what_is_not_known_of_the_commit_is_not_guessed() {
    for (name, value, reason) in [
        ("ZYPP_IS_RUNNING", "", "which process commits"),
        ("ZYPP_IS_RUNNING", "4194305", "which process commits"),
    ] {
        let scene = Scene::new(blocking());
        let mut command = scene.plugin();
        command.env(name, value);
        assert_eq!(Talk::with(command).ask(&commit_begin()), ACK);
        assert!(!scene.judge.was_started());
        assert!(scene.log().contains(reason), "{}", scene.log());
    }
}
