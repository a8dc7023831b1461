// SPDX-License-Identifier: GPL-2.0-or-later
//! When a rule ends.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

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

/// What is neither a date nor a kernel's release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither a date, as 2027-01-31, nor a kernel's release, as 6.12")]
pub struct NoExpiry(String);

impl Expiry {
    /// True if it is over at `now`, in seconds since 1970, or for a kernel of this release.
    ///
    /// A kernel that does not tell its release ends nothing: it is not known to
    /// be newer.
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
    type Err = NoExpiry;

    fn from_str(text: &str) -> Result<Self, NoExpiry> {
        let refused = || NoExpiry(text.to_owned());
        // jiff reads other spellings, too.
        if let Some(day) = text
            .parse()
            .ok()
            .filter(|day: &Date| day.to_string() == text)
        {
            return Ok(Self::Day(day));
        }
        let (first, rest) = text.split_once('.').ok_or_else(refused)?;
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
        let is_release = is_number(first)
            && rest.starts_with(|c: char| c.is_ascii_digit())
            && rest.bytes().all(plain);
        match is_release {
            true => Ok(Self::Release(text.to_owned())),
            false => Err(refused()),
        }
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

    fn is_over(expiry: &str, now: &str, release: &str) -> bool {
        let now: Timestamp = now.parse().unwrap();
        let now = u64::try_from(now.as_second()).unwrap();
        expiry
            .parse::<Expiry>()
            .unwrap()
            .is_over(now, Some(release))
    }

    #[test]
    fn a_day_is_the_last_that_counts() {
        assert!(!is_over("2027-01-31", "2027-01-31T23:59:59Z", "9.9"));
        assert!(is_over("2027-01-31", "2027-02-01T00:00:00Z", "1.0"));
    }

    #[test]
    fn a_release_is_the_first_that_does_not() {
        let now = "2027-01-01T00:00:00Z";
        assert!(!is_over("6.12", now, "6.4.0-150600.23.7-default"));
        assert!(!is_over("6.12", now, "6.11.99-1-default"));
        assert!(is_over("6.12", now, "6.12.0-1-default"));
        assert!(is_over("6.12", now, "7.0"));
        assert!(!is_over("6.12.0-160000.5", now, "6.12.0-160000.4-default"));
        assert!(is_over("6.12.0-160000.5", now, "6.12.0-160000.5-default"));
        let expiry: Expiry = "6.12".parse().unwrap();
        assert!(!expiry.is_over(0, None));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in [
            "",
            "never",
            "2027-13-01",
            "2027-02-30",
            "6",
            "6.",
            ".6",
            "6.x",
            "6.1/2",
            "27-1-1",
            "20270131",
            "2027-01-31T10:00",
        ] {
            assert!(text.parse::<Expiry>().is_err(), "{text}");
        }
    }
}
