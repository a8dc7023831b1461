// SPDX-License-Identifier: GPL-2.0-or-later
//! `tsm_post`: what scriptlets made of the transaction, which no plan foresees.

use std::path::PathBuf;

use btf_guard_protocol::clock::{Beginning, now};
use btf_guard_protocol::judge_client::{self, Judge};
use btf_guard_protocol::override_source::Override;
use btf_guard_protocol::plan::{Answer, Message, Plan, Stage};
use btf_guard_protocol::procfs::Process;
use btf_guard_protocol::record_client;
use btf_guard_protocol::state::last_check::ReportedState;
use btf_guard_protocol::state::trusted_dir::Private;

use crate::answer::{client, complain, is_removed, who};
use crate::librpm::Librpm;
use crate::options::PluginOptions;
use crate::output::{Phase, Purpose, Reported, Reporter, to_stderr};

/// What to ask after a real run.
pub(crate) struct After {
    judge: Judge,
    plan: Plan,
    begun: Beginning,
    reported: Reported,
    /// What holds once and was used up.
    used_up: Vec<Override>,
    /// `None` where it cannot be noted: then hooks that scriptlets run speak for
    /// themselves, and later ones report it again.
    pending: Option<Pending>,
}

impl After {
    /// After the plan that was judged when it had `begun`, with this answer, and what was
    /// `reported` of it.
    pub(crate) fn new(
        options: &PluginOptions,
        mut plan: Plan,
        begun: Beginning,
        answer: Answer,
        reported: Reported,
    ) -> Self {
        plan.stage = Stage::Post;
        plan.since = Some(begun.earliest());
        let used_up = answer.used_up();
        plan.reported_keys = answer.keys;
        for element in &mut plan.elements {
            // Read and closed, and perhaps gone by then.
            element.file = None;
        }
        Self {
            judge: options.judge.clone(),
            pending: Pending::note(options, &plan),
            plan,
            begun,
            reported,
            used_up,
        }
    }

    /// What holds for one transaction holds again: this one was not done.
    pub(crate) fn give_back(&mut self, rpm: &Librpm) {
        if self.used_up.is_empty() {
            return;
        }
        let used_up = std::mem::take(&mut self.used_up);
        let given = record_client::give_back(&self.judge, client(), &self.plan, used_up, who());
        let mut reporter = Reporter::new(rpm, Phase::After, Reported::default());
        complain(&mut reporter, given);
        reporter.unshown.iter().for_each(to_stderr);
    }

    /// Has the disk judged, and shows what is new. Nothing is stopped any more.
    pub(crate) fn run(mut self, rpm: &Librpm) {
        let mut reporter = Reporter::new(rpm, Phase::After, self.reported);
        self.plan.since = Some(self.begun.earliest());
        let looked = now();
        let mut keys = self.plan.reported_keys.clone();
        match judge_client::ask(&self.judge, &self.plan, Vec::new()) {
            Ok(mut answer) => {
                let (judge, plan, who) = (&self.judge, &self.plan, who());
                let recorded =
                    record_client::settle(judge, client(), plan, &mut answer, who, false);
                reporter.report(Purpose::Inform, &answer.messages);
                complain(&mut reporter, recorded);
                keys.append(&mut answer.keys);
            }
            // With what it left.
            Err(failure) if is_removed(&failure) => return,
            Err(failure) => unjudged(&mut reporter, &failure.to_string()),
        }
        let unshown = reporter.unshown;
        let is_left = self
            .pending
            .is_some_and(|pending| pending.end(self.plan.root, looked, keys, &unshown));
        if !is_left {
            // Nobody else will show them: drawn over is better than silent.
            unshown.iter().for_each(to_stderr);
        }
    }
}

/// The note that the disk will be judged. Dropped, it is removed.
struct Pending {
    dir: Private,
    process: Process,
    /// The disk was judged, and the note says so.
    is_over: bool,
}

impl Pending {
    fn note(options: &PluginOptions, plan: &Plan) -> Option<Self> {
        let process = Process::find(std::process::id()).ok()?;
        let dir = Private::create(&options.run_dir).ok()?;
        let (root, keys) = (plan.root.clone(), plan.reported_keys.clone());
        let mut state = ReportedState::of(process, root, plan.since.unwrap_or(0), keys);
        state.pending = true;
        state.write(&dir).ok()?;
        Some(Self {
            dir,
            process,
            is_over: false,
        })
    }

    /// Leaves word of what was reported in its place, for the client's own hooks;
    /// `true` where it could be left.
    fn end(
        mut self,
        root: PathBuf,
        looked: u64,
        reported: Vec<String>,
        unshown: &[Message],
    ) -> bool {
        let mut state = ReportedState::of(self.process, root, looked, reported);
        state.unshown = unshown.to_vec();
        self.is_over = state.write(&self.dir).is_ok();
        self.is_over
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.is_over {
            // One that stays is void when this process has ended.
            let _ = ReportedState::remove(&self.dir, self.process);
        }
    }
}

/// The one line for whatever went wrong on our side.
fn unjudged(reporter: &mut Reporter<'_>, what: &str) {
    reporter.warn(format!(
        "btf-guard: {what}; what the transaction left on the disk is not judged; \
         run 'btf-guard check'"
    ));
}

/// The same after a panic, of which it is not known how far it got.
pub(crate) fn panicked(rpm: &Librpm, panic: &str) {
    let mut reporter = Reporter::new(rpm, Phase::After, Reported::default());
    unjudged(&mut reporter, &format!("internal error: {panic}"));
}
