// SPDX-License-Identifier: GPL-2.0-or-later
//! Until when something is worked on, so that the answer comes in time.

use std::time::{Duration, Instant};

/// Why something was not worked on in the end.
pub(crate) const LATE: &str = "there was no time left for it";

/// Until when something is worked on; where there is no limit, until it is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeLimit(Option<Instant>);

impl TimeLimit {
    /// So long after `start`. What is later than clocks go is no limit.
    pub fn after(start: Instant, duration: Duration) -> Self {
        Self(start.checked_add(duration))
    }

    /// There is no time left.
    pub(crate) fn is_over(self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }

    /// The first of so many equal parts of the time that is left: none takes from others
    /// what they need, and what it does not need is left to them.
    pub(crate) fn part_of(self, parts: usize) -> Self {
        let now = Instant::now();
        let parts = u32::try_from(parts.max(1)).unwrap_or(u32::MAX);
        let part = |end: Instant| now + end.saturating_duration_since(now) / parts;
        Self(self.0.map(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_fraction_of_what_is_left() {
        let now = Instant::now();
        let limit = TimeLimit::after(now, Duration::from_secs(100));
        let TimeLimit(Some(quarter)) = limit.part_of(4) else {
            panic!("{limit:?}")
        };
        let seconds = quarter.duration_since(now).as_secs();
        assert!((24..=26).contains(&seconds), "{seconds}");
        assert!(!limit.is_over() && !TimeLimit::default().part_of(3).is_over());
        let over = TimeLimit::after(now, Duration::ZERO);
        assert!(over.is_over() && over.part_of(2).is_over());
    }
}
