// SPDX-License-Identifier: GPL-2.0-or-later
//! Fetching beside a zypper that is in the middle of a commit, from a slow
//! server, and from a libzypp that never comes back.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Instant;

use btf_guard_protocol::zypp::{Ask, Commit, CommitAction, CommitStep, Extent, Request};
use btf_guard_tests::client::{ClientRoot, FETCHER, Fetched, Suite};

use crate::slow;
use crate::zypp_ask::{noise, roots, up};

/// Stands for the commit plugin: while zypper waits for its answer to
/// COMMITBEGIN, it has the request answered.
const PLUGIN: &str = r#"#!/bin/bash
while IFS= read -r -d '' frame; do
    case "$frame" in
        COMMITBEGIN*)
            find /var/cache/zypp/packages -name '*.rpm' >/tmp/before
            FETCHER </tmp/commit.json >/tmp/commit.answer
            echo $? >/tmp/commit.status
            FETCHER </tmp/resolve.json >/tmp/resolve.answer
            echo $? >/tmp/resolve.status
            ;;
    esac
    case "$frame" in
        _DISCONNECT*) printf 'ACK\nexit:0\n\n\0' ;;
        *) printf 'ACK\n\n\0' ;;
    esac
done
"#;

fn commit() -> Request {
    let step = |action, name: &str, version: &str| CommitStep {
        action,
        name: name.to_owned(),
        epoch: None,
        version: version.to_owned(),
        release: "1".to_owned(),
        arch: "noarch".to_owned(),
    };
    let steps = vec![
        step(CommitAction::Multi, "kernel-default", "2"),
        step(CommitAction::Install, "drbd", "2"),
        step(CommitAction::Install, "tool", "2"),
        step(CommitAction::Install, "unknown", "1"),
        step(CommitAction::Erase, "relic", "1"),
    ];
    let mut request = Request::new("/".into(), Ask::Commit(Commit { steps }));
    request.fetch = Extent::Kernel;
    request.deadline = Some(25);
    request
}

fn executable(root: &ClientRoot, path: &str, script: &str) {
    root.put(path, script);
    std::fs::set_permissions(root.at(path), Permissions::from_mode(0o755)).unwrap();
}

fn answer(root: &ClientRoot, name: &str) -> Fetched {
    let read = |what: &str| std::fs::read_to_string(root.at(&format!("/tmp/{name}.{what}")));
    let code: i32 = read("status").unwrap().trim().parse().unwrap();
    Fetched::read(ExitStatus::from_raw(code << 8), &read("answer").unwrap())
}

#[test]
fn within_a_commit_packages_come_into_the_cache_that_zypper_then_uses() {
    for root in roots() {
        let plugin = PLUGIN.replace("FETCHER", FETCHER);
        executable(&root, "/usr/lib/zypp/plugins/commit/test", &plugin);
        let text = |request: &Request| serde_json::to_vec(request).unwrap();
        root.put("/tmp/commit.json", text(&commit()));
        root.put("/tmp/resolve.json", text(&up()));
        let updated = root.client(["zypper", "--non-interactive", "update"]);
        let updated = updated.env("BTF_GUARD", "off").run();
        assert!(updated.status.success(), "{updated:?}");
        assert_eq!(
            root.installed(),
            [
                "drbd-2-1.noarch",
                "kernel-default-1-1.noarch",
                "kernel-default-2-1.noarch",
                "tool-2-1.noarch"
            ]
        );

        let fetched = answer(&root, "commit");
        assert!(fetched.status.success(), "{fetched:?}");
        for nevra in ["drbd-2-1.noarch", "kernel-default-2-1.noarch"] {
            assert!(fetched.coming(nevra).path.is_some(), "{fetched:?}");
        }
        assert!(!fetched.coming("tool-2-1.noarch").kernel);
        let (_, go) = fetched.steps();
        assert_eq!(
            go,
            ["drbd-1-1.noarch", "relic-1-1.noarch", "tool-1-1.noarch"]
        );
        // A package from the command line is in no repository that we know.
        assert!(fetched.coming("unknown-1-1.noarch").repository.is_none());
        let problems = &fetched.outcome().problems;
        assert_eq!(problems, &["no repository offers unknown-1-1.noarch"]);

        let before = std::fs::read_to_string(root.at("/tmp/before")).unwrap();
        if root.suite() == Suite::Forky {
            // 17.38 with its one transaction downloads first.
            assert!(before.contains("/drbd-2-1.noarch.rpm"), "{before}");
        } else {
            assert_eq!(before, "");
            for name in ["drbd-2-1", "kernel-default-2-1"] {
                let cached = format!("In cache {name}.noarch.rpm");
                assert!(updated.stdout.contains(&cached), "{updated:?}");
            }
            assert!(!updated.stdout.contains("In cache tool"), "{updated:?}");
        }

        // Whoever is not zypper's child is kept out.
        let refused = answer(&root, "resolve");
        assert_eq!(refused.status.code(), Some(1));
        let failure = refused.failure();
        assert!(failure.what.contains("locked"), "{failure:?}");
    }
}

