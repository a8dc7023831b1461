//! `tsm_pre`, step by step.

use std::cell::LazyCell;
use std::os::fd::OwnedFd;
use std::time::SystemTime;

use btf_guard::place::plan::{Answer, Level, Message, Plan};
use btf_guard::policy::{Decision, Mode};
use btf_guard_hooks::judge::{self, Judge};
use btf_guard_hooks::wish;
use rpm_plugin_sys::{RPMRC_OK, rpmRC};

use crate::after::After;
use crate::commit::Part;
use crate::door;
use crate::librpm::{Librpm, Transaction};
use crate::memory::{self, Key, Test};
use crate::settings;
use crate::survey;
use crate::voice::{self, Moment, Occasion, Told, Voice};

/// The environment variable that overrides the rpm macro `%_btf_guard`.
const VARIABLE: &str = "BTF_GUARD";

/// What becomes of the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    GoesOn,
    Stops,
}

/// Judges a transaction before its first change.
pub(crate) fn before(
    rpm: &Librpm,
    transaction: &Transaction<'_>,
    options: impl FnOnce() -> String,
) -> Outcome {
    let begun = SystemTime::now();
    let environment = environment();
    let mut wish = wish::wish(environment.as_deref(), || rpm.expand(c"%{?_btf_guard}"));
    if wish.mode == Some(Mode::Off) || transaction.is_database_only() {
        return Outcome::GoesOn;
    }
    let options = LazyCell::new(|| settings::options(&options()));
    let part = Part::of(transaction, || options.handoff.clone());
    if !part.may_block() {
        wish.mode = Some(Mode::Warn);
    }
    let handed_over = part.decided(transaction);
    let touched = match survey::touched(transaction) {
        Ok(touched) if touched.is_empty() && handed_over.is_none() => return Outcome::GoesOn,
        touched => touched,
    };
    let test = transaction.is_test();
    let (moment, earlier) = match test {
        true => (Moment::Test, None),
        false => (Moment::Real, memory::take_test()),
    };
    let earlier = earlier.unwrap_or_default();
    let mut voice = Voice::new(rpm, moment, earlier.told);
    let complaints = wish.complaints.iter().chain(&options.complaints);
    for complaint in complaints.chain(part.complaint()) {
        voice.remark(Level::Warning, format!("btf-guard: {complaint}"));
    }
    let plan = touched.and_then(|touched| survey::plan(transaction, wish.mode, touched));
    let (outcome, case) = match (plan, handed_over) {
        (plan, Some(answer)) => {
            let plan = plan.map_or_else(|_| Plan::new("/".into()), |(plan, _)| plan);
            let case = Case::settled(plan, wish.mode, answer);
            (case.follow(&mut voice), Some(case))
        }
        (Ok((mut plan, packages)), None) => {
            plan.image = is_image_update();
            let case = Case::judged(&options.judge, plan, packages, earlier.judged);
            (case.follow(&mut voice), Some(case))
        }
        (Err(error), None) => {
            unjudged(&mut voice, &error.to_string());
            (Outcome::GoesOn, None)
        }
    };
    let told = voice.into_told();
    if test {
        let judged = case.and_then(|case| Some((case.key?, case.answer)));
        memory::keep_test(Test { judged, told });
    } else if let Some(Case { plan, answer, .. }) = case
        && let Ok(answer) = answer
        && outcome == Outcome::GoesOn
        && !part.is_partial()
        && !plan.elements.is_empty()
    {
        let judge = LazyCell::force(&options).judge.clone();
        memory::keep_real(After::new(judge, plan, begun, answer.keys, told));
    }
    part.ends(outcome);
    outcome
}

/// A plan that was judged.
struct Case {
    plan: Plan,
    key: Option<Key>,
    /// The answer, or why there is none.
    answer: Result<Answer, String>,
}

impl Case {
    /// Takes an answer that was given to the whole that this plan is a part of.
    fn settled(mut plan: Plan, mode: Option<Mode>, answer: Answer) -> Self {
        plan.mode = mode;
        plan.image = is_image_update();
        Self {
            plan,
            key: None,
            answer: Ok(answer),
        }
    }

    /// Takes the answer of before, if it was given to the same plan, and asks
    /// for one otherwise.
    fn judged(
        judge: &Judge,
        plan: Plan,
        packages: Vec<OwnedFd>,
        earlier: Option<(Key, Result<Answer, String>)>,
    ) -> Self {
        let key = Key::of(&plan, &packages);
        let answer = match earlier {
            Some((same, answer)) if key.as_ref() == Some(&same) => answer,
            _ => judge::ask(judge, &plan, packages).map_err(|failure| failure.to_string()),
        };
        Self { plan, key, answer }
    }

    /// Shows the answer and does what it says. Where the admin asked for
    /// warnings only, an error is shown as one.
    fn follow(&self, voice: &mut Voice<'_>) -> Outcome {
        let answer = match &self.answer {
            Ok(answer) => answer,
            Err(why) => {
                unjudged(voice, why);
                return Outcome::GoesOn;
            }
        };
        if answer.decision != Decision::Block || self.plan.mode == Some(Mode::Warn) {
            voice.say(Occasion::Remark, as_warnings(answer.messages.clone()));
            return Outcome::GoesOn;
        }
        // rpm's own line that a hook failed must not stand alone.
        if !voice.say(Occasion::Stop, answer.messages.clone()) {
            let text = "btf-guard: blocked, as in the test run; nothing was changed".to_owned();
            let level = Level::Error;
            voice.say(Occasion::Stop, vec![Message { level, text }]);
        }
        Outcome::Stops
    }
}

/// Lines that stop nothing.
pub(crate) fn as_warnings(mut lines: Vec<Message>) -> Vec<Message> {
    for line in &mut lines {
        if line.level == Level::Error {
            line.level = Level::Warning;
        }
    }
    lines
}

/// The one line for whatever went wrong on our side.
fn unjudged(voice: &mut Voice<'_>, what: &str) {
    voice.remark(Level::Warning, not_judged(what));
}

/// The same after a panic, of which it is not known how far it got.
pub(crate) fn panicked(rpm: &Librpm, panic: &str) {
    let mut voice = Voice::new(rpm, Moment::Real, Told::default());
    unjudged(&mut voice, &format!("internal error: {panic}"));
}

/// Without librpm there is no log: standard error must do.
pub(crate) fn complain_without_librpm(what: &str) -> rpmRC {
    let _ = door::behind(|| {
        if wish::wish(environment().as_deref(), String::new).mode != Some(Mode::Off) {
            voice::to_stderr(Level::Warning, &not_judged(what));
        }
    });
    RPMRC_OK
}

fn not_judged(what: &str) -> String {
    format!(
        "btf-guard: {what}; the transaction goes on, its kernel modules are not judged; \
         run 'btf-guard check' after it"
    )
}

/// Does openSUSE's transactional-update run this, in a snapshot that is booted
/// later? It may be the root of this process, without a chroot to tell it by.
fn is_image_update() -> bool {
    std::env::var_os("TRANSACTIONAL_UPDATE").is_some_and(|value| !value.is_empty())
}

fn environment() -> Option<String> {
    std::env::var_os(VARIABLE).map(|value| value.to_string_lossy().into_owned())
}
