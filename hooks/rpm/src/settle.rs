//! What an answer comes to, or that there is none: overrides are used up, the
//! records are told.

use std::env;
use std::io;

use btf_guard::config::{self, Loaded, OnError, Places};
use btf_guard::judge::{Failure, Judge};
use btf_guard::overrides::{self, Overrides};
use btf_guard::place::plan::{Answer, Level, Message, Plan};
use btf_guard::policy::{Decision, Mode, Override, Source};
use btf_guard::record::{self, Event, Outcome as Became, Who};
use btf_guard::report::HELP_ONCE;
use btf_guard::wish::Wish;

use crate::client::Client;
use crate::commit::COMMITTER;
use crate::hook::{Outcome, follow, not_judged};
use crate::voice::{Occasion, Voice};

/// A transaction that was to be judged.
pub(crate) struct Matter<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) wish: &'a Wish,
    pub(crate) judge: &'a Judge,
    /// May it still be stopped?
    pub(crate) may_block: bool,
}

impl Matter<'_> {
    /// Follows an answer. What holds for one transaction is used up by the real
    /// run alone: of dnf, a test run that is stopped is all there will be.
    pub(crate) fn answered(&self, voice: &mut Voice<'_>, answer: &Answer) -> Outcome {
        let is_last_word = !self.plan.test
            || answer.decision == Decision::Block && Client::of_this_process() != Client::Other;
        let mut answer = answer.clone();
        if is_last_word && !answer.once.is_empty() {
            answer = overrides::settle(&Places::default(), answer);
        }
        let outcome = follow(voice, self.wish.mode, &answer);
        // The real run will tell of it.
        if (!self.plan.test || outcome == Outcome::Stops)
            && let Some(became) = Became::of(&answer)
        {
            let event = Event::of(client(), self.plan, became, &answer, who());
            write(voice, self.judge, &event);
        }
        outcome
    }

    /// Goes on with a warning, unless the configuration says that what cannot be
    /// judged is to be stopped.
    pub(crate) fn unanswered(&self, voice: &mut Voice<'_>, why: &str) -> Outcome {
        let mut event =
            Event::without_answer(client(), self.plan, Became::WentOn, why.to_owned(), who());
        let outcome = match self.stopped_by() {
            None => Outcome::GoesOn,
            Some(origin) => match self.let_pass() {
                Some(overruled) => {
                    let reason = overruled.reason.as_deref().unwrap_or_default();
                    let line = format!("btf-guard: decided by {overruled}: {reason}");
                    voice.remark(Level::Warning, line);
                    event.overrides.push(overruled);
                    event.outcome = Became::Overridden;
                    Outcome::GoesOn
                }
                None => {
                    event.outcome = Became::Blocked;
                    voice.say(Occasion::Stop, stopped(why, &origin));
                    Outcome::Stops
                }
            },
        };
        if outcome == Outcome::GoesOn {
            voice.remark(Level::Warning, not_judged(why));
        }
        if !self.plan.test || outcome == Outcome::Stops {
            // It is the program that has just failed.
            let _ = record::record(self.judge, &event);
        }
        outcome
    }

    /// Where the configuration says that this transaction is to be stopped.
    fn stopped_by(&self) -> Option<String> {
        if !self.may_block {
            return None;
        }
        let places = Places::default();
        let config = Loaded::read(&places).config;
        let line = config::command_line(&places.command_line).unwrap_or_default();
        let (mode, _) = config::mode(&config, self.wish.asked(), line);
        let stops = mode == Mode::Block && config.on_error.value == OnError::Block;
        stops.then(|| config.on_error.origin.to_string())
    }

    /// The override that lets it pass all the same; one for one transaction is used
    /// up by the real run.
    fn let_pass(&self) -> Option<Override> {
        let places = Places::default();
        let overruled = Overrides::read(&places, record::now()).for_everything()?;
        let id = overruled.id.as_deref().unwrap_or_default();
        let is_ours = self.plan.test
            || overruled.source != Source::OneShot
            || overrides::consume(&places, id).unwrap_or(false);
        is_ours.then_some(overruled)
    }
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

/// Has an event written down. Where it cannot be, that is said, and nothing else
/// comes of it.
pub(crate) fn write(voice: &mut Voice<'_>, judge: &Judge, event: &Event) {
    match record::record(judge, event) {
        Ok(()) => {}
        // The transaction has removed it.
        Err(Failure::Start { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        Err(failure) => {
            let text = format!("btf-guard: not recorded as it should be: {failure}");
            voice.remark(Level::Warning, text);
        }
    }
}

/// The program that does the transaction: under zypper, which starts rpm, zypper.
pub(crate) fn client() -> String {
    let committer = env::var(COMMITTER).ok().and_then(|pid| pid.parse().ok());
    record::program(committer.unwrap_or_else(std::process::id))
}

/// Who runs it.
pub(crate) fn who() -> Who {
    Who::of_this_process(|name| env::var(name).ok())
}
