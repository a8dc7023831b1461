// SPDX-License-Identifier: GPL-2.0-or-later
//! `tsm_pre`, step by step.

use std::cell::LazyCell;
use std::path::PathBuf;

use btf_guard_protocol::clock::Beginning;
use btf_guard_protocol::decision::Mode;
use btf_guard_protocol::event::Event;
use btf_guard_protocol::judge_client::{Judge, not_judged};
use btf_guard_protocol::override_source::{Override, OverrideSource};
use btf_guard_protocol::plan::{Answer, Level, Message, Plan, is_offline_image};
use btf_guard_protocol::record_client;
use btf_guard_protocol::requested_mode::{self, RequestedMode};
use rpm_plugin_sys::{RPMRC_OK, rpmRC};

use crate::answer::{ReturnCode, client, complain, follow, stops, who};
use crate::catch_panic::catch_panic;
use crate::collect;
use crate::descriptor_room::DescriptorRoom;
use crate::host::Host;
use crate::librpm::{Librpm, TransactionSet};
use crate::options::{self, PluginOptions};
use crate::output::{self, Phase, Reported, Reporter};
use crate::state::{self, JudgedPlan};
use crate::tsm_post::After;
use crate::zypp_commit::CommitScope;

pub(crate) fn run(
    rpm: &Librpm,
    transaction: &TransactionSet<'_>,
    options: impl FnOnce() -> String,
) -> ReturnCode {
    let environment = environment();
    let mut wish = requested_mode::wish(environment.as_deref(), || rpm.expand(c"%{?_btf_guard}"));
    if transaction.is_database_only() {
        return ReturnCode::Proceed;
    }
    let options = LazyCell::new(|| options::options(&options()));
    if let Some(source) = wish.source.filter(|_| wish.mode == Some(Mode::Off)) {
        // Not even a panic is worth a line.
        let _ = catch_panic(|| note_bypass(transaction, source, &options));
        return ReturnCode::Proceed;
    }
    let scope = CommitScope::of(transaction, || options.run_dir.clone());
    if scope.is_late {
        // It can do no more, whoever asks.
        wish.mode = Some(Mode::Warn);
        wish.source = None;
    }
    wish.complaints.extend(scope.complaint.clone());
    let code = match scope.decided(transaction) {
        Some(answer) => handed_over(rpm, transaction, &wish, &scope, &options, answer),
        None => judged(rpm, transaction, &wish, &scope, &options),
    };
    scope.ends(code);
    code
}

/// Follows what was decided on the whole commit, and has the disk judged after a
/// transaction that is all of it.
fn handed_over(
    rpm: &Librpm,
    transaction: &TransactionSet<'_>,
    wish: &RequestedMode,
    scope: &CommitScope,
    options: &PluginOptions,
    answer: Answer,
) -> ReturnCode {
    let begun = Beginning::now();
    let phase = phase(transaction);
    let mut reporter = Reporter::new(rpm, phase, Reported::default());
    let code = follow(&mut reporter, wish.mode, answer.decision, &answer.messages);
    if code == ReturnCode::Proceed
        && phase == Phase::Before
        && !scope.is_partial
        && let Ok(touched) = collect::elements(transaction)
        && let Ok((plan, _)) = collect::plan(transaction, wish, touched)
        && !plan.elements.is_empty()
    {
        let plan = in_image(plan);
        let reported = reporter.reported;
        state::keep_real(|| After::new(options, plan, begun, answer, reported));
    }
    code
}

fn phase(transaction: &TransactionSet<'_>) -> Phase {
    match transaction.is_test() {
        true => Phase::Test,
        false => Phase::Before,
    }
}

