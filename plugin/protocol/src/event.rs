// SPDX-License-Identifier: GPL-2.0-or-later
//! What hooks leave for the records: one [`Event`] for each thing that was decided.
//!
//! A hook lives inside a package manager, so it writes no log itself, and knows no
//! policy. It starts `btf-guard record` with the event as JSON on standard input, and
//! that writes the journal, and whatever else is to know of it. Where the outcome
//! depends on overrides or on the configuration, it decides first, and says on
//! standard output what it has decided ([`Reply`]).

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use btf_guard_subprocess::{Failure, Limits, Output};
use rustix::process::getuid;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub(crate) use crate::clock::now;
use crate::decision::{Decision, Mode};
use crate::judge_client::{Judge, MAX_ANSWER};
use crate::override_source::{Override, Source};
use crate::plan::{Answer, Message, Plan, Stage};

/// The version of [`Event`].
pub const SCHEMA: u32 = 2;

/// The longest event that is read, in bytes: the judge's longest answer and a
/// little more.
pub const MAX_EVENT: u64 = 20 << 20;

/// What a name in `/proc` is cut to, in bytes; the kernel keeps 15.
const MAX_COMM: u64 = 64;

/// How long the records may take. A package manager waits for it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// One decision.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// [`SCHEMA`].
    pub schema: u32,
    /// When, in seconds since 1970.
    pub time: u64,
    /// The program that did the transaction, or changed the disk: `rpm`, `dnf`,
    /// `zypper`, `packagekitd`, …
    pub client: String,
    /// What was judged: packages before a transaction, or the disk after it.
    pub stage: Stage,
    /// A client's test run: nothing was changed by it.
    pub test: bool,
    /// The root that it was about.
    pub root: PathBuf,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was not what the policy alone says; the last is what tipped it.
    #[serde(default)]
    pub overrides: Vec<Override>,
    /// Who is behind it.
    pub who: Who,
    /// The judge's answer, a whole report; `None` where there was none.
    #[serde(default)]
    pub answer: Option<Box<RawValue>>,
    /// Why there was no answer.
    #[serde(default)]
    pub failure: Option<String>,
    /// What the outcome still depends on, on the way to the record: it decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided: Option<Undecided>,
}

/// What the outcome of an [`Event`] depends on, besides its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undecided {
    /// [`Plan::mode`].
    pub mode: Option<Mode>,
    /// [`Plan::mode_source`].
    pub mode_source: Option<Source>,
    /// The client does not come again with the same transaction: overrides that hold
    /// for one are used up.
    pub is_last: bool,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// What to do.
    pub decision: Decision,
    /// What to tell the admin.
    pub messages: Vec<Message>,
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was stopped.
    Blocked,
    /// It went on, as the policy says; also what was found on the disk.
    Proceeded,
    /// It went on where it would have been stopped or warned of, by
    /// [`Event::overrides`].
    Overridden,
    /// Nothing was done: it was asked what would happen.
    Preflight,
}

/// Who is behind a process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The process's own user.
    pub uid: u32,
    /// The user who logged in, whatever he became since. `None` for a service.
    #[serde(default)]
    pub login_uid: Option<u32>,
    /// `SUDO_USER`. Whoever runs the process can set it.
    #[serde(default)]
    pub sudo_user: Option<String>,
    /// `SUDO_UID`, likewise.
    #[serde(default)]
    pub sudo_uid: Option<u32>,
}

impl Who {
    /// Of this process, whose environment has these variables.
    pub fn of_this_process(variable: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            uid: getuid().as_raw(),
            login_uid: login_uid(),
            sudo_user: variable("SUDO_USER").filter(|name| !name.is_empty()),
            sudo_uid: variable("SUDO_UID").and_then(|uid| uid.parse().ok()),
        }
    }
}

/// The kernel writes -1 for a process that descends from no login
/// (`proc_loginuid_read()`, fs/proc/base.c).
fn login_uid() -> Option<u32> {
    let uid: u32 = first_line("/proc/self/loginuid").ok()?.parse().ok()?;
    (uid != u32::MAX).then_some(uid)
}

/// The name of a process's program; empty where `/proc` does not tell.
///
/// It is that of the file that runs: zypper names its first thread otherwise. What
/// an interpreter runs, as dnf 4, is known by the name that `ps` shows.
pub fn program(pid: u32) -> String {
    let file = fs::read_link(format!("/proc/{pid}/exe")).ok();
    let file = file.as_ref().and_then(|file| file.file_name()?.to_str());
    let file = file.map(|name| name.trim_end_matches(" (deleted)"));
    let name = match file.filter(|name| !name.starts_with("python")) {
        Some(name) => name.to_owned(),
        None => first_line(&format!("/proc/{pid}/comm")).unwrap_or_default(),
    };
    name.chars().filter(|c| !c.is_control()).collect()
}

