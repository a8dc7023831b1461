// SPDX-License-Identifier: GPL-2.0-or-later
//! What findings, unjudged inputs, rules and overrides come to: a table of cases.

use btf_guard_protocol::override_source::{Override, OverrideSource};

use super::*;
use crate::policy::{Effect, Policy, Rule, pattern};

/// One override: allows or denies, once or for good, for a package or for all.
type Wish = (&'static str, Effect, OverrideSource, Option<&'static str>);

const ONCE: OverrideSource = OverrideSource::OneShot;
const STANDING: OverrideSource = OverrideSource::Standing;
const ALLOW: Wish = ("allow", Effect::Allow, ONCE, None);
const ALLOW_KMP: Wish = ("allow-kmp", Effect::Allow, ONCE, Some("kmp"));
const ALLOW_OTHER: Wish = ("allow-other", Effect::Allow, ONCE, Some("other"));
const ALLOW_ALWAYS: Wish = ("allow-always", Effect::Allow, STANDING, None);
const ALLOW_KMP_ALWAYS: Wish = ("allow-kmp-always", Effect::Allow, STANDING, Some("kmp"));
const DENY: Wish = ("deny", Effect::Deny, ONCE, None);
const DENY_KMP: Wish = ("deny-kmp", Effect::Deny, ONCE, Some("kmp"));
const DENY_ALWAYS: Wish = ("deny-always", Effect::Deny, STANDING, None);
const RULE: Wish = (
    "rule",
    Effect::Is(Severity::Info),
    OverrideSource::Rule,
    Some("kmp"),
);

/// What is found: modules that are refused, or without their BTF, and inputs that are
/// not judged.
#[derive(Clone, Copy)]
enum Found {
    Nothing,
    Refused,
    Discarded,
    Both,
    Unread,
    RefusedUnread,
}

fn found(found: Found) -> Report {
    let kernel = kernel(0, Target::NextBoot);
    let (refused, discarded, unread) = match found {
        Found::Nothing => (false, false, false),
        Found::Refused => (true, false, false),
        Found::Discarded => (false, true, false),
        Found::Both => (true, true, false),
        Found::Unread => (false, false, true),
        Found::RefusedUnread => (true, false, true),
    };
    let mut modules = Vec::new();
    let mut add = |name: &str, verdict: Verdict| {
        let mut entry = module(name, vec![judged(&kernel, verdict)]);
        entry.package = Some("kmp-1-1.x86_64".into());
        modules.push(entry);
    };
    if refused {
        add("stale", Verdict::Refused(misfit("stale")));
    }
    if discarded {
        add("dropped", Verdict::BtfDiscarded(silent()));
    }
    add("good", Verdict::Loads);
    let mut report = report(vec![kernel], modules);
    let error = "the payload does not decompress: corrupt";
    let errors = unread.then(|| failed("other-2-1.x86_64".into(), &error));
    report.errors.extend(errors);
    report
}

fn policy(wishes: &[Wish]) -> Policy {
    let rule = |(id, effect, source, package): &Wish| {
        let source = Override {
            source: *source,
            id: Some((*id).to_owned()),
            reason: None,
            denies: *effect == Effect::Deny,
        };
        let packages = package.iter().map(|p| pattern(p, false).unwrap());
        Rule::of_packages(source, packages.collect(), *effect)
    };
    Policy {
        rules: wishes.iter().map(rule).collect(),
        ..Policy::default()
    }
}