fn judged(
    rpm: &Librpm,
    transaction: &TransactionSet<'_>,
    wish: &RequestedMode,
    scope: &CommitScope,
    options: &LazyCell<PluginOptions, impl FnOnce() -> PluginOptions>,
) -> ReturnCode {
    let begun = Beginning::now();
    let touched = match collect::elements(transaction) {
        Ok(touched) if touched.is_empty() => return ReturnCode::Proceed,
        touched => touched,
    };
    let phase = phase(transaction);
    let (earlier, reported) = match phase {
        Phase::Test => Default::default(),
        Phase::Before | Phase::After => state::take_test().unwrap_or_default(),
    };
    let mut reporter = Reporter::new(rpm, phase, reported);
    for complaint in wish.complaints.iter().chain(&options.complaints) {
        reporter.warn(format!("btf-guard: {complaint}"));
    }
    let room = DescriptorRoom::open();
    let plan = touched.and_then(|touched| collect::plan(transaction, wish, touched));
    let mut judged = match plan {
        Ok((mut plan, packages)) => {
            plan.rpm_database = Some(rpm.expand(c"%{_dbpath}").into());
            let judge: &Judge = &options.judge;
            Some(JudgedPlan::new(judge, in_image(plan), packages, earlier))
        }
        Err(error) => {
            reporter.warn(not_judged(&error.to_string()));
            None
        }
    };
    drop(room);
    let code = judged.as_mut().map_or(ReturnCode::Proceed, |judged| {
        settle(&mut reporter, &options.judge, wish.mode, judged)
    });
    let reported = reporter.reported;
    match (phase, judged) {
        (Phase::Test, judged) => state::keep_test(judged, reported),
        (_, Some(judged)) if code == ReturnCode::Proceed && !scope.is_partial => {
            // Where it says `off`, nothing is looked at later either.
            if let Ok(answer) = judged.answer
                && !answer.is_off()
            {
                let plan = judged.plan;
                state::keep_real(|| After::new(options, plan, begun, answer, reported));
            }
        }
        _ => {}
    }
    code
}

/// Has it written down that a transaction passed by `off`, if it touches modules or
/// kernels and is more than a test run.
///
/// `off` is for the day on which btf-guard itself is what fails. So the record is
/// tried once, and whatever becomes of that, nobody hears of it.
fn note_bypass(
    transaction: &TransactionSet<'_>,
    source: OverrideSource,
    options: &LazyCell<PluginOptions, impl FnOnce() -> PluginOptions>,
) {
    let touched = collect::elements(transaction);
    if transaction.is_test() || touched.is_ok_and(|touched| touched.is_empty()) {
        return;
    }
    let root = transaction.root().to_str().map(PathBuf::from);
    let plan = Plan::new(root.unwrap_or_default());
    let mut event = Event::without_answer(client(), &plan, String::new(), who());
    event.pass_unjudged(Override::of(source));
    let _ = record_client::record(&options.judge, &event);
}

/// Does what the answer to a plan says, in the mode that was asked for. The record is
/// told, and decides where there is no answer.
///
/// What holds for one transaction is used up by the real run alone: of dnf, a test
/// run that is stopped is all there will be. A test run that goes on is not written
/// down: the real run will be.
fn settle(
    reporter: &mut Reporter<'_>,
    judge: &Judge,
    mode: Option<Mode>,
    JudgedPlan { plan, answer, .. }: &mut JudgedPlan,
) -> ReturnCode {
    match answer {
        Ok(answer) => {
            let mut recorded = Ok(());
            if !plan.test || stops(mode, answer.decision) {
                let is_last = !plan.test || Host::of_this_process() != Host::Other;
                recorded = record_client::settle(judge, client(), plan, answer, who(), is_last);
            }
            let code = follow(reporter, mode, answer.decision, &answer.messages);
            complain(reporter, recorded);
            code
        }
        Err(why) => {
            let (client, who, is_last) = (client(), who(), !plan.test);
            let reply = why.clone();
            match record_client::settle_without_answer(judge, client, plan, reply, who, is_last) {
                Ok(reply) => follow(reporter, mode, reply.decision, &reply.messages),
                // A failure of the judge is one line.
                Err(_) => {
                    reporter.warn(not_judged(why));
                    ReturnCode::Proceed
                }
            }
        }
    }
}

/// The one line after a panic, of which it is not known how far it got.
pub(crate) fn panicked(rpm: &Librpm, panic: &str) {
    let mut reporter = Reporter::new(rpm, Phase::Before, Reported::default());
    reporter.warn(not_judged(&format!("internal error: {panic}")));
}

/// Without librpm there is no log: standard error must do.
pub(crate) fn complain_without_librpm(what: &str) -> rpmRC {
    let _ = catch_panic(|| {
        if requested_mode::wish(environment().as_deref(), String::new).mode != Some(Mode::Off) {
            output::to_stderr(&Message {
                level: Level::Warning,
                text: not_judged(what),
            });
        }
    });
    RPMRC_OK
}

/// The plan, of an image that is booted later where openSUSE's transactional-update
/// runs this: its snapshot may be the root of this process, without a chroot to tell
/// it by.
fn in_image(mut plan: Plan) -> Plan {
    plan.offline_image = is_offline_image(|name| std::env::var_os(name));
    plan
}

/// What overrides the rpm macro `%_btf_guard`.
fn environment() -> Option<String> {
    std::env::var_os("BTF_GUARD").map(|value| value.to_string_lossy().into_owned())
}
