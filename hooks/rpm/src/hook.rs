//! `tsm_pre`, step by step.

use std::cell::LazyCell;
use std::os::fd::OwnedFd;
use std::time::SystemTime;

use btf_guard::judge::{self, Judge};
use btf_guard::place::plan::{self, Answer, Level, Message, Plan};
use btf_guard::policy::{Decision, Mode, Source};
use btf_guard::wish::{self, Wish};
use rpm_plugin_sys::{RPMRC_OK, rpmRC};

use crate::after::After;
use crate::client;
use crate::commit::Part;
use crate::door;
use crate::librpm::{Librpm, Transaction};
use crate::memory::{self, Key, Test};
use crate::off;
use crate::settings::{self, Options};
use crate::settle::Matter;
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
    let environment = environment();
    let mut wish = wish::wish(environment.as_deref(), || rpm.expand(c"%{?_btf_guard}"));
    if transaction.is_database_only() {
        return Outcome::GoesOn;
    }
    let options = LazyCell::new(|| settings::options(&options()));
    if let Some(source) = off::asked(&wish) {
        off::note(transaction, source, || options.judge.clone());
        return Outcome::GoesOn;
    }
    let part = Part::of(transaction, || options.handoff.clone());
    if !part.may_block() {
        // It can do no more, whoever asks.
        wish.mode = Some(Mode::Warn);
    }
    wish.complaints.extend(part.complaint().map(str::to_owned));
    let outcome = match part.decided(transaction) {
        Some(_) if off::by_command_line(wish.source) => {
            off::note(transaction, Source::CommandLine, || options.judge.clone());
            Outcome::GoesOn
        }
        Some(answer) => {
            let moment = moment(transaction);
            let mut voice = Voice::new(rpm, moment, Told::default());
            let outcome = follow(&mut voice, wish.mode, &answer);
            if outcome == Outcome::GoesOn && moment == Moment::Real && part.is_whole() {
                look_back(transaction, &wish, &options, answer, voice.into_told());
            }
            outcome
        }
        None => judged(rpm, transaction, &wish, &part, &options),
    };
    part.ends(outcome);
    outcome
}

/// Has the disk judged after a transaction that is not judged here before it.
fn look_back(
    transaction: &Transaction<'_>,
    wish: &Wish,
    options: &Options,
    answer: Answer,
    told: Told,
) {
    let begun = SystemTime::now();
    let plan =
        survey::touched(transaction).and_then(|touched| survey::plan(transaction, wish, touched));
    if let Ok((mut plan, _)) = plan
        && !plan.elements.is_empty()
    {
        plan.image = is_image_update();
        memory::keep_real(After::new(options, plan, begun, answer, told));
    }
}

fn moment(transaction: &Transaction<'_>) -> Moment {
    match transaction.is_test() {
        true => Moment::Test,
        false => Moment::Real,
    }
}

/// Has the transaction judged, and follows the answer.
fn judged(
    rpm: &Librpm,
    transaction: &Transaction<'_>,
    wish: &Wish,
    part: &Part,
    options: &LazyCell<Options, impl FnOnce() -> Options>,
) -> Outcome {
    let begun = SystemTime::now();
    let touched = match survey::touched(transaction) {
        Ok(touched) if touched.is_empty() => {
            if moment(transaction) == Moment::Real
                && client::has_hooks()
                && let Ok((mut plan, _)) = survey::plan(transaction, wish, touched)
            {
                plan.image = is_image_update();
                memory::keep_real(After::nothing(options, plan, begun));
            }
            return Outcome::GoesOn;
        }
        touched => touched,
    };
    if off::by_command_line(wish.source) {
        off::note(transaction, Source::CommandLine, || options.judge.clone());
        return Outcome::GoesOn;
    }
    let moment = moment(transaction);
    let earlier = match moment {
        Moment::Test => None,
        Moment::Real => memory::take_test(),
    };
    let earlier = earlier.unwrap_or_default();
    let mut voice = Voice::new(rpm, moment, earlier.told);
    for complaint in wish.complaints.iter().chain(&options.complaints) {
        voice.remark(Level::Warning, format!("btf-guard: {complaint}"));
    }
    let plan = touched.and_then(|touched| survey::plan(transaction, wish, touched));
    let case = plan.map(|(mut plan, packages)| {
        plan.image = is_image_update();
        Case::judged(&options.judge, plan, packages, earlier.judged)
    });
    let outcome = match &case {
        Ok(Case { plan, answer, .. }) => {
            let matter = Matter {
                plan,
                wish,
                judge: &options.judge,
                may_block: part.may_block(),
            };
            match answer {
                Ok(answer) => matter.answered(&mut voice, answer),
                Err(why) => matter.unanswered(&mut voice, why),
            }
        }
        Err(error) => {
            voice.remark(Level::Warning, not_judged(&error.to_string()));
            Outcome::GoesOn
        }
    };
    let told = voice.into_told();
    match (moment, case) {
        (Moment::Test, case) => {
            let judged = case.ok().and_then(|case| Some((case.key?, case.answer)));
            memory::keep_test(Test { judged, told });
        }
        (Moment::Real, Ok(case)) if outcome == Outcome::GoesOn && part.is_whole() => {
            if let Ok(answer) = case.answer {
                memory::keep_real(After::new(options, case.plan, begun, answer, told));
            }
        }
        (Moment::Real, _) => {}
    }
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
}

/// Shows the answer and does what it says. Where the admin asked for warnings
/// only, an error is shown as one.
pub(crate) fn follow(voice: &mut Voice<'_>, mode: Option<Mode>, answer: &Answer) -> Outcome {
    if answer.decision != Decision::Block || mode == Some(Mode::Warn) {
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

/// Lines that stop nothing.
pub(crate) fn as_warnings(mut lines: Vec<Message>) -> Vec<Message> {
    for line in &mut lines {
        if line.level == Level::Error {
            line.level = Level::Warning;
        }
    }
    lines
}

/// The one line after a panic, of which it is not known how far it got.
pub(crate) fn panicked(rpm: &Librpm, panic: &str) {
    let mut voice = Voice::new(rpm, Moment::Real, Told::default());
    let line = not_judged(&format!("internal error: {panic}"));
    voice.remark(Level::Warning, line);
}

/// Without librpm there is no log: standard error must do.
pub(crate) fn complain_without_librpm(what: &str) -> rpmRC {
    let _ = door::behind(|| {
        if wish::wish(environment().as_deref(), String::new).mode != Some(Mode::Off) {
            let level = Level::Warning;
            let text = not_judged(what);
            voice::to_stderr(&Message { level, text });
        }
    });
    RPMRC_OK
}

/// The one line for whatever went wrong on our side.
pub(crate) fn not_judged(what: &str) -> String {
    format!(
        "btf-guard: {what}; the transaction goes on, its kernel modules are not judged; \
         run 'btf-guard check' after it"
    )
}

/// Does openSUSE's transactional-update run this, in a snapshot that is booted
/// later? It may be the root of this process, without a chroot to tell it by.
fn is_image_update() -> bool {
    plan::is_offline_image(|name| std::env::var_os(name))
}

fn environment() -> Option<String> {
    std::env::var_os(VARIABLE).map(|value| value.to_string_lossy().into_owned())
}
