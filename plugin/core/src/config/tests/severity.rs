// SPDX-License-Identifier: GPL-2.0-or-later
//! What files and overrides make of a verdict.

use btf_guard_protocol::override_source::OverrideSource;

use super::*;
use crate::policy::overrides::tests::token;
use crate::policy::overrides::{Overrides, Token, TokenKind};
use crate::policy::{Provenance, Rule, Severity, Subject, built_in};

fn subject<'a>(origins: &'a [Provenance<'a>], verdict: Kind) -> Subject<'a> {
    Subject {
        origins,
        module: "nf_conntrack",
        release: Some("6.12.0-1-default"),
        moment: Target::NextBoot,
        verdict,
        guess: false,
        needed: false,
    }
}

const PACKAGE: [Provenance<'_>; 1] = [Provenance {
    package: "foo-kmp-default",
    vendor: Some("openSUSE"),
    repository: Some("updates"),
}];

/// By all rules, on 2026-11-25, at noon.
fn severity_of<'c>(config: &'c Config, subject: &Subject<'_>) -> (Severity, Option<&'c Rule>) {
    let policy = &config.policy;
    let (severity, changed_by) = policy.severity_by(subject, 1_795_608_000, &|_| true);
    let decisive = changed_by.last().and_then(|index| policy.rules.get(*index));
    (severity, decisive)
}

/// How bad a verdict at boot is, under a file and overrides, those that stand and
/// those for one transaction; a severity that is not built in has its reason.
fn severity(file: &str, standing: Option<Token>, once: Option<Token>, verdict: Kind) -> Severity {
    let mut config = parsed(file);
    let standing = standing.map(|token| (OverrideSource::Standing, token));
    let once = once.map(|token| (OverrideSource::OneShot, token));
    let overrides = Overrides {
        active: standing.into_iter().chain(once).collect(),
        refused: Vec::new(),
    };
    config.policy.rules.extend(overrides.rules());
    let (severity, rule) = severity_of(&config, &subject(&PACKAGE, verdict));
    if severity != built_in(Target::NextBoot, verdict)
        && !(config.policy.table).contains_key(&(Target::NextBoot, verdict))
    {
        let reason = rule.and_then(|rule| rule.source.reason.as_deref());
        assert!(matches!(reason, Some("known" | "because")), "{rule:?}");
    }
    severity
}

#[test]
fn a_rule_is_about_what_it_names() {
    for (about, expected) in [
        ("", true),
        ("package = 'foo-*'", true),
        ("package = 'bar-*'", false),
        ("package = ['bar', 'foo-kmp-*']", true),
        ("module = 'nf-conn*'", true),
        ("module = 'nf_nat'", false),
        ("vendor = 'open*'", true),
        ("vendor = 'Debian'", false),
        ("repository = 'updates'", true),
        ("repository = 'oss'", false),
        ("release = '6.12.*-default'", true),
        ("release = '6.4.*'", false),
        ("verdict = 'refused'", true),
        ("verdict = ['no-modules', 'unknown']", false),
        ("moment = 'boot'", true),
        ("moment = 'now'", false),
        ("expires = '2026-11-25'", true),
        ("expires = 2026-11-24", false),
        ("expires = '6.13'", true),
        ("expires = '6.12'", false),
        // The later rule wins.
        ("[[rule]]\nseverity = 'block'", false),
    ] {
        let file = format!("[[rule]]\nseverity = 'info'\nreason = 'known'\n{about}");
        let found = severity(&file, None, None, Kind::Refused);
        let expected = [Severity::Block, Severity::Info][usize::from(expected)];
        assert_eq!(found, expected, "{about}");
    }
}

#[test]
fn files_and_overrides_make_a_severity() {
    use crate::policy::Severity::{Block, Info, Warn};
    use crate::verdict::Kind::{BtfWrong, Refused, Unknown};
    let lower = "[[rule]]\nseverity = 'info'\nreason = 'known'";
    let allow = || Some(token(TokenKind::Allow, None));
    let allow_only = |package| Some(token(TokenKind::Allow, Some(package)));
    let deny = || Some(token(TokenKind::Deny, None));
    for (file, standing, once, verdict, expected) in [
        ("", None, None, Refused, Block),
        ("severity.boot.refused = 'warn'", None, None, Refused, Warn),
        ("severity.now.refused = 'info'", None, None, Refused, Block),
        // An override is later than all files.
        ("", allow(), None, Refused, Warn),
        ("", allow_only("foo-*"), None, Refused, Warn),
        ("", allow_only("bar"), None, Refused, Block),
        ("", deny(), None, BtfWrong, Block),
        ("", deny(), None, Unknown, Info),
        (lower, deny(), None, Refused, Info),
        // One for this transaction is later than one that stands.
        ("", deny(), allow(), BtfWrong, Warn),
        ("", allow(), deny(), Refused, Block),
    ] {
        let found = severity(file, standing.clone(), once.clone(), verdict);
        assert_eq!(found, expected, "{file} {standing:?} {once:?} {verdict}");
    }
}

