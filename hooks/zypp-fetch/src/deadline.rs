// SPDX-License-Identifier: GPL-2.0-or-later
//! The time there is.
//!
//! Near its end libzypp is asked to stop, in the callbacks that it makes while
//! it fetches; at its end the answer goes out even if it never called.

use std::thread;
use std::time::{Duration, Instant};

use btf_guard_protocol::zypp::{FetchFailure, Request};

use crate::error::plain;
use crate::response::Response;

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
    /// The request's deadline, from now on.
    pub(crate) fn of(request: &Request) -> Self {
        Self {
            begun: Instant::now(),
            limit: request.deadline.map(Duration::from_secs),
        }
    }

    /// True if libzypp is to stop now.
    pub(crate) fn is_near(&self) -> bool {
        self.limit.is_some_and(|limit| {
            let stop = limit.saturating_sub((limit / 10).min(FOR_STOPPING));
            self.begun.elapsed() >= stop
        })
    }

    /// The limit in seconds; 0 where there is none.
    pub(crate) fn seconds(&self) -> u64 {
        self.limit.map_or(0, |limit| limit.as_secs())
    }
}

/// From now on `answer` goes out at the deadline at the latest.
pub(crate) fn watch_over(deadline: &Deadline, answer: &Response) -> Result<(), FetchFailure> {
    let Some(limit) = deadline.limit else {
        return Ok(());
    };
    let (deadline, answer) = (*deadline, answer.clone());
    thread::Builder::new()
        .name("deadline".to_owned())
        .spawn(move || {
            thread::sleep(limit.saturating_sub(deadline.begun.elapsed()));
            answer.cut_off(deadline.seconds())
        })
        .map(drop)
        .map_err(|error| plain(format!("no thread can be started: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_near(limit: Option<u64>, elapsed: u64) -> bool {
        let Some(begun) = Instant::now().checked_sub(Duration::from_secs(elapsed)) else {
            return limit.is_some_and(|limit| limit <= elapsed);
        };
        let limit = limit.map(Duration::from_secs);
        Deadline { begun, limit }.is_near()
    }

    #[test]
    fn a_tenth_is_left_for_stopping_but_no_more_than_two_seconds() {
        assert!(!is_near(None, 1000));
        assert!(is_near(Some(0), 0));
        assert!(!is_near(Some(20), 17));
        assert!(is_near(Some(20), 18));
        assert!(!is_near(Some(100), 97));
        assert!(is_near(Some(100), 98));
        assert!(!is_near(Some(u64::MAX), 1000));
    }
}
