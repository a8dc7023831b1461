// SPDX-License-Identifier: GPL-2.0-or-later
//! What a transaction that went on leaves to be told by `status`, and what this
//! machine needs, with the real rpm.

use std::fs;

use btf_guard_tests::client::{Build, ClientRoot, KMP, Suite};
use btf_guard_tests::skip::skipped;

use crate::client::{Act, Client, Tool};
use crate::scene::{Scene, said};

const RPM: Client = Client::new(Suite::Bookworm, Tool::Rpm);
const BAD: Act<'_> = Act::Install(&[("driver-kmp", "2")]);

/// What a command says on standard output, and how it ends.
fn status(root: &ClientRoot, options: &str) -> (Option<i32>, String) {
    let line = format!("btf-guard status {options}");
    let outcome = root.run(["sh", "-c", &line]);
    let code = outcome.status.code();
    assert_ne!(code, Some(3), "{outcome:?}");
    (code, outcome.stdout)
}

#[test]
fn what_was_let_pass_stands_until_it_is_gone() {
    for way in ["environment", "allow"] {
        let Some(scene) = Scene::old_kernel(RPM) else {
            return;
        };
        scene.offer("new");
        let root = &scene.root;
        // Looked at as a whole, so that nothing but the transaction tells of it.
        let (code, text) = status(root, "--rescan");
        assert_eq!(code, Some(0), "{text}");
        let run = match way {
            "environment" => scene.shell(&RPM.command(BAD)).env("BTF_GUARD", "warn"),
            _ => {
                let line = "btf-guard allow --next --reason 'let pass'";
                assert!(scene.shell(line).run().status.success());
                scene.shell(&RPM.command(BAD))
            }
        };
        let outcome = run.run();
        assert!(outcome.status.success(), "{way}: {outcome:?}");

        // All of it outlives a reboot, which is a block by the policy's own words.
        let (code, text) = status(root, "");
        assert_eq!(code, Some(2), "{way}: {text}");
        assert!(text.contains("4 modules will not load on kernel"), "{text}");
        for module in KMP {
            assert!(text.contains(module), "{way}: {text}");
        }
        assert!(text.contains(", by rpm"), "{way}: {text}");
        let (code, motd) = status(root, "--motd");
        assert_eq!(code, Some(2), "{way}: {motd}");
        let lines = motd.lines().count();
        assert!((1..=4).contains(&lines), "{way}: {motd}");
        assert!(motd.contains("4 modules will not load"), "{way}: {motd}");
        let (code, metrics) = status(root, "--format prometheus");
        assert_eq!(code, Some(2), "{way}: {metrics}");
        let mut samples = metrics.lines();
        let sample = samples.find(|line| line.starts_with("btf_guard_findings{"));
        let sample = sample.unwrap_or_else(|| panic!("{way}: {metrics}"));
        for label in [
            "target=\"boot\"",
            "verdict=\"refused\"",
            "severity=\"block\"} 4",
        ] {
            assert!(sample.contains(label), "{way}: {sample}");
        }

        scene.quiet(Act::Remove(&["driver-kmp"]));
        assert_eq!(status(root, "--motd"), (Some(0), String::new()), "{way}");
        let (code, metrics) = status(root, "--format prometheus");
        assert_eq!(code, Some(0), "{way}: {metrics}");
        assert!(!metrics.contains("btf_guard_findings{"), "{way}: {metrics}");
    }
}

/// The kernel that runs refuses it: a warning, which `status` tells until it is gone.
#[test]
fn what_the_running_kernel_refuses_stands_as_a_warning() {
    let Some(scene) = machine() else { return };
    let root = &scene.root;
    // A machine has a kernel to boot.
    scene.offer("old");
    let line = "BTF_GUARD=off rpm -U /srv/old/kernel-default-1-1.noarch.rpm";
    assert!(scene.shell(line).run().status.success());
    let outcome = scene.run(Act::Install(&[("foreign-kmp", "1")]));
    assert!(outcome.status.success(), "{outcome:?}");
    let (code, text) = status(root, "");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("4 modules will not load"), "{text}");
    let (_, metrics) = status(root, "--format prometheus");
    assert!(metrics.contains("severity=\"warn\"} 4"), "{metrics}");
    assert!(scene.run(Act::Remove(&["foreign-kmp"])).status.success());
    let (_, text) = status(root, "");
    assert!(!text.contains("will not load"), "{text}");
}

/// A machine whose running kernel refuses the modules on offer for its release.
fn machine() -> Option<Scene> {
    let scene = Scene::machine(RPM)?;
    if !scene.root.stand_in(Build::Old) {
        skipped("a running kernel", "it shows no BTF and configuration");
        return None;
    }
    scene.offer("running");
    Some(scene)
}

/// The judge sees from its sandbox what the machine asks for, says it first, and holds
/// it to what the admin has said of what is needed.
#[test]
fn what_this_machine_needs_is_held_to_more() {
    let Some(scene) = machine() else { return };
    let act = Act::Install(&[("foreign-kmp", "1")]);
    let file = "[severity_if_needed.now]\nrefused = \"block\"\n";
    scene.root.put("/etc/btf-guard.toml", file);
    let load = |module: &str| {
        let line = format!("{module}\n");
        scene.root.put("/etc/modules-load.d/wanted.conf", line);
    };
    // What is wanted is another's.
    load("other");
    let outcome = scene.run(act);
    assert!(outcome.status.success(), "{outcome:?}");
    let text = said(&outcome);
    assert!(!text.contains("needed by this machine"), "{text}");
    assert!(scene.run(Act::Remove(&["foreign-kmp"])).status.success());

    load("xfs");
    let before = scene.root.snapshot();
    let outcome = scene.run(act);
    assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
    assert_eq!(before.changes(&scene.root.snapshot()), [""; 0]);
    let text = said(&outcome);
    let needed = "error:   needed by this machine: xfs (named in /etc/modules-load.d/wanted.conf)";
    assert!(text.contains(needed), "{text}");
    let blocked = "error: btf-guard: blocked: after this transaction, 1 of 4 modules";
    assert!(text.contains(blocked), "{text}");
    let module = "error:   modules: xfs (in foreign-kmp-1-1.noarch)";
    assert!(text.contains(module), "{text}");
    // By what holds for the others, all four would only be warned of.
    fs::remove_file(scene.root.at("/etc/btf-guard.toml")).unwrap();
    let outcome = scene.run(act);
    assert!(outcome.status.success(), "{outcome:?}");
    let text = said(&outcome);
    let first = "warning:   modules: xfs, nf_conntrack";
    assert!(text.contains(first), "{text}");
}
