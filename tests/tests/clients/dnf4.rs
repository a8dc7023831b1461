// SPDX-License-Identifier: GPL-2.0-or-later
//! dnf 4.14 and 4.23.

use btf_guard_tests::client::Suite;

use crate::client::{Client, Tool};
use crate::scenarios::every_scenario;
use crate::scene::{Scene, assert_blocked, said};

const DNF4: [Client; 2] = [
    Client::new(Suite::Bookworm, Tool::Dnf4),
    Client::new(Suite::Trixie, Tool::Dnf4),
];

every_scenario! { DNF4 }

/// The question comes before the packages are there to be judged.
#[test]
fn whoever_agrees_to_it_is_still_stopped() {
    for client in DNF4 {
        let Some(scene) = Scene::old_kernel(client) else {
            continue;
        };
        scene.offer("new");
        let install = "dnf install driver-kmp-2";
        let text = scene.stopped(install, &[("Is this ok [y/N]: ", "y\n")], 1);
        assert_blocked(&text);
        assert!(text.contains("RPM: error: btf-guard: blocked: "), "{text}");
        assert!(text.contains("Error: Transaction test error:"), "{text}");
        let text = scene.stopped(install, &[("Is this ok [y/N]: ", "n\n")], 1);
        assert!(text.contains("Operation aborted."), "{text}");
        assert!(!text.contains("btf-guard"), "{text}");
    }
}

#[test]
fn a_block_is_shown_even_if_dnf_is_to_be_quiet() {
    for client in DNF4 {
        let Some(scene) = Scene::old_kernel(client) else {
            continue;
        };
        scene.offer("new");
        let text = scene.stopped("dnf -y -q install driver-kmp-2", &[], 1);
        assert_blocked(&text);
    }
}

#[test]
fn what_installs_nothing() {
    for client in DNF4 {
        let Some(scene) = Scene::old_kernel(client) else {
            continue;
        };
        scene.offer("new");
        // rpm's test transaction has the plugin, as before every installation.
        let text = scene.stopped("dnf -y --setopt=tsflags=test install driver-kmp-2", &[], 1);
        assert_blocked(&text);
        let text = scene.stopped("dnf -y --downloadonly install driver-kmp-2", &[], 0);
        assert!(!text.contains("btf-guard"), "{text}");
        let text = scene.stopped("dnf --assumeno install driver-kmp-2", &[], 1);
        assert!(!text.contains("btf-guard"), "{text}");
    }
}

/// dnf has no option for it; rpm's own switches are there.
#[test]
fn the_ways_around_it() {
    for client in DNF4 {
        for line in [
            "BTF_GUARD=warn dnf -y install driver-kmp-2",
            "echo '%_btf_guard warn' >/etc/rpm/macros.btf_guard; dnf -y install driver-kmp-2",
        ] {
            let Some(scene) = Scene::old_kernel(client) else {
                continue;
            };
            scene.offer("new");
            let outcome = scene.shell(line).run();
            assert!(outcome.status.success(), "{line}: {outcome:?}");
            let text = said(&outcome);
            assert!(
                text.contains("warning: btf-guard: would have blocked: "),
                "{line}: {text}"
            );
            scene.assert_installed(&["driver-kmp-2", "kernel-default-1"]);
        }
    }
}
