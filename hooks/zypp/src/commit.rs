// SPDX-License-Identifier: GPL-2.0-or-later
//! One commit, from its beginning to its end.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use btf_guard_core::rpm::rpmdb::Rpm;
use btf_guard_core::transaction::elements::{Elements, Incomplete};
use btf_guard_protocol::caller::{self, Who};
use btf_guard_protocol::clock::now;
use btf_guard_protocol::decision::Mode;
use btf_guard_protocol::judge_client::{self, Judge};
use btf_guard_protocol::nevra::name_of;
use btf_guard_protocol::plan::{Answer, Element, Plan, Stage};
use btf_guard_protocol::procfs::Process;
use btf_guard_protocol::record_client;
use btf_guard_protocol::requested_mode::{self, RequestedMode};
use btf_guard_protocol::state::trusted_dir::{self, Private};
use btf_guard_protocol::state::zypp_commit::{self, CommitFiles};
use btf_guard_protocol::zypp::{CommitAction, CommitStep};
use btf_guard_subprocess::Failure;

use crate::carrier_cache::{CarrierCache, RepositoryState};
use crate::deadline::Budget;
use crate::log::say;
use crate::options::{PluginArgs, Surroundings};
use crate::{fetch_client, package_cache, steps};

mod carriers;

/// A database that answers no query in this time is one that rpm waits for too.
const QUERY: Duration = Duration::from_secs(5);

/// Lines that go to zypper's log for one commit.
const MAX_PROBLEMS: usize = 20;

