//! `tsm_post`: what scriptlets made of the transaction, which no plan foresees.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use btf_guard::judge::{self, Failure, Judge};
use btf_guard::place::plan::{Answer, Level, Plan, Stage};
use btf_guard::place::private::{Private, Refused};
use btf_guard::place::promise::Promise;
use btf_guard::place::told;
use btf_guard::record::{Event, Outcome as Became};

use crate::client;
use crate::hook::as_warnings;
use crate::librpm::Librpm;
use crate::memory;
use crate::settings::Options;
use crate::settle::{client, who, write};
use crate::voice::{Moment, Occasion, Told, Voice};

/// What to ask after a real run that was judged before.
pub(crate) struct After {
    judge: Judge,
    /// Where hooks leave something for one another.
    directory: PathBuf,
    plan: Plan,
    told: Told,
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
        plan.stage = Stage::After;
        // Not every file system keeps more than seconds of a file's time, and
        // what changed in the same second is to be seen.
        plan.since = seconds(begun);
        plan.said = answer.keys;
        plan.loads = answer.loads;
        for element in &mut plan.elements {
            // Read and closed, and perhaps gone by then.
            element.file = None;
        }
        let promise = Private::create(&options.handoff).ok();
        let promise = promise.and_then(|dir| Promise::give(dir).ok());
        Self {
            _promise: promise,
            judge: options.judge.clone(),
            directory: options.handoff.clone(),
            plan,
            told,
        }
    }

    /// Has the disk judged, and shows what is new. Nothing is stopped any more.
    pub(crate) fn run(mut self, rpm: &Librpm) {
        self.plan.scriptlets = memory::scriptlets_ran();
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
            // It has judged before: the transaction has removed it.
            Err(Failure::Start { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(failure) => unjudged(&mut voice, &failure.to_string()),
        }
        // Where it cannot be left, the next hook tells it again.
        let _ = leave(&self.directory, self.plan.root, looked, keys);
    }
}

/// Whole seconds since 1970, downwards.
fn seconds(time: SystemTime) -> Option<u64> {
    let since = time.duration_since(UNIX_EPOCH);
    since.ok().map(|since| since.as_secs())
}

/// Leaves word, for the client's own hooks, of a transaction that is about to
/// change something, but no module and no kernel. Where it cannot be left, they
/// look for themselves.
pub(crate) fn nothing(directory: &Path, root: &Path) {
    let Some(begun) = seconds(SystemTime::now()) else {
        return;
    };
    if client::has_hooks()
        && let Ok(told) = told::Told::idle(root.to_owned(), begun)
        && let Ok(dir) = Private::create(directory)
    {
        let _ = told.leave(&dir);
    }
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
