// SPDX-License-Identifier: GPL-2.0-or-later
//! The machine's clock.

use std::time::{Duration, Instant, SystemTime};

/// Seconds since 1970; 0 where the clock is before that.
pub fn now() -> u64 {
    now_to_the_nanosecond().0
}

/// The same, and the nanoseconds of this second.
pub fn now_to_the_nanosecond() -> (u64, u32) {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or((0, 0), |since| (since.as_secs(), since.subsec_nanos()))
}

/// When something began, by a clock that may be set back before it is over.
#[derive(Debug, Clone, Copy)]
pub struct Beginning {
    clock: u64,
    begun: Instant,
}

impl Beginning {
    /// It begins now.
    pub fn now() -> Self {
        Self {
            clock: now(),
            begun: Instant::now(),
        }
    }

    /// A time that no change since then is dated before, in seconds since 1970, also where
    /// the clock was set back meanwhile and is so now.
    pub fn earliest(&self) -> u64 {
        earliest(self.clock, now(), self.begun.elapsed())
    }
}

/// The same for a clock that showed `begun`, and `now` after this time has gone by.
fn earliest(begun: u64, now: u64, elapsed: Duration) -> u64 {
    let by_now = now.saturating_sub(elapsed.as_secs().saturating_add(1));
    // Between whole seconds, two clocks that agree may be so far apart.
    match begun.saturating_sub(by_now) {
        0..=2 => begun,
        _ => by_now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_makes_the_beginning_earlier() {
        let ten = Duration::from_secs(10);
        assert_eq!(earliest(1000, 1010, ten), 1000);
        assert_eq!(earliest(1000, 1009, ten), 1000);
        // Set forward: what was changed before that is still dated from then on.
        assert_eq!(earliest(1000, 5000, ten), 1000);
        assert_eq!(earliest(1000, 1007, ten), 996);
        assert_eq!(earliest(1000, 500, ten), 489);
        assert_eq!(earliest(1000, 3, ten), 0);
    }
}