/// Whether a log keeps what is written to a stream, each line by itself. systemd sets
/// `INVOCATION_ID` for its units (systemd.exec(5)); a shell in one has a terminal. A
/// unit that empties its environment, as PackageKit's daemon does, is known by the
/// other end of its stream.
pub fn is_log(stream: impl AsFd + IsTerminal, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    variable("INVOCATION_ID").is_some() && !stream.is_terminal() || is_journal(stream)
}

/// The journal's streams are `sd_journal_stream_fd(3)`'s.
fn is_journal(stream: impl AsFd) -> bool {
    let Ok(own) = stream.as_fd().try_clone_to_owned() else {
        return false;
    };
    let Ok(peer) = UnixStream::from(own).peer_addr() else {
        return false;
    };
    // A journal of a namespace has its name behind a dot.
    let ends = |path: &Path| {
        let directory = path.parent().and_then(Path::file_name);
        path.file_name().is_some_and(|name| name == "stdout")
            && directory.is_some_and(|name| name.as_encoded_bytes().starts_with(b"journal"))
    };
    peer.as_pathname().is_some_and(ends)
}

fn first_line(path: &str) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_COMM).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

impl Event {
    /// What came of an answer, now.
    pub fn of(client: String, plan: &Plan, outcome: Outcome, answer: &Answer, who: Who) -> Self {
        let mut event = Self::new(client, plan, outcome, who);
        match answer.overrides.last().filter(|_| answer.is_off()) {
            Some(off) => event.pass_unjudged(off.clone()),
            None => {
                event.overrides = answer.overrides.clone();
                event.answer = answer.whole.clone();
            }
        }
        event
    }

    /// Makes it one of a transaction that was not judged, because this says `off`.
    pub fn pass_unjudged(&mut self, off: Override) {
        self.failure = Some(format!("{} says off", off.source.name()));
        self.outcome = Outcome::Overridden;
        self.overrides.push(off);
    }

    /// That there was no answer, and why.
    pub fn without_answer(
        client: String,
        plan: &Plan,
        outcome: Outcome,
        failure: String,
        who: Who,
    ) -> Self {
        Self {
            failure: Some(failure),
            ..Self::new(client, plan, outcome, who)
        }
    }

    fn new(client: String, plan: &Plan, outcome: Outcome, who: Who) -> Self {
        Self {
            schema: SCHEMA,
            time: now(),
            client,
            stage: plan.stage,
            test: plan.test,
            root: plan.root.clone(),
            outcome,
            overrides: Vec::new(),
            who,
            answer: None,
            failure: None,
            undecided: None,
        }
    }
}

impl Undecided {
    /// Of a plan, in the client's last run or not.
    fn of(plan: &Plan, is_last: bool) -> Self {
        Self {
            mode: plan.mode,
            mode_source: plan.mode_source,
            is_last,
        }
    }
}

impl Outcome {
    /// Of a transaction that went on, or did not, by this answer. `None` where
    /// there is nothing to record.
    pub fn of(answer: &Answer) -> Option<Self> {
        match (answer.decision, answer.overrides.is_empty()) {
            (Decision::Block, _) => Some(Self::Blocked),
            (Decision::Warn, true) => Some(Self::Proceeded),
            (Decision::Allow, true) => None,
            (Decision::Warn | Decision::Allow, false) => Some(Self::Overridden),
        }
    }
}

/// One line for whatever went wrong on our side before a transaction.
pub fn not_judged(what: &str) -> String {
    format!(
        "btf-guard: {what}; the transaction goes on, its kernel modules are not judged; \
         run 'btf-guard check' after it"
    )
}

/// Has the outcome of an answer written down, if there is anything to write, by the
/// program that also judges. In the client's last run overrides that hold once are
/// used up first; where that fails, the answer becomes what it is without them.
///
/// # Errors
/// Where it cannot be started, is late, or could write it nowhere.
pub fn settle(
    judge: &Judge,
    client: String,
    plan: &Plan,
    answer: &mut Answer,
    who: Who,
    is_last: bool,
) -> Result<(), Failure> {
    let Some(outcome) = Outcome::of(answer) else {
        return Ok(());
    };
    let mut event = Event::of(client, plan, outcome, answer, who);
    if !is_last || answer.once.is_empty() {
        return record(judge, &event);
    }
    event.undecided = Some(Undecided::of(plan, is_last));
    match decide(judge, &event) {
        Ok((reply, recorded)) => {
            (answer.decision, answer.messages) = (reply.decision, reply.messages);
            recorded
        }
        Err(failure) => {
            answer.fall_back();
            Err(failure)
        }
    }
}

