// SPDX-License-Identifier: GPL-2.0-or-later
//! dnf5 5.4 with its actions plugin.

use btf_guard_tests::client::Suite;

use crate::client::{Act, Client, Tool};
use crate::scenarios::every_scenario;
use crate::scene::Scene;

const DNF5: [Client; 1] = [Client::new(Suite::Forky, Tool::Dnf5)];

every_scenario! { DNF5 }

#[test]
fn whoever_agrees_to_it_is_still_stopped() {
    for client in DNF5 {
        let Some(scene) = Scene::old_kernel(client) else {
            continue;
        };
        scene.offer("new");
        let install = "dnf5 install driver-kmp-2";
        let text = scene.stopped(install, &[("Is this ok [y/N]: ", "y\n")], 1);
        assert!(
            text.contains("Transaction failed: Rpm transaction failed."),
            "{text}"
        );
        let text = scene.stopped(install, &[("Is this ok [y/N]: ", "n\n")], 1);
        assert!(text.contains("Operation aborted by the user."), "{text}");
    }
}

#[test]
fn what_installs_nothing() {
    for client in DNF5 {
        let Some(scene) = Scene::old_kernel(client) else {
            continue;
        };
        scene.offer("new");
        scene.stopped("dnf5 -y --setopt=tsflags=test install driver-kmp-2", &[], 1);
        scene.stopped("dnf5 -y install --downloadonly driver-kmp-2", &[], 0);
        scene.stopped("dnf5 --assumeno install driver-kmp-2", &[], 1);
    }
}

#[test]
fn the_ways_around_it() {
    for client in DNF5 {
        for line in [
            "BTF_GUARD=warn dnf5 -y install driver-kmp-2",
            "dnf5 -y --setopt=tsflags=noplugins install driver-kmp-2",
            "echo '%_btf_guard warn' >/etc/rpm/macros.btf_guard; dnf5 -y install driver-kmp-2",
        ] {
            let Some(scene) = Scene::old_kernel(client) else {
                continue;
            };
            scene.offer("new");
            let outcome = scene.shell(line).run();
            assert!(outcome.status.success(), "{line}: {outcome:?}");
            scene.assert_installed(&["driver-kmp-2", "kernel-default-1"]);
        }
    }
}

/// A block comes with rpm's test, which is before any action that others have for
/// the beginning of a transaction.
#[test]
fn no_action_has_begun_when_a_transaction_is_stopped() {
    for client in DNF5 {
        let Some(scene) = Scene::old_kernel(client) else {
            continue;
        };
        scene.offer("new");
        let note = |when: &str| format!("{when}::::/usr/bin/touch /var/tmp/{when}\n");
        let actions = note("pre_transaction") + &note("post_transaction");
        scene
            .root
            .put("/etc/dnf/libdnf5-plugins/actions.d/test.actions", actions);
        let ran = |when: &str| scene.root.at("/var/tmp").join(when).exists();
        scene.refused(Act::Install(&[("driver-kmp", "2")]), 1);
        assert!(!ran("pre_transaction"));
        scene.quiet(Act::Install(&[("driver-kmp", "1")]));
        assert!(ran("pre_transaction") && ran("post_transaction"));
    }
}
