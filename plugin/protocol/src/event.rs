// SPDX-License-Identifier: GPL-2.0-or-later
//! What hooks leave for the records: one [`Event`] for each thing that was decided.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::caller::Who;
use crate::clock::now;
use crate::decision::{Decision, Mode};
use crate::override_source::{Override, OverrideSource};
use crate::plan::{Answer, Plan, Stage};

/// The version of [`Event`].
pub const SCHEMA: u32 = 2;

/// The longest event that is read, in bytes: the judge's longest answer and a bit.
pub const MAX_EVENT: u64 = 20 << 20;

/// One decision.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// [`SCHEMA`].
    pub schema: u32,
    /// When, in seconds since 1970.
    pub time: u64,
    /// The program that did the transaction, or changed the disk: `rpm`, `dnf`,
    /// `zypper`, `packagekitd`, …
    pub client: String,
    /// What was judged: packages before a transaction, or the disk after it.
    pub stage: Stage,
    /// A client's test run: nothing was changed by it.
    pub test: bool,
    /// The root that it was about.
    pub root: PathBuf,
    /// What became of it.
    pub outcome: EventOutcome,
    /// Why it was not what the policy alone says; the last is what tipped it.
    #[serde(default)]
    pub overrides: Vec<Override>,
    /// Who is behind it.
    pub who: Who,
    /// The judge's answer, a whole report; `None` where there was none.
    #[serde(default)]
    pub answer: Option<Box<RawValue>>,
    /// Why there was no answer.
    #[serde(default)]
    pub failure: Option<String>,
    /// What the outcome still depends on, on the way to the record: it decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided: Option<OutcomeInputs>,
}

/// What the outcome of an [`Event`] depends on, besides its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeInputs {
    /// [`Plan::mode`].
    pub mode: Option<Mode>,
    /// [`Plan::mode_source`].
    pub mode_source: Option<OverrideSource>,
    /// The client does not come again with the same transaction: overrides that hold
    /// for one are used up.
    pub is_last: bool,
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventOutcome {
    /// It was stopped.
    Blocked,
    /// It went on, as the policy says; also what was found on the disk.
    Proceeded,
    /// It went on where it would have been stopped or warned of, by
    /// [`Event::overrides`].
    Overridden,
    /// Nothing was done: it was asked what would happen.
    Preflight,
    /// It went on by [`Event::overrides`], and then nothing was done: rpm refused it, or it
    /// failed before the first file. What holds for one transaction holds again.
    NotDone,
}

impl Event {
    /// What came of an answer, now.
    pub fn of(
        client: String,
        plan: &Plan,
        outcome: EventOutcome,
        answer: &Answer,
        who: Who,
    ) -> Self {
        let mut event = Self::new(client, plan, outcome, who);
        match answer.overrides.last().filter(|_| answer.is_off()) {
            Some(off) => event.pass_unjudged(off.clone()),
            None => {
                event.overrides = answer.overrides.clone();
                event.answer = answer.whole.clone();
            }
        }
        event
    }

    /// Makes it one of a transaction that was not judged, because this says `off`.
    pub fn pass_unjudged(&mut self, off: Override) {
        self.failure = Some(format!("{} says off", off.source.name()));
        self.outcome = EventOutcome::Overridden;
        self.overrides.push(off);
    }

    /// That there was no answer, and why; the transaction goes on.
    pub fn without_answer(client: String, plan: &Plan, failure: String, who: Who) -> Self {
        Self {
            failure: Some(failure),
            ..Self::new(client, plan, EventOutcome::Proceeded, who)
        }
    }

    /// That a transaction was not done for which these were used up.
    pub(crate) fn not_done(client: String, plan: &Plan, used_up: Vec<Override>, who: Who) -> Self {
        Self {
            overrides: used_up,
            ..Self::new(client, plan, EventOutcome::NotDone, who)
        }
    }

    fn new(client: String, plan: &Plan, outcome: EventOutcome, who: Who) -> Self {
        Self {
            schema: SCHEMA,
            time: now(),
            client,
            stage: plan.stage,
            test: plan.test,
            root: plan.root.clone(),
            outcome,
            overrides: Vec::new(),
            who,
            answer: None,
            failure: None,
            undecided: None,
        }
    }
}

impl OutcomeInputs {
    pub(crate) fn of(plan: &Plan, is_last: bool) -> Self {
        Self {
            mode: plan.mode,
            mode_source: plan.mode_source,
            is_last,
        }
    }
}

impl EventOutcome {
    /// Of a transaction that went on, or did not, by this answer. `None` where
    /// there is nothing to record.
    pub fn of(answer: &Answer) -> Option<Self> {
        match (answer.decision, answer.overrides.is_empty()) {
            (Decision::Block, _) => Some(Self::Blocked),
            (Decision::Warn, true) => Some(Self::Proceeded),
            (Decision::Allow, true) => None,
            (Decision::Warn | Decision::Allow, false) => Some(Self::Overridden),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_survives_the_way_to_the_record() {
        let who = Who::of_this_process(|name| match name {
            "SUDO_USER" => Some("me".to_owned()),
            _ => Some("1000".to_owned()),
        });
        let (plan, outcome) = (Plan::new("/".into()), EventOutcome::Overridden);
        let event = Event {
            overrides: vec![Override::of(OverrideSource::Environment)],
            answer: Some(RawValue::from_string(r#"{"schema": 1}"#.to_owned()).unwrap()),
            ..Event::new("rpm".to_owned(), &plan, outcome, who)
        };
        let text = serde_json::to_string(&event).unwrap();
        let read: Event = serde_json::from_str(&text).unwrap();
        assert_eq!(read.answer.unwrap().get(), r#"{"schema": 1}"#);
        assert_eq!(read.who, event.who);
        assert_eq!(event.who.sudo_uid, Some(1000));
        assert_eq!(event.who.sudo_user.as_deref(), Some("me"));
        assert!(text.contains(r#""outcome":"overridden""#), "{text}");
        assert!(text.contains(r#""source":"environment""#), "{text}");
    }
}
