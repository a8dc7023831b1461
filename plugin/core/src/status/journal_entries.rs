// SPDX-License-Identifier: GPL-2.0-or-later
//! What of an event the logs get: an entry for each package, kernel and verdict.

use std::collections::BTreeMap;

use btf_guard_protocol::decision::Decision;
use btf_guard_protocol::event::{Event, EventOutcome};
use btf_guard_protocol::override_source::{Override, OverrideSource};

use crate::config::word;
use crate::policy::Severity;
use crate::report::wording::counted;
use crate::report::{Report, VerdictEntry};
use crate::verdict::Kind;

/// Entries of one event. More than this is noise.
const MAX_ENTRIES: usize = 64;

/// Kinds of entries, by the ids under which the journal finds them.
const BLOCKED: &str = "5d694a1a07704e8ea32497733ca37fe9";
const WARNED: &str = "8ef9a75d22a742819c25bc6a78c5b663";
const OVERRIDDEN: &str = "1028fbb9e0b84a349a105fc0f1296a05";
const UNJUDGED: &str = "aff9fe56aeb84d4fb78a93a7e367c755";
const GIVEN_BACK: &str = "8aa987c76e3e44c6836ce354cd5dff0b";

/// One entry of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// In one line.
    pub message: String,
    /// How loud.
    pub level: log::Level,
    /// What the journal keeps besides.
    pub fields: Vec<(&'static str, String)>,
}

/// The modules of one package that one kernel treats in one way.
type Group<'a> = (&'a str, &'a str, Kind);

/// The entries of an event: the worst first.
pub fn of(event: &Event) -> Vec<JournalEntry> {
    if event.outcome == EventOutcome::NotDone {
        return not_done(event).into_iter().collect();
    }
    let report: Report = match (&event.failure, &event.answer) {
        (Some(failure), _) => return vec![unjudged(event, failure)],
        (None, None) => return Vec::new(),
        (None, Some(answer)) => match serde_json::from_str(answer.get()) {
            Ok(report) => report,
            Err(error) => {
                let failure = format!("the report is not understood: {error}");
                return vec![unjudged(event, &failure)];
            }
        },
    };
    let (id, level) = match event.outcome {
        EventOutcome::Overridden => (OVERRIDDEN, log::Level::Warn),
        EventOutcome::Blocked => (BLOCKED, log::Level::Error),
        EventOutcome::Preflight if report.decision == Decision::Block => {
            (BLOCKED, log::Level::Error)
        }
        EventOutcome::Proceeded | EventOutcome::Preflight | EventOutcome::NotDone => {
            (WARNED, log::Level::Warn)
        }
    };
    let mut entries = Vec::new();
    for ((package, release, verdict), count) in groups(&report, event) {
        let mut fields = common(event, id, report.decision);
        fields.extend([
            ("BTF_GUARD_PACKAGE", package.to_owned()),
            ("BTF_GUARD_RELEASE", release.to_owned()),
            ("BTF_GUARD_VERDICT", verdict.to_string()),
            ("BTF_GUARD_MODULES", count.to_string()),
        ]);
        let modules = counted(count, "module");
        let of = match package {
            "" => String::new(),
            package => format!(" of {package}"),
        };
        let message = format!(
            "{}: {modules}{of} on kernel {release}: {verdict}{}",
            what(event),
            why(&event.overrides)
        );
        entries.push(JournalEntry {
            message,
            level,
            fields,
        });
    }
    entries.truncate(MAX_ENTRIES);
    entries
}

/// The entry of what holds again, if anything does.
fn not_done(event: &Event) -> Option<JournalEntry> {
    event.overrides.first()?;
    let names: Vec<String> = event.overrides.iter().map(Override::to_string).collect();
    Some(JournalEntry {
        message: format!("{}: {} holds again", what(event), names.join(", ")),
        level: log::Level::Warn,
        fields: common(event, GIVEN_BACK, Decision::Allow),
    })
}

