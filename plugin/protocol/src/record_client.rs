// SPDX-License-Identifier: GPL-2.0-or-later
//! What a hook asks of `btf-guard record`.
//!
//! A hook lives inside a package manager, so it writes no log itself, and knows no
//! policy. It hands the event over as JSON on standard input. Where the outcome depends
//! on overrides or on the configuration, `btf-guard record` decides first, and says on
//! standard output what ([`Reply`]).

use std::time::Duration;

use btf_guard_subprocess::{ChildError, Limits};

use crate::caller::Who;
use crate::decision::Decision;
use crate::event::{Event, EventOutcome, OutcomeInputs};
use crate::judge_client::{Judge, MAX_ANSWER};
use crate::override_source::Override;
use crate::plan::{Answer, Plan, Reply};

/// How long the records may take. A package manager waits for it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Has the outcome of an answer written down, if there is anything to write, by the
/// program that also judges. In the client's last run overrides that hold once are
/// used up first; where that fails, the answer becomes what it is without them.
pub fn settle(
    judge: &Judge,
    client: String,
    plan: &Plan,
    answer: &mut Answer,
    who: Who,
    is_last: bool,
) -> Result<(), ChildError> {
    let Some(outcome) = EventOutcome::of(answer) else {
        return Ok(());
    };
    let mut event = Event::of(client, plan, outcome, answer, who);
    if !is_last || answer.once.is_empty() {
        return record(judge, &event);
    }
    event.undecided = Some(OutcomeInputs::of(plan, is_last));
    match decide(judge, &event) {
        Ok((reply, recorded)) => {
            (answer.decision, answer.messages) = (reply.decision, reply.messages);
            recorded
        }
        Err(failure) => {
            answer.fall_back();
            Err(failure)
        }
    }
}

/// What becomes of a transaction for which there is no answer; where this fails too,
/// it goes on.
pub fn settle_without_answer(
    judge: &Judge,
    client: String,
    plan: &Plan,
    why: String,
    who: Who,
    is_last: bool,
) -> Result<Reply, ChildError> {
    let mut event = Event::without_answer(client, plan, why, who);
    event.undecided = Some(OutcomeInputs::of(plan, is_last));
    decide(judge, &event).map(|(reply, _)| reply)
}

/// Has it undone that these overrides, which hold once, were used up: the transaction was
/// not done.
pub fn give_back(
    judge: &Judge,
    client: String,
    plan: &Plan,
    used_up: Vec<Override>,
    who: Who,
) -> Result<(), ChildError> {
    record(judge, &Event::not_done(client, plan, used_up, who))
}

/// Has an event written down.
pub fn record(judge: &Judge, event: &Event) -> Result<(), ChildError> {
    let (limits, mut stdout) = (limits(judge), Vec::new());
    judge
        .run(&["record"], event, Vec::new(), &limits, &mut stdout)
        .map(drop)
}

/// Has it decided, and written down, if that can be done.
fn decide(judge: &Judge, event: &Event) -> Result<(Reply, Result<(), ChildError>), ChildError> {
    let (limits, mut stdout) = (limits(judge), Vec::new());
    let recorded = judge.run(&["record"], event, Vec::new(), &limits, &mut stdout);
    // It replies before it writes: a slow log, or one that fails, takes nothing back.
    let reply = match serde_json::from_slice::<Reply>(&stdout) {
        Ok(reply) if reply.decision == Decision::Block && reply.messages.is_empty() => {
            Err("a block without a reason".to_owned())
        }
        reply => reply.map_err(|error| error.to_string()),
    };
    match reply {
        Ok(reply) => Ok((reply, recorded.map(drop))),
        Err(reason) => {
            let (who, stderr) = (limits.who, recorded?);
            Err(ChildError::Answer {
                who,
                reason,
                stderr,
            })
        }
    }
}

fn limits(judge: &Judge) -> Limits {
    Limits {
        who: "the record",
        timeout: TIMEOUT.min(judge.timeout),
        limit: MAX_ANSWER,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_reply_counts_whatever_becomes_of_the_logs() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("btf-guard");
        let plan = Plan::new("/".into());
        let reply = r#"{"decision":"block","messages":[{"level":"error","text":"stopped"}]}"#;
        for (then, is_recorded) in [("", true), ("; exit 3", false), ("; exec sleep 60", false)] {
            let script = format!("#!/bin/sh\ncat >/dev/null\necho '{reply}'{then}\n");
            fs::write(&program, script).unwrap();
            fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
            let judge = Judge {
                program: program.clone(),
                timeout: Duration::from_secs(1),
            };
            let why = "no answer".to_owned();
            let who = Who::default();
            let mut event = Event::without_answer("rpm".to_owned(), &plan, why, who);
            event.undecided = Some(OutcomeInputs::of(&plan, true));
            let (reply, recorded) = decide(&judge, &event).unwrap();
            assert_eq!(reply.decision, Decision::Block, "{then}");
            assert_eq!(recorded.is_ok(), is_recorded, "{then}");
        }
    }
}
