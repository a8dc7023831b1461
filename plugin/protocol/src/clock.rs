// SPDX-License-Identifier: GPL-2.0-or-later
//! The machine's clock.

use std::time::SystemTime;

/// Seconds since 1970; 0 where the clock is before that.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
