// SPDX-License-Identifier: GPL-2.0-or-later
//! Asks the fetch program which packages the commit brings, and to bring those
//! that carry modules into libzypp's cache.

use std::path::Path;
use std::time::Duration;

use btf_guard_protocol::zypp::{Ask, Commit, CommitStep, Extent, Request, Resolution};
use btf_guard_protocol::zypp_client;

/// The program ends by itself when its time is over; this much later it is ended.
const GRACE_PERIOD: Duration = Duration::from_secs(1);

/// Why there is nothing to go by.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Asked(#[from] zypp_client::Error),
    #[error("there is no time to ask libzypp")]
    Time,
}

/// What is installed and removed by these steps, with the paths of the packages
/// that speak of modules or kernels, as far as they came within `timeout`.
pub(crate) fn fetch(
    program: &Path,
    root: &Path,
    steps: &[CommitStep],
    timeout: Duration,
) -> Result<Resolution, Error> {
    let deadline = timeout.saturating_sub(GRACE_PERIOD).as_secs();
    if deadline == 0 {
        return Err(Error::Time);
    }
    let steps = steps.to_vec();
    let request = Request {
        deadline: Some(deadline),
        fetch: Extent::Kernel,
        kernel_packages: true,
        ..Request::new(root.to_owned(), Ask::Commit(Commit { steps }))
    };
    Ok(zypp_client::ask(program, &request, Some(timeout), &mut |_| {})?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_time_nothing_is_started() {
        let late = fetch(Path::new("/nonexistent"), Path::new("/"), &[], GRACE_PERIOD);
        assert!(matches!(late, Err(Error::Time)));
    }
}
