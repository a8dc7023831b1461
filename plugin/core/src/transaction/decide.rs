// SPDX-License-Identifier: GPL-2.0-or-later
//! What becomes of a transaction whose outcome depends on more than the judge's
//! answer: on overrides that hold once, or, where there is no answer, on `on_error`.

use btf_guard_protocol::decision::{Decision, Mode};
use btf_guard_protocol::event::{Event, EventOutcome, OutcomeInputs};
use btf_guard_protocol::judge_client::{self, not_judged};
use btf_guard_protocol::override_source::{Override, OverrideSource};
use btf_guard_protocol::plan::{Level, Message, Reply};

use crate::config::{self, Loaded, OnError};
use crate::policy::ConfigPaths;
use crate::policy::overrides::{Overrides, consume, settle};
use crate::report::HELP_ONCE;

/// A decision.
#[derive(Debug, PartialEq, Eq)]
pub struct Decided {
    /// For the hook that asks.
    pub reply: Reply,
    /// The event is written down: nothing is of a test run that may go on, because
    /// the transaction itself follows.
    pub is_recorded: bool,
}

/// Decides what is [undecided](Event::undecided) of an event, and completes it.
/// `None` where nothing is.
pub fn decide(event: &mut Event, places: &ConfigPaths) -> Option<Decided> {
    let undecided = event.undecided.take()?;
    let answer = event.answer.as_ref().map(|answer| answer.get().to_owned());
    let answer = answer.map(|text| judge_client::understand(text.into()));
    let (reply, outcome) = match answer {
        Some(Ok(answer)) => {
            let answer = match undecided.is_last {
                true => settle(places, answer),
                false => answer,
            };
            let outcome = EventOutcome::of(&answer);
            event.overrides = answer.overrides;
            let reply = Reply {
                decision: answer.decision,
                messages: answer.messages,
            };
            (reply, outcome)
        }
        Some(Err(why)) => {
            event.answer = None;
            event.failure = Some(why.to_string());
            unanswered(event, &undecided, places)
        }
        None => unanswered(event, &undecided, places),
    };
    let is_blocked = outcome == Some(EventOutcome::Blocked);
    let is_recorded = outcome.is_some() && (!event.test || is_blocked);
    event.outcome = outcome.unwrap_or(EventOutcome::Proceeded);
    Some(Decided { reply, is_recorded })
}

/// A transaction that cannot be judged goes on with a warning, unless the
/// configuration says that it is stopped, and no override lets it pass.
fn unanswered(
    event: &mut Event,
    undecided: &OutcomeInputs,
    places: &ConfigPaths,
) -> (Reply, Option<EventOutcome>) {
    let config = Loaded::read(places).config;
    let line = config::command_line(&places.command_line).unwrap_or_default();
    let asked = undecided.mode.map(|mode| (mode, undecided.mode_source));
    let (mode, source) = config::mode(&config, asked, line);
    let why = event.failure.clone().unwrap_or_default();
    let mut messages = Vec::new();
    let mut outcome = EventOutcome::Proceeded;
    if mode == Mode::Off {
        let by_command_line = source == Some(OverrideSource::CommandLine);
        if by_command_line {
            event.pass_unjudged(Override::of(OverrideSource::CommandLine));
        }
        let decision = Decision::Allow;
        let outcome = by_command_line.then_some(EventOutcome::Overridden);
        return (Reply { decision, messages }, outcome);
    }
    if mode == Mode::Block && config.on_error.value == OnError::Block {
        let Some(overruled) = let_pass(undecided, places) else {
            let reply = Reply {
                decision: Decision::Block,
                messages: stopped(&why, config.on_error.origin.as_deref().unwrap_or_default()),
            };
            return (reply, Some(EventOutcome::Blocked));
        };
        let reason = overruled.reason.as_deref().unwrap_or_default();
        messages.push(warning(format!(
            "btf-guard: decided by {overruled}: {reason}"
        )));
        event.overrides.push(overruled);
        outcome = EventOutcome::Overridden;
    }
    messages.push(warning(not_judged(&why)));
    let decision = Decision::Warn;
    (Reply { decision, messages }, Some(outcome))
}

/// The override that lets it pass all the same.
fn let_pass(undecided: &OutcomeInputs, places: &ConfigPaths) -> Option<Override> {
    let overruled = Overrides::read(places, btf_guard_protocol::clock::now()).for_everything()?;
    let id = overruled.id.as_deref().unwrap_or_default();
    let is_ours = !undecided.is_last
        || overruled.source != OverrideSource::OneShot
        || consume(places, id).unwrap_or(false);
    is_ours.then_some(overruled)
}

fn warning(text: String) -> Message {
    let level = Level::Warning;
    Message { level, text }
}

fn stopped(why: &str, origin: &str) -> Vec<Message> {
    let lines = [
        format!("btf-guard: blocked: {why}"),
        format!("  note: kernel modules cannot be judged, and on_error is \"block\" ({origin})"),
        "btf-guard: nothing was changed; to go on all the same: BTF_GUARD=warn in the \
         environment, or rpm -D '_btf_guard warn'"
            .to_owned(),
        HELP_ONCE.to_owned(),
    ];
    let level = Level::Error;
    lines.map(|text| Message { level, text }).into()
}

#[cfg(test)]
mod tests;
