// SPDX-License-Identifier: GPL-2.0-or-later
//! One commit, from its beginning to its end.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use btf_guard_core::rpm::rpmdb::Rpm;
use btf_guard_core::transaction::elements::Elements;
use btf_guard_protocol::caller::{self, Who};
use btf_guard_protocol::clock::Beginning;
use btf_guard_protocol::decision::Mode;
use btf_guard_protocol::judge_client::{self, Judge};
use btf_guard_protocol::nevra::name_of;
use btf_guard_protocol::override_source::Override;
use btf_guard_protocol::plan::{Answer, Element, Plan, Stage};
use btf_guard_protocol::procfs::Process;
use btf_guard_protocol::record_client;
use btf_guard_protocol::requested_mode::{self, RequestedMode};
use btf_guard_protocol::state::trusted_dir::Private;
use btf_guard_protocol::state::zypp_commit::{self, CommitFiles};
use btf_guard_protocol::terminal::escape;
use btf_guard_protocol::zypp::{Ask, Commit, CommitStep, Extent, Request, Resolution};
use btf_guard_protocol::zypp_client;

use crate::carrier_cache::{CarrierCache, RepositoryState, Sources};
use crate::deadline::Budget;
use crate::options::{PluginArgs, Surroundings};
use crate::steps;

/// A database that answers no query in this time is one that rpm waits for too.
const QUERY: Duration = Duration::from_secs(5);

/// The fetch program ends by itself when its time is over; this much later it is ended.
const GRACE_PERIOD: Duration = Duration::from_secs(1);

/// Lines that go to zypper's log for one commit.
const MAX_PROBLEMS: usize = 20;

const NOT_HANDED_OVER: &str = "the decision is not handed over";
const NOT_RECORDED: &str = "not recorded as it should be";
const NOT_ONE: &str = "the commit is not judged as one";

/// The plugin's side of libzypp's commits, one after another.
pub(crate) struct CommitHandler {
    places: PluginArgs,
    surroundings: Surroundings,
    /// The process that commits, if it is found.
    committer: OnceCell<Option<Process>>,
    /// Something of ours may lie where the rpm plugin looks.
    is_here: bool,
    begun: Option<Begun>,
    /// What is known of packages by now, in the commit that has begun.
    known: Option<CarrierCache>,
}

/// A commit that has begun and may touch modules.
struct Begun {
    beginning: Beginning,
    mode: Option<Mode>,
    /// The plan's elements; their files are closed.
    elements: Vec<Element>,
    /// What was handed over.
    answer: Option<Answer>,
}

impl CommitHandler {
    pub(crate) fn new(places: PluginArgs, surroundings: Surroundings) -> Self {
        Self {
            places,
            surroundings,
            committer: OnceCell::new(),
            is_here: false,
            begun: None,
            known: None,
        }
    }

    /// PLUGINBEGIN: what others have left goes, and what the same process has
    /// left of a commit before this.
    ///
    /// The note that this plugin is at work lets the rpm plugin stop a first
    /// package of which nothing was handed over: where libzypp was only slow, by the
    /// next try the others are in its cache. A transactional update is mostly a
    /// timer's, who does not try again.
    pub(crate) fn enter(&mut self) -> Result<()> {
        self.begun = None;
        self.is_here = true;
        let dir = Private::create(&self.places.handoff).context(NOT_HANDED_OVER)?;
        zypp_commit::clean(&dir).context(NOT_HANDED_OVER)?;
        if let Some(process) = self.committer() {
            let commit = CommitFiles::of(&dir, process);
            commit.forget().context(NOT_HANDED_OVER)?;
            if !self.surroundings.is_transactional {
                commit.watch().context(NOT_HANDED_OVER)?;
            }
        }
        Ok(())
    }

    /// It does not change: libzypp starts a plugin for each commit.
    fn committer(&self) -> Option<Process> {
        *self.committer.get_or_init(|| {
            let pid = self.surroundings.committer.as_ref()?.to_str()?;
            Process::find(pid.parse().ok()?).ok()
        })
    }

