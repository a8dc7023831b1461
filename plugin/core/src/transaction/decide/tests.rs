// SPDX-License-Identifier: GPL-2.0-or-later

use std::fs;

use btf_guard_protocol::caller::Who;
use btf_guard_protocol::plan::{Answer, Plan};
use serde_json::json;
use serde_json::value::to_raw_value;

use super::*;
use crate::policy::overrides::tests::token;
use crate::policy::overrides::{TokenKind, issue};

/// Where a machine's files are, with this configuration.
fn machine(config: &str) -> (tempfile::TempDir, ConfigPaths) {
    let dir = tempfile::tempdir().unwrap();
    for parent in ["run", "var/lib", "etc", "proc"] {
        fs::create_dir_all(dir.path().join(parent)).unwrap();
    }
    let places = ConfigPaths::below(dir.path());
    fs::write(&places.admin, config).unwrap();
    (dir, places)
}

const BLOCKS: &str = "on_error = \"block\"\n";

fn once(places: &ConfigPaths) -> String {
    let token = token(TokenKind::Allow, None);
    issue(places, &token, OverrideSource::OneShot).unwrap();
    token.id
}

/// No answer to a transaction for which this is asked.
fn unanswered(mode: Option<(Mode, Option<OverrideSource>)>, test: bool) -> Event {
    let plan = Plan {
        test,
        ..Plan::new("/".into())
    };
    let (client, why) = ("rpm".to_owned(), "it crashed".to_owned());
    let mut event = Event::without_answer(client, &plan, why, Who::default());
    event.undecided = Some(OutcomeInputs {
        mode: mode.map(|(mode, _)| mode),
        mode_source: mode.and_then(|(_, source)| source),
        is_last: !test,
    });
    event
}

#[test]
fn what_is_decided_is_left_alone() {
    let (_dir, places) = machine(BLOCKS);
    let mut event = unanswered(None, false);
    event.undecided = None;
    assert_eq!(decide(&mut event, &places), None);
}

#[test]
fn what_cannot_be_judged_goes_on_unless_the_configuration_says_otherwise() {
    let environment = Some(OverrideSource::Environment);
    for (config, mode, expected) in [
        ("", None, Decision::Warn),
        (BLOCKS, None, Decision::Block),
        (BLOCKS, Some((Mode::Warn, None)), Decision::Warn),
        (BLOCKS, Some((Mode::Warn, environment)), Decision::Warn),
    ] {
        let (_dir, places) = machine(config);
        let mut event = unanswered(mode, false);
        let decided = decide(&mut event, &places).unwrap();
        assert_eq!(decided.reply.decision, expected, "{config} {mode:?}");
        assert!(decided.is_recorded);
        let stops = expected == Decision::Block;
        assert_eq!(event.outcome == EventOutcome::Blocked, stops);
        let first = &decided.reply.messages[0].text;
        assert_eq!(first.starts_with("btf-guard: blocked: it crashed"), stops);
        assert_eq!(first.contains("the transaction goes on"), !stops);
    }
}

#[test]
fn a_test_run_that_may_go_on_is_not_written_down_and_uses_nothing_up() {
    let (_dir, places) = machine(BLOCKS);
    let blocked = decide(&mut unanswered(None, true), &places).unwrap();
    assert!(blocked.is_recorded);
    let id = once(&places);
    for test in [true, false] {
        let mut event = unanswered(None, test);
        let decided = decide(&mut event, &places).unwrap();
        assert_eq!(decided.reply.decision, Decision::Warn);
        assert_eq!(decided.is_recorded, !test);
        assert_eq!(event.outcome, EventOutcome::Overridden);
        assert_eq!(event.overrides[0].id.as_ref(), Some(&id));
    }
    let decided = decide(&mut unanswered(None, false), &places).unwrap();
    assert_eq!(decided.reply.decision, Decision::Block, "it was used up");
}

#[test]
fn off_is_silent_and_written_down_if_the_command_line_says_it() {
    for (config, line, recorded) in [
        (BLOCKS, "quiet btf_guard=off", true),
        ("mode = \"off\"\non_error = \"block\"\n", "quiet", false),
    ] {
        let (_dir, places) = machine(config);
        fs::write(&places.command_line, line).unwrap();
        let mut event = unanswered(None, false);
        let decided = decide(&mut event, &places).unwrap();
        assert_eq!(decided.reply.decision, Decision::Allow);
        assert_eq!(decided.reply.messages, []);
        assert_eq!(decided.is_recorded, recorded);
        if recorded {
            let why = "the kernel command line says off";
            assert_eq!(event.failure.as_deref(), Some(why));
            assert_eq!(event.outcome, EventOutcome::Overridden);
        }
    }
}

/// An answer that an override makes pass, for the first who uses it up.
#[test]
fn of_two_who_are_let_pass_once_the_second_is_stopped() {
    let (_dir, places) = machine("");
    let id = once(&places);
    let answer = json!({
        "schema": 2, "decision": "warn", "messages": [{"level": "warning", "text": "passes"}],
        "overrides": [{"source": "one-shot", "id": id, "reason": "because"}], "once": [id],
        "fallback": {"decision": "block", "messages": [{"level": "error", "text": "stopped"}]},
    });
    let mut told = Answer::new(Decision::Warn, Vec::new(), Vec::new());
    told.whole = Some(to_raw_value(&answer).unwrap());
    let plan = Plan::new("/".into());
    for (decision, outcome, text, overrides) in [
        (Decision::Warn, EventOutcome::Overridden, "passes", 1),
        (Decision::Block, EventOutcome::Blocked, "stopped", 0),
    ] {
        let (client, who) = ("rpm".to_owned(), Who::default());
        let mut event = Event::of(client, &plan, EventOutcome::Proceeded, &told, who);
        event.undecided = Some(OutcomeInputs {
            mode: None,
            mode_source: None,
            is_last: true,
        });
        let decided = decide(&mut event, &places).unwrap();
        assert_eq!(decided.reply.decision, decision);
        assert_eq!(decided.reply.messages[0].text, text);
        assert_eq!((event.outcome, event.overrides.len()), (outcome, overrides));
        assert!(decided.is_recorded && event.answer.is_some());
    }
}
