// SPDX-License-Identifier: GPL-2.0-or-later
//! Findings as metrics, in Prometheus's text format, for node_exporter's textfile
//! collector (https://prometheus.io/docs/instrumenting/exposition_formats/).

use std::collections::BTreeMap;

use super::Findings;
use crate::config::word;
use crate::kernel::Target;
use crate::policy::Severity;
use crate::report::Report;
use crate::verdict::Kind;

/// What findings are counted by.
type Labels = (String, Target, Kind, Severity);

/// How many findings at warn or above there are, and when that was so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricCounts {
    counts: BTreeMap<Labels, u64>,
    /// Seconds since 1970; `None` if never.
    checked: Option<u64>,
    /// The last look saw everything.
    is_complete: bool,
}

impl MetricCounts {
    /// Of a report that was made at this time, of all that was asked for or of a part.
    pub fn of_report(report: &Report, is_complete: bool, checked: u64) -> Self {
        let all = report.verdicts().map(|(_, verdict, kernel)| {
            let release = kernel.release.as_deref();
            (release, kernel.target, verdict.verdict, verdict.severity)
        });
        Self::of(all, Some(checked), is_complete)
    }

    /// Of what stands.
    pub fn of_standing(findings: &Findings) -> Self {
        let all = findings.findings.iter().map(|finding| {
            let release = finding.kernel.release.as_deref();
            let target = finding.kernel.target;
            (release, target, finding.verdict, finding.severity)
        });
        Self::of(all, findings.checked, findings.is_complete())
    }

    fn of<'r>(
        all: impl Iterator<Item = (Option<&'r str>, Target, Kind, Severity)>,
        checked: Option<u64>,
        is_complete: bool,
    ) -> Self {
        let mut counts = BTreeMap::new();
        for (release, target, kind, severity) in all.filter(|all| all.3 >= Severity::Warn) {
            let release = release.unwrap_or_default().to_owned();
            *counts.entry((release, target, kind, severity)).or_default() += 1;
        }
        Self {
            counts,
            checked,
            is_complete,
        }
    }
}

/// The metrics; without findings there are no samples of them, as usual.
pub fn prometheus_text(counts: &MetricCounts) -> String {
    let name = "btf_guard_findings";
    let mut text = format!(
        "# HELP {name} Kernel modules that a kernel will refuse, load with wrong or without types, or lack.\n\
         # TYPE {name} gauge\n"
    );
    for ((release, target, verdict, severity), count) in &counts.counts {
        let release = escaped(release);
        let (target, severity) = (word(target), word(severity));
        text += &format!(
            "{name}{{release=\"{release}\",target=\"{target}\",verdict=\"{verdict}\",severity=\"{severity}\"}} {count}\n"
        );
    }
    let name = "btf_guard_last_check_success";
    let value = u8::from(counts.is_complete);
    text += &format!(
        "# HELP {name} Whether the last look saw all modules and all kernels.\n\
         # TYPE {name} gauge\n{name} {value}\n"
    );
    if let Some(checked) = counts.checked {
        let name = "btf_guard_last_check_timestamp_seconds";
        text += &format!(
            "# HELP {name} When all modules were last held against all kernels.\n\
             # TYPE {name} gauge\n{name} {checked}\n"
        );
    }
    text
}

/// A label's value: the format escapes these three characters.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
