// SPDX-License-Identifier: GPL-2.0-or-later
//! A commit of zypper's without modules: libzypp is asked once for what it knows,
//! and not again before something has changed.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use btf_guard_tests::client::{Build, ClientRoot, FETCHER, Suite, has_fetcher, kmp};
use btf_guard_tests::{Outcome, Package};

const ASKED: &str = "/tmp/asked";

/// Notes that it is asked, and asks.
const NOTING: &str = "#!/bin/sh\n: >>/tmp/asked\nexec \"$0-real\"\n";

struct Scene(ClientRoot);

impl Scene {
    fn new(suite: Suite) -> Option<Self> {
        let root = ClientRoot::new(suite).filter(has_fetcher)?;
        // The real one looks for its shim beside itself.
        let real = format!("{FETCHER}-real");
        fs::rename(root.at(FETCHER), root.at(&real)).unwrap();
        root.put(FETCHER, NOTING);
        fs::set_permissions(root.at(FETCHER), Permissions::from_mode(0o755)).unwrap();
        Some(Self(root))
    }

    /// Does something, which goes well, and tells whether libzypp was asked.
    #[track_caller]
    fn asks(&self, command: &[&str]) -> bool {
        let outcome = self.run(command);
        assert!(outcome.status.success(), "{command:?}: {outcome:?}");
        let asked = self.0.at(ASKED);
        let was_asked = asked.exists();
        let _ = fs::remove_file(asked);
        was_asked
    }

    fn run(&self, command: &[&str]) -> Outcome {
        let zypper = ["zypper", "--non-interactive"];
        self.0.run([&zypper[..], command].concat())
    }
}

fn plain(name: &str) -> Package {
    Package::new(name).file(format!("/usr/share/{name}"), "text")
}

#[test]
fn libzypp_is_asked_again_only_when_something_has_changed() {
    for suite in Suite::ALL {
        let Some(scene) = Scene::new(suite) else {
            continue;
        };
        scene.0.offer("repo", &[&plain("one"), &plain("two")]);
        assert!(scene.asks(&["install", "one"]), "{suite:?}");
        // What zypper itself has changed is known.
        for commit in [["install", "two"], ["remove", "one"], ["install", "one"]] {
            assert!(!scene.asks(&commit), "{suite:?}: {commit:?}");
        }
        // rpm's database.
        let removed = scene.0.run(["rpm", "-e", "one"]);
        assert!(removed.status.success(), "{removed:?}");
        assert!(scene.asks(&["install", "one"]), "{suite:?}");
        assert!(!scene.asks(&["remove", "one"]), "{suite:?}");
        // A repository.
        scene.0.offer("more", &[&plain("three")]);
        assert!(scene.asks(&["install", "three"]), "{suite:?}");
        assert!(!scene.asks(&["remove", "three"]), "{suite:?}");
    }
}

/// By its name, by what is in it, or by what it takes the place of.
#[test]
fn what_brings_or_takes_modules_is_never_passed_over() {
    for suite in Suite::ALL {
        let Some(scene) = Scene::new(suite) else {
            continue;
        };
        let modules = kmp("oddly-named", "1", Build::New);
        let installed = scene.0.build(&modules);
        let installed = scene
            .0
            .client(["rpm", "-U", &installed])
            .env("BTF_GUARD", "off");
        assert!(installed.run().status.success());
        let instead = plain("instead").tag("Obsoletes", "oddly-named < 2");
        scene.0.offer(
            "repo",
            &[&plain("one"), &instead, &kmp("demo-kmp", "1", Build::New)],
        );
        assert!(scene.asks(&["install", "one"]), "{suite:?}");
        assert!(!scene.asks(&["remove", "one"]), "{suite:?}");
        assert!(scene.asks(&["install", "instead"]), "{suite:?}");
        assert_eq!(scene.0.installed(), ["instead-1-1.noarch"]);
        assert!(scene.asks(&["install", "demo-kmp"]), "{suite:?}");
        assert!(scene.asks(&["remove", "demo-kmp"]), "{suite:?}");
        let removed = scene.0.run(["rpm", "-e", "instead"]);
        assert!(removed.status.success(), "{removed:?}");
        let again = scene
            .0
            .client(["rpm", "-U", "/packages/oddly-named-1-1.noarch.rpm"]);
        assert!(again.env("BTF_GUARD", "off").run().status.success());
        assert!(scene.asks(&["install", "one"]), "{suite:?}");
        assert!(scene.asks(&["remove", "oddly-named"]), "{suite:?}");
    }
}
