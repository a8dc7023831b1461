// SPDX-License-Identifier: GPL-2.0-or-later
//! What an admin says over the policy's head, or writes into files, with every
//! client.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixDatagram;
use std::thread;
use std::time::Duration;

use btf_guard_tests::Outcome;
use btf_guard_tests::client::Suite;

use crate::client::{Act, Client, Tool};
use crate::journal::Journal;
use crate::scene::{Scene, said};

const RPM: Client = Client::new(Suite::Bookworm, Tool::Rpm);

const ALL: [Client; 5] = [
    RPM,
    Client::new(Suite::Bookworm, Tool::Dnf4),
    Client::new(Suite::Forky, Tool::Dnf5),
    Client::new(Suite::Trixie, Tool::ZypperSingle),
    Client::new(Suite::Bookworm, Tool::ZypperClassic),
];

const GOOD: Act<'_> = Act::Install(&[("driver-kmp", "1")]);
const BAD: Act<'_> = Act::Install(&[("driver-kmp", "2")]);

/// A kernel, and modules on offer that it refuses.
fn scene(client: Client) -> Option<Scene> {
    let scene = Scene::old_kernel(client)?;
    scene.offer("new");
    Some(scene)
}

fn guard(scene: &Scene, line: &str) -> Outcome {
    scene.shell(&format!("btf-guard {line}")).run()
}

/// Makes an override; its id.
#[track_caller]
fn make(scene: &Scene, line: &str) -> String {
    let made = guard(scene, line);
    assert!(made.status.success(), "{line}: {made:?}");
    made.stdout.split(' ').next().unwrap().to_owned()
}

fn overrides(scene: &Scene) -> String {
    guard(scene, "allow --list").stdout
}

/// Does it, whatever is thought of it.
#[track_caller]
fn passes(scene: &Scene) -> String {
    let outcome = scene.run(BAD);
    let client = scene.client;
    assert!(outcome.status.success(), "{client:?}: {outcome:?}");
    scene.assert_installed(&["driver-kmp-2", "kernel-default-1"]);
    let text = said(&outcome);
    // `off` would be written down.
    let removed = scene.shell("rpm -e --noplugins driver-kmp").run();
    assert!(removed.status.success(), "{removed:?}");
    text
}

#[test]
fn one_that_holds_once_is_used_up_by_what_it_lets_pass() {
    for client in ALL {
        let Some(scene) = scene(client) else { continue };
        make(&scene, "allow --next --reason 'tried it'");
        // What nobody would have stopped leaves it.
        scene.quiet(GOOD);
        scene.quiet(Act::Remove(&["driver-kmp"]));
        if client.tool == Tool::Rpm {
            let line = "rpm -U --test /srv/new/driver-kmp-2-1.noarch.rpm";
            let test = scene.shell(line).run();
            assert!(test.status.success(), "{test:?}");
        }
        assert!(overrides(&scene).contains("tried it"), "{client:?}");
        let text = passes(&scene);
        if client.shows() {
            let line = "btf-guard: decided by the one-shot override ";
            assert!(text.contains(line), "{client:?}: {text}");
            assert!(text.contains(": tried it"), "{client:?}: {text}");
        }
        assert_eq!(overrides(&scene), "", "{client:?}");
        scene.refused(BAD, 1);
    }
}

#[test]
fn one_that_stands_is_for_its_packages_until_it_is_revoked() {
    for client in ALL {
        let Some(scene) = scene(client) else { continue };
        make(&scene, "allow --package 'other-*' --reason no");
        scene.refused(BAD, 1);
        let id = make(
            &scene,
            "allow --package 'driver-*' --until +2h --reason known",
        );
        passes(&scene);
        passes(&scene);
        let revoked = guard(&scene, &format!("allow --revoke {id}"));
        assert!(revoked.status.success(), "{revoked:?}");
        scene.refused(BAD, 1);
    }
}

#[test]
fn a_preflight_tells_of_one_that_holds_once_and_leaves_it() {
    for client in ALL {
        let Some(scene) = scene(client) else { continue };
        let line = match client.tool {
            Tool::Rpm => continue,
            Tool::Dnf4 | Tool::Dnf5 => "preflight dnf install driver-kmp-2",
            Tool::ZypperSingle | Tool::ZypperClassic => "preflight zypper in driver-kmp=2",
        };
        let blocked = guard(&scene, line);
        assert_eq!(blocked.status.code(), Some(2), "{client:?}: {blocked:?}");
        let id = make(&scene, "allow --next --reason 'tried it'");
        let outcome = guard(&scene, line);
        assert_eq!(outcome.status.code(), Some(1), "{client:?}: {outcome:?}");
        let text = said(&outcome);
        let note = format!("the one-shot override {id}, which it would use up: tried it");
        assert!(text.contains(&note), "{client:?}: {text}");
        assert!(overrides(&scene).contains(&id), "{client:?}");
    }
}