#[test]
fn of_two_builds_under_one_name_the_better_priority_is_taken_and_it_is_said() {
    for root in roots() {
        let other = btf_guard_tests::Package::new("drbd")
            .version("2")
            .tag("Provides", "kmod(drbd.ko)")
            .file("/usr/lib/modules/2/drbd.ko", "another build");
        root.offer("second", &[&other]);
        // Where nothing prefers one, it must be the one that zypper takes.
        let alone = root.fetch(&commit());
        let solved = root.fetch(&up());
        assert_eq!(
            alone.coming("drbd-2-1.noarch").repository,
            solved.coming("drbd-2-1.noarch").repository,
        );
        root.put(
            "/etc/zypp/repos.d/second.repo",
            "[second]\nname=second\nenabled=1\nbaseurl=file:///srv/second\ngpgcheck=0\n\
             autorefresh=1\npriority=10\n",
        );
        let fetched = root.fetch(&commit());
        let step = fetched.coming("drbd-2-1.noarch");
        assert_eq!(step.repository.as_deref(), Some("second"));
        let path = "/var/cache/zypp/packages/second/drbd-2-1.noarch.rpm";
        assert_eq!(step.path.as_deref(), Some(path.as_ref()));
        let problem = "drbd-2-1.noarch is offered with different contents; taken is that of second";
        let problems = &fetched.outcome().problems;
        assert!(problems.iter().any(|text| text == problem), "{problems:?}");
    }
}

#[test]
fn who_provides_a_name_is_not_taken_for_who_has_it() {
    for root in roots() {
        let other = btf_guard_tests::Package::new("other")
            .version("2")
            .tag("Provides", "tool")
            .file("/usr/share/other", "text");
        root.offer("second", &[&other]);
        let installed = root.client(["zypper", "--non-interactive", "install", "other"]);
        let installed = installed.env("BTF_GUARD", "off").run();
        assert!(installed.status.success(), "{installed:?}");
        let fetched = root.fetch(&commit());
        let repository = fetched.coming("tool-2-1.noarch").repository.as_deref();
        assert_eq!(repository, Some("first"));
        let (_, go) = fetched.steps();
        assert_eq!(
            go,
            ["drbd-1-1.noarch", "relic-1-1.noarch", "tool-1-1.noarch"]
        );
    }
}

#[test]
fn what_a_slow_server_has_sent_by_the_deadline_is_told_and_the_rest_is_named() {
    for root in roots() {
        let big = btf_guard_tests::Package::new("kernel-default")
            .version("3")
            .tag("Provides", "multiversion(kernel)")
            .file("/usr/lib/modules/3/vmlinuz", noise(200_000));
        root.offer("first", &[&big]);
        slow::serve(&root, "first");
        let mut request = up();
        request.deadline = Some(8);
        let begun = Instant::now();
        let fetched = root.fetch(&request);
        assert!(begun.elapsed().as_secs() < 12, "{:?}", begun.elapsed());
        assert!(fetched.status.success(), "{fetched:?}");
        assert!(fetched.coming("drbd-2-1.noarch").path.is_some());
        assert!(fetched.coming("kernel-default-3-1.noarch").path.is_none());
        assert_eq!(
            fetched.outcome().problems,
            ["libzypp was not done after 8 seconds: 1 of 2 packages were not fetched"]
        );
        let kernel: Vec<_> = fetched
            .progress
            .iter()
            .filter(|line| line.package == "kernel-default-3-1.noarch")
            .collect();
        assert!(kernel.len() > 5, "{:?}", fetched.progress);
        assert!(kernel.is_sorted_by_key(|line| line.done));
        for line in kernel {
            assert_eq!((line.index, line.of), (2, 2));
            assert!(line.done < line.total, "{line:?}");
        }
    }
}
