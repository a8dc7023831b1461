// SPDX-License-Identifier: GPL-2.0-or-later
//! The work itself: what libzypp is asked, and in which order.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use btf_guard_protocol::nevra::Nevra;
use btf_guard_protocol::plan;
use btf_guard_protocol::zypp::{
    Ask, Commit, CommitAction, DownloadProgress, Extent, FetchFailure, Request, Resolution,
    Resolve, Step, Verb,
};
use rustix::fs::{Access, access};
use rustix::process::geteuid;
use zypp_sys::{Error, Lock, StepAction, WantedStep, Zypp};

use crate::deadline::Deadline;
use crate::error::{failure, one_line, plain};
use crate::response::{Response, too_late};
use crate::{all_kernel_packages, kernel_package};

/// The shim's file name, beside this program unless the request says where.
const SHIM: &str = "libbtf_guard_zypp.so";

/// Between two lines of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// Answers the request, step by step into `answer`.
pub(crate) fn answer(
    request: &Request,
    deadline: &Deadline,
    answer: &Response,
) -> Result<(), FetchFailure> {
    let told = |error: &Error| match error {
        Error::Stopped => plain(too_late(deadline.seconds())),
        error => failure(error),
    };
    let mut zypp = open(request)?;
    let mut problems = Vec::new();
    let refresh = wants_refresh(request, &mut problems);
    zypp.load(refresh, &mut |_| !deadline.is_near())
        .map_err(|error| told(&error))?;
    match &request.ask {
        Ask::Commit(commit) => take(&mut zypp, commit),
        Ask::Resolve(resolve) => choose(&mut zypp, resolve),
    }
    .map_err(|error| told(&error))?;
    let steps = zypp.steps().map_err(|error| told(&error))?;
    let steps = describe(&zypp, &steps).map_err(|error| told(&error))?;
    problems.extend(zypp.problems().iter().map(|text| one_line(text)));
    let chosen = chosen(&steps, request.fetch);
    let kernel_packages = match request.kernel_packages {
        true => all_kernel_packages::all(&zypp).map_err(|error| told(&error))?,
        false => None,
    };
    answer.resolved(Resolution {
        steps: steps.clone(),
        problems,
        kernel_packages,
    });
    fetch(&mut zypp, &steps, &chosen, deadline, answer).map_err(|error| told(&error))?;
    find_cached(&mut zypp, &steps, &chosen, deadline, answer).map_err(|error| told(&error))
}

fn open(request: &Request) -> Result<Zypp, FetchFailure> {
    let beside = || {
        let program = std::env::current_exe()
            .map_err(|error| plain(format!("this program does not know where it is: {error}")))?;
        Ok(program.with_file_name(SHIM))
    };
    let shim: PathBuf = request.shim.clone().map_or_else(beside, Ok)?;
    let lock = match request.ask {
        Ask::Commit(_) => Lock::OfParent,
        Ask::Resolve(_) => Lock::Take,
    };
    Zypp::open(&shim, &request.root, lock).map_err(|error| failure(&error))
}

/// In a commit the solver has decided: the repositories are as it saw them.
fn wants_refresh(request: &Request, problems: &mut Vec<String>) -> bool {
    let Ask::Resolve(resolve) = &request.ask else {
        return false;
    };
    if resolve.no_refresh {
        return false;
    }
    if !geteuid().is_root() {
        problems
            .push("not root: the repositories are taken as they were last refreshed".to_owned());
        return false;
    }
    true
}

fn take(zypp: &mut Zypp, commit: &Commit) -> Result<(), Error> {
    let wanted: Vec<WantedStep<'_>> = commit
        .steps
        .iter()
        .map(|step| WantedStep {
            action: match step.action {
                CommitAction::Install => StepAction::Comes,
                CommitAction::Erase => StepAction::Goes,
                CommitAction::Multi => StepAction::ComesBeside,
            },
            name: &step.name,
            epoch: step.epoch.unwrap_or(0),
            version: &step.version,
            release: &step.release,
            arch: &step.arch,
        })
        .collect();
    zypp.commit(&wanted)
}

fn choose(zypp: &mut Zypp, resolve: &Resolve) -> Result<(), Error> {
    let verb = match resolve.verb {
        Verb::Up => zypp_sys::SolverVerb::Update,
        Verb::Dup => zypp_sys::SolverVerb::DistUpgrade,
        Verb::Patch => zypp_sys::SolverVerb::Patch,
        Verb::In => zypp_sys::SolverVerb::Install,
    };
    zypp.resolve(verb, &resolve.packages)
}

