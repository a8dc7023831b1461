// SPDX-License-Identifier: GPL-2.0-or-later
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use super::*;
use crate::kernel::Target;
use crate::policy::built_in;
use crate::verdict::Kind;

mod severity;

fn parsed(text: &str) -> Config {
    let read = parse(&Config::default(), Path::new("/x.toml"), text.into());
    read.unwrap_or_else(|problems| panic!("{problems:?}\n{text}"))
}

fn mistakes(text: &str) -> Vec<String> {
    let read = parse(&Config::default(), Path::new("/x.toml"), text.into());
    let problems = read.err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn mistakes_are_told_with_their_place_and_a_way_out() {
    for (text, expected) in [
        (
            "moode = \"warn\"",
            "/x.toml:1:1: unknown key 'moode' (did you mean 'mode'?)",
        ),
        (
            "\n  mode = \"wran\"",
            "/x.toml:2:10: 'wran' is none of off, warn, block (did you mean 'warn'?)",
        ),
        ("mode = 3", "/x.toml:1:8: expected a text in quotes"),
        (
            "on_error = \"off\"",
            "/x.toml:1:12: 'off' is none of warn, block (did you mean 'warn'?)",
        ),
        (
            "[severity.boot]\nrefuse = \"warn\"",
            "/x.toml:2:1: unknown key 'severity.boot.refuse' (did you mean 'severity.boot.refused'?)",
        ),
        (
            "[severity.reboot]\n",
            "/x.toml:1:11: unknown key 'severity.reboot' (did you mean 'severity.boot'?)",
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
            "/x.toml:2:1: unknown key 'rule.pakage' (did you mean 'rule.package'?)",
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
    let places = ConfigPaths::below(dir.path());
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
        complaint.contains("30-c.toml:2:1: unknown key 'on_eror' (did you mean 'on_error'?)"),
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
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specfile/btf-guard.toml");
    let config = parsed(&fs::read_to_string(path).unwrap());
    assert_eq!(config.mode.value, Mode::default());
    assert_eq!(config.on_error.value, OnError::default());
    assert_eq!(config.jsonl.value, None);
    assert!(config.policy.rules.is_empty());
    for kind in Kind::ALL {
        for moment in [Target::Running, Target::NextBoot] {
            let set = config.policy.table.get(moment, kind).unwrap();
            assert_eq!(set.value, built_in(moment, kind), "{moment:?} {kind}");
            assert_eq!(config.policy.if_needed.get(moment, kind), None);
        }
    }
}

#[test]
fn every_example_of_the_documentation_is_right() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/policy.md");
    let text = fs::read_to_string(path).unwrap();
    let blocks: Vec<&str> = text.split("```toml\n").skip(1).collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        parsed(block.split("```").next().unwrap());
    }
}