#[test]
fn what_only_warns_can_be_denied() {
    for client in ALL {
        let Some(scene) = scene(client) else { continue };
        let file = "[severity.boot]\nrefused = \"warn\"\n";
        scene.root.put("/etc/btf-guard.d/warn.toml", file);
        passes(&scene);
        make(&scene, "deny --next --reason 'not today'");
        scene.refused(BAD, 1);
        assert_eq!(overrides(&scene), "", "{client:?}");
        passes(&scene);
        make(&scene, "deny --package driver-kmp --reason never");
        scene.refused(BAD, 1);
        scene.refused(BAD, 1);
        // One for this time is nearer.
        make(&scene, "allow --next --reason now");
        passes(&scene);
    }
}

#[test]
fn a_block_names_the_commands_that_override_it() {
    let Some(scene) = scene(RPM) else { return };
    let text = said(&scene.run(BAD));
    for line in [
        "error:   help: for every time: sudo btf-guard allow --package 'driver-kmp' --reason '...'",
        "error:   help: for one time: sudo btf-guard allow --next --reason '...'",
    ] {
        assert!(text.contains(line), "{text}");
        let command = line.split("sudo btf-guard ").nth(1).unwrap();
        make(&scene, command);
        passes(&scene);
    }
}

#[test]
fn the_kernel_command_line_lowers() {
    for client in ALL {
        let Some(scene) = scene(client) else { continue };
        for (word, stops) in [("off", false), ("warn", false), ("block", true)] {
            let line = format!("root=/dev/sda1 btf_guard={word}\n");
            scene.root.put("/run/cmdline", line);
            let mount = ["mount", "--bind", "/run/cmdline", "/proc/cmdline"];
            assert!(scene.root.run(mount).status.success());
            match stops {
                true => scene.refused(BAD, 1),
                false => {
                    let text = passes(&scene);
                    let warns = text.contains("would have blocked");
                    assert_eq!(warns, word == "warn", "{client:?} {word}: {text}");
                }
            }
            // The environment is nearer.
            let run = scene.shell(&client.command(BAD)).env("BTF_GUARD", "block");
            assert_eq!(run.run().status.code(), Some(client.blocked(1)), "{word}");
            assert!(scene.root.run(["umount", "/proc/cmdline"]).status.success());
        }
    }
}

#[test]
fn a_macro_file_lowers_for_every_client() {
    for client in ALL {
        let Some(scene) = scene(client) else { continue };
        for word in ["off", "warn"] {
            let line = format!("%_btf_guard {word}\n");
            scene.root.put("/etc/rpm/macros.btf_guard", line);
            passes(&scene);
        }
    }
}

#[test]
fn files_say_what_blocks() {
    for client in ALL {
        let Some(scene) = scene(client) else { continue };
        let rule = "[[rule]]\npackage = \"driver-*\"\nverdict = \"refused\"\n\
                    severity = \"info\"\nreason = \"known\"\n";
        scene.root.put("/etc/btf-guard.toml", rule);
        let text = passes(&scene);
        if client.tool == Tool::Rpm {
            let line = "btf-guard: decided by the rule /etc/btf-guard.toml:1: known";
            assert!(text.contains(line), "{text}");
        }
    }
}

#[test]
fn what_is_wrong_with_files_is_said_once_and_stops_nothing() {
    for client in ALL {
        let Some(scene) = scene(client) else { continue };
        scene
            .root
            .put("/etc/btf-guard.toml", "moode = \"off\"\n[severity.boot\n");
        let outcome = scene.run(GOOD);
        assert!(outcome.status.success(), "{client:?}: {outcome:?}");
        if client.shows() {
            let text = said(&outcome);
            let said = text.matches("/etc/btf-guard.toml").count();
            assert_eq!(said, 1, "{client:?}: {text}");
        }
        // What is built in stands.
        scene.refused(BAD, 1);
    }
}

