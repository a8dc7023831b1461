// SPDX-License-Identifier: GPL-2.0-or-later
//! What the record is to know of a transaction besides the answer, and what is said
//! where it fails.

use std::{env, io};

use btf_guard_protocol::caller::{self, Who};
use btf_guard_subprocess::Failure;

use crate::output::Reporter;
use crate::zypp_commit::COMMITTER;

/// The program that does the transaction: under zypper, which starts rpm, zypper.
pub(crate) fn client() -> String {
    let committer = env::var(COMMITTER).ok().and_then(|pid| pid.parse().ok());
    caller::program(committer.unwrap_or_else(std::process::id))
}

/// Who runs it.
pub(crate) fn who() -> Who {
    Who::of_this_process(|name| env::var(name).ok())
}

/// Says that something could not be written down; nothing else comes of it.
pub(crate) fn complain(reporter: &mut Reporter<'_>, recorded: Result<(), Failure>) {
    match recorded {
        Ok(()) => {}
        Err(failure) if is_removed(&failure) => {}
        Err(failure) => {
            reporter.warn(format!(
                "btf-guard: not recorded as it should be: {failure}"
            ));
        }
    }
}

/// The program is gone: where it was there before, the transaction has removed it.
pub(crate) fn is_removed(failure: &Failure) -> bool {
    matches!(failure, Failure::Start { source, .. } if source.kind() == io::ErrorKind::NotFound)
}
