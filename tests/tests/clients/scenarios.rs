// SPDX-License-Identifier: GPL-2.0-or-later
//! What is the same with every client: which transactions are stopped, which
//! are not, and that one that was stopped has changed nothing.

use std::thread;
use std::time::Duration;

use btf_guard_tests::Outcome;
use btf_guard_tests::skip::skipped;

use crate::client::{Act, Client, Tool};
use crate::scene::{Scene, said};

const KERNEL: (&str, &str) = ("kernel-default", "2");
const MODULES: (&str, &str) = ("driver-kmp", "2");

/// A test for each scenario, of each of the clients.
macro_rules! every_scenario {
    ($clients:expr => $($name:ident)*) => {$(
        #[test]
        fn $name() {
            for client in $clients {
                $crate::scenarios::$name(client);
            }
        }
    )*};
    ($clients:expr) => {
        $crate::scenarios::every_scenario! { $clients =>
            modules_of_this_kernel_are_installed
            modules_of_another_build_are_refused
            a_kernel_that_leaves_its_modules_behind_is_refused
            kernel_and_modules_are_updated_together
            a_kernel_of_the_same_release_comes_after_the_old_one_went
            a_kernel_is_built_again_under_its_version
            a_step_back
            one_kernel_is_swapped_for_another
            obsolete_modules_go
            a_package_without_modules_starts_no_judge
            two_at_once
            a_full_disk
            the_running_kernel
            a_judge_that_is_killed
            a_judge_that_hangs
        }
    };
}
pub(crate) use every_scenario;

pub(crate) fn modules_of_this_kernel_are_installed(client: Client) {
    let Some(scene) = Scene::old_kernel(client) else {
        return;
    };
    scene.quiet(Act::Install(&[("driver-kmp", "1")]));
    scene.assert_installed(&["driver-kmp-1", "kernel-default-1"]);
    scene.quiet(Act::Reinstall(("driver-kmp", "1")));
    scene.quiet(Act::Remove(&["driver-kmp"]));
    scene.assert_installed(&["kernel-default-1"]);
}

pub(crate) fn modules_of_another_build_are_refused(client: Client) {
    let Some(scene) = Scene::old_kernel(client) else {
        return;
    };
    scene.offer("new");
    scene.refused(Act::Install(&[MODULES]), 1);
    // Whoever knows better says so.
    let run = scene.shell(&client.command(Act::Install(&[MODULES])));
    let outcome = run.env("BTF_GUARD", "warn").run();
    assert!(outcome.status.success(), "{outcome:?}");
    if client.shows() {
        let text = said(&outcome);
        assert!(
            text.contains("warning: btf-guard: would have blocked: "),
            "{text}"
        );
    }
    scene.assert_installed(&["driver-kmp-2", "kernel-default-1"]);
    // What is broken already is not made worse by doing it again.
    let again = scene.run(Act::Reinstall(MODULES));
    assert!(again.status.success(), "{again:?}");
}

pub(crate) fn a_kernel_that_leaves_its_modules_behind_is_refused(client: Client) {
    let Some(scene) = Scene::old(client) else {
        return;
    };
    scene.offer("new");
    scene.refused(Act::Install(&[KERNEL]), 1);
    scene.assert_installed(&["driver-kmp-1", "kernel-default-1"]);
    scene.refused(Act::Install(&[MODULES]), 1);
}

pub(crate) fn kernel_and_modules_are_updated_together(client: Client) {
    for repository in ["new", "kernel-first", "modules-first"] {
        let Some(scene) = Scene::old(client) else {
            continue;
        };
        scene.offer(repository);
        let outcome = scene.run(Act::Update(repository));
        assert!(outcome.status.success(), "{client:?}: {outcome:?}");
        let text = said(&outcome);
        assert!(!text.contains("btf-guard"), "{client:?}: {text}");
        scene.assert_installed(&["driver-kmp-2", "kernel-default-2"]);
        let checked = scene.root.run(["btf-guard", "check", "--kernel", "all"]);
        assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    }
}

pub(crate) fn a_kernel_of_the_same_release_comes_after_the_old_one_went(client: Client) {
    let Some(scene) = Scene::old(client) else {
        return;
    };
    scene.offer("new");
    scene.quiet(Act::Remove(&["kernel-default"]));
    scene.assert_installed(&["driver-kmp-1"]);
    scene.refused(Act::Install(&[KERNEL]), 1);
    scene.quiet(Act::Install(&[("kernel-default", "1")]));
}

