// SPDX-License-Identifier: GPL-2.0-or-later
//! The time there is. Near its end libzypp is asked to stop, in the callbacks that it
//! makes while it loads and fetches.

use std::time::{Duration, Instant};

use btf_guard_protocol::zypp::Request;

/// How much of the time is left for libzypp to stop by itself: a tenth, at
/// most this.
const FOR_STOPPING: Duration = Duration::from_secs(2);

/// When the answer must be there.
#[derive(Clone, Copy)]
pub(crate) struct Deadline {
    begun: Instant,
    limit: Option<Duration>,
}

impl Deadline {
    pub(crate) fn of(request: &Request) -> Self {
        Self {
            begun: Instant::now(),
            limit: request.deadline.map(Duration::from_secs),
        }
    }

    pub(crate) fn is_near(&self) -> bool {
        self.limit.is_some_and(|limit| {
            let stop = limit.saturating_sub((limit / 10).min(FOR_STOPPING));
            self.begun.elapsed() >= stop
        })
    }

    pub(crate) fn too_late(&self) -> String {
        let seconds = self.limit.map_or(0, |limit| limit.as_secs());
        format!("libzypp was not done after {seconds} seconds")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_is_left_for_stopping_but_no_more_than_two_seconds() {
        for (limit, elapsed, is_near) in [
            (None, 1000, false),
            (Some(0), 0, true),
            (Some(20), 17, false),
            (Some(20), 18, true),
            (Some(100), 97, false),
            (Some(100), 98, true),
            (Some(u64::MAX), 1000, false),
        ] {
            // A machine that has just started may have no such instant.
            let Some(begun) = Instant::now().checked_sub(Duration::from_secs(elapsed)) else {
                continue;
            };
            let limit = limit.map(Duration::from_secs);
            let found = Deadline { begun, limit }.is_near();
            assert_eq!(found, is_near, "{limit:?} {elapsed}");
        }
    }
}