/// Why the decision was not handed over, or the disk not judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the list of steps is not understood: {0}")]
    Steps(#[from] serde_json::Error),
    #[error("libzypp does not tell which process commits")]
    Committer,
    #[error("the commit is not judged as one: {0}")]
    Incomplete(#[from] Incomplete),
    #[error("the commit is not judged as one: {0}")]
    Judge(#[from] Failure),
    #[error("the decision is not handed over: {0}")]
    Place(#[from] trusted_dir::Refused),
    #[error("the decision is not handed over: {0}")]
    HandOver(#[source] io::Error),
    #[error("what the commit left on the disk is not judged: {0}")]
    After(#[source] Failure),
    #[error("what libzypp told of its packages is not kept: {0}")]
    Known(#[source] trusted_dir::Refused),
}

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
    /// In seconds since 1970.
    since: u64,
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
    /// package of which nothing was handed over: by the next try, the others are
    /// in the cache. A transactional update is mostly a timer's, who does not try
    /// again.
    pub(crate) fn enter(&mut self) -> Result<(), Error> {
        self.begun = None;
        self.is_here = true;
        let dir = Private::create(&self.places.handoff)?;
        zypp_commit::clean(&dir).map_err(Error::HandOver)?;
        if let Some(process) = self.committer() {
            let commit = CommitFiles::of(&dir, process);
            commit.forget().map_err(Error::HandOver)?;
            if !self.surroundings.is_transactional {
                commit.watch().map_err(Error::HandOver)?;
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
        }
    }

    fn budget(&self) -> Budget {
        Budget::new(self.surroundings.patience.as_deref())
    }

    /// COMMITBEGIN: has the commit judged, and hands the decision over.
    pub(crate) fn begin(&mut self, body: &[u8]) -> Result<(), Error> {
        let (budget, since) = (self.budget(), now());
        let steps = steps::parse(body)?;
        if steps.is_empty() || self.is_idle(&steps) {
            return Ok(());
        }
        let wish = self.wish();
        let mode = wish.mode;
        if mode == Some(Mode::Off) {
            return Ok(());
        }
        let process = self.committer().ok_or(Error::Committer)?;
        self.is_here = true;
        // Where the rest fails it is not known what the commit touches.
        self.begun = Some(Begun {
            since,
            mode,
            elements: Vec::new(),
            answer: None,
        });
        let elements = self.elements(&steps, &budget)?;
        if elements.elements.is_empty() {
            self.begun = None;
            return Ok(());
        }
        if let Some(known) = &mut self.known {
            let names = elements
                .elements
                .iter()
                .map(|element| name_of(&element.nevra));
            known.add(names.map(str::to_owned));
        }
        let names: Vec<String> = elements.elements.iter().map(|e| e.nevra.clone()).collect();
        let mut plan = Plan {
            mode,
            image: self.surroundings.is_transactional,
            mode_source: wish.source,
            repositories: elements.repositories,
            elements: elements.elements,
            ..Plan::new(self.places.root.clone())
        };
        let judge = Judge {
            program: self.places.judge.clone(),
            timeout: budget.for_judging(),
        };
        let answer = judge_client::ask(&judge, &plan, elements.packages);
        for element in &mut plan.elements {
            element.file = None;
        }
        let begun = self.begun.insert(Begun {
            since,
            mode,
            elements: plan.elements,
            answer: None,
        });
        let mut answer = answer?;
        let judge = Judge {
            timeout: budget.left(),
            ..judge
        };
        // Here it is decided: every call of rpm's follows.
        let about = Plan {
            mode: plan.mode,
            mode_source: plan.mode_source,
            ..Plan::new(self.places.root.clone())
        };
        write(
            &caller::program(process.pid),
            &judge,
            &about,
            &mut answer,
            true,
        );
        let answer = begun.answer.insert(answer);
        let dir = Private::create(&self.places.handoff)?;
        let commit = CommitFiles::of(&dir, process);
        commit
            .hand_over(plan.root, answer, names)
            .and_then(|()| commit.watch())
            .map_err(Error::HandOver)
    }

    /// What of the commit matters: the packages are fetched, opened and read.
    fn elements(&mut self, steps: &[CommitStep], budget: &Budget) -> Result<Elements, Error> {
        let (root, timeout) = (&self.places.root, budget.for_downloads());
        let state = RepositoryState::now(&self.sources());
        let asked = fetch_client::fetch(&self.places.fetch, root, steps, timeout);
        let (outcome, replaced) = match asked {
            Ok(mut outcome) => {
                self.learn(state, outcome.kernel_packages.take());
                (outcome, BTreeSet::new())
            }
            Err(error) => {
                say(&format!("{error}; the cache is searched by names"));
                (
                    package_cache::search(&self.places.cache, steps),
                    replaced(steps),
                )
            }
        };
        for problem in outcome.problems.iter().take(MAX_PROBLEMS) {
            say(problem);
        }
        let mut elements = Elements::coming(&outcome)?;
        elements.going(&outcome, &replaced, self.rpm(), QUERY.min(budget.left()))?;
        Ok(elements)
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
    pub(crate) fn end(&mut self, body: &[u8]) -> Result<(), Error> {
        self.look_back(steps::is_any_done(body))
    }

    /// PLUGINEND, or the end of libzypp: the same where there was no COMMITEND,
    /// and nothing is left for the rpm plugin. libzypp mostly says so in three
    /// ways, one after the other.
    pub(crate) fn leave(&mut self) -> Result<(), Error> {
        let looked = self.look_back(false).and(self.keep());
        if self.is_here
            && let Some(dir) = Private::open(&self.places.handoff)?
            && let Some(process) = self.committer()
        {
            let commit = CommitFiles::of(&dir, process);
            commit.forget().map_err(Error::HandOver)?;
        }
        self.is_here = false;
        looked
    }

    /// Has the rpm plugin let a call of this commit through?
    fn has_begun(&self) -> bool {
        let dir = Private::open(&self.places.handoff).ok().flatten();
        dir.zip(self.committer()).is_some_and(|(dir, process)| {
            CommitFiles::of(&dir, process).has_begun().unwrap_or(true)
        })
    }

    /// libzypp also says that it has `done` a step whose failure its user has
    /// ignored. Where the rpm plugin has let nothing through, because of a block
    /// or because it is switched off, the disk alone tells what happened.
    fn look_back(&mut self, done: bool) -> Result<(), Error> {
        let Some(begun) = self.begun.take() else {
            return Ok(());
        };
        let was_let_through = self.has_begun();
        if !done && !was_let_through {
            return Ok(());
        }
        let answer = begun.answer.filter(|_| was_let_through);
        let said = answer.map_or_else(Vec::new, |answer| answer.keys);
        let plan = Plan {
            stage: Stage::After,
            mode: begun.mode,
            image: self.surroundings.is_transactional,
            since: Some(begun.since),
            said,
            elements: begun.elements,
            ..Plan::new(self.places.root.clone())
        };
        let judge = Judge {
            program: self.places.judge.clone(),
            timeout: self.budget().left(),
        };
        let mut answer = judge_client::ask(&judge, &plan, Vec::new()).map_err(Error::After)?;
        if let Some(process) = self.committer() {
            let client = caller::program(process.pid);
            write(&client, &judge, &plan, &mut answer, false);
        }
        for message in answer.messages.iter().take(MAX_PROBLEMS) {
            say(&message.text);
        }
        Ok(())
    }
}

/// Has it written down what came of a plan, if that is anything; `is_last` where
/// overrides that hold once are used up by it.
fn write(client: &str, judge: &Judge, plan: &Plan, answer: &mut Answer, is_last: bool) {
    let who = Who::of_this_process(|name| std::env::var(name).ok());
    let written = record_client::settle(judge, client.to_owned(), plan, answer, who, is_last);
    if let Err(failure) = written {
        say(&format!("not recorded as it should be: {failure}"));
    }
}

/// Where libzypp has not said what is replaced: packages of the same name.
fn replaced(steps: &[CommitStep]) -> BTreeSet<&str> {
    let replacing = |step: &&CommitStep| step.action == CommitAction::Install;
    let steps = steps.iter().filter(replacing);
    steps.map(|step| step.name.as_str()).collect()
}
