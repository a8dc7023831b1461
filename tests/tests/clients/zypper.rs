// SPDX-License-Identifier: GPL-2.0-or-later
//! zypper with libzypp 17.25, 17.36 and 17.38, in its two back ends.

use std::fs;

use btf_guard_tests::client::Suite;

use crate::client::{Act, Client, Tool};
use crate::journal::Journal;
use crate::scenarios::every_scenario;
use crate::scene::{Scene, assert_blocked};

/// libzypp 17.25 has the classic back end only.
const SINGLE: [Client; 2] = [
    Client::new(Suite::Trixie, Tool::ZypperSingle),
    Client::new(Suite::Forky, Tool::ZypperSingle),
];

const CLASSIC: [Client; 3] = [
    Client::new(Suite::Bookworm, Tool::ZypperClassic),
    Client::new(Suite::Trixie, Tool::ZypperClassic),
    Client::new(Suite::Forky, Tool::ZypperClassic),
];

/// zypper drops rpm's words then; only libzypp 17.25 has them in its error. What
/// is hidden is in zypper's log and in the journal.
#[test]
fn what_quiet_hides_is_written_down() {
    for client in CLASSIC.into_iter().chain(SINGLE) {
        let Some(scene) = Scene::old_kernel(client) else {
            continue;
        };
        scene.offer("new");
        let journal = Journal::of(&scene.root);
        let install = client.command(Act::Install(&[("driver-kmp", "2")]));
        let quiet = install.replacen("zypper", "zypper --quiet", 1);
        let text = scene.stopped(&quiet, &[], 8);
        match client.suite {
            Suite::Bookworm => assert_blocked(&text),
            Suite::Trixie | Suite::Forky => {
                assert!(!text.contains("btf-guard: "), "{client:?}: {text}");
            }
        }
        let log = fs::read_to_string(scene.root.at("/var/log/zypper.log")).unwrap();
        assert!(log.contains("btf-guard: blocked: "), "{client:?}: {log}");
        let entry = journal.entry();
        assert_eq!(entry.get("BTF_GUARD_DECISION"), "block", "{entry:?}");
        assert_eq!(entry.get("BTF_GUARD_CLIENT"), "zypper", "{entry:?}");
    }
}

mod single {
    use super::*;

    every_scenario! { SINGLE }

    /// The question comes before the packages are there to be judged.
    #[test]
    fn whoever_agrees_to_it_is_still_stopped() {
        for client in SINGLE {
            let Some(scene) = Scene::old_kernel(client) else {
                continue;
            };
            scene.offer("new");
            let install = "zypper install driver-kmp";
            let text = scene.stopped(install, &[("Continue? ", "y\n")], 8);
            assert_blocked(&text);
            assert!(
                text.contains("The following package installation was skipped:"),
                "{text}"
            );
            let text = scene.stopped(install, &[("Continue? ", "n\n")], 4);
            assert!(!text.contains("btf-guard"), "{text}");
        }
    }

    #[test]
    fn what_installs_nothing() {
        for client in SINGLE {
            let Some(scene) = Scene::old_kernel(client) else {
                continue;
            };
            scene.offer("new");
            let install = |options: &str| {
                let line = format!("zypper --non-interactive install {options} driver-kmp");
                scene.stopped(&line, &[], 0)
            };
            // Nothing is there to be judged, or nobody is asked.
            for options in ["--dry-run", "--download-only"] {
                let text = install(options);
                assert!(!text.contains("btf-guard"), "{text}");
            }
            // A test by rpm. It fails, which zypper does not count as a failure.
            assert_blocked(&install("--dry-run --download-only"));
        }
    }

    /// zypper shows nothing of what rpm says then, but for the list.
    #[test]
    fn a_zypper_that_is_to_be_quiet_tells_what_it_skipped() {
        for client in SINGLE {
            let Some(scene) = Scene::old_kernel(client) else {
                continue;
            };
            scene.offer("new");
            let line = "zypper --quiet --non-interactive install driver-kmp";
            let text = scene.stopped(line, &[], 8);
            assert!(
                text.contains("The following package installation was skipped:"),
                "{text}"
            );
        }
    }
}

mod classic {
    use super::*;

    every_scenario! { CLASSIC }

    #[test]
    fn what_installs_nothing() {
        for client in CLASSIC {
            let Some(scene) = Scene::old_kernel(client) else {
                continue;
            };
            scene.offer("new");
            for options in ["--dry-run", "--download-only"] {
                let line = format!("zypper --non-interactive install {options} driver-kmp");
                let text = scene.stopped(&line, &[], 0);
                assert!(!text.contains("btf-guard"), "{text}");
            }
        }
    }
}
