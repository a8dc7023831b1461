use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use super::*;
use crate::kernel::Moment;
use crate::overrides::{Overrides, SCHEMA, Token, Wish};
use crate::policy::{Provenance, Severity, Subject, built_in};
use crate::record::Who;
use crate::verdict::Kind;

fn parsed(text: &str) -> Config {
    let read = parse(&Config::default(), Path::new("/x.toml"), text.into());
    read.unwrap_or_else(|problems| panic!("{problems:?}\n{text}"))
}

fn mistakes(text: &str) -> Vec<String> {
    let read = parse(&Config::default(), Path::new("/x.toml"), text.into());
    let problems = read.err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect()
}

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

#[test]
fn mistakes_are_told_with_their_place_and_a_way_out() {
    for (text, expected) in [
        (
            "moode = \"warn\"",
            "/x.toml:1:1: unknown key 'moode'; the nearest is 'mode'",
        ),
        (
            "\n  mode = \"wran\"",
            "/x.toml:2:10: 'wran' is none of off, warn, block; the nearest is 'warn'",
        ),
        ("mode = 3", "/x.toml:1:8: expected a text in quotes"),
        (
            "on_error = \"off\"",
            "/x.toml:1:12: 'off' is none of warn, block; the nearest is 'warn'",
        ),
        (
            "[severity.boot]\nrefuse = \"warn\"",
            "/x.toml:2:1: unknown key 'severity.boot.refuse'; the nearest is 'severity.boot.refused'",
        ),
        (
            "[severity.reboot]\n",
            "/x.toml:1:11: unknown key 'severity.reboot'; the nearest is 'severity.boot'",
        ),
        ("severity = \"warn\"", "/x.toml:1:12: expected a table"),
        (
            "[log]\njsonl = \"relative\"",
            "/x.toml:2:9: expected a path that starts with '/'",
        ),
        (
            "[log]\njsonl = 3",
            "/x.toml:2:9: expected true, false or a path",
        ),
        (
            "[rule]\nseverity = \"warn\"",
            "/x.toml:1:1: write [[rule]], with two brackets",
        ),
        (
            "[[rule]]\npakage = \"a\"\nseverity = \"block\"",
            "/x.toml:2:1: unknown key 'rule.pakage'; the nearest is 'rule.package'",
        ),
        (
            "[[rule]]\nverdict = \"refused\"",
            "/x.toml:1:1: the rule has no 'severity'",
        ),
        (
            "[[rule]]\nseverity = \"warn\"",
            "/x.toml:1:1: the rule lowers boot.refused and has no 'reason'",
        ),
        (
            "[[rule]]\nseverity = \"warn\"\nreason = \" \"",
            "/x.toml:1:1: the rule lowers boot.refused and has no 'reason'",
        ),
        (
            "severity.now.unknown = \"block\"\n[[rule]]\nverdict=\"unknown\"\nmoment=\"now\"\nseverity = \"info\"",
            "/x.toml:2:1: the rule lowers now.unknown and has no 'reason'",
        ),
        (
            "[[rule]]\nseverity = \"block\"\nexpires = \"soon\"",
            "/x.toml:3:11: \"soon\" is neither a date, as 2027-01-31, nor a kernel's release, as 6.12",
        ),
        (
            "[[rule]]\nseverity = \"block\"\npackage = \"[a\"",
            "/x.toml:3:11: '[a' is no pattern: invalid range pattern",
        ),
        (
            "[[rule]]\nseverity = \"block\"\npackage = []",
            "/x.toml:3:11: an empty list matches nothing",
        ),
    ] {
        assert_eq!(mistakes(text), [expected], "{text}");
    }
    for text in [
        "mode = ",
        "mode = \"off\"\nmode = \"off\"",
        "= 3",
        "[[rule]",
        "a = [[[[",
    ] {
        let found = mistakes(text);
        assert!(
            found.len() == 1 && found[0].starts_with("/x.toml:"),
            "{found:?}"
        );
    }
    assert_eq!(mistakes("a = 1\nb = 2").len(), 2, "all are told");
    // A text of any depth is an answer, not a crash.
    assert_eq!(mistakes(&"[".repeat(100_000)).len(), 1);
    assert_eq!(mistakes(&format!("a = {}", "[".repeat(100_000))).len(), 1);
    assert_eq!(mistakes(&format!("{}b = 1", "a.".repeat(100_000))).len(), 1);
}

