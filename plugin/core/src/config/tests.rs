// SPDX-License-Identifier: GPL-2.0-or-later
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::kernel::Target;
use crate::policy::built_in;
use crate::verdict::Kind;

mod severity;

fn parsed(text: &str) -> Config {
    let read = parse(&Config::default(), Path::new("/x.toml"), text.into());
    read.unwrap_or_else(|problem| panic!("{problem}\n{text}"))
}

fn mistake(text: &str) -> String {
    let read = parse(&Config::default(), Path::new("/x.toml"), text.into());
    read.err().unwrap().to_string()
}

#[test]
fn mistakes_are_told_with_their_place_and_a_way_out() {
    let verdicts = "`loads`, `loads-no-btf`, `btf-discarded`, `btf-wrong`, `refused`, `no-modules`, \
         `unbootable`, `stale-copy`, `initrd-stale`, `driver-lost`, `unknown`";
    for (text, expected) in [
        (
            "moode = 1",
            "1:1: unknown field `moode`, expected one of `mode`, `on_error`, `severity`, \
             `severity_if_needed`, `log`, `rule` (did you mean `mode`?)",
        ),
        (
            "\n  mode = 'wran'",
            "2:10: unknown variant `wran`, expected one of `off`, `warn`, `block` (did you mean `warn`?)",
        ),
        (
            "mode = 3",
            "1:8: invalid type: integer `3`, expected a string",
        ),
        ("[mode.off]", "1:2: invalid type: map, expected a string"),
        (
            "severity = { boot = { refused = { none = [] } } }",
            "1:33: invalid type: map, expected a string",
        ),
        (
            "[[severity]]\nrefused = 'none'",
            "1:1: invalid type: sequence, expected a table",
        ),
        (
            "log = [true]",
            "1:7: invalid type: sequence, expected a table",
        ),
        (
            "rule = [['a', 'b', 'c', 'd', 'e', 'refused', 'boot', 'block', 'why']]",
            "1:9: invalid type: sequence, expected a table",
        ),
        (
            "on_error = 'off'",
            "1:12: unknown variant `off`, expected `warn` or `block` (did you mean `warn`?)",
        ),
        (
            "[severity.boot]\nrefuse = 'warn'",
            &format!(
                "2:1: unknown variant `refuse`, expected one of {verdicts} (did you mean `refused`?)"
            ),
        ),
        (
            "[severity.reboot]\n",
            "1:11: unknown field `reboot`, expected `now` or `boot` (did you mean `boot`?)",
        ),
        (
            "severity = 'warn'",
            "1:12: invalid type: string \"warn\", expected a table",
        ),
        (
            "[log]\njsonl = 'relative'",
            "2:9: expected a path that starts with '/'",
        ),
        ("[log]\njsonl = 3", "2:9: expected true, false or a path"),
        (
            "[rule]\nseverity = 'warn'",
            "1:1: invalid type: map, expected a sequence",
        ),
        (
            "[[rule]]\npakage = 'a'\nseverity = 'block'",
            "2:1: unknown field `pakage`, expected one of `package`, `module`, `vendor`, \
             `repository`, `release`, `verdict`, `moment`, `severity`, `reason`, `expires` \
             (did you mean `package`?)",
        ),
        (
            "[[rule]]\nverdict = 'refused'",
            "1:1: missing field `severity`",
        ),
        (
            "[[rule]]\nseverity = 'warn'",
            "1:1: the rule lowers boot.refused and has no 'reason'",
        ),
        (
            "[[rule]]\nseverity = 'warn'\nreason = ' '",
            "1:1: the rule lowers boot.refused and has no 'reason'",
        ),
        (
            "severity.now.unknown = 'block'\n[[rule]]\nverdict = 'unknown'\nmoment = 'now'\nseverity = 'info'",
            "2:1: the rule lowers now.unknown and has no 'reason'",
        ),
        (
            "[[rule]]\nseverity = 'block'\nexpires = 'soon'",
            "3:11: \"soon\" is neither a date, as 2027-01-31, nor a kernel's release, as 6.12",
        ),
        (
            "[[rule]]\nseverity = 'block'\npackage = '[a'",
            "3:11: '[a' is no pattern: invalid range pattern",
        ),
        (
            "[[rule]]\nseverity = 'block'\npackage = []",
            "3:11: an empty list matches nothing",
        ),
    ] {
        assert_eq!(mistake(text), format!("/x.toml:{expected}"), "{text}");
    }
    for text in [
        "mode = ",
        "mode = 'off'\nmode = 'off'",
        "= 3",
        "[[rule]",
        "a = [[[[",
    ] {
        assert!(mistake(text).starts_with("/x.toml:"), "{text}");
    }
    // A text of any depth is an answer, not a crash.
    mistake(&"[".repeat(100_000));
    mistake(&format!("a = {}", "[".repeat(100_000)));
    mistake(&format!("{}b = 1", "a.".repeat(100_000)));
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
    put(&places.vendor, "mode = 'warn'\n[log]\njsonl = true");
    put(&places.admin, "mode = 'off'\non_error = 'block'");
    for (name, text) in [
        ("20-b.toml", "mode = 'block'"),
        ("10-a.toml", "mode = 'warn'"),
        ("30-c.toml", "mode = 'warn'\non_eror = 'warn'"),
        (".hidden.toml", "mode = 'off'"),
        ("40-d.toml.rpmnew", "mode = 'off'"),
    ] {
        put(&places.drop_ins.join(name), text);
    }
    let loaded = Loaded::read(&places);
    assert_eq!(loaded.config.mode.value, Mode::Block);
    let origin = loaded.config.mode.origin.as_deref().unwrap();
    assert!(origin.ends_with("20-b.toml:1"), "{origin}");
    assert_eq!(loaded.config.on_error.value, OnError::Block);
    assert_eq!(loaded.config.jsonl.value, Some(DEFAULT_LOG.into()));
    assert_eq!((loaded.problems.len(), loaded.files.len()), (1, 4));
    let complaint = loaded.complaint().unwrap();
    let first = "30-c.toml:2:1: unknown field `on_eror`";
    assert!(complaint.contains(first), "{complaint}");

    // What others can write is as if it were not there.
    let (file, dir) = (places.drop_ins.join("20-b.toml"), &places.drop_ins);
    for (path, mode, expected) in [
        (&file, 0o666, (Mode::Warn, 2)),
        (dir, 0o777, (Mode::Off, 1)),
    ] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let loaded = Loaded::read(&places);
        assert_eq!((loaded.config.mode.value, loaded.problems.len()), expected);
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
            let set = config.policy.table.get(&(moment, kind)).unwrap();
            assert_eq!(set.value, built_in(moment, kind), "{moment:?} {kind}");
            assert_eq!(config.policy.if_needed.get(&(moment, kind)), None);
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

#[test]
fn the_last_word_of_the_kernel_command_line_counts() {
    for (line, expected) in [
        ("", Ok(None)),
        ("root=/dev/sda1 quiet", Ok(None)),
        ("btf_guard=off quiet\n", Ok(Some(Mode::Off))),
        ("btf_guard=off btf_guard=warn", Ok(Some(Mode::Warn))),
        ("x.btf_guard=off init=/btf_guard=off", Ok(None)),
        ("quiet -- btf_guard=off", Ok(None)),
    ] {
        assert_eq!(cmdline_mode(line), expected, "{line}");
    }
    for line in ["btf_guard=", "btf_guard=block", "btf_guard=OFF"] {
        assert!(cmdline_mode(line).is_err(), "{line}");
    }
    assert_eq!(command_line(Path::new("/nonexistent")), Ok(None));
}

#[test]
fn a_file_that_somebody_names_may_be_a_pipe() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.toml");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
    assert_eq!(mistake_in(&path).unwrap().what, "not a regular file");
    fs::remove_file(&path).unwrap();
    fs::write(&path, "mode = \"warn\"\n").unwrap();
    assert_eq!(mistake_in(&path), None);
    fs::write(&path, " ".repeat(MAX_FILE as usize + 1)).unwrap();
    let what = mistake_in(&path).unwrap().what;
    assert_eq!(what, "it is longer than 1048576 bytes");
}
