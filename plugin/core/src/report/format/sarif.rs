// SPDX-License-Identifier: GPL-2.0-or-later
//! A report in OASIS's Static Analysis Results Interchange Format (SARIF), version 2.1.0.

use serde_json::{Value, json};

use crate::report::alerts::{Alert, alerts, rules};
use crate::report::lint::RuleText;
use crate::report::wording::label;
use crate::report::{ErrorEntry, Report};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The report as a log with one run; what could not be read is a notification of the run.
pub fn sarif(report: &Report) -> Value {
    let rules = rules(report);
    let results: Vec<Value> = alerts(report)
        .iter()
        .map(|alert| result(alert, &rules))
        .collect();
    let harmful = report.errors.iter().filter(|error| !error.harmless);
    let notifications: Vec<Value> = harmful.map(notification).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "btf-guard",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(rule).collect::<Vec<_>>(),
            }},
            "invocations": [{
                "executionSuccessful": notifications.is_empty(),
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
        }],
    })
}

fn rule((id, text): &(String, RuleText)) -> Value {
    json!({
        "id": id,
        "shortDescription": {"text": text.summary},
        "help": {"text": text.help},
        "defaultConfiguration": {"level": label(text.severity)},
    })
}

fn result(alert: &Alert<'_>, rules: &[(String, RuleText)]) -> Value {
    let index = rules.iter().position(|(id, _)| *id == alert.rule);
    let (uri, name) = match alert.package {
        // The name that rpmbuild gives the file; where it lies is not known here.
        Some(nevra) => (format!("{nevra}.rpm"), format!("{nevra}:{}", alert.path)),
        None => (alert.path.to_owned(), alert.path.to_owned()),
    };
    json!({
        "ruleId": alert.rule,
        "ruleIndex": index,
        "level": label(alert.severity),
        "message": {"text": alert.details},
        "locations": [{
            "physicalLocation": {"artifactLocation": {"uri": reference(&uri)}},
            "logicalLocations": [{"fullyQualifiedName": name, "kind": "module"}],
        }],
    })
}

fn notification(error: &ErrorEntry) -> Value {
    json!({
        "level": "error",
        "message": {"text": format!("{}: {}", error.path, error.error)},
    })
}

/// A path as a URI reference (RFC 3986): what may not stand in one is written as
/// `%XX`. A colon could be taken for the end of a scheme.
fn reference(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    if path.starts_with('/') {
        uri.push_str("file://");
    }
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/+!$&'()*,;=@".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]

    use super::*;
    use crate::kernel::Target;
    use crate::report::fixtures::{bad_day, report};
    use crate::report::{as_built, failed};
    use btf_guard_protocol::decision::Mode;

    #[test]
    fn paths_become_uri_references() {
        for (path, uri) in [
            ("/lib/a b.ko", "file:///lib/a%20b.ko"),
            ("build/6.18+deb13/x.ko", "build/6.18+deb13/x.ko"),
            ("kmp-1:2-3.rpm", "kmp-1%3A2-3.rpm"),
            ("ü%\u{202e}", "%C3%BC%25%E2%80%AE"),
        ] {
            assert_eq!(reference(path), uri);
        }
    }

    #[test]
    fn results_name_their_rule_and_what_was_unreadable_is_told() {
        for built in [false, true] {
            let (kernels, modules) = bad_day(Target::NextBoot);
            let mut report = report(kernels, modules);
            report.errors.push(failed("x.ko".into(), &"no module"));
            if built {
                report = as_built(report, Mode::Block);
            }
            let log = sarif(&report);
            let run = &log["runs"][0];
            let results = run["results"].as_array().cloned().unwrap_or_default();
            assert_eq!(results.len(), 3);
            for result in results {
                let index = result["ruleIndex"].as_u64().unwrap_or_default() as usize;
                let rule = &run["tool"]["driver"]["rules"][index];
                assert_eq!(rule["id"], result["ruleId"], "{result}");
                assert_eq!(result["level"], "error");
            }
            let invocation = &run["invocations"][0];
            assert_eq!(invocation["executionSuccessful"], false);
            let told = &invocation["toolExecutionNotifications"][0]["message"]["text"];
            assert_eq!(told, "x.ko: no module");
        }
    }
}