    fn rpm(&self) -> Rpm<'_> {
        Rpm {
            program: &self.places.rpm,
            root: &self.places.root,
            database: None,
        }
    }

    fn budget(&self) -> Budget {
        Budget::new(self.surroundings.patience.as_deref())
    }

    /// COMMITBEGIN: has the commit judged, and hands the decision over.
    pub(crate) fn begin(&mut self, body: &[u8]) -> Result<()> {
        let (budget, beginning) = (self.budget(), Beginning::now());
        let steps = steps::parse(body).context("the list of steps is not understood")?;
        if steps.is_empty() || self.is_idle(&steps) {
            return Ok(());
        }
        let wish = self.wish();
        let mode = wish.mode;
        if mode == Some(Mode::Off) {
            return Ok(());
        }
        let process = self
            .committer()
            .context("libzypp does not tell which process commits")?;
        self.is_here = true;
        // Where the rest fails it is not known what the commit touches.
        self.begun = Some(Begun {
            beginning,
            mode,
            elements: Vec::new(),
            answer: None,
        });
        let elements = self.elements(&steps, &budget)?;
        if elements.elements.is_empty() {
            self.begun = None;
            return Ok(());
        }
        let touched = elements.elements.iter();
        let judged: Vec<String> = touched.map(|element| element.nevra.clone()).collect();
        if let Some(known) = &mut self.known {
            known.add(judged.iter().map(|nevra| name_of(nevra).to_owned()));
        }
        let mut plan = Plan {
            mode,
            offline_image: self.surroundings.is_transactional,
            mode_source: wish.source,
            repositories: elements.repositories,
            elements: elements.elements,
            ..Plan::new(self.places.root.clone())
        };
        let mut judge = Judge {
            program: self.places.judge.clone(),
            timeout: budget.for_judging(),
        };
        let answer = judge_client::ask(&judge, &plan, elements.packages);
        for element in &mut plan.elements {
            element.file = None;
        }
        let begun = self.begun.insert(Begun {
            beginning,
            mode,
            elements: plan.elements,
            answer: None,
        });
        let mut answer = answer.context(NOT_ONE)?;
        judge.timeout = budget.left();
        // Here it is decided: every call of rpm's follows.
        let about = Plan {
            mode: plan.mode,
            mode_source: plan.mode_source,
            ..Plan::new(self.places.root.clone())
        };
        write(process, &judge, &about, &mut answer, true);
        let answer = begun.answer.insert(answer);
        let dir = Private::create(&self.places.handoff).context(NOT_HANDED_OVER)?;
        let commit = CommitFiles::of(&dir, process);
        commit
            .hand_over(plan.root, answer, judged)
            .and_then(|()| commit.watch())
            .context(NOT_HANDED_OVER)
    }

    /// True if it is known that no module and no kernel comes or goes with these steps.
    fn is_idle(&mut self, steps: &[CommitStep]) -> bool {
        let state = RepositoryState::now(self.sources());
        self.known = state.and_then(|state| CarrierCache::read(&self.places.known, &state));
        let known = self.known.as_ref();
        known.is_some_and(|known| !steps.iter().any(|step| known.may_touch(&step.name)))
    }

    fn sources(&self) -> Sources<'_> {
        Sources {
            solv: &self.places.solv,
            repositories: &self.places.repositories,
        }
    }

    /// What of the commit matters: the packages are fetched, opened and read.
    fn elements(&mut self, steps: &[CommitStep], budget: &Budget) -> Result<Elements> {
        let state = RepositoryState::now(self.sources());
        let mut outcome = self.fetch(steps, budget.for_downloads())?;
        if let (Some(state), Some(names)) = (state, outcome.kernel_packages.take()) {
            self.known = CarrierCache::new(state, self.sources(), names);
        }
        for problem in outcome.problems.iter().take(MAX_PROBLEMS) {
            say(problem);
        }
        let mut elements = Elements::coming(&outcome).context(NOT_ONE)?;
        let timeout = QUERY.min(budget.left());
        elements
            .going(&outcome, &BTreeSet::new(), self.rpm(), timeout)
            .context(NOT_ONE)?;
        Ok(elements)
    }

    /// Asks libzypp what is installed and removed by these steps, and has the packages
    /// that speak of modules or kernels brought into its cache, as far as they come
    /// within `timeout`.
    fn fetch(&self, steps: &[CommitStep], timeout: Duration) -> Result<Resolution> {
        let deadline = timeout.saturating_sub(GRACE_PERIOD).as_secs();
        if deadline == 0 {
            bail!("there is no time to ask libzypp");
        }
        let steps = steps.to_vec();
        let request = Request {
            deadline: Some(deadline),
            fetch: Extent::Kernel,
            kernel_packages: true,
            ..Request::new(self.places.root.clone(), Ask::Commit(Commit { steps }))
        };
        let asked = zypp_client::ask(&self.places.fetch, &request, Some(timeout), &mut |_| {});
        asked.context(NOT_ONE)
    }

    /// What the admin asks for, as for the rpm plugin.
    fn wish(&self) -> RequestedMode {
        let environment = self.surroundings.mode.as_ref();
        let environment = environment.map(|value| value.to_string_lossy().into_owned());
        let wish = requested_mode::wish(environment.as_deref(), || {
            self.rpm()
                .expand("%{?_btf_guard}", QUERY)
                .unwrap_or_else(|failure| {
                    say(&failure.to_string());
                    String::new()
                })
        });
        for complaint in &wish.complaints {
            say(complaint);
        }
        wish
    }

    /// COMMITEND: has the disk judged.
    pub(crate) fn end(&mut self, body: &[u8]) -> Result<()> {
        self.look_back(steps::is_any_done(body))
    }

    /// PLUGINEND, or the end of libzypp: the same where there was no COMMITEND,
    /// and nothing is left for the rpm plugin. libzypp mostly says so in three
    /// ways, one after the other.
    pub(crate) fn leave(&mut self) -> Result<()> {
        let looked = self.look_back(false).and(self.keep());
        if self.is_here
            && let Some(dir) = Private::open(&self.places.handoff).context(NOT_HANDED_OVER)?
            && let Some(process) = self.committer()
        {
            let commit = CommitFiles::of(&dir, process);
            commit.forget().context(NOT_HANDED_OVER)?;
        }
        self.is_here = false;
        looked
    }

    /// Keeps what is known by now, for the next commit. There is none to keep it
    /// for after one that has removed this plugin and what it asks with.
    fn keep(&mut self) -> Result<()> {
        match self.known.take().filter(|_| self.places.fetch.exists()) {
            Some(known) => known
                .keep(&self.places.known, self.sources())
                .context("what libzypp told of its packages is not kept"),
            None => Ok(()),
        }
    }

    /// Has the rpm plugin let a call of this commit through?
    fn has_begun(&self) -> bool {
        let dir = Private::open(&self.places.handoff).ok().flatten();
        dir.zip(self.committer()).is_some_and(|(dir, process)| {
            CommitFiles::of(&dir, process).has_begun().unwrap_or(true)
        })
    }

    /// What holds for one transaction holds again: nothing was done.
    fn give_back(&self, used_up: Vec<Override>) -> Result<()> {
        let Some(process) = self.committer().filter(|_| !used_up.is_empty()) else {
            return Ok(());
        };
        let judge = Judge {
            program: self.places.judge.clone(),
            timeout: self.budget().left(),
        };
        let (client, plan) = (
            caller::program(process.pid),
            Plan::new(self.places.root.clone()),
        );
        record_client::give_back(&judge, client, &plan, used_up, who()).context(NOT_RECORDED)
    }

    /// libzypp also says that it has `done` a step whose failure its user has
    /// ignored. Where the rpm plugin has let nothing through, because of a block
    /// or because it is switched off, the disk alone tells what happened.
    fn look_back(&mut self, done: bool) -> Result<()> {
        let Some(begun) = self.begun.take() else {
            return Ok(());
        };
        let was_let_through = self.has_begun();
        if !done && !was_let_through {
            let used_up = begun
                .answer
                .map_or_else(Vec::new, |answer| answer.used_up());
            return self.give_back(used_up);
        }
        let answer = begun.answer.filter(|_| was_let_through);
        let reported_keys = answer.map_or_else(Vec::new, |answer| answer.keys);
        let plan = Plan {
            stage: Stage::Post,
            mode: begun.mode,
            offline_image: self.surroundings.is_transactional,
            since: Some(begun.beginning.earliest()),
            reported_keys,
            elements: begun.elements,
            ..Plan::new(self.places.root.clone())
        };
        let judge = Judge {
            program: self.places.judge.clone(),
            timeout: self.budget().left(),
        };
        let mut answer = judge_client::ask(&judge, &plan, Vec::new())
            .context("what the commit left on the disk is not judged")?;
        if let Some(process) = self.committer() {
            write(process, &judge, &plan, &mut answer, false);
        }
        for message in answer.messages.iter().take(MAX_PROBLEMS) {
            say(&message.text);
        }
        Ok(())
    }
}

/// Has it written down what came of a plan, if that is anything; `is_last` where
/// overrides that hold once are used up by it.
fn write(committer: Process, judge: &Judge, plan: &Plan, answer: &mut Answer, is_last: bool) {
    let client = caller::program(committer.pid);
    let written = record_client::settle(judge, client, plan, answer, who(), is_last);
    if let Err(failure) = written {
        say(&format!("{NOT_RECORDED}: {failure}"));
    }
}

fn who() -> Who {
    Who::of_this_process(|name| std::env::var(name).ok())
}

/// A line for zypper's log, which standard error goes to.
pub(crate) fn say(what: &str) {
    let _ = std::io::stderr().write_all(log_line(what).as_bytes());
}

fn log_line(what: &str) -> String {
    format!("btf-guard: {}\n", escape(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_zyppers_log_stays_in_its_line() {
        assert_eq!(
            log_line("/lib/\u{202e}a\x1b[2J\nb.ko"),
            "btf-guard: /lib/\\u{202e}a\\u{1b}[2J\\u{a}b.ko\n"
        );
    }
}