/// What becomes of a transaction for which there is no answer.
///
/// # Errors
/// As [`settle`]; then it goes on.
pub fn settle_without_answer(
    judge: &Judge,
    client: String,
    plan: &Plan,
    why: String,
    who: Who,
    is_last: bool,
) -> Result<Reply, Failure> {
    let mut event = Event::without_answer(client, plan, Outcome::Proceeded, why, who);
    event.undecided = Some(Undecided::of(plan, is_last));
    decide(judge, &event).map(|(reply, _)| reply)
}

/// Has an event written down.
///
/// # Errors
/// As [`settle`].
pub fn record(judge: &Judge, event: &Event) -> Result<(), Failure> {
    let limits = limits(judge);
    run(judge, event, &limits)?.success(&limits).map(drop)
}

/// Has it decided, and written down, if that can be done.
fn decide(judge: &Judge, event: &Event) -> Result<(Reply, Result<(), Failure>), Failure> {
    let limits = limits(judge);
    let ended = run(judge, event, &limits)?;
    let reply = match serde_json::from_slice::<Reply>(&ended.stdout) {
        Ok(reply) if reply.decision == Decision::Block && reply.messages.is_empty() => {
            Err("a block without a reason".to_owned())
        }
        reply => reply.map_err(|error| error.to_string()),
    };
    match reply {
        Ok(reply) => Ok((reply, ended.success(&limits).map(drop))),
        Err(reason) => {
            let (_, stderr) = ended.success(&limits)?;
            let who = limits.who;
            Err(Failure::Answer {
                who,
                reason,
                stderr,
            })
        }
    }
}

fn limits(judge: &Judge) -> Limits {
    Limits {
        who: "the record",
        timeout: TIMEOUT.min(judge.timeout),
        limit: MAX_ANSWER,
    }
}

fn run(judge: &Judge, event: &Event, limits: &Limits) -> Result<Output, Failure> {
    let who = limits.who;
    let input = btf_guard_subprocess::json_memfd(event)
        .map_err(|source| Failure::HandOver { who, source })?;
    let mut command = Command::new(&judge.program);
    command
        .arg("record")
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LANG", "C.UTF-8");
    btf_guard_subprocess::run(command, input, Vec::new(), limits)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn an_event_survives_the_way_to_the_record() {
        let event = Event {
            schema: SCHEMA,
            time: 7,
            client: "rpm".to_owned(),
            stage: Stage::Before,
            test: false,
            root: "/".into(),
            outcome: Outcome::Overridden,
            overrides: vec![Override::of(crate::override_source::Source::Environment)],
            who: Who::of_this_process(|name| match name {
                "SUDO_USER" => Some("me".to_owned()),
                _ => Some("1000".to_owned()),
            }),
            answer: Some(RawValue::from_string(r#"{"schema": 1}"#.to_owned()).unwrap()),
            failure: None,
            undecided: None,
        };
        let text = serde_json::to_string(&event).unwrap();
        let read: Event = serde_json::from_str(&text).unwrap();
        assert_eq!(read.answer.unwrap().get(), r#"{"schema": 1}"#);
        assert_eq!(
            (read.who.sudo_user.as_deref(), read.who.sudo_uid),
            (Some("me"), Some(1000))
        );
        assert!(text.contains(r#""outcome":"overridden""#), "{text}");
        assert!(text.contains(r#""source":"environment""#), "{text}");
    }

    #[test]
    fn a_process_has_a_name() {
        let name = program(std::process::id());
        assert!(!name.is_empty() && !name.contains('\n'), "{name:?}");
        assert_eq!(program(u32::MAX), "");
    }

    #[test]
    fn the_journals_streams_are_known_by_their_other_end() {
        let top = tempfile::tempdir().unwrap();
        for (name, expected) in [
            ("journal/stdout", true),
            ("journal.private/stdout", true),
            ("journal/socket", false),
            ("other/stdout", false),
        ] {
            let place = top.path().join(name);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            let _listener = UnixListener::bind(&place).unwrap();
            let stream = UnixStream::connect(&place).unwrap();
            assert_eq!(is_journal(stream), expected, "{name}");
        }
        let (one, _other) = UnixStream::pair().unwrap();
        assert!(!is_journal(one));
        let null = || File::open("/dev/null").unwrap();
        assert!(!is_journal(null()));
        assert!(is_log(null(), |name| (name == "INVOCATION_ID").then(|| "1".into())));
        assert!(!is_log(null(), |_| None));
    }
}
