// SPDX-License-Identifier: GPL-2.0-or-later
//! The work itself: what libzypp is asked, and in which order.

use std::path::Path;
use std::time::{Duration, Instant};

use btf_guard_protocol::nevra::Nevra;
use btf_guard_protocol::plan;
use btf_guard_protocol::zypp::{
    Ask, Commit, CommitAction, DownloadProgress, Extent, FetchFailure, PackageStep, Request,
    Resolution, Resolve, Verb,
};
use rustix::fs::{Access, access};
use rustix::process::geteuid;
use zypp_sys::{Error, Lock, StepAction, WantedStep, Zypp};

use crate::deadline::Deadline;
use crate::error::{failure, one_line, plain};
use crate::{all_kernel_packages, kernel_package};

/// The shim's file name, beside this program unless the request says where.
const SHIM: &str = "libbtf_guard_zypp.so";

/// Between two lines of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// Tells how far a download is; `false` where nobody wants to know any more.
type Tell<'t> = &'t mut dyn FnMut(DownloadProgress) -> bool;

pub(crate) fn answer(request: &Request, tell: Tell<'_>) -> Result<Resolution, FetchFailure> {
    let deadline = Deadline::of(request);
    let zypp = open(request)?;
    resolve(zypp, request, &deadline, tell).map_err(|error| match error {
        Error::Stopped => plain(deadline.too_late()),
        error => failure(&error),
    })
}

fn resolve(
    mut zypp: Zypp,
    request: &Request,
    deadline: &Deadline,
    tell: Tell<'_>,
) -> Result<Resolution, Error> {
    let mut problems = Vec::new();
    let refresh = wants_refresh(request, &mut problems);
    zypp.load(refresh, &mut |_| !deadline.is_near())?;
    match &request.ask {
        Ask::Commit(commit) => take(&mut zypp, commit),
        Ask::Resolve(resolve) => choose(&mut zypp, resolve),
    }?;
    let steps = zypp.steps()?;
    let steps = describe(&zypp, &steps)?;
    problems.extend(zypp.problems().iter().map(|text| one_line(text)));
    let mut resolution = Resolution {
        steps,
        problems,
        kernel_packages: match request.kernel_packages {
            true => all_kernel_packages::all(&zypp)?,
            false => None,
        },
    };
    fetch(&mut zypp, request.fetch, &mut resolution, deadline, tell)?;
    Ok(resolution)
}

fn open(request: &Request) -> Result<Zypp, FetchFailure> {
    let shim = match &request.shim {
        Some(shim) => shim.clone(),
        None => std::env::current_exe()
            .map_err(|error| plain(format!("this program does not know where it is: {error}")))?
            .with_file_name(SHIM),
    };
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

fn describe(zypp: &Zypp, steps: &[zypp_sys::SolverStep]) -> Result<Vec<PackageStep>, Error> {
    steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            Ok(PackageStep {
                action: match step.action {
                    StepAction::Comes | StepAction::ComesBeside => plan::Action::Install,
                    StepAction::Goes => plan::Action::Erase,
                },
                nevra: nevra(step),
                name: step.name.clone(),
                repository: step.repository.clone(),
                size: step.size,
                path: None,
                kernel: is_about_kernels(zypp, index, &step.name)?,
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

/// Fetches one package after the other, and names what is in the cache already. One
/// that cannot be had does not keep the others from coming.
fn fetch(
    zypp: &mut Zypp,
    extent: Extent,
    Resolution {
        steps, problems, ..
    }: &mut Resolution,
    deadline: &Deadline,
    tell: Tell<'_>,
) -> Result<(), Error> {
    let is_offered =
        |step: &PackageStep| step.action == plan::Action::Install && step.repository.is_some();
    let is_chosen = |step: &PackageStep| match extent {
        Extent::Kernel => step.kernel,
        Extent::All => true,
        Extent::None => false,
    };
    let chosen = steps
        .iter()
        .filter(|step| is_offered(step) && is_chosen(step));
    let all = chosen.count() as u64;
    let cache = zypp.cache().unwrap_or_default();
    let is_read_only = all > 0 && !can_be_written(&cache);
    let (mut position, mut missing) = (0, 0);
    for (index, step) in (0..).zip(steps).filter(|(_, step)| is_offered(step)) {
        let is_chosen = is_chosen(step);
        if deadline.is_near() {
            missing += u64::from(is_chosen);
            continue;
        }
        if !is_chosen || is_read_only {
            step.path = zypp.cached(index)?;
            missing += u64::from(is_chosen && step.path.is_none());
            continue;
        }
        position += 1;
        let mut last = None;
        let fetched = zypp.fetch(index, &mut |percent| {
            let now = Instant::now();
            let is_due = last.is_none_or(|last| now.duration_since(last) >= PROGRESS_INTERVAL);
            let Some(percent) = percent.filter(|_| is_due) else {
                return !deadline.is_near();
            };
            last = Some(now);
            let is_heard = tell(DownloadProgress {
                package: step.nevra.clone(),
                done: step.size.saturating_mul(percent.into()) / 100,
                total: step.size,
                index: position,
                of: all,
            });
            is_heard && !deadline.is_near()
        });
        match fetched {
            Ok(path) => step.path = Some(path),
            Err(Error::Stopped) => missing += 1,
            Err(Error::Failed(text)) => {
                let (nevra, text) = (&step.nevra, one_line(&text));
                problems.push(format!("{nevra} was not fetched: {text}"));
            }
            Err(error) => return Err(error),
        }
    }
    if missing > 0 {
        problems.push(match is_read_only {
            true => format!(
                "{} cannot be written: nothing was fetched; root can",
                cache.display()
            ),
            false => format!(
                "{}: {missing} of {all} packages were not fetched",
                deadline.too_late()
            ),
        });
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
