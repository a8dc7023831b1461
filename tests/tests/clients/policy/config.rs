// SPDX-License-Identifier: GPL-2.0-or-later
//! What the kernel command line, a macro and configuration files say.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::{ALL, BAD, GOOD, make, overrides, passes, scene};
use crate::client::Tool;
use crate::scene::said;

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