pub(crate) fn a_kernel_is_built_again_under_its_version(client: Client) {
    let Some(scene) = Scene::old(client) else {
        return;
    };
    scene.quiet(Act::Reinstall(("kernel-default", "1")));
    scene.withdraw("old");
    scene.offer("respun");
    scene.refused(Act::Reinstall(("kernel-default", "1")), 1);
}

pub(crate) fn a_step_back(client: Client) {
    let Some(scene) = Scene::old(client) else {
        return;
    };
    scene.offer("new");
    let together = [("kernel-default", "2"), ("driver-kmp", "2")];
    scene.quiet(Act::Install(&together));
    scene.assert_installed(&["driver-kmp-2", "kernel-default-2"]);
    scene.refused(Act::Downgrade(&[("kernel-default", "1")]), 1);
    scene.refused(Act::Downgrade(&[("driver-kmp", "1")]), 1);
    scene.quiet(Act::Downgrade(&[
        ("kernel-default", "1"),
        ("driver-kmp", "1"),
    ]));
    scene.assert_installed(&["driver-kmp-1", "kernel-default-1"]);
}

pub(crate) fn one_kernel_is_swapped_for_another(client: Client) {
    if client.tool == Tool::Rpm {
        return;
    }
    let Some(scene) = Scene::old(client) else {
        return;
    };
    scene.offer("rival");
    scene.refused(Act::Swap("kernel-default", "kernel-rival"), 1);
    scene.quiet(Act::Remove(&["driver-kmp"]));
    scene.quiet(Act::Swap("kernel-default", "kernel-rival"));
    scene.assert_installed(&["kernel-rival-1"]);
}

/// Old modules go because others say so, not because they were asked to.
pub(crate) fn obsolete_modules_go(client: Client) {
    let Some(scene) = Scene::old(client) else {
        return;
    };
    scene.offer("renamed-early");
    scene.refused(Act::Update("renamed-early"), 1);
    scene.withdraw("renamed-early");
    scene.offer("renamed");
    scene.quiet(Act::Update("renamed"));
    scene.assert_installed(&["kernel-default-2", "other-kmp-2"]);
}

pub(crate) fn a_package_without_modules_starts_no_judge(client: Client) {
    let Some(scene) = Scene::old_kernel(client) else {
        return;
    };
    scene.offer("plain");
    instead_of_the_judge(&scene, ": > /var/tmp/started; exit 1");
    scene.quiet(Act::Install(&[("plain", "1")]));
    scene.assert_installed(&["kernel-default-1", "plain-1"]);
    assert!(!scene.root.at("/var/tmp/started").exists());
    // One with modules does.
    scene.run(Act::Install(&[("driver-kmp", "1")]));
    assert!(scene.root.at("/var/tmp/started").exists());
}

pub(crate) fn two_at_once(client: Client) {
    let Some(scene) = Scene::old_kernel(client) else {
        return;
    };
    scene.offer("other");
    let (good, bad) = thread::scope(|scope| {
        let good = scope.spawn(|| run_when_unlocked(&scene, ("driver-kmp", "1")));
        let bad = scope.spawn(|| run_when_unlocked(&scene, ("other-kmp", "1")));
        (good.join().unwrap(), bad.join().unwrap())
    });
    assert!(good.status.success(), "{client:?}: {good:?}");
    assert_eq!(
        bad.status.code(),
        Some(client.blocked(1)),
        "{client:?}: {bad:?}"
    );
    scene.assert_installed(&["driver-kmp-1", "kernel-default-1"]);
}

