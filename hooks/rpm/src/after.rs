//! `tsm_post`: what scriptlets made of the transaction, which no plan foresees.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use btf_guard::judge::{self, Failure, Judge};
use btf_guard::place::glance;
use btf_guard::place::plan::{Answer, Level, Plan, Stage};
use btf_guard::place::private::{Private, Refused};
use btf_guard::place::promise::Promise;
use btf_guard::place::roots::Root;
use btf_guard::place::told;
use btf_guard::record::{Event, Outcome as Became};

use crate::hook::as_warnings;
use crate::librpm::Librpm;
use crate::memory;
use crate::off;
use crate::settings::Options;
use crate::settle::{client, who, write};
use crate::voice::{Moment, Occasion, Told, Voice};

/// What to ask after a real run.
pub(crate) struct After {
    judge: Judge,
    /// Where hooks leave something for one another.
    directory: PathBuf,
    plan: Plan,
    told: Told,
    /// No package has a module or a kernel, and nothing was judged before: nothing
    /// is asked unless a glance shows that something has changed.
    is_idle: bool,
    /// Hooks that scriptlets run leave it to this one. `None` where they cannot be
    /// told.
    _promise: Option<Promise>,
}

impl After {
    /// After the plan that was judged when it had `begun`, with this answer;
    /// `told` is what was shown of it.
    pub(crate) fn new(
        options: &Options,
        mut plan: Plan,
        begun: SystemTime,
        answer: Answer,
        told: Told,
    ) -> Self {
        plan.said = answer.keys;
        plan.loads = answer.loads;
        let promise = Private::create(&options.handoff).ok();
        let promise = promise.and_then(|dir| Promise::give(dir).ok());
        Self {
            told,
            is_idle: false,
            _promise: promise,
            ..Self::of(options, plan, begun)
        }
    }

    /// After a plan without packages that matter. Hooks that scriptlets run speak
    /// for themselves: a glance does not see all that they do.
    pub(crate) fn nothing(options: &Options, plan: Plan, begun: SystemTime) -> Self {
        Self::of(options, plan, begun)
    }

    fn of(options: &Options, mut plan: Plan, begun: SystemTime) -> Self {
        plan.stage = Stage::After;
        // Not every file system keeps more than seconds of a file's time, and
        // what changed in the same second is to be seen.
        plan.since = seconds(begun);
        for element in &mut plan.elements {
            // Read and closed, and perhaps gone by then.
            element.file = None;
        }
        Self {
            judge: options.judge.clone(),
            directory: options.handoff.clone(),
            plan,
            told: Told::default(),
            is_idle: true,
            _promise: None,
        }
    }

    /// Has the disk judged, and shows what is new. Nothing is stopped any more.
    pub(crate) fn run(mut self, rpm: &Librpm) {
        self.plan.scriptlets = memory::scriptlets_ran();
        if self.is_idle {
            if !self.may_have_changed() {
                return self.leave_idle();
            }
            if off::by_command_line(self.plan.mode_source) {
                return;
            }
        }
        let mut voice = Voice::new(rpm, Moment::Real, self.told);
        let looked = seconds(SystemTime::now());
        let mut keys = self.plan.said.clone();
        match judge::ask(&self.judge, &self.plan, Vec::new()) {
            Ok(answer) => {
                if let Some(became) = Became::of(&answer) {
                    let event = Event::of(client(), &self.plan, became, &answer, who());
                    write(&mut voice, &self.judge, &event);
                }
                voice.say(Occasion::Remark, as_warnings(answer.messages));
                keys.extend(answer.keys);
            }
            // It has judged before: the transaction has removed it, and what it left.
            Err(Failure::Start { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return;
            }
            Err(failure) => unjudged(&mut voice, &failure.to_string()),
        }
        // Where it cannot be left, the next hook tells it again.
        let _ = leave(&self.directory, self.plan.root, looked, keys);
    }
}

impl After {
    /// What scriptlets may have done, if any ran, shows in few places.
    fn may_have_changed(&self) -> bool {
        let since = self.plan.since.unwrap_or(0);
        self.plan.scriptlets
            && Root::new(&self.plan.root).is_ok_and(|root| glance::may_have_changed(&root, since))
    }

    /// Leaves word, for the client's own hooks, that there was nothing. Where it
    /// cannot be left, they look for themselves; where btf-guard itself has gone, none
    /// is to be left behind.
    fn leave_idle(self) {
        if !self.judge.program.exists() {
            return;
        }
        let looked = seconds(SystemTime::now()).unwrap_or(0);
        if let Ok(told) = told::Told::idle(self.plan.root, looked)
            && let Ok(dir) = Private::create(&self.directory)
        {
            let _ = told.leave(&dir);
        }
    }
}

/// Whole seconds since 1970, downwards.
fn seconds(time: SystemTime) -> Option<u64> {
    let since = time.duration_since(UNIX_EPOCH);
    since.ok().map(|since| since.as_secs())
}

/// Leaves word of what was told, for the client's own hooks.
fn leave(
    directory: &Path,
    root: PathBuf,
    looked: Option<u64>,
    keys: Vec<String>,
) -> Result<(), Refused> {
    let told = told::Told::of_this_process(root, looked.unwrap_or(0), keys)?;
    Ok(told.leave(&Private::create(directory)?)?)
}

/// The one line for whatever went wrong on our side.
fn unjudged(voice: &mut Voice<'_>, what: &str) {
    let text = format!(
        "btf-guard: {what}; what the transaction left on the disk is not judged; \
         run 'btf-guard check'"
    );
    voice.remark(Level::Warning, text);
}

/// The same after a panic, of which it is not known how far it got.
pub(crate) fn panicked(rpm: &Librpm, panic: &str) {
    let mut voice = Voice::new(rpm, Moment::Real, Told::default());
    unjudged(&mut voice, &format!("internal error: {panic}"));
}