fn describe(zypp: &Zypp, steps: &[zypp_sys::SolverStep]) -> Result<Vec<Step>, Error> {
    let names: Vec<String> = steps.iter().map(nevra).collect();
    steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            Ok(Step {
                action: match step.action {
                    StepAction::Comes | StepAction::ComesBeside => plan::Action::Install,
                    StepAction::Goes => plan::Action::Erase,
                },
                nevra: nevra(step),
                name: step.name.clone(),
                repository: step.repository.clone(),
                location: step.location.clone(),
                size: step.size,
                checksum: step.checksum.clone(),
                path: None,
                kernel: is_about_kernels(zypp, index, &step.name)?,
                replaces: step
                    .replaces
                    .iter()
                    .filter_map(|&old| names.get(old).cloned())
                    .collect(),
            })
        })
        .collect()
}

fn nevra(step: &zypp_sys::SolverStep) -> String {
    let nevra = Nevra {
        name: &step.name,
        epoch: step.epoch,
        version: &step.version,
        release: &step.release,
        arch: &step.arch,
    };
    nevra.to_string()
}

fn is_about_kernels(zypp: &Zypp, index: usize, name: &str) -> Result<bool, Error> {
    let mut is_about_kernels = kernel_package::looks_like_kernel_package(name);
    if !is_about_kernels {
        zypp.words(index, &mut |kind, word| {
            is_about_kernels = kernel_package::is_about_kernels(name, kind, word);
            !is_about_kernels
        })?;
    }
    Ok(is_about_kernels)
}

/// The indices of the steps whose packages are to be fetched.
fn chosen(steps: &[Step], extent: Extent) -> Vec<usize> {
    let is_chosen = |step: &Step| {
        step.action == plan::Action::Install
            && step.repository.is_some()
            && match extent {
                Extent::Kernel => step.kernel,
                Extent::All => true,
                Extent::None => false,
            }
    };
    (0..)
        .zip(steps)
        .filter(|(_, step)| is_chosen(step))
        .map(|(index, _)| index)
        .collect()
}

/// Fetches one package after the other. One that cannot be had does not keep
/// the others from coming.
fn fetch(
    zypp: &mut Zypp,
    steps: &[Step],
    chosen: &[usize],
    deadline: &Deadline,
    answer: &Response,
) -> Result<(), Error> {
    let cache = zypp.cache().unwrap_or_default();
    if !chosen.is_empty() && !can_be_written(&cache) {
        let mut is_complete = true;
        for &index in chosen {
            match zypp.cached(index)? {
                Some(path) => answer.is_at(index, path),
                None => is_complete = false,
            }
        }
        if !is_complete {
            answer.lacks(format!(
                "{} cannot be written: nothing was fetched; root can",
                cache.display()
            ));
        }
        return Ok(());
    }
    for (position, &index) in (1..).zip(chosen) {
        let Some(step) = steps.get(index) else {
            continue;
        };
        let mut last = None;
        let result = if deadline.is_near() {
            Err(Error::Stopped)
        } else {
            zypp.fetch(index, &mut |percent| {
                let now = Instant::now();
                let is_due = last.is_none_or(|last| now.duration_since(last) >= PROGRESS_INTERVAL);
                let Some(percent) = percent.filter(|_| is_due) else {
                    return !deadline.is_near();
                };
                last = Some(now);
                let is_heard = answer.progress(DownloadProgress {
                    package: step.nevra.clone(),
                    done: step.size.saturating_mul(percent.into()) / 100,
                    total: step.size,
                    index: position,
                    of: chosen.len() as u64,
                });
                is_heard && !deadline.is_near()
            })
        };
        match result {
            Ok(path) => answer.is_at(index, path),
            Err(Error::Stopped) => {
                let left = chosen.len() as u64 + 1 - position;
                answer.lacks(format!(
                    "{}: {left} of {} packages were not fetched",
                    too_late(deadline.seconds()),
                    chosen.len()
                ));
                break;
            }
            Err(Error::Failed(text)) => {
                answer.lacks(format!(
                    "{} was not fetched: {}",
                    step.nevra,
                    one_line(&text)
                ));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Names what was in the cache already.
fn find_cached(
    zypp: &mut Zypp,
    steps: &[Step],
    fetched: &[usize],
    deadline: &Deadline,
    answer: &Response,
) -> Result<(), Error> {
    for (index, step) in steps.iter().enumerate() {
        let is_asked = step.action == plan::Action::Install
            && step.repository.is_some()
            && fetched.binary_search(&index).is_err();
        if !is_asked || deadline.is_near() {
            continue;
        }
        if let Some(path) = zypp.cached(index)? {
            answer.is_at(index, path);
        }
    }
    Ok(())
}

/// True if files can be made in the directory, or it can be made itself.
fn can_be_written(directory: &Path) -> bool {
    directory
        .ancestors()
        .find(|ancestor| ancestor.exists())
        .is_some_and(|existing| access(existing, Access::WRITE_OK).is_ok())
}
