// SPDX-License-Identifier: GPL-2.0-or-later
//! What other programs run when they have changed kernels or modules: has the disk
//! judged, and says in a few lines what is wrong.
//!
//! The judge is a child here, as inside rpm, with the same limits and the same
//! deadline: what it reads may kill it or keep it, and one line is to come of that.
//!
//! Nobody is to fail for what is found here, or for what goes wrong here: a hook
//! always succeeds.

use std::env;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use btf_guard_core::transaction::directory_times;
use btf_guard_protocol::caller;
use btf_guard_protocol::decision::Mode;
use btf_guard_protocol::event::{Event, EventOutcome};
use btf_guard_protocol::judge_client;
use btf_guard_protocol::log_stream::is_log;
use btf_guard_protocol::plan::{self, Answer, Level, Message, Plan, Stage};
use btf_guard_protocol::procfs::Process;
use btf_guard_protocol::record_client;
use btf_guard_protocol::requested_mode::wish;
use btf_guard_protocol::state::last_check::ReportedState;
use btf_guard_protocol::state::trusted_dir::{Private, RUN};
use btf_guard_protocol::state::zypp_commit::CommitFiles;
use btf_guard_subprocess::{ChildError, Limits};
use btf_guard_sysroot::Root;
use btf_guard_sysroot::file_role::is_release;

use crate::allow::who;
use crate::args::HookCommand;
use crate::output::Outcome;
use crate::record::this_program;

/// Lines at the bottom of a terminal that dnf 5 wipes out: it draws its progress
/// once more, over what was written below since (`operator<<` of
/// libdnf5-cli/progressbar/multi_progress_bar.cpp), with what the last package's
/// scriptlets have printed. Where that is more, the last lines of ours are lost.
const PROGRESS: usize = 32;

/// Set by kernel-install for its plugins.
const IN_KERNEL_INSTALL: &str = "KERNEL_INSTALL_LAYOUT";
/// Where kernel-install puts entries, for its plugins.
const BOOT_ROOT: &str = "KERNEL_INSTALL_BOOT_ROOT";
/// Set by libzypp to its own process id while it commits.
const COMMITTER: &str = "ZYPP_IS_RUNNING";

/// rpm reads a few small files for it.
const RPM_LIMITS: Limits = Limits {
    who: "rpm",
    timeout: Duration::from_secs(5),
    limit: 64 << 10,
};

pub(crate) fn run(hook: &HookCommand) -> Outcome {
    let variable = env::var_os("BTF_GUARD").map(|value| value.to_string_lossy().into_owned());
    if wish(variable.as_deref(), String::new).mode == Some(Mode::Off) {
        return Outcome::Done;
    }
    let (mut lines, event) = looked(hook).unwrap_or_else(|error| (vec![not_judged(&error)], None));
    if lines.is_empty() {
        return Outcome::Done;
    }
    // Asked for only where there is something to say: it takes another program.
    let wish = wish(variable.as_deref(), expand_macro);
    if wish.mode != Some(Mode::Off) {
        if let Some(event) = event
            && let Err(failure) = record_client::record(&this_program(), &event)
        {
            lines.push(warning(format!("not recorded as it should be: {failure}")));
        }
        let complaints = wish.complaints.into_iter().map(warning);
        // dkms and, on a terminal, dnf 5 have begun a line.
        let (before, behind) = match hook {
            HookCommand::Dkms { .. } => (1, 0),
            HookCommand::Dnf { .. } if io::stderr().is_terminal() => (1, PROGRESS),
            HookCommand::KernelInstall { .. } | HookCommand::Dnf { .. } => (0, 0),
        };
        say(before, complaints.chain(lines).collect(), behind);
    }
    Outcome::Done
}

/// The one line for whatever goes wrong here.
fn not_judged(error: &anyhow::Error) -> Message {
    warning(format!(
        "{error:#}; what is on the disk now is not judged; run 'btf-guard check'"
    ))
}

fn warning(text: String) -> Message {
    Message {
        level: Level::Warning,
        text: format!("btf-guard: {text}"),
    }
}

type Looked = (Vec<Message>, Option<Event>);

fn looked(hook: &HookCommand) -> anyhow::Result<Looked> {
    match hook {
        HookCommand::KernelInstall {
            command, version, ..
        } => kernel_install(command, version),
        HookCommand::Dkms { client } => dkms(*client),
        HookCommand::Dnf { client, root } => dnf(*client, root),
    }
}

fn told(client: &str, plan: &Plan, answer: Answer) -> Looked {
    let event = EventOutcome::of(&answer)
        .map(|became| Event::of(client.to_owned(), plan, became, &answer, who()));
    (answer.messages, event)
}

/// All bootable kernels of a release, the copy just made and others, with all its modules.
fn kernel_install(command: &str, version: &str) -> anyhow::Result<Looked> {
    if command != "add" || somebody_else_will() {
        return Ok((Vec::new(), None));
    }
    ensure!(is_release(version), "{version:?} is no kernel's release");
    let esp = env::var_os(BOOT_ROOT).map(PathBuf::from);
    let plan = Plan {
        stage: Stage::None,
        release: Some(version.to_owned()),
        esps: esp.into_iter().filter(|esp| is_mounted(esp)).collect(),
        ..plan("/")
    };
    Ok(told("kernel-install", &plan, ask(&plan)?))
}

