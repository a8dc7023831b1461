// SPDX-License-Identifier: GPL-2.0-or-later
//! rpm by itself: 4.18, 4.20, 6.1.

use btf_guard_tests::client::Suite;

use crate::client::{Act, Client, Tool};
use crate::scenarios::every_scenario;
use crate::scene::{Scene, assert_blocked, said};

const RPM: [Client; 3] = [
    Client::new(Suite::Bookworm, Tool::Rpm),
    Client::new(Suite::Trixie, Tool::Rpm),
    Client::new(Suite::Forky, Tool::Rpm),
];

every_scenario! { RPM }

#[test]
fn a_test_run_says_the_same_and_changes_nothing() {
    for client in RPM {
        let Some(scene) = Scene::old(client) else {
            continue;
        };
        scene.offer("new");
        let text = scene.stopped("rpm -U --test /srv/new/driver-kmp-2-1.noarch.rpm", &[], 1);
        assert_blocked(&text);
        let text = scene.stopped("rpm -U --test /srv/new/*.rpm", &[], 0);
        assert!(!text.contains("btf-guard"), "{text}");
    }
}

#[test]
fn the_order_on_the_command_line_does_not_matter() {
    for client in RPM {
        for order in ["kernel-default driver-kmp", "driver-kmp kernel-default"] {
            let Some(scene) = Scene::old(client) else {
                continue;
            };
            scene.offer("new");
            let files = order
                .split(' ')
                .map(|name| format!(" /srv/new/{name}-2-1.noarch.rpm"));
            let line = format!("rpm -U --noorder{}", files.collect::<String>());
            let outcome = scene.shell(&line).run();
            assert!(outcome.status.success(), "{outcome:?}");
            assert!(!said(&outcome).contains("btf-guard"), "{outcome:?}");
            scene.assert_installed(&["driver-kmp-2", "kernel-default-2"]);
        }
    }
}

#[test]
fn one_bad_package_stops_all() {
    for client in RPM {
        let Some(scene) = Scene::old_kernel(client) else {
            continue;
        };
        for repository in ["other", "plain"] {
            scene.offer(repository);
        }
        let bad = Act::Install(&[("plain", "1"), ("other-kmp", "1"), ("driver-kmp", "1")]);
        scene.refused(bad, 3);
    }
}

#[test]
fn every_way_around_it_works() {
    for client in RPM {
        let Some(scene) = Scene::old_kernel(client) else {
            continue;
        };
        scene.offer("new");
        let bad = "/srv/new/driver-kmp-2-1.noarch.rpm";
        for (way, warns) in [
            ("rpm -U --noplugins", false),
            ("rpm -U --undefine=__transaction_btf_guard", false),
            ("BTF_GUARD=off rpm -U", false),
            ("rpm -U -D '_btf_guard off'", false),
            ("BTF_GUARD=warn rpm -U", true),
            ("rpm -U -D '_btf_guard warn'", true),
        ] {
            let outcome = scene.shell(&format!("{way} {bad}")).run();
            assert!(outcome.status.success(), "{way}: {outcome:?}");
            let text = said(&outcome);
            assert_eq!(
                text.contains("btf-guard: would have blocked"),
                warns,
                "{way}: {text}"
            );
            assert_eq!(text.contains("btf-guard"), warns, "{way}: {text}");
            scene.quiet(Act::Remove(&["driver-kmp"]));
        }
        // For good, by the files that the documentation names.
        for (macros, warns) in [
            ("%_btf_guard warn\n", true),
            ("%__transaction_btf_guard %{nil}\n", false),
        ] {
            scene.root.put("/etc/rpm/macros.btf_guard", macros);
            let outcome = scene.run(Act::Install(&[("driver-kmp", "2")]));
            assert!(outcome.status.success(), "{macros}: {outcome:?}");
            assert_eq!(
                said(&outcome).contains("btf-guard"),
                warns,
                "{macros}: {outcome:?}"
            );
            scene.quiet(Act::Remove(&["driver-kmp"]));
        }
    }
}
