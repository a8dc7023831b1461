// SPDX-License-Identifier: GPL-2.0-or-later
//! zypper as transactional-update runs it: in a chroot of a snapshot, or outside
//! with the snapshot as its root (`tukit call` and `tukit callext`; `runCommand()`
//! in lib/Transaction.cpp, `zypper_cmd` in sbin/transactional-update.in). What is
//! changed is booted later, so that the running kernel does not count.

use std::fs;

use btf_guard_tests::client::{Build, ClientRoot, Suite, has_fetcher, kernel, kmp, kmp_for};
use btf_guard_tests::{Outcome, Package};

const SNAPSHOT: &str = "/.snapshots/2/snapshot";

/// In the snapshot, and outside with its path. libzypp 17.25 has no commit plugin
/// for another root than `/`.
const WAYS: [(Suite, bool); 4] = [
    (Suite::Bookworm, true),
    (Suite::Trixie, true),
    (Suite::Trixie, false),
    (Suite::Forky, false),
];

struct Scene {
    root: ClientRoot,
    inside: bool,
}

impl Scene {
    /// A machine, whose running kernel counts otherwise, and a snapshot of it: the
    /// root itself at another place.
    fn new((suite, inside): (Suite, bool)) -> Option<Self> {
        let root = ClientRoot::as_machine(suite).filter(has_fetcher)?;
        let script = format!(
            "mkdir -p {SNAPSHOT} && mount --bind / {SNAPSHOT} &&
             for dir in proc sys dev; do mount --rbind /$dir {SNAPSHOT}/$dir; done &&
             mount -t tmpfs -o mode=755 tmpfs {SNAPSHOT}/run"
        );
        let mounted = root.run(["sh", "-c", &script]);
        assert!(mounted.status.success(), "{mounted:?}");
        Some(Self { root, inside })
    }

    fn zypper(&self, words: &[&str]) -> Outcome {
        let command = match self.inside {
            true => ["chroot", SNAPSHOT, "zypper", "--non-interactive"],
            false => ["zypper", "--non-interactive", "-R", SNAPSHOT],
        };
        let words = [&command[..], words].concat();
        let run = self.root.client(words);
        run.env("TRANSACTIONAL_UPDATE", "true")
            .env("TRANSACTIONAL_UPDATE_ROOT", SNAPSHOT)
            .run()
    }

    fn install(&self, package: &Package) {
        let package = self.root.build(package);
        let installed = self.root.client(["rpm", "-U", &package]);
        let installed = installed.env("BTF_GUARD", "off").run();
        assert!(installed.status.success(), "{installed:?}");
    }
}

fn said(outcome: &Outcome) -> String {
    format!("{}{}", outcome.stdout, outcome.stderr)
}

#[test]
fn the_running_kernel_is_no_target_of_a_snapshot() {
    let running = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    for way in WAYS {
        let Some(scene) = Scene::new(way) else {
            continue;
        };
        let foreign = kmp_for(running.trim(), "extra", "foreign-kmp", "1", Build::Old);
        scene.root.offer("repo", &[&foreign]);
        for verb in ["install", "remove"] {
            let outcome = scene.zypper(&[verb, "foreign-kmp"]);
            assert!(outcome.status.success(), "{way:?}: {outcome:?}");
            let text = said(&outcome);
            assert!(!text.contains("btf-guard"), "{way:?}: {text}");
        }
    }
}

/// Each by itself does not fit what is there by then; together they do.
#[test]
fn a_snapshots_commit_is_judged_as_one() {
    for way in WAYS {
        let Some(scene) = Scene::new(way) else {
            continue;
        };
        scene.install(&kernel("kernel-default", "1", Build::Old));
        scene.install(&kmp("demo-kmp", "1", Build::Old));
        let kernel = kernel("kernel-default", "2", Build::New);
        let first = Package::new("first").file("/usr/share/first", "text");
        scene
            .root
            .offer("repo", &[&kernel.tag("Requires", "first"), &first]);
        let before = scene.root.installed();
        let outcome = scene.zypper(&["update"]);
        let text = said(&outcome);
        assert_eq!(outcome.status.code(), Some(8), "{way:?}: {text}");
        assert!(text.contains("btf-guard: blocked: "), "{way:?}: {text}");
        assert_eq!(scene.root.installed(), before, "{way:?}");

        let new = kmp("demo-kmp", "2", Build::New).tag("Requires", "kernel-default = 2");
        scene.root.offer("repo", &[&new]);
        let outcome = scene.zypper(&["update"]);
        let text = said(&outcome);
        assert!(outcome.status.success(), "{way:?}: {text}");
        assert!(!text.contains("btf-guard"), "{way:?}: {text}");
    }
}