#[test]
fn what_cannot_be_judged_is_stopped_where_files_say_so() {
    for client in ALL {
        let Some(scene) = scene(client) else { continue };
        scene
            .root
            .put("/etc/btf-guard.toml", "on_error = \"block\"\n");
        let program = scene.root.at("/usr/bin/btf-guard");
        let aside = scene.root.at("/usr/bin/aside");
        // The judge crashes, and what decides then does not.
        let crash = || {
            fs::rename(&program, &aside).unwrap();
            let crashing =
                "#!/bin/sh\n[ \"$1\" = judge ] && kill -SEGV $$\nexec /usr/bin/aside \"$@\"\n";
            scene.root.put("/usr/bin/btf-guard", crashing);
            fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        };
        crash();
        let before = scene.root.snapshot();
        let outcome = scene.run(GOOD);
        assert_eq!(
            outcome.status.code(),
            Some(client.blocked(1)),
            "{outcome:?}"
        );
        assert_eq!(before.changes(&scene.root.snapshot()), [""; 0]);
        if client.shows() {
            let text = said(&outcome);
            assert!(
                text.contains("on_error is \"block\" (/etc/btf-guard.toml:1)"),
                "{text}"
            );
        }
        let run = scene.shell(&client.command(GOOD)).env("BTF_GUARD", "warn");
        let outcome = run.run();
        assert!(outcome.status.success(), "{client:?}: {outcome:?}");
        scene.root.run(["rpm", "-e", "--noplugins", "driver-kmp"]);
        fs::rename(&aside, &program).unwrap();
        make(&scene, "allow --next --reason 'the judge crashes'");
        crash();
        let outcome = scene.run(GOOD);
        assert!(outcome.status.success(), "{client:?}: {outcome:?}");
        fs::rename(&aside, &program).unwrap();
        assert_eq!(overrides(&scene), "", "{client:?}");
        // Where nothing is left that could decide, nothing is stopped.
        scene.root.run(["rpm", "-e", "--noplugins", "driver-kmp"]);
        fs::rename(&program, &aside).unwrap();
        let outcome = scene.run(GOOD);
        assert!(outcome.status.success(), "{client:?}: {outcome:?}");
    }
}

#[test]
fn of_two_transactions_at_once_one_passes() {
    let Some(scene) = scene(RPM) else { return };
    scene.offer("other");
    for _ in 0..3 {
        make(&scene, "allow --next --reason race");
        let line = "rpm -U /srv/new/driver-kmp-2-1.noarch.rpm & one=$!
                    rpm -U /srv/other/other-kmp-1-1.noarch.rpm & other=$!
                    wait $one; a=$?; wait $other; echo $a $?";
        let outcome = scene.shell(line).run();
        let last = outcome.stdout.lines().last().unwrap_or_default();
        assert!(matches!(last, "0 1" | "1 0"), "{outcome:?}");
        assert_eq!(overrides(&scene), "");
        let line = "rpm -e --noplugins driver-kmp; rpm -e --noplugins other-kmp";
        scene.shell(line).run();
    }
}

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

