// SPDX-License-Identifier: GPL-2.0-or-later
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use btf_guard_protocol::caller::Who;

use super::*;

fn places() -> (tempfile::TempDir, ConfigPaths) {
    let dir = tempfile::tempdir().unwrap();
    for parent in ["run", "var/lib"] {
        fs::create_dir_all(dir.path().join(parent)).unwrap();
    }
    let places = ConfigPaths::below(dir.path());
    (dir, places)
}

pub(crate) fn token(wish: TokenKind, package: Option<&str>) -> Token {
    Token {
        schema: SCHEMA,
        id: new_id().unwrap(),
        wish,
        package: package.map(str::to_owned),
        reason: "because".to_owned(),
        written: btf_guard_protocol::clock::now(),
        nanoseconds: 0,
        until: None,
        boot: None,
        by: Who::default(),
    }
}

fn read(places: &ConfigPaths) -> Overrides {
    Overrides::read(places, btf_guard_protocol::clock::now())
}

#[test]
fn those_of_one_second_keep_their_order() {
    let (_dir, places) = places();
    let written = btf_guard_protocol::clock::now();
    let ids = ["ffffffff", "88888888", "00000000"];
    for (nanoseconds, id) in (1..).zip(ids) {
        let token = Token {
            id: id.to_owned(),
            written,
            nanoseconds,
            ..token(TokenKind::Allow, None)
        };
        issue(&places, &token, OverrideSource::Standing).unwrap();
    }
    let active = read(&places).active;
    assert!(active.iter().map(|(_, token)| &token.id).eq(ids));
}

#[test]
fn what_is_issued_counts_until_it_is_revoked() {
    let (_dir, places) = places();
    assert_eq!(read(&places), Overrides::default());
    let once = token(TokenKind::Allow, None);
    let standing = token(TokenKind::Deny, Some("kmp*"));
    issue(&places, &once, OverrideSource::OneShot).unwrap();
    issue(&places, &standing, OverrideSource::Standing).unwrap();
    let all = read(&places);
    let both = [
        (OverrideSource::Standing, standing.clone()),
        (OverrideSource::OneShot, once.clone()),
    ];
    assert_eq!(all.active, both);
    let sources: Vec<OverrideSource> = all.rules().map(|rule| rule.source.source).collect();
    assert_eq!(sources, both.map(|(source, _)| source));
    let revoke = |token: &Token| revoke(&places, &token.id).unwrap();
    assert!(revoke(&once) && revoke(&standing) && !revoke(&once));
    assert_eq!(read(&places), Overrides::default());
}

/// That one of several takes a file is pinned in `trusted_dir`.
#[test]
fn only_what_holds_once_is_used_up_and_once() {
    let (_dir, places) = places();
    let [once, standing] = [(); 2].map(|()| token(TokenKind::Allow, None));
    issue(&places, &once, OverrideSource::OneShot).unwrap();
    issue(&places, &standing, OverrideSource::Standing).unwrap();
    for (id, expected) in [
        (once.id.as_str(), true),
        (&once.id, false),
        (&standing.id, false),
        ("../overrides/x", false),
    ] {
        assert_eq!(consume(&places, id).unwrap(), expected, "{id}");
    }
}

#[test]
fn an_end_is_an_end() {
    let (_dir, places) = places();
    let now = btf_guard_protocol::clock::now();
    let boot = procfs::boot_id().unwrap();
    for (until, boot, written, counts) in [
        (None, None, now, true),
        (Some(now + 60), Some(boot.as_str()), now - 60, true),
        (Some(now), None, now - 60, false),
        (None, Some("another boot"), now, false),
        (None, None, now + 2 * SLACK, false),
    ] {
        let token = Token {
            until,
            boot: boot.map(str::to_owned),
            written,
            ..token(TokenKind::Allow, None)
        };
        issue(&places, &token, OverrideSource::OneShot).unwrap();
        let all = Overrides::read(&places, now);
        assert_eq!(all.active.len(), usize::from(counts), "{token:?}");
        revoke(&places, &token.id).unwrap();
    }
}

#[test]
fn what_has_ended_is_cleared_away() {
    let (_dir, places) = places();
    let ended = Token {
        until: Some(1),
        ..token(TokenKind::Allow, None)
    };
    let other = token(TokenKind::Allow, None);
    issue(&places, &ended, OverrideSource::OneShot).unwrap();
    issue(&places, &other, OverrideSource::OneShot).unwrap();
    assert!(!places.run.join("allow").join(name(&ended.id)).exists());
}

#[test]
fn what_others_could_have_made_is_not_believed() {
    let (_dir, places) = places();
    let good = token(TokenKind::Allow, None);
    issue(&places, &good, OverrideSource::OneShot).unwrap();
    let allow = places.run.join("allow");
    let file = allow.join(name(&good.id));
    let text = fs::read(&file).unwrap();
    let refused = |why: &str| {
        let all = read(&places);
        assert!(all.active.is_empty(), "{why}");
        let complaint = all.complaint().unwrap_or_default();
        assert!(complaint.contains(why), "{why}: {complaint}");
    };
    let chmod = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    chmod(&file, 0o666);
    refused("others can write it");
    chmod(&file, 0o600);
    chmod(&allow, 0o777);
    refused("others can write it");
    assert!(consume(&places, &good.id).is_err());
    chmod(&allow, 0o700);
    chmod(&places.run, 0o777);
    refused("others can write it");
    chmod(&places.run, 0o700);
    assert_eq!(read(&places).active.len(), 1);
    fs::remove_file(&file).unwrap();
    // Under another name than its own, and with what no version of this has.
    fs::write(allow.join("00000000.json"), &text).unwrap();
    chmod(&allow.join("00000000.json"), 0o600);
    refused("it is not understood");
    fs::write(allow.join("00000000.json"), "{").unwrap();
    refused("it is not understood");
}

#[test]
fn the_newest_for_everything_speaks_for_what_cannot_be_judged() {
    let (allow, deny) = ((TokenKind::Allow, None), (TokenKind::Deny, None));
    for (wishes, passes) in [
        (&[deny, allow][..], true),
        (&[allow, deny], false),
        (&[(TokenKind::Allow, Some("a"))], false),
        (&[allow, (TokenKind::Deny, Some("a"))], true),
    ] {
        let tokens = wishes.iter().map(|(wish, package)| token(*wish, *package));
        let all = Overrides {
            active: tokens
                .map(|token| (OverrideSource::OneShot, token))
                .collect(),
            ..Overrides::default()
        };
        assert_eq!(all.for_everything().is_some(), passes, "{wishes:?}");
    }
}
