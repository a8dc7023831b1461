//! `tsm_pre`, step by step.

use std::cell::LazyCell;
use std::io::Write;

use btf_guard::place::plan::{Answer, Level};
use btf_guard::policy::{Decision, Mode};
use btf_guard_hooks::judge::{self, Failure};
use btf_guard_hooks::wish::{self, Wish};
use rpm_plugin_sys::{RPMRC_OK, rpmRC};

use crate::commit::Part;
use crate::door;
use crate::librpm::{Librpm, Transaction};
use crate::settings::{self, Options};
use crate::survey::{self, Touched, Undescribable};

/// The environment variable that overrides the rpm macro `%_btf_guard`.
const VARIABLE: &str = "BTF_GUARD";

/// Lines of one answer that are shown. The judge groups what it found; more
/// than this is noise, and the rest is in `btf-guard check`.
const MAX_LINES: usize = 200;

/// What becomes of the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    GoesOn,
    Stops,
}

/// Why a transaction was not judged.
#[derive(Debug, thiserror::Error)]
enum Unjudged {
    #[error(transparent)]
    Undescribable(#[from] Undescribable),
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// Judges a transaction before its first change.
pub(crate) fn before(
    rpm: &Librpm,
    transaction: &Transaction<'_>,
    options: impl FnOnce() -> String,
) -> Outcome {
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
    wish.complaints.extend(part.complaint().map(str::to_owned));
    let outcome = match part.decided(transaction) {
        Some(answer) => follow(rpm, wish.mode, answer),
        None => judged(rpm, transaction, &wish, &options),
    };
    part.ends(outcome);
    outcome
}

/// Has the transaction judged, and follows the answer.
fn judged(
    rpm: &Librpm,
    transaction: &Transaction<'_>,
    wish: &Wish,
    options: &LazyCell<Options, impl FnOnce() -> Options>,
) -> Outcome {
    let answer = match survey::touched(transaction) {
        Ok(touched) if touched.is_empty() => return Outcome::GoesOn,
        Ok(touched) => ask(rpm, transaction, wish, touched, options),
        Err(error) => Err(error.into()),
    };
    match answer {
        Ok(answer) => follow(rpm, wish.mode, answer),
        Err(error) => {
            complain(rpm, &error.to_string());
            Outcome::GoesOn
        }
    }
}

fn ask(
    rpm: &Librpm,
    transaction: &Transaction<'_>,
    wish: &Wish,
    touched: Vec<Touched<'_>>,
    options: &Options,
) -> Result<Answer, Unjudged> {
    for complaint in wish.complaints.iter().chain(&options.complaints) {
        rpm.log(Level::Warning, &format!("btf-guard: {complaint}"));
    }
    let (plan, packages) = survey::plan(transaction, wish.mode, touched)?;
    Ok(judge::ask(&options.judge, &plan, packages)?)
}

/// Shows the answer and does what it says. Where the admin asked for warnings
/// only, an error is shown as one.
fn follow(rpm: &Librpm, mode: Option<Mode>, answer: Answer) -> Outcome {
    let stops = answer.decision == Decision::Block && mode != Some(Mode::Warn);
    let total = answer.messages.len();
    for message in answer.messages.into_iter().take(MAX_LINES) {
        let level = match message.level {
            Level::Error if !stops => Level::Warning,
            level => level,
        };
        rpm.log(level, &message.text);
    }
    if total > MAX_LINES {
        let rest = total - MAX_LINES;
        rpm.log(
            Level::Notice,
            &format!("btf-guard: {rest} more lines not shown"),
        );
    }
    if stops {
        Outcome::Stops
    } else {
        Outcome::GoesOn
    }
}

/// The one line for whatever went wrong on our side.
pub(crate) fn complain(rpm: &Librpm, what: &str) {
    rpm.log(Level::Warning, &unjudged(what));
}

/// Without librpm there is no log: standard error must do.
pub(crate) fn complain_without_librpm(what: &str) -> rpmRC {
    let _ = door::behind(|| {
        if wish::wish(environment().as_deref(), String::new).mode != Some(Mode::Off) {
            let line = format!("warning: {}\n", unjudged(what));
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    });
    RPMRC_OK
}

fn unjudged(what: &str) -> String {
    format!(
        "btf-guard: {what}; the transaction goes on, its kernel modules are not judged; \
         run 'btf-guard check' after it"
    )
}

fn environment() -> Option<String> {
    std::env::var_os(VARIABLE).map(|value| value.to_string_lossy().into_owned())
}
