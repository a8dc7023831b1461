// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard status` where something cannot be seen, or nothing can be kept.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::thread::sleep;

use common::Build;
use common::machine::{Machine, SETTLED, standing};
use serde_json::Value;

const SUCCESS: &str = "\nbtf_guard_last_check_success ";

/// One whose modules all fit.
fn sound() -> Machine {
    let machine = Machine::new();
    machine.root.install("stale", Build::New);
    machine
}

#[test]
fn nothing_is_ok_before_everything_was_seen() {
    let machine = sound();
    let metrics = || machine.status(&["--format", "prometheus"]).1;
    assert_eq!(machine.status(&[]).0, 0);
    assert!(metrics().contains(&format!("{SUCCESS}1\n")));

    // A directory that nobody can list, not even root.
    let dir = machine.root.path().join("boot/loader/entries");
    fs::create_dir_all(dir.parent().unwrap()).unwrap();
    symlink("entries", &dir).unwrap();
    for more in [&["--rescan"][..], &[], &[]] {
        let (code, out, err) = machine.status(more);
        assert_eq!(code, 3, "{out}{err}");
        assert!(err.contains(dir.to_str().unwrap()), "{err}");
        assert!(!out.starts_with("ok"), "{out}");
        assert!(out.contains("not everything could be looked at"), "{out}");
    }
    let json = machine.json(&[]);
    assert_eq!(json["incomplete"], true);
    assert_eq!(json["schema"], 3);
    assert!(metrics().contains(&format!("{SUCCESS}0\n")));

    fs::remove_file(&dir).unwrap();
    let (code, out, err) = machine.status(&[]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("ok: no finding stands"), "{out}");
    assert!(metrics().contains(&format!("{SUCCESS}1\n")));
}

#[test]
fn what_may_not_be_listed_is_said_and_nothing_is_claimed_of_it() {
    let machine = sound();
    fs::create_dir_all(machine.root.path().join("boot/loader/entries")).unwrap();
    let root = machine.root.path().to_str().unwrap();
    // All below it may be seen otherwise.
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
    let check = || common::without_root(&["check", "--cache", "none", "--root", root]);
    let (code, out, err) = check();
    assert_eq!(code, 0, "{out}{err}");
    for dir in [
        "boot",
        "boot/loader/entries",
        "lib/modules",
        "lib/modules/6.18.1-test",
        "lib/modules/6.18.1-test/updates",
    ] {
        let dir = machine.root.path().join(dir);
        for mode in [0o000, 0o111] {
            fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
            let (code, out, err) = check();
            assert_eq!(code, 3, "{mode:o}: {out}{err}");
            let said = [out, err].concat();
            assert!(said.contains(dir.to_str().unwrap()), "{mode:o}: {said}");
            assert!(!said.contains("no modules"), "{mode:o}: {said}");
        }
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_clock_that_was_set_back_is_no_reason_to_believe_what_was_kept() {
    let machine = Machine::settled();
    let file = machine.store().join("findings.json");
    let mut kept: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    kept["checked"] = Value::from(u64::MAX / 2);
    kept["findings"] = Value::Array(Vec::new());
    fs::write(&file, kept.to_string()).unwrap();
    machine.stands(&["stale refused block"]);
}

#[test]
fn a_machine_whose_kernel_cannot_be_found_is_not_ok() {
    let machine = sound();
    fs::remove_dir_all(machine.root.path().join("boot")).unwrap();
    for _ in 0..2 {
        let (code, out, err) = machine.status(&[]);
        assert_eq!(code, 3, "{out}");
        assert!(err.contains("no kernel was found"), "{err}");
        assert!(!out.starts_with("ok"), "{out}");
    }
}

#[test]
fn what_stands_is_told_where_nothing_can_be_kept() {
    let machine = Machine::new();
    // No place for it at all.
    let root = machine.root.path().to_str().unwrap().to_owned();
    let args = [
        "status",
        "--cache",
        "none",
        "--root",
        &root,
        "--store",
        "/nonexistent/lib",
    ];
    let (code, out, err) = common::run(&args);
    assert_eq!(code, 2, "{out}{err}");
    assert!(out.starts_with("error: 1 module will not load"), "{out}");
    assert!(err.contains("nothing can be kept"), "{err}");

    for (disk, options) in [("read-only", "ro"), ("full", "size=4k")] {
        let Some((code, out, err)) = on_disk(&machine, options) else {
            eprintln!("SKIPPED: a {disk} disk: no file system can be mounted here");
            continue;
        };
        assert_eq!(code, 2, "{disk}: {out}{err}");
        assert!(err.contains("be kept"), "{disk}: {err}");
        assert_eq!(
            standing(&serde_json::from_str(&out).unwrap()),
            ["stale refused block"]
        );
    }
}

/// `status` with its store on a file system with these options; `None` where none can be
/// mounted.
fn on_disk(machine: &Machine, options: &str) -> Option<(i32, String, String)> {
    let place = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o \"$1\" none \"$2\" || exit 99
        if [ \"$1\" != ro ]; then mkdir -m 700 \"$2/lib\"; cat /dev/zero >\"$2/lib/x\" 2>/dev/null; fi
        exec \"$3\" status --cache none --format json --root \"$4\" --store \"$2/lib\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh", options]);
    command.arg(place.path());
    command.arg(env!("CARGO_BIN_EXE_btf-guard"));
    command.arg(machine.root.path());
    let ended = common::ended(command.output().unwrap());
    (ended.0 != 99 && !ended.2.contains("unshare")).then_some(ended)
}

#[test]
fn what_goes_after_a_look_is_seen_by_the_next() {
    let machine = sound();
    sleep(SETTLED);
    let (code, out, _) = machine.status(&[]);
    assert_eq!(code, 0, "{out}");
    fs::remove_dir_all(machine.root.path().join("lib/modules/6.18.1-test")).unwrap();
    machine.stands(&[" no-modules block"]);
}
