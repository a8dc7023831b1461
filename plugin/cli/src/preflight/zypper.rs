// SPDX-License-Identifier: GPL-2.0-or-later
//! What zypper would do, by the program that asks libzypp.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use btf_guard_protocol::zypp::{Ask, Extent, Request, Resolve, Verb};
use btf_guard_protocol::zypp_client;
use btf_guard_subprocess::ChildError;
use btf_guard_sysroot::Root;
use rustix::process::{Signal, getpid, kill_process};

use super::ClientPlan;
use crate::args::Zypper;
use crate::progress::Progress;

/// Has libzypp choose the packages and fetch those with modules or kernels into its cache.
pub(super) fn ask(args: &Zypper, root: &Root) -> anyhow::Result<ClientPlan> {
    match (args.verb, args.packages.is_empty()) {
        (Verb::In, true) => bail!("in: which packages?"),
        (Verb::Up | Verb::Dup | Verb::Patch, false) => bail!("only in takes names of packages"),
        _ => {}
    }
    let program = zypp_client::installed();
    if !program.exists() {
        bail!(
            "the part for zypper is not installed: there is no {}",
            program.display()
        );
    }
    let resolve = Resolve {
        verb: args.verb,
        packages: args.packages.clone(),
        no_refresh: args.wish.no_refresh,
    };
    let request = Request {
        fetch: Extent::Kernel,
        ..Request::new(root.path().to_owned(), Ask::Resolve(resolve))
    };
    let waiting = Progress::of_client("asking libzypp", !args.wish.way.quiet);
    let outcome = zypp_client::ask(&program, &request, None, &mut |progress| {
        waiting.download(progress)
    });
    if let Err(zypp_client::Error::Child(ChildError::Ended { status, .. })) = &outcome {
        end_as(*status);
    }
    Ok(ClientPlan {
        outcome: outcome.context("nothing is judged")?,
        ..ClientPlan::default()
    })
}

/// Ends this process where an interrupt has ended its child: from a terminal it
/// is for both, and may reach the child first.
fn end_as(child: ExitStatus) {
    if child.signal() == Some(Signal::INT.as_raw()) {
        let _ = kill_process(getpid(), Signal::INT);
        // Another thread may be the one to take it: until then nothing is said.
        thread::sleep(Duration::from_secs(1));
    }
}
