// SPDX-License-Identifier: GPL-2.0-or-later
//! When a rule ends.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use anyhow::{anyhow, ensure};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::vercmp;

/// The end of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expiry {
    /// It holds through this day, in UTC.
    Day(Date),
    /// It holds until a kernel of this release or a newer one is judged.
    Release(String),
}

impl Expiry {
    /// True if it is over at `now`, in seconds since 1970, or for a kernel of this release; one
    /// that does not tell its release is not known to be newer.
    pub(crate) fn is_over(&self, now: u64, release: Option<&str>) -> bool {
        match self {
            Self::Day(last) => day(now).is_some_and(|today| today > *last),
            Self::Release(end) => {
                release.is_some_and(|release| vercmp::compare(release, end) != Ordering::Less)
            }
        }
    }
}

/// The day in UTC; `None` where no calendar has one.
fn day(now: u64) -> Option<Date> {
    let now = Timestamp::from_second(i64::try_from(now).ok()?).ok()?;
    Some(now.to_zoned_datetime(TimeZone::UTC).date())
}

impl FromStr for Expiry {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let refused = || {
            anyhow!("{text:?} is neither a date, as 2027-01-31, nor a kernel's release, as 6.12")
        };
        // jiff reads other spellings, too.
        match text.parse::<Date>() {
            Ok(day) if day.to_string() == text => return Ok(Self::Day(day)),
            _ => {}
        }
        let (first, rest) = text.split_once('.').ok_or_else(refused)?;
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
        let is_release = is_number(first)
            && rest.starts_with(|c: char| c.is_ascii_digit())
            && rest.bytes().all(plain);
        ensure!(is_release, refused());
        Ok(Self::Release(text.to_owned()))
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => write!(f, "{day}"),
            Self::Release(release) => write!(f, "kernel {release}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_the_last_that_counts_and_a_release_the_first_that_does_not() {
        let (last_second, next) = ("2027-01-31T23:59:59Z", "2027-02-01T00:00:00Z");
        for (expiry, now, release, expected) in [
            ("2027-01-31", last_second, Some("9.9"), false),
            ("2027-01-31", next, Some("1.0"), true),
            ("6.12", next, Some("6.4.0-150600.23.7-default"), false),
            ("6.12", next, Some("6.11.99-1-default"), false),
            ("6.12", next, Some("6.12.0-1-default"), true),
            ("6.12", next, Some("7.0"), true),
            ("6.12.0-16.5", next, Some("6.12.0-16.4-default"), false),
            ("6.12.0-16.5", next, Some("6.12.0-16.5-default"), true),
            ("6.12", next, None, false),
        ] {
            let now: Timestamp = now.parse().unwrap();
            let expiry: Expiry = expiry.parse().unwrap();
            let now = now.as_second().try_into().unwrap();
            let is_over = expiry.is_over(now, release);
            assert_eq!(is_over, expected, "{expiry} {release:?}");
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        let dates = [
            "2027-13-01",
            "2027-02-30",
            "27-1-1",
            "20270131",
            "2027-01-31T10:00",
        ];
        let releases = ["", "never", "6", "6.", ".6", "6.x", "6.1/2"];
        for text in dates.into_iter().chain(releases) {
            assert!(text.parse::<Expiry>().is_err(), "{text}");
        }
    }
}