/// The entry of what nobody could judge.
fn unjudged(event: &Event, failure: &str) -> JournalEntry {
    let decision = match event.outcome {
        EventOutcome::Blocked => Decision::Block,
        EventOutcome::Overridden if is_off(event) => Decision::Allow,
        _ => Decision::Warn,
    };
    let mut fields = common(event, UNJUDGED, decision);
    fields.push(("BTF_GUARD_FAILURE", failure.to_owned()));
    JournalEntry {
        message: format!("{}: not judged: {failure}", what(event)),
        level: match event.outcome {
            EventOutcome::Blocked => log::Level::Error,
            _ => log::Level::Warn,
        },
        fields,
    }
}

/// True if it was passed unlooked at, without a warning. Only `off` is written down so:
/// what cannot be judged goes on by an `allow`, and is warned of.
fn is_off(event: &Event) -> bool {
    use OverrideSource::{CommandLine, Environment, Macro};
    let last = event.overrides.last();
    last.is_some_and(|last| matches!(last.source, Environment | Macro | CommandLine))
}

/// How many modules fare alike. What was so before is no news.
fn groups<'a>(report: &'a Report, event: &Event) -> BTreeMap<Group<'a>, usize> {
    let mut groups = BTreeMap::new();
    let overruled = |verdict: &VerdictEntry| {
        let rule = verdict.rule.as_deref();
        let mut all = event.overrides.iter();
        rule.is_some_and(|rule| all.any(|o| o.to_string() == rule))
    };
    for (module, verdict, kernel) in report.verdicts() {
        let is_news = verdict.severity >= Severity::Warn;
        if !verdict.preexisting && (is_news || overruled(verdict)) {
            let package = module.package.as_deref().unwrap_or_default();
            let release = kernel.release.as_deref().unwrap_or_default();
            let group = (package, release, verdict.verdict);
            *groups.entry(group).or_insert(0) += 1;
        }
    }
    groups
}

fn what(event: &Event) -> String {
    let client = &event.client;
    match event.outcome {
        EventOutcome::Blocked => format!("blocked {client}"),
        EventOutcome::Proceeded => format!("warned {client}"),
        EventOutcome::Overridden => format!("overridden for {client}"),
        EventOutcome::Preflight => format!("preflight of {client}"),
        EventOutcome::NotDone => format!("not done by {client}"),
    }
}

fn why(overrides: &[Override]) -> String {
    let Some(last) = overrides.last() else {
        return String::new();
    };
    match &last.reason {
        Some(reason) => format!(" (by {last}: {reason})"),
        None => format!(" (by {last})"),
    }
}