/// Is something mounted there that no root has by itself?
fn is_mounted(dir: &Path) -> bool {
    let known = ["/efi", "/boot", "/boot/efi"].map(Path::new);
    let device = |path: &Path| path.metadata().ok().map(|found| found.dev());
    !known.contains(&dir) && device(dir).is_some_and(|dev| device(Path::new("/")) != Some(dev))
}

/// The modules that changed since dkms was started.
fn dkms(client: u32) -> anyhow::Result<Looked> {
    // Copies of the kernel may not have been made yet. Its own plugin is the last.
    if env::var_os(IN_KERNEL_INSTALL).is_some() || somebody_else_will() {
        return Ok((Vec::new(), None));
    }
    let plan = Plan {
        stage: Stage::None,
        since: Some(started_at(this(client)?)?),
        ..plan("/")
    };
    Ok(told("dkms", &plan, ask(&plan)?))
}

/// What changed since dnf was started, or since the rpm plugin has had the disk
/// judged, and what that could not show.
fn dnf(client: u32, root: &Path) -> anyhow::Result<Looked> {
    let client = this(client)?;
    let dir = Private::open(Path::new(RUN)).ok().flatten();
    let before = dir.and_then(|dir| ReportedState::read(&dir).ok()?);
    let before = before.filter(|state| state.is_of(client) && state.root == root);
    let (since, mut reported, mut lines) = match before {
        Some(before) => (before.looked, before.reported, before.unshown),
        None => (started_at(client)?, Vec::new(), Vec::new()),
    };
    // Why a root cannot be looked at is for the judge to say.
    let has_changed =
        Root::new(root).map_or(true, |root| directory_times::may_have_changed(&root, since));
    let mut looked = btf_guard_protocol::clock::now();
    let mut event = None;
    if has_changed {
        let plan = Plan {
            stage: Stage::Post,
            since: Some(since),
            reported_keys: reported.clone(),
            ..plan(root)
        };
        match ask(&plan) {
            Ok(answer) => {
                reported.extend_from_slice(&answer.keys);
                let (found, its_event) = told(&caller::program(client.pid), &plan, answer);
                lines.extend(found);
                event = its_event;
            }
            Err(failure) => {
                lines.push(not_judged(&failure.into()));
                looked = since;
            }
        }
    } else if lines.is_empty() {
        return Ok((lines, None));
    }
    // Where it cannot be written, the client's next transaction reports it again.
    let state = ReportedState::of(client, root.to_owned(), looked, reported);
    let _ = Private::create(Path::new(RUN)).map(|dir| state.write(&dir));
    Ok((lines, event))
}

/// The rpm plugin or zypper's will judge the disk after the transaction that this is part of.
fn somebody_else_will() -> bool {
    let Ok(Some(dir)) = Private::open(Path::new(RUN)) else {
        return false;
    };
    let committer = env::var(COMMITTER).ok().and_then(|pid| pid.parse().ok());
    let committer = committer.and_then(|pid| Process::find(pid).ok());
    let committer = committer.filter(|process| process.is_ancestor_of_mine().unwrap_or(false));
    let handed_over = |process| matches!(CommitFiles::of(&dir, process).handed_over(), Ok(Some(_)));
    let state = ReportedState::read(&dir).ok().flatten();
    state.is_some_and(|state| state.is_pending_for_this_process())
        || committer.is_some_and(handed_over)
}

fn this(client: u32) -> anyhow::Result<Process> {
    let process = Process::find(client).with_context(|| format!("process {client}"))?;
    let is_ancestor = process.is_ancestor_of_mine()?;
    ensure!(is_ancestor, "process {client} has not started this one");
    Ok(process)
}

fn started_at(client: Process) -> anyhow::Result<u64> {
    let pid = client.pid;
    let started = client.started_at();
    started.with_context(|| format!("when process {pid} was started"))
}

fn plan(root: impl Into<PathBuf>) -> Plan {
    Plan {
        offline_image: plan::is_offline_image(|name| env::var_os(name)),
        mode: Some(Mode::Warn),
        ..Plan::new(root.into())
    }
}

fn ask(plan: &Plan) -> Result<Answer, ChildError> {
    judge_client::ask(&this_program(), plan, Vec::new())
}

/// Writes lines as rpm's log would, with empty ones around. Of a standard error that is
/// closed or full nobody can be told.
fn say(before: usize, lines: Vec<Message>, behind: usize) {
    let in_log = is_log(io::stderr(), |name| env::var_os(name));
    let mut all = "\n".repeat(before);
    for line in plan::lines_to_show(lines, in_log) {
        all.push_str(&format!("{line}\n"));
    }
    all.push_str(&"\n".repeat(behind));
    let _ = io::stderr().write_all(all.as_bytes());
}

/// The value of rpm's macro `%_btf_guard`; nothing where rpm is not there to ask.
fn expand_macro() -> String {
    let mut rpm = Command::new("rpm");
    rpm.args(["--eval", "%{?_btf_guard}"]).env("LC_ALL", "C");
    let nothing = File::open("/dev/null").ok();
    let ended = nothing
        .and_then(|input| btf_guard_subprocess::run(rpm, input, Vec::new(), &RPM_LIMITS).ok());
    let output = ended.and_then(|ended| ended.success(&RPM_LIMITS).ok());
    output.map_or_else(String::new, |(output, _)| {
        String::from_utf8_lossy(&output).into_owned()
    })
}
