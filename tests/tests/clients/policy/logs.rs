// SPDX-License-Identifier: GPL-2.0-or-later
//! What is written down of a decision, and where.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::{ALL, BAD, RPM, make, passes, scene};
use crate::client::Tool;
use crate::journal::Journal;
use crate::scene::said;

#[test]
fn decisions_are_written_down() {
    for client in ALL {
        let Some(scene) = scene(client) else { continue };
        scene
            .root
            .put("/etc/btf-guard.toml", "[log]\njsonl = true\n");
        let journal = Journal::of(&scene.root);
        let event = || {
            let text = fs::read_to_string(scene.root.at("/var/log/btf-guard.jsonl")).unwrap();
            let last = text.lines().last().unwrap().to_owned();
            serde_json::from_str::<serde_json::Value>(&last).unwrap()
        };
        let name = match client.tool {
            Tool::Rpm => "rpm",
            Tool::Dnf4 => "dnf",
            Tool::Dnf5 => "dnf5",
            Tool::ZypperSingle | Tool::ZypperClassic => "zypper",
        };
        scene.refused(BAD, 1);
        let (blocked, said) = (event(), journal.entry());
        assert_eq!(blocked["outcome"], "blocked");
        assert_eq!(blocked["client"], name);
        for (field, value) in [
            ("PRIORITY", "3"),
            ("SYSLOG_IDENTIFIER", "btf-guard"),
            ("BTF_GUARD_VERDICT", "refused"),
            ("BTF_GUARD_DECISION", "block"),
            ("BTF_GUARD_PACKAGE", "driver-kmp-2-1.noarch"),
            ("BTF_GUARD_CLIENT", name),
            ("BTF_GUARD_UID", "0"),
        ] {
            assert_eq!(said.get(field), value, "{client:?} {field}: {said:?}");
        }
        assert!(said.get("BTF_GUARD_MODULES").parse::<u32>().unwrap() > 0);
        assert_eq!(said.get("MESSAGE_ID").len(), 32);
        let id = make(&scene, "allow --next --reason 'written down'");
        passes(&scene);
        let (passed, said) = (event(), journal.entry());
        assert_eq!(passed["outcome"], "overridden", "{client:?}");
        assert_eq!(passed["overrides"][0]["id"], id);
        assert_eq!(said.get("BTF_GUARD_OVERRIDE"), format!("one-shot {id}"));
        assert_eq!(said.get("BTF_GUARD_REASON"), "written down");
        let mode = fs::metadata(scene.root.at("/var/log/btf-guard.jsonl")).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    }
}

/// `off` is not looked into, but it is written down; without a word on the screen.
#[test]
fn off_is_written_down() {
    for client in ALL {
        let Some(scene) = scene(client) else { continue };
        scene
            .root
            .put("/etc/btf-guard.toml", "[log]\njsonl = true\n");
        let log = scene.root.at("/var/log/btf-guard.jsonl");
        let events = || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
            lines.collect::<Vec<serde_json::Value>>()
        };
        let install = |way: &str| {
            let run = scene.shell(&client.command(BAD));
            let run = match way {
                "environment" => run.env("BTF_GUARD", "off"),
                _ => run,
            };
            let outcome = run.run();
            assert!(outcome.status.success(), "{client:?} {way}: {outcome:?}");
            let text = said(&outcome);
            assert!(!text.contains("btf-guard"), "{client:?} {way}: {text}");
            scene.assert_installed(&["driver-kmp-2", "kernel-default-1"]);
            let removed = scene.shell("rpm -e --noplugins driver-kmp").run();
            assert!(removed.status.success(), "{removed:?}");
        };
        scene.root.put("/run/cmdline", "quiet btf_guard=off\n");
        let mount = ["mount", "--bind", "/run/cmdline", "/proc/cmdline"];
        let macros = scene.root.at("/etc/rpm/macros.btf_guard");
        for (count, way) in ["environment", "command-line", "macro"].iter().enumerate() {
            match *way {
                "command-line" => assert!(scene.root.run(mount).status.success()),
                "macro" => {
                    assert!(scene.root.run(["umount", "/proc/cmdline"]).status.success());
                    scene
                        .root
                        .put("/etc/rpm/macros.btf_guard", "%_btf_guard off\n");
                }
                _ => {}
            }
            install(way);
            let events = events();
            assert_eq!(events.len(), count + 1, "{client:?} {way}: {events:?}");
            let event = &events[count];
            assert_eq!(event["outcome"], "overridden", "{client:?} {way}");
            assert_eq!(event["overrides"][0]["source"], *way, "{client:?}");
            assert_eq!(event["who"]["uid"], 0);
            assert_eq!(event["answer"], serde_json::Value::Null);
        }
        fs::remove_file(macros).unwrap();
        // With a judge that crashes, a boot that is to rescue works, and is silent.
        assert!(scene.root.run(mount).status.success());
        let (program, aside) = ("/usr/bin/btf-guard", "/usr/bin/aside");
        fs::rename(scene.root.at(program), scene.root.at(aside)).unwrap();
        let crashing =
            "#!/bin/sh\n[ \"$1\" = judge ] && kill -SEGV $$\nexec /usr/bin/aside \"$@\"\n";
        scene.root.put(program, crashing);
        let mode = Permissions::from_mode(0o755);
        fs::set_permissions(scene.root.at(program), mode).unwrap();
        if client.tool == Tool::Rpm {
            install("command-line");
            assert_eq!(events().len(), 4);
        }
    }
}

#[test]
fn without_the_journal_it_is_syslog() {
    let Some(scene) = scene(RPM) else { return };
    let line = "mount -t tmpfs tmpfs /dev && mknod -m 666 /dev/null c 1 3";
    assert!(scene.shell(line).run().status.success());
    let syslog = UnixDatagram::bind(scene.root.at("/dev/log")).unwrap();
    syslog
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    scene.refused(BAD, 1);
    let mut bytes = vec![0; 64 << 10];
    let length = syslog.recv(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes[..length]);
    // authpriv (10), err (3).
    assert!(text.starts_with("<83>"), "{text}");
    assert!(text.contains("btf-guard"), "{text}");
    assert!(text.contains("blocked rpm: "), "{text}");
}

#[test]
fn a_log_that_cannot_be_written_is_one_warning() {
    for client in ALL {
        let Some(scene) = scene(client) else { continue };
        scene
            .root
            .put("/etc/btf-guard.toml", "[log]\njsonl = \"/nowhere/x\"\n");
        let run = scene.shell(&client.command(BAD)).env("BTF_GUARD", "warn");
        let outcome = run.run();
        assert!(outcome.status.success(), "{client:?}: {outcome:?}");
        let text = said(&outcome);
        let complaints = text.matches("not recorded as it should be").count();
        // zypper keeps what its plugins say in its log.
        let is_zypper = matches!(client.tool, Tool::ZypperClassic | Tool::ZypperSingle);
        assert!(complaints <= 1, "{client:?}: {text}");
        assert!(is_zypper || complaints == 1, "{client:?}: {text}");
        assert!(!text.contains("BTF_GUARD_"), "{text}");
    }
}