/// Two systems that share nothing but where overrides for one transaction lie: what
/// they are told apart by is the file alone.
#[test]
fn of_two_systems_at_once_one_passes() {
    let shared = tempfile::tempdir().unwrap();
    let (Some(one), Some(other)) = (scene(RPM), scene(RPM)) else {
        return;
    };
    for scene in [&one, &other] {
        scene.root.share(shared.path(), "/run/btf-guard");
    }
    for _ in 0..5 {
        make(&one, "allow --next --reason race");
        assert!(overrides(&other).contains("race"));
        let run = |scene: &Scene| scene.run(BAD).status.code();
        let (here, there) = thread::scope(|scope| {
            let there = scope.spawn(|| run(&other));
            (run(&one), there.join().unwrap())
        });
        let passed = matches!((here, there), (Some(0), Some(1)) | (Some(1), Some(0)));
        assert!(passed, "{here:?} {there:?}");
        assert_eq!(overrides(&one), "");
        for scene in [&one, &other] {
            scene.shell("rpm -e --noplugins driver-kmp").run();
        }
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

#[test]
fn a_full_run_stops_nothing() {
    for client in ALL {
        let Some(scene) = scene(client) else { continue };
        // dnf 5 and zypper write into the other themselves.
        let place = match client.tool {
            Tool::Rpm | Tool::Dnf4 => "/run",
            _ => "/run/btf-guard",
        };
        let line = format!(
            "mkdir -pm 700 {place}; mount -t tmpfs -o size=4k,nr_inodes=2,mode=700 tmpfs {place}; \
             head -c 100000 /dev/zero > {place}/full 2>/dev/null; true"
        );
        scene.shell(&line).run();
        let made = guard(&scene, "allow --next --reason x");
        assert_eq!(made.status.code(), Some(3), "{made:?}");
        let outcome = scene.run(GOOD);
        assert!(outcome.status.success(), "{client:?}: {outcome:?}");
        scene.assert_installed(&["driver-kmp-1", "kernel-default-1"]);
    }
}

const NOBODY: u32 = 65534;

/// Whatever somebody else has put, or could put, where root reads and writes.
#[test]
fn what_others_plant_has_no_effect() {
    let Some(scene) = scene(RPM) else { return };
    let root = &scene.root;
    // A true token, to be copied.
    let id = make(&scene, "allow --next --reason true");
    let allow = "/run/btf-guard/allow";
    let token = fs::read(root.at(&format!("{allow}/{id}.json"))).unwrap();
    guard(&scene, &format!("allow --revoke {id}"));
    make(
        &scene,
        "allow --package nothing --reason 'makes the directory'",
    );
    let nobody = |line: &str| {
        let words = [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ];
        root.run(words.into_iter().chain(["sh", "-c", line]))
    };
    root.put("/tmp/token", &token);
    chown(root.at("/tmp/token"), Some(NOBODY), Some(NOBODY)).unwrap();
    for place in [
        format!("{allow}/{id}.json"),
        format!("/var/lib/btf-guard/overrides/{id}.json"),
        "/run/btf-guard/state.json".to_owned(),
        "/etc/btf-guard.toml".to_owned(),
        "/var/cache/btf-guard/x".to_owned(),
        "/var/log/btf-guard.jsonl".to_owned(),
        "/usr/share/btf-guard/btf-guard.toml".to_owned(),
    ] {
        let planted = nobody(&format!("cp /tmp/token {place}"));
        assert!(!planted.status.success(), "{place}: {planted:?}");
        let linked = nobody(&format!("ln -sf /tmp/token {place}"));
        assert!(!linked.status.success(), "{place}: {linked:?}");
        let issued = nobody("btf-guard allow --next --reason x");
        assert_eq!(issued.status.code(), Some(3), "{issued:?}");
    }
    scene.refused(BAD, 1);

    // What an admin has left open.
    let give = |path: &str| chown(root.at(path), Some(NOBODY), Some(NOBODY)).unwrap();
    let open = |path: &str, mode| {
        fs::set_permissions(root.at(path), Permissions::from_mode(mode)).unwrap();
    };
    fs::create_dir_all(root.at("/etc/btf-guard.d")).unwrap();
    open("/etc/btf-guard.d", 0o777);
    root.put("/etc/btf-guard.d/off.toml", "mode = \"off\"\n");
    give("/etc/btf-guard.d/off.toml");
    scene.refused(BAD, 1);
    open("/etc/btf-guard.d", 0o755);
    scene.refused(BAD, 1);
    fs::remove_file(root.at("/etc/btf-guard.d/off.toml")).unwrap();

    let planted = format!("{allow}/{id}.json");
    for (place, mode) in [(allow, 0o777), ("/run/btf-guard", 0o777)] {
        open(place, mode);
        root.put(&planted, &token);
        open(&planted, 0o600);
        scene.refused(BAD, 1);
        give(place);
        open(place, 0o700);
        scene.refused(BAD, 1);
        chown(root.at(place), Some(0), Some(0)).unwrap();
    }
    give(&planted);
    scene.refused(BAD, 1);
    fs::remove_file(root.at(&planted)).unwrap();
    symlink("/tmp/token", root.at(&planted)).unwrap();
    chown(root.at("/tmp/token"), Some(0), Some(0)).unwrap();
    scene.refused(BAD, 1);
    fs::remove_file(root.at(&planted)).unwrap();
    // The same bytes, in root's own file, are believed: it was not their content.
    root.put(&planted, &token);
    open(&planted, 0o600);
    passes(&scene);

    // Nothing is written elsewhere.
    root.put(
        "/etc/btf-guard.toml",
        "[log]\njsonl = \"/var/tmp/log/x.jsonl\"\n",
    );
    root.put("/etc/victim", "kept");
    fs::create_dir_all(root.at("/var/tmp/log")).unwrap();
    give("/var/tmp/log");
    symlink("/etc/victim", root.at("/var/tmp/log/x.jsonl")).unwrap();
    scene.refused(BAD, 1);
    chown(root.at("/var/tmp/log"), Some(0), Some(0)).unwrap();
    scene.refused(BAD, 1);
    fs::remove_file(root.at("/var/tmp/log/x.jsonl")).unwrap();
    fs::hard_link(root.at("/etc/victim"), root.at("/var/tmp/log/x.jsonl")).unwrap();
    scene.refused(BAD, 1);
    assert_eq!(fs::read_to_string(root.at("/etc/victim")).unwrap(), "kept");
    fs::remove_file(root.at("/var/tmp/log/x.jsonl")).unwrap();
    scene.refused(BAD, 1);
    assert!(root.at("/var/tmp/log/x.jsonl").exists());
}
