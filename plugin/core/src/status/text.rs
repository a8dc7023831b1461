// SPDX-License-Identifier: GPL-2.0-or-later
//! What stands, as text, and as the few lines of a message of the day.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{Finding, Findings};
use crate::kernel::Target;
use crate::policy::Severity;
use crate::report::format::style::StyledText;
use crate::report::wording;
use crate::verdict::Kind;

/// Modules that are named of one kernel.
const NAMES: usize = 6;
/// Lines of the message of the day about kernels.
const MOTD: usize = 3;

/// Findings of one kernel and verdict, the worst first.
type LineKey<'f> = (
    Reverse<Severity>,
    Target,
    Option<&'f str>,
    &'f str,
    Kind,
    Option<&'f str>,
);

fn groups(findings: &Findings) -> BTreeMap<LineKey<'_>, Vec<&Finding>> {
    let mut groups: BTreeMap<LineKey<'_>, Vec<&Finding>> = BTreeMap::new();
    for finding in &findings.findings {
        let kernel = &finding.kernel;
        let key = (
            Reverse(finding.severity),
            kernel.target,
            kernel.release.as_deref(),
            kernel.source.as_str(),
            finding.verdict,
            finding.initrd.as_deref(),
        );
        groups.entry(key).or_default().push(finding);
    }
    for group in groups.values_mut() {
        group.sort_by_key(|finding| (finding.used_by_host.is_empty(), finding.name.as_str()));
    }
    groups
}

/// What happens, and to how many modules.
fn headline(key: &LineKey<'_>, count: usize) -> String {
    let (_, target, release, source, verdict, initrd) = key;
    let release = release.unwrap_or("without a release");
    let kernel = match target {
        Target::Running => format!("the running kernel {release}"),
        Target::NextBoot => format!("kernel {release} ({source})"),
    };
    let place = initrd.map(|initrd| format!(" in initrd {initrd}"));
    let modules = wording::counted(count, "module") + &place.unwrap_or_default();
    let load = if count == 1 { "loads" } else { "load" };
    match verdict {
        Kind::NoModules => format!("{kernel} has no modules"),
        Kind::Unbootable => format!("{kernel} cannot boot"),
        Kind::StaleCopy => format!("{kernel} is a stale copy"),
        Kind::InitrdStale => {
            let initrd = initrd.unwrap_or_default();
            format!("{kernel} has a stale initrd: {initrd}")
        }
        Kind::DriverLost => format!("{kernel} lacks {modules} that this machine uses"),
        Kind::Refused => format!("{modules} will not load on {kernel}"),
        Kind::BtfDiscarded => format!("{modules} {load} on {kernel} without types"),
        Kind::BtfWrong => format!("{modules} {load} on {kernel} with wrong types"),
        Kind::Loads | Kind::LoadsNoBtf | Kind::Unknown => {
            format!("{modules} cannot be judged for {kernel}")
        }
    }
}

fn needed(group: &[&Finding], most: usize) -> Option<String> {
    let used = group.iter().filter_map(|finding| {
        let reason = finding.used_by_host.first()?;
        Some((finding.name.as_str(), reason.as_str()))
    });
    wording::needed(used, most)
}

/// What stands, with ANSI styles; `now` is in seconds since 1970.
pub fn standing_text(findings: &Findings, now: u64) -> String {
    let mut text = StyledText::default();
    for (key, group) in groups(findings) {
        text.rated(key.0.0, headline(&key, group.len()));
        let names = group.iter().map(|finding| finding.name.as_str());
        let names = wording::few(names.filter(|name| !name.is_empty()), NAMES);
        if !names.is_empty() {
            text.line(format!("  modules: {names}"));
        }
        if let Some(needed) = needed(&group, NAMES) {
            text.line(format!("  {needed}"));
        }
        if let Some(first) = group.first() {
            if let Some(log) = &first.log {
                let about = match first.name.as_str() {
                    "" => first.file(),
                    name => name,
                };
                text.line(format!("  {about}: {log}"));
            }
            let (ago, client) = (ago(now.saturating_sub(first.since)), &first.client);
            text.line(format!("  found {ago} ago, by {client}"));
        }
    }
    let checked = match findings.checked {
        Some(checked) => format!("all was checked {} ago", ago(now.saturating_sub(checked))),
        None => "all kernels and modules were never checked".to_owned(),
    };
    if !findings.findings.is_empty() {
        let why = "btf-guard check --kernel all tells why, and what to do";
        text.remark("help", format!("{why}; {checked}"));
    }
    if findings.incomplete {
        let why = "not everything could be looked at: there may be more";
        text.remark("note", why);
    } else if findings.findings.is_empty() {
        let label = if findings.is_complete() { "ok" } else { "note" };
        text.remark(label, format!("no finding stands; {checked}"));
    }
    text.0
}

/// A few lines for those who log in, of what is at warn or above; none if nothing is.
pub fn motd_text(findings: &Findings) -> String {
    let mut text = StyledText::default();
    let mut groups = groups(findings);
    groups.retain(|key, _| key.0.0 >= Severity::Warn);
    for (key, group) in groups.iter().take(MOTD) {
        let headline = headline(key, group.len());
        let needed = needed(group, 2).map(|needed| format!("; {needed}"));
        let needed = needed.unwrap_or_default();
        text.line(format!("btf-guard: {headline}{needed}"));
    }
    if !groups.is_empty() {
        let more = match groups.len().saturating_sub(MOTD) {
            0 => String::new(),
            more => format!("{} more; ", wording::counted(more, "finding")),
        };
        let ask = "'btf-guard status', as root, tells more";
        text.line(format!("btf-guard: {more}{ask}"));
    }
    text.0
}

/// How long, in the largest unit.
fn ago(seconds: u64) -> String {
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute")];
    let unit = units.into_iter().find(|(length, _)| seconds >= *length);
    let (length, name) = unit.unwrap_or((1, "second"));
    let count = usize::try_from(seconds / length).unwrap_or(usize::MAX);
    wording::counted(count, name)
}