/// The decision, whether `on_error` stops it, the overrides by name, those used up
/// behind a `|`.
fn ruled(on_error: bool, what: Found, wishes: &[Wish], mode: Mode) -> String {
    let (policy, report) = (policy(wishes), found(what));
    let rating = Rating {
        policy: &policy,
        now: 0,
        packages: BTreeMap::new(),
        on_error: on_error.then_some("conf"),
    };
    let mut report = report;
    rating.rate(&mut report.modules, &report.kernels);
    let asked = (mode == Mode::Warn).then(|| Override::of(OverrideSource::Environment));
    let ruling = rating.ruling(&report, mode, asked);
    let names = ruling.overrides.iter().map(|o| match &o.id {
        Some(id) => id.clone(),
        None => "env".to_owned(),
    });
    let mut words = vec![ruling.decision.name().to_owned()];
    words.extend(ruling.stopped_unjudged.map(|_| "unjudged".to_owned()));
    words.extend(names);
    if !ruling.once.is_empty() {
        let (without, later) = rating.ruling_without_once(&report, mode);
        assert_ne!(
            (later.decision, &later.stopped_unjudged),
            (ruling.decision, &None)
        );
        assert_eq!(without.decision, later.decision);
        words.push(format!("| {}", ruling.once.join(" ")));
    }
    words.join(" ")
}

#[test]
fn one_table_says_what_comes_of_a_transaction() {
    use Found::*;
    let no: &[Wish] = &[];
    for (on_error, what, wishes, block, warn) in [
        (false, Nothing, no, "allow", "allow"),
        (false, Refused, no, "block", "warn env"),
        (false, Discarded, no, "warn", "warn"),
        (false, Unread, no, "allow", "allow"),
        (true, Nothing, no, "allow", "allow"),
        (true, Unread, no, "block unjudged", "allow env"),
        (true, RefusedUnread, no, "block unjudged", "warn env"),
        // What allows is used up only where it helps.
        (false, Refused, &[ALLOW], "warn allow | allow", "warn env"),
        (
            false,
            Refused,
            &[ALLOW_KMP],
            "warn allow-kmp | allow-kmp",
            "warn env",
        ),
        (false, Refused, &[ALLOW_OTHER], "block", "warn env"),
        (false, Nothing, &[ALLOW], "allow", "allow"),
        (
            false,
            Refused,
            &[ALLOW, ALLOW_KMP],
            "warn allow-kmp | allow-kmp",
            "warn env",
        ),
        (
            false,
            Refused,
            &[ALLOW_ALWAYS, ALLOW],
            "warn allow-always",
            "warn env",
        ),
        (false, Refused, &[RULE], "allow rule", "allow rule"),
        (false, Refused, &[RULE, ALLOW], "allow rule", "allow rule"),
        (true, Unread, &[ALLOW], "allow allow | allow", "allow env"),
        (
            true,
            Unread,
            &[ALLOW_ALWAYS, ALLOW],
            "allow allow-always",
            "allow env",
        ),
        // What is for a package does not speak for what cannot be judged.
        (
            true,
            Unread,
            &[ALLOW_KMP_ALWAYS],
            "block unjudged",
            "allow env",
        ),
        (
            true,
            RefusedUnread,
            &[ALLOW_KMP],
            "block unjudged",
            "warn env",
        ),
        (
            true,
            RefusedUnread,
            &[ALLOW],
            "warn allow | allow",
            "warn env",
        ),
        (
            true,
            Unread,
            &[ALLOW, DENY],
            "block unjudged deny",
            "allow env",
        ),
        // What denies is named in all that it stops, and used up where it alone does.
        (false, Discarded, &[DENY], "block deny | deny", "warn env"),
        (
            false,
            Discarded,
            &[DENY_ALWAYS],
            "block deny-always",
            "warn env",
        ),
        (false, Both, &[DENY_KMP], "block deny-kmp", "warn env"),
        (false, Refused, &[DENY], "block", "warn env"),
        (true, RefusedUnread, &[DENY], "block unjudged", "warn env"),
        (false, Discarded, &[DENY, ALLOW], "warn", "warn"),
    ] {
        for (mode, expected) in [(Mode::Block, block), (Mode::Warn, warn)] {
            let names: Vec<_> = wishes.iter().map(|wish| wish.0).collect();
            let number = what as usize;
            assert_eq!(
                ruled(on_error, what, wishes, mode),
                expected,
                "on_error {on_error}, case {number}, {names:?}, {mode:?}"
            );
        }
    }
}
