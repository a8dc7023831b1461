// SPDX-License-Identifier: GPL-2.0-or-later
//! What an admin allows or denies: by command, for one time or for good.

use std::thread;

use btf_guard_tests::Package;
use btf_guard_tests::client::{Build, Suite, kmp_in};

use super::{ALL, BAD, GOOD, RPM, guard, make, overrides, passes, scene};
use crate::client::{Act, Client, Tool};
use crate::scene::{Scene, said};

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

/// By a file of another package, or a scriptlet.
#[test]
fn one_that_holds_once_holds_again_if_nothing_was_done() {
    for suite in Suite::ALL {
        let Some(scene) = Scene::old_kernel(Client::new(suite, Tool::Rpm)) else {
            continue;
        };
        let taken = "/usr/share/taken";
        let bad = |name: &str| kmp_in(name, name, "1", Build::New);
        let other = Package::new("other").file(taken, "other");
        let other = scene.root.build(&other);
        assert!(scene.root.run(["rpm", "-U", &other]).status.success());
        let conflicting = scene.root.build(&bad("conflicting").file(taken, "own"));
        let failing = |script: &str| bad(&script[1..]).lua(script, "error('no')");
        let [pretrans, pre] =
            ["%pretrans", "%pre"].map(|script| scene.root.build(&failing(script)));
        let id = make(&scene, "allow --next --reason 'tried it'");
        for package in [&conflicting, &pretrans, &pre] {
            let before = scene.root.installed();
            let outcome = scene.root.run(["rpm", "-U", package]);
            assert!(!outcome.status.success(), "{suite:?}: {outcome:?}");
            let text = said(&outcome);
            assert!(text.contains("decided by the one-shot"), "{text}");
            assert_eq!(scene.root.installed(), before);
            assert!(
                overrides(&scene).contains(&id),
                "{suite:?}: {package}: {text}"
            );
        }
        // Of two packages one is there.
        let first = scene.root.build(&bad("first"));
        let last = bad("last")
            .lua("%pre", "error('no')")
            .tag("Requires", "first");
        let last = scene.root.build(&last);
        scene.root.run(["rpm", "-U", &first, &last]);
        assert!(
            scene
                .root
                .installed()
                .iter()
                .any(|name| name.starts_with("first"))
        );
        assert_eq!(overrides(&scene), "", "{suite:?}");
    }
}