fn common(event: &Event, id: &str, decision: Decision) -> Vec<(&'static str, String)> {
    let who = &event.who;
    let mut fields = vec![
        ("MESSAGE_ID", id.to_owned()),
        ("BTF_GUARD_CLIENT", event.client.clone()),
        ("BTF_GUARD_DECISION", decision.name().to_owned()),
        ("BTF_GUARD_UID", who.uid.to_string()),
    ];
    let mut add = |name, value: Option<String>| fields.extend(value.map(|value| (name, value)));
    let number = |id: Option<u32>| id.map(|id| id.to_string());
    add("BTF_GUARD_LOGIN_UID", number(who.login_uid));
    add("BTF_GUARD_SUDO_USER", who.sudo_user.clone());
    add("BTF_GUARD_SUDO_UID", number(who.sudo_uid));
    if let Some(last) = event.overrides.last() {
        let id = last.id.as_deref().map(|id| format!(" {id}"));
        let source = word(&last.source);
        add("BTF_GUARD_OVERRIDE", Some(source + &id.unwrap_or_default()));
        add("BTF_GUARD_REASON", last.reason.clone());
    }
    fields
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use crate::kernel::Target;
    use crate::report::fixtures::{judged, kernel, misfit, module, report};
    use crate::report::{KernelEntry, ModuleEntry};
    use crate::verdict::Verdict;
    use btf_guard_protocol::caller::Who;
    use btf_guard_protocol::plan::{Answer, Plan};
    use serde_json::value::to_raw_value;

    use super::*;

    fn event(outcome: EventOutcome, overrides: Vec<Override>, modules: Vec<ModuleEntry>) -> Event {
        let mut told = Answer::new(Decision::Warn, Vec::new(), Vec::new());
        told.overrides = overrides;
        told.whole = Some(to_raw_value(&report(kernels(), modules)).unwrap());
        let plan = Plan::new("/".into());
        Event::of("rpm".to_owned(), &plan, outcome, &told, Who::default())
    }

    fn kernels() -> Vec<KernelEntry> {
        let mut kernels = vec![kernel(0, Target::NextBoot), kernel(1, Target::NextBoot)];
        kernels[0].release = Some("6.1".to_owned());
        kernels[1].release = Some("6.2".to_owned());
        kernels
    }

    fn refused(kernel: usize, severity: Severity) -> VerdictEntry {
        VerdictEntry {
            severity,
            ..judged(&kernels()[kernel], Verdict::Refused(misfit("x")))
        }
    }

    fn messages(entries: &[JournalEntry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.message.as_str()).collect()
    }

    #[test]
    fn modules_that_fare_alike_are_one_entry() {
        let both = vec![refused(0, Severity::Warn), refused(1, Severity::Block)];
        let kmp = ModuleEntry {
            package: Some("a-1-1.noarch".to_owned()),
            ..module("x", both)
        };
        let modules = vec![
            kmp.clone(),
            kmp,
            module("x", vec![refused(1, Severity::Info)]),
            module("x", vec![refused(1, Severity::Block)]),
        ];
        let entries = of(&event(EventOutcome::Blocked, Vec::new(), modules));
        assert_eq!(
            messages(&entries),
            [
                "blocked rpm: 1 module on kernel 6.2: refused",
                "blocked rpm: 2 modules of a-1-1.noarch on kernel 6.1: refused",
                "blocked rpm: 2 modules of a-1-1.noarch on kernel 6.2: refused",
            ]
        );
        assert!(entries.iter().all(|entry| entry.level == log::Level::Error));
    }

    #[test]
    fn a_report_that_is_not_understood_is_told() {
        let mut event = event(EventOutcome::Blocked, Vec::new(), Vec::new());
        event.answer = Some(to_raw_value(&serde_json::json!({"schema": 1})).unwrap());
        let entries = of(&event);
        assert_eq!(entries.len(), 1);
        let expected = "blocked rpm: not judged: the report is not understood: missing field";
        assert!(entries[0].message.starts_with(expected), "{entries:?}");
    }

    #[test]
    fn what_a_rule_has_made_harmless_is_still_told() {
        let rule = Override {
            source: OverrideSource::Rule,
            id: Some("/etc/btf-guard.toml:3".to_owned()),
            reason: Some("known".to_owned()),
            denies: false,
        };
        let verdict = VerdictEntry {
            rule: Some(rule.to_string()),
            ..refused(0, Severity::Info)
        };
        let modules = vec![module("x", vec![verdict])];
        let entries = of(&event(EventOutcome::Overridden, vec![rule], modules));
        let expected = "overridden for rpm: 1 module on kernel 6.1: refused \
                        (by the rule /etc/btf-guard.toml:3: known)";
        assert_eq!(messages(&entries), [expected]);
        for (name, value) in [
            ("BTF_GUARD_REASON", "known"),
            ("BTF_GUARD_OVERRIDE", "rule /etc/btf-guard.toml:3"),
        ] {
            assert!(entries[0].fields.contains(&(name, value.to_owned())));
        }
    }

    #[test]
    fn an_event_without_an_answer_says_why() {
        let mut event = event(EventOutcome::Blocked, Vec::new(), Vec::new());
        event.answer = None;
        event.failure = Some("it hangs".to_owned());
        let entries = of(&event);
        assert_eq!(messages(&entries), ["blocked rpm: not judged: it hangs"]);
        // What is let pass with a warning, and what nobody has looked at.
        event.outcome = EventOutcome::Overridden;
        for (source, decision) in [
            (OverrideSource::OneShot, "warn"),
            (OverrideSource::Macro, "allow"),
        ] {
            event.overrides = vec![Override::of(source)];
            let fields = &of(&event)[0].fields;
            assert!(fields.contains(&("BTF_GUARD_DECISION", decision.to_owned())));
        }
    }
}