#[test]
fn a_rule_that_lowers_nothing_needs_no_reason() {
    parsed("[[rule]]\nseverity = \"block\"");
    parsed("[[rule]]\nseverity = \"warn\"\nmoment = \"now\"\nverdict = \"refused\"");
}

#[test]
fn a_later_file_wins_and_a_broken_one_is_left_out_whole() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::below(dir.path());
    let put = |path: &Path, text: &str| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    assert_eq!(Loaded::read(&places), Loaded::default());
    put(&places.vendor, "mode = \"warn\"\n[log]\njsonl = true");
    put(&places.admin, "mode = \"off\"\non_error = \"block\"");
    put(&places.drop_ins.join("20-b.toml"), "mode = \"block\"");
    put(&places.drop_ins.join("10-a.toml"), "mode = \"warn\"");
    put(
        &places.drop_ins.join("30-c.toml"),
        "mode = \"warn\"\non_eror = \"warn\"",
    );
    put(&places.drop_ins.join(".hidden.toml"), "mode = \"off\"");
    put(&places.drop_ins.join("40-d.toml.rpmnew"), "mode = \"off\"");
    let loaded = Loaded::read(&places);
    assert_eq!(loaded.config.mode.value, Mode::Block);
    assert!(
        loaded
            .config
            .mode
            .origin
            .to_string()
            .ends_with("20-b.toml:1")
    );
    assert_eq!(loaded.config.on_error.value, OnError::Block);
    assert_eq!(loaded.config.jsonl.value, Some(DEFAULT_LOG.into()));
    assert_eq!((loaded.problems.len(), loaded.files.len()), (1, 4));
    let complaint = loaded.complaint().unwrap();
    assert!(
        complaint.contains("30-c.toml:2:1: unknown key 'on_eror'; the nearest is 'on_error'"),
        "{complaint}"
    );

    // What others can write is as if it were not there.
    let chmod =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    chmod(&places.drop_ins.join("20-b.toml"), 0o666);
    let loaded = Loaded::read(&places);
    assert_eq!(
        (loaded.config.mode.value, loaded.problems.len()),
        (Mode::Warn, 2)
    );
    chmod(&places.drop_ins, 0o777);
    let loaded = Loaded::read(&places);
    assert_eq!(
        (loaded.config.mode.value, loaded.problems.len()),
        (Mode::Off, 1)
    );
    chmod(&places.drop_ins, 0o755);
    fs::remove_file(places.drop_ins.join("20-b.toml")).unwrap();
    std::os::unix::fs::symlink(&places.vendor, places.drop_ins.join("50-e.toml")).unwrap();
    assert_eq!(Loaded::read(&places).problems.len(), 2);
    if rustix::process::geteuid().is_root() {
        chown(&places.admin, Some(12345), None).unwrap();
        let loaded = Loaded::read(&places);
        assert_eq!(
            (loaded.config.on_error.value, loaded.problems.len()),
            (OnError::Warn, 3)
        );
    }
}

#[test]
fn the_vendors_file_says_what_is_built_in() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specfile/btf-guard.toml");
    let config = parsed(&fs::read_to_string(path).unwrap());
    assert_eq!(config.mode.value, Mode::default());
    assert_eq!(config.on_error.value, OnError::default());
    assert_eq!(config.jsonl.value, None);
    assert!(config.policy.rules.is_empty());
    for kind in Kind::ALL {
        for moment in [Moment::Now, Moment::Boot] {
            let set = config.policy.table.get(moment, kind).unwrap();
            assert_eq!(set.value, built_in(moment, kind), "{moment:?} {kind}");
            assert_eq!(config.policy.if_needed.get(moment, kind), None);
        }
    }
}
