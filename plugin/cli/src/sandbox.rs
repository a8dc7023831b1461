// SPDX-License-Identifier: GPL-2.0-or-later
//! What the judge gives up before it looks at what packages hold.

use std::path::Path;
use std::time::Duration;
use std::{process, thread};

use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    Scope, path_beneath_rules,
};
use rustix::process::{
    Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit,
};

/// Address space: the base BTF, a module a thread, and what allocators reserve.
const MAX_MEMORY: u64 = 2 << 30;
/// Seconds on the processor, of all threads.
const MAX_CPU_SECONDS: u64 = 300;
/// Descriptors beyond those that were inherited.
const MAX_FILES: u64 = 256;

/// How long after its caller has given up this process ends by itself, if it is still
/// there.
const GRACE: Duration = Duration::from_secs(10);

/// Ends this process with the thread that has started it. Where the system does not
/// permit that, there are still limits.
pub(crate) fn end_with_caller() {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        log::info!("this process may outlive its caller: {error}");
    }
}

/// Ends this process when its caller has waited for `timeout` and some more. To be called
/// by a thread that is confined: the one that this starts is so, too.
pub(crate) fn end_after(timeout: Duration) {
    let alarm = move || {
        thread::sleep(timeout + GRACE);
        process::exit(1);
    };
    let alarm = thread::Builder::new().stack_size(64 << 10).spawn(alarm);
    if let Err(error) = alarm {
        log::info!("no alarm: {error}");
    }
}

/// Limits this process. What the system does not know or permit is left out:
/// a judge without a sandbox is better than none.
pub(crate) fn limit(inherited: u64) {
    let limits = [
        (Resource::Core, 0),
        (Resource::As, MAX_MEMORY),
        (Resource::Cpu, MAX_CPU_SECONDS),
        (Resource::Nofile, inherited.saturating_add(MAX_FILES)),
    ];
    for (resource, wanted) in limits {
        let now = getrlimit(resource);
        let cap = |limit: Option<u64>| Some(limit.map_or(wanted, |limit| limit.min(wanted)));
        // A package manager may have passed on more descriptors than it may have itself.
        let current = match resource {
            Resource::Nofile => now.maximum,
            _ => now.current,
        };
        let lower = Rlimit {
            current: cap(current),
            maximum: cap(now.maximum),
        };
        if let Err(error) = setrlimit(resource, lower) {
            log::info!("{resource:?} stays unlimited: {error}");
        }
    }
    if let Err(error) = rustix::thread::set_no_new_privs(true) {
        log::info!("new privileges stay possible: {error}");
    }
}

/// From here on this thread, and every thread it starts, can read below `readable`, write
/// files into `cache`, and do nothing else to files or the network.
pub(crate) fn confine<P: AsRef<Path>>(readable: &[P], cache: Option<&Path>) {
    match landlock(readable, cache) {
        Ok(status) => log::debug!("Landlock: {status:?}"),
        Err(error) => log::info!("no Landlock: {error}"),
    }
}

fn landlock<P: AsRef<Path>>(
    readable: &[P],
    cache: Option<&Path>,
) -> Result<landlock::RulesetStatus, RulesetError> {
    let abi = ABI::V6;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let replace = AccessFs::WriteFile | AccessFs::Truncate;
    let write = read | replace | AccessFs::MakeReg | AccessFs::RemoveFile;
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules(readable, read))?
        .add_rules(path_beneath_rules(cache, write))?
        .restrict_self()?;
    Ok(status.ruleset)
}