#[test]
fn what_a_machine_needs_weighs_more() {
    let config = parsed(
        "[severity_if_needed.boot]\nbtf-discarded = \"block\"\nrefused = \"info\"\n\
         [severity_if_needed.now]\nrefused = \"block\"\n",
    );
    use crate::kernel::Target::{NextBoot, Running};
    for (moment, verdict, needed, expected) in [
        (NextBoot, Kind::BtfDiscarded, false, Severity::Warn),
        (NextBoot, Kind::BtfDiscarded, true, Severity::Block),
        // It raises and never lowers.
        (NextBoot, Kind::Refused, true, Severity::Block),
        (Running, Kind::Refused, false, Severity::Warn),
        (Running, Kind::Refused, true, Severity::Block),
    ] {
        let subject = Subject {
            moment,
            needed,
            ..subject(&PACKAGE, verdict)
        };
        let found = severity_of(&config, &subject).0;
        assert_eq!(found, expected, "{moment:?} {verdict} {needed}");
    }
}

#[test]
fn a_guess_never_blocks_whatever_is_configured() {
    let mut config = parsed("[[rule]]\nseverity = \"block\"\n[severity.boot]\nunknown = \"block\"");
    let deny = Overrides {
        active: vec![(OverrideSource::Standing, token(TokenKind::Deny, None))],
        ..Overrides::default()
    };
    config.policy.rules.extend(deny.rules());
    for verdict in [Kind::Refused, Kind::BtfWrong, Kind::Unknown] {
        let guess = Subject {
            guess: true,
            ..subject(&PACKAGE, verdict)
        };
        assert_eq!(severity_of(&config, &guess).0, Severity::Warn);
    }
}

#[test]
fn all_that_is_said_of_packages_is_said_of_one() {
    let rule =
        "[[rule]]\nseverity = \"info\"\nreason = \"r\"\npackage = \"kernel-*\"\nvendor = \"A\"";
    let config = parsed(rule);
    let of = |package, vendor| Provenance {
        package,
        vendor: Some(vendor),
        repository: None,
    };
    for (origins, expected) in [
        (&[of("foo", "B"), of("kernel-a", "A")][..], Severity::Info),
        (&[of("foo", "A"), of("kernel-a", "B")], Severity::Block),
        (&[], Severity::Block),
    ] {
        let subject = subject(origins, Kind::Refused);
        assert_eq!(severity_of(&config, &subject).0, expected);
    }
}

#[test]
fn the_mode_is_that_of_the_nearest() {
    use btf_guard_protocol::decision::Mode::{Block, Off, Warn};
    use btf_guard_protocol::override_source::OverrideSource::{
        CommandLine, Configuration, Environment, Macro,
    };
    let (warn, off) = ("mode = 'warn'", "mode = 'off'");
    let (block_by_env, warn_by_macro) =
        (Some((Block, Some(Environment))), Some((Warn, Some(Macro))));
    let (block_by_macro, off_by_macro) = (Some((Block, Some(Macro))), Some((Off, Some(Macro))));
    // A hook that can only warn asks for no more.
    let warn_at_most = Some((Warn, None));
    for (file, wished, line, expected) in [
        ("", None, None, (Block, None)),
        (warn, None, None, (Warn, Some(Configuration))),
        (warn, block_by_macro, None, (Block, Some(Macro))),
        (off, warn_by_macro, None, (Warn, Some(Macro))),
        (off, block_by_env, None, (Block, Some(Environment))),
        ("", None, Some(Off), (Off, Some(CommandLine))),
        ("", block_by_macro, Some(Warn), (Warn, Some(CommandLine))),
        ("", off_by_macro, Some(Warn), (Off, Some(Macro))),
        (off, None, Some(Warn), (Off, Some(Configuration))),
        ("", block_by_env, Some(Off), (Block, Some(Environment))),
        ("", warn_at_most, None, (Warn, None)),
        (off, warn_at_most, None, (Off, Some(Configuration))),
    ] {
        let config = parsed(file);
        let found = mode(&config, wished, line);
        assert_eq!(found, expected, "{file} {wished:?} {line:?}");
    }
}
