//! What files and overrides make of a verdict.

use super::*;
use crate::overrides::{Overrides, SCHEMA, Token, Wish};
use crate::policy::{Provenance, Severity, Subject, built_in};
use crate::record::Who;

/// A module of a package before a kernel that is booted.
fn subject<'a>(origins: &'a [Provenance<'a>], verdict: Kind) -> Subject<'a> {
    Subject {
        origins,
        module: "nf_conntrack",
        release: Some("6.12.0-1-default"),
        moment: Moment::Boot,
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

fn token(wish: Wish, package: Option<&str>) -> Token {
    Token {
        schema: SCHEMA,
        id: "0123abcd".to_owned(),
        wish,
        package: package.map(str::to_owned),
        reason: "because".to_owned(),
        written: 0,
        until: None,
        boot: None,
        by: Who::default(),
    }
}

/// How bad a refusal at boot is, under a file and overrides, and what says so.
#[test]
fn files_rules_and_overrides_make_a_severity() {
    let lower = |what: &str| format!("[[rule]]\nseverity = \"info\"\nreason = \"known\"\n{what}");
    let allow = || Some(token(Wish::Allow, None));
    let deny = || Some(token(Wish::Deny, None));
    let block = Severity::Block;
    for (file, standing, once, verdict, expected) in [
        ("".to_owned(), None, None, Kind::Refused, block),
        (
            "[severity.boot]\nrefused = \"warn\"".into(),
            None,
            None,
            Kind::Refused,
            Severity::Warn,
        ),
        (
            "[severity.now]\nrefused = \"info\"".into(),
            None,
            None,
            Kind::Refused,
            block,
        ),
        (lower(""), None, None, Kind::Refused, Severity::Info),
        (
            lower("package = \"foo-*\""),
            None,
            None,
            Kind::Refused,
            Severity::Info,
        ),
        (
            lower("package = \"bar-*\""),
            None,
            None,
            Kind::Refused,
            block,
        ),
        (
            lower("package = [\"bar\", \"foo-kmp-*\"]"),
            None,
            None,
            Kind::Refused,
            Severity::Info,
        ),
        (
            lower("module = \"nf-conn*\""),
            None,
            None,
            Kind::Refused,
            Severity::Info,
        ),
        (
            lower("module = \"nf_nat\""),
            None,
            None,
            Kind::Refused,
            block,
        ),
        (
            lower("vendor = \"open*\""),
            None,
            None,
            Kind::Refused,
            Severity::Info,
        ),
        (
            lower("vendor = \"Debian\""),
            None,
            None,
            Kind::Refused,
            block,
        ),
        (
            lower("repository = \"updates\""),
            None,
            None,
            Kind::Refused,
            Severity::Info,
        ),
        (
            lower("repository = \"oss\""),
            None,
            None,
            Kind::Refused,
            block,
        ),
        (
            lower("release = \"6.12.*-default\""),
            None,
            None,
            Kind::Refused,
            Severity::Info,
        ),
        (
            lower("release = \"6.4.*\""),
            None,
            None,
            Kind::Refused,
            block,
        ),
        (
            lower("verdict = \"refused\""),
            None,
            None,
            Kind::Refused,
            Severity::Info,
        ),
        (
            lower("verdict = [\"missing\", \"unknown\"]"),
            None,
            None,
            Kind::Refused,
            block,
        ),
        (
            lower("moment = \"boot\""),
            None,
            None,
            Kind::Refused,
            Severity::Info,
        ),
        (lower("moment = \"now\""), None, None, Kind::Refused, block),
        (
            lower("expires = \"2026-11-25\""),
            None,
            None,
            Kind::Refused,
            Severity::Info,
        ),
        (
            lower("expires = 2026-11-24"),
            None,
            None,
            Kind::Refused,
            block,
        ),
        (
            lower("expires = \"6.13\""),
            None,
            None,
            Kind::Refused,
            Severity::Info,
        ),
        (
            lower("expires = \"6.12\""),
            None,
            None,
            Kind::Refused,
            block,
        ),
        // The later rule wins, and an override is later than all files.
        (
            lower("") + "[[rule]]\nseverity = \"block\"\n",
            None,
            None,
            Kind::Refused,
            block,
        ),
        ("".into(), allow(), None, Kind::Refused, Severity::Warn),
        (
            "".into(),
            Some(token(Wish::Allow, Some("foo-*"))),
            None,
            Kind::Refused,
            Severity::Warn,
        ),
        (
            "".into(),
            Some(token(Wish::Allow, Some("bar"))),
            None,
            Kind::Refused,
            block,
        ),
        ("".into(), deny(), None, Kind::BtfWrong, block),
        ("".into(), deny(), None, Kind::Unknown, Severity::Info),
        (lower(""), deny(), None, Kind::Refused, Severity::Info),
        // One for this transaction is later than one that stands.
        ("".into(), deny(), allow(), Kind::BtfWrong, Severity::Warn),
        ("".into(), allow(), deny(), Kind::Refused, block),
    ] {
        let mut config = parsed(&file);
        let overrides = Overrides {
            standing: standing.into_iter().collect(),
            one_shot: once.into_iter().collect(),
            refused: Vec::new(),
        };
        config.policy.rules.extend(overrides.rules());
        // 2026-11-25, at noon.
        let now = 1_795_608_000;
        let (severity, rule) = config.policy.severity(&subject(&PACKAGE, verdict), now);
        assert_eq!(severity, expected, "{file}\n{overrides:?}");
        if severity != built_in(Moment::Boot, verdict)
            && config.policy.table.get(Moment::Boot, verdict).is_none()
        {
            let reason = rule.and_then(|rule| rule.source.reason.as_deref());
            assert!(matches!(reason, Some("known" | "because")), "{rule:?}");
        }
    }
}

#[test]
fn what_a_machine_needs_weighs_more() {
    let config = parsed(
        "[severity_if_needed.boot]\nbtf-discarded = \"block\"\nrefused = \"info\"\n\
         [severity_if_needed.now]\nrefused = \"block\"\n",
    );
    let severity = |moment, verdict, needed| {
        let subject = Subject {
            moment,
            needed,
            ..subject(&PACKAGE, verdict)
        };
        config.policy.severity(&subject, 0).0
    };
    use Moment::{Boot, Now};
    assert_eq!(severity(Boot, Kind::BtfDiscarded, false), Severity::Warn);
    assert_eq!(severity(Boot, Kind::BtfDiscarded, true), Severity::Block);
    // It raises and never lowers.
    assert_eq!(severity(Boot, Kind::Refused, true), Severity::Block);
    assert_eq!(severity(Now, Kind::Refused, false), Severity::Warn);
    assert_eq!(severity(Now, Kind::Refused, true), Severity::Block);
}

#[test]
fn a_guess_never_blocks_whatever_is_configured() {
    let mut config = parsed("[[rule]]\nseverity = \"block\"\n[severity.boot]\nunknown = \"block\"");
    let deny = Overrides {
        standing: vec![token(Wish::Deny, None)],
        ..Overrides::default()
    };
    config.policy.rules.extend(deny.rules());
    for verdict in [Kind::Refused, Kind::BtfWrong, Kind::Unknown] {
        let guess = Subject {
            guess: true,
            ..subject(&PACKAGE, verdict)
        };
        assert_eq!(config.policy.severity(&guess, 0).0, Severity::Warn);
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
    let severity = |origins: &[Provenance<'_>]| {
        config
            .policy
            .severity(&subject(origins, Kind::Refused), 0)
            .0
    };
    assert_eq!(
        severity(&[of("foo", "B"), of("kernel-default", "A")]),
        Severity::Info
    );
    assert_eq!(
        severity(&[of("foo", "A"), of("kernel-default", "B")]),
        Severity::Block
    );
    assert_eq!(severity(&[]), Severity::Block);
}

#[test]
fn the_mode_is_that_of_the_nearest() {
    use Mode::{Block, Off, Warn};
    use Source::{CommandLine, Configuration, Environment, Macro};
    for (file, wished, line, expected) in [
        ("", None, None, (Block, None)),
        ("mode = \"warn\"", None, None, (Warn, Some(Configuration))),
        (
            "mode = \"warn\"",
            Some((Block, Some(Macro))),
            None,
            (Block, Some(Macro)),
        ),
        (
            "mode = \"off\"",
            Some((Warn, Some(Macro))),
            None,
            (Warn, Some(Macro)),
        ),
        (
            "mode = \"off\"",
            Some((Block, Some(Environment))),
            None,
            (Block, Some(Environment)),
        ),
        ("", None, Some(Off), (Off, Some(CommandLine))),
        (
            "",
            Some((Block, Some(Macro))),
            Some(Warn),
            (Warn, Some(CommandLine)),
        ),
        ("", Some((Off, Some(Macro))), Some(Warn), (Off, Some(Macro))),
        (
            "mode = \"off\"",
            None,
            Some(Warn),
            (Off, Some(Configuration)),
        ),
        (
            "",
            Some((Block, Some(Environment))),
            Some(Off),
            (Block, Some(Environment)),
        ),
        // A hook that can only warn asks for no more.
        ("", Some((Warn, None)), None, (Warn, None)),
        (
            "mode = \"off\"",
            Some((Warn, None)),
            None,
            (Off, Some(Configuration)),
        ),
    ] {
        let config = parsed(file);
        assert_eq!(
            mode(&config, wished, line),
            expected,
            "{file} {wished:?} {line:?}"
        );
    }
}
