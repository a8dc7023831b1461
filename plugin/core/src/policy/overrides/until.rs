// SPDX-License-Identifier: GPL-2.0-or-later
//! When an override ends, as an admin says it.

use anyhow::{Context, ensure};
use jiff::civil::{Date, DateTime, Time};
use jiff::{Span, ToSpan, ZonedDateTime};

/// The end of an override.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At this time, in seconds since 1970.
    At(u64),
    /// With this boot.
    NextBoot,
}

impl When {
    /// Reads a day (through its end), a time of it or of today or tomorrow, a while
    /// from `now`, or `next-boot`. Times are those of `now`'s zone. One that is over
    /// already is refused.
    pub fn parse(text: &str, now: &ZonedDateTime) -> anyhow::Result<Self> {
        if text == "next-boot" {
            return Ok(Self::NextBoot);
        }
        let end = end(text, now).with_context(|| {
            format!(
                "{text:?} is none of: a day (2027-01-31), a time (14:00, 2027-01-31T14:00), \
                 a while (+2h, +3d), next-boot"
            )
        })?;
        ensure!(end > *now, "{text:?} is over already");
        Ok(Self::At(end.timestamp().as_second().try_into()?))
    }
}

fn end(text: &str, now: &ZonedDateTime) -> Option<ZonedDateTime> {
    let zone = || now.time_zone().clone();
    if let Some(span) = text.strip_prefix('+') {
        let span: Span = span.parse().ok()?;
        return now.checked_add(span).ok();
    }
    // What has a `T`, a blank or a colon names a time; the parser of days takes it too.
    let is_day = !text.contains(['T', 't', ' ', ':']);
    if is_day {
        let day: Date = text.parse().ok()?;
        let next = day.checked_add(1.day()).ok()?;
        return next.to_zoned_datetime(zone()).ok();
    }
    if let Some(time) = text.parse::<DateTime>().ok().filter(|_| text.len() > 10) {
        return time.to_zoned_datetime(zone()).ok();
    }
    let time: Time = text.parse().ok()?;
    let on = |day: Date| day.to_datetime(time).to_zoned_datetime(zone()).ok();
    match on(now.date())? {
        today if today > *now => Some(today),
        _ => on(now.date().checked_add(1.day()).ok()?),
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::{Offset, TimeZone};

    use super::*;

    fn now() -> ZonedDateTime {
        let zone = TimeZone::fixed(Offset::from_hours(2).unwrap());
        let now: DateTime = "2026-11-25T13:00:00".parse().unwrap();
        now.to_zoned_datetime(zone).unwrap()
    }

    fn at(text: &str) -> String {
        match When::parse(text, &now()) {
            Ok(When::At(seconds)) => {
                let seconds = i64::try_from(seconds).unwrap();
                let at = jiff::Timestamp::from_second(seconds).unwrap();
                let at = at.to_zoned_datetime(now().time_zone().clone());
                at.datetime().to_string()
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn ends_are_read_as_they_are_meant() {
        for (text, expected) in [
            ("2026-11-25", "2026-11-26T00:00:00"),
            ("2027-01-31", "2027-02-01T00:00:00"),
            ("14:00", "2026-11-25T14:00:00"),
            ("12:30", "2026-11-26T12:30:00"),
            ("2026-12-01T08:15", "2026-12-01T08:15:00"),
            ("2026-12-01 08:15", "2026-12-01T08:15:00"),
            ("+2h", "2026-11-25T15:00:00"),
            ("+90m", "2026-11-25T14:30:00"),
            ("+3d", "2026-11-28T13:00:00"),
            ("+1w", "2026-12-02T13:00:00"),
        ] {
            assert_eq!(at(text), expected, "{text}");
        }
        let next_boot = When::parse("next-boot", &now()).unwrap();
        assert_eq!(next_boot, When::NextBoot);
    }

    #[test]
    fn what_is_over_or_no_time_is_refused() {
        let over = ["2026-11-24", "2026-11-25T12:00", "+0h", "+-1h"];
        let unknown = [
            "",
            "+",
            "soon",
            "2h",
            "25:00",
            "2026-13-01",
            "+9999999999999h",
        ];
        let over = over.map(|text| (text, "is over already"));
        let unknown = unknown.map(|text| (text, "is none of: a day"));
        for (text, why) in over.into_iter().chain(unknown) {
            let error = When::parse(text, &now()).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