/// rpm itself does not wait for another one.
fn run_when_unlocked(scene: &Scene, package: (&str, &str)) -> Outcome {
    for _ in 0..300 {
        let outcome = scene.run(Act::Install(&[package]));
        if !said(&outcome).contains("can't create transaction lock") {
            return outcome;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("{:?}: rpm's database was never unlocked", scene.client);
}

/// Whose problem it is: that of the client, where the packages do not fit; of
/// nobody, where other places are full, because judging writes nothing.
pub(crate) fn a_full_disk(client: Client) {
    let Some(scene) = Scene::empty(client) else {
        return;
    };
    scene.offer("old");
    scene.root.mount_small("/usr/lib/modules", 24 << 10);
    scene.quiet(Act::Install(&[
        ("kernel-default", "1"),
        ("driver-kmp", "1"),
    ]));
    for full in ["/tmp", "/var/tmp"] {
        scene.root.mount_small(full, 16);
        scene.root.run([
            "dd",
            "if=/dev/zero",
            &format!("of={full}/all"),
            "status=none",
        ]);
    }
    scene.offer("new");
    let modules = || {
        let all = "find /usr/lib/modules -type f | sort | xargs sha256sum";
        scene.root.run(["sh", "-c", all]).stdout
    };
    let before = (modules(), scene.root.installed());
    let outcome = scene.run(Act::Install(&[KERNEL, MODULES]));
    assert!(!outcome.status.success(), "{client:?}: {outcome:?}");
    // One package after the other: the first may fit, and is then a problem.
    if !client.is_at_once() {
        return;
    }
    let text = said(&outcome);
    assert!(!text.contains("btf-guard"), "{client:?}: {text}");
    assert_eq!((modules(), scene.root.installed()), before, "{client:?}");
    scene.refused(Act::Install(&[MODULES]), 1);
    assert_eq!((modules(), scene.root.installed()), before, "{client:?}");
}

/// The kernel that runs is asked where the root is the machine's own, and what it
/// refuses is only a warning: it lasts until the reboot.
pub(crate) fn the_running_kernel(client: Client) {
    let Some(machine) = Scene::machine(client) else {
        return;
    };
    if !machine.root.at("/sys/kernel/btf/vmlinux").exists() {
        skipped("the running kernel, by every client", "it shows no BTF");
        return;
    }
    machine.offer("running");
    let package = "/srv/running/foreign-kmp-1-1.noarch.rpm";
    let command = [
        "btf-guard",
        "check",
        "--quiet",
        "--kernel",
        "running",
        package,
    ];
    let warns = match machine.root.run(command).status.code() {
        Some(0) => false,
        Some(1) => true,
        other => panic!("btf-guard check: {other:?}"),
    };
    let outcome = machine.run(Act::Install(&[("foreign-kmp", "1")]));
    assert!(outcome.status.success(), "{client:?}: {outcome:?}");
    if client.shows() {
        let text = said(&outcome);
        let warned = text.contains("warning: btf-guard: ") && text.contains("the running kernel");
        assert_eq!(warned, warns, "{client:?}: {text}");
    }
    let outcome = machine.run(Act::Remove(&["foreign-kmp"]));
    assert!(outcome.status.success(), "{client:?}: {outcome:?}");
    if client.shows() {
        let text = said(&outcome);
        let gone = "warning: btf-guard: after this transaction, the running kernel";
        assert!(text.contains(gone), "{client:?}: {text}");
    }
    let Some(chroot) = Scene::empty(client) else {
        return;
    };
    chroot.offer("running");
    chroot.quiet(Act::Install(&[("foreign-kmp", "1")]));
    chroot.quiet(Act::Remove(&["foreign-kmp"]));
}

pub(crate) fn a_judge_that_is_killed(client: Client) {
    let Some(scene) = Scene::old_kernel(client) else {
        return;
    };
    scene.offer("new");
    instead_of_the_judge(&scene, "kill -KILL $$");
    let words = "the judge ended with signal: 9 (SIGKILL)";
    goes_on_unjudged(&scene, words);
}

pub(crate) fn a_judge_that_hangs(client: Client) {
    let Some(scene) = Scene::old_kernel(client) else {
        return;
    };
    scene.offer("new");
    instead_of_the_judge(&scene, "sleep 4321 & wait");
    // A minute is too long for a test.
    let value = scene
        .root
        .run(["rpm", "--eval", "%__transaction_btf_guard"]);
    let line = format!(
        "%__transaction_btf_guard {} --timeout 1\n",
        value.stdout.trim()
    );
    scene.root.put("/etc/rpm/macros.btf_guard", line);
    let words = "the judge gave no answer within 1 s and was stopped";
    goes_on_unjudged(&scene, words);
    let left = scene
        .root
        .run(["sh", "-c", "grep -z ^4321 /proc/[0-9]*/cmdline"]);
    assert_eq!(
        left.stdout, "",
        "{client:?}: what the judge started still runs"
    );
}

/// A test double: the real judge cannot be made to fail.
/// dnf's own hooks start the program after every transaction, but no judge.
fn instead_of_the_judge(scene: &Scene, script: &str) {
    let script = format!("#!/bin/sh\n[ \"$1\" = judge ] || exit 0\n{script}\n");
    scene.root.put("/usr/bin/btf-guard", script);
}

#[track_caller]
fn goes_on_unjudged(scene: &Scene, words: &str) {
    let outcome = scene.run(Act::Install(&[MODULES]));
    assert!(outcome.status.success(), "{:?}: {outcome:?}", scene.client);
    scene.assert_installed(&["driver-kmp-2", "kernel-default-1"]);
    if scene.client.shows() {
        let text = said(&outcome);
        for words in [
            words,
            "the transaction goes on, its kernel modules are not judged",
        ] {
            assert!(
                text.contains(words),
                "{:?}: {words:?} is missing: {text}",
                scene.client
            );
        }
    }
}
