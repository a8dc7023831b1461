// SPDX-License-Identifier: GPL-2.0-or-later
//! The roots themselves: without these, the other tests prove nothing.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::process::Command;

use btf_guard_tests::Package;
use btf_guard_tests::client::{ClientRoot, Suite};

fn roots() -> impl Iterator<Item = ClientRoot> {
    Suite::ALL.into_iter().filter_map(ClientRoot::new)
}

fn plain(version: &str) -> Package {
    Package::new("plain")
        .version(version)
        .file("/usr/share/plain", version)
}

/// Runs of `sleep` for so many seconds, in every process namespace below this one.
fn sleepers(seconds: &str) -> usize {
    let processes = Command::new("ps")
        .args(["-e", "-o", "args="])
        .output()
        .unwrap();
    let processes = String::from_utf8(processes.stdout).unwrap();
    let sleeper = format!("sleep {seconds}");
    processes.lines().filter(|line| *line == sleeper).count()
}

#[test]
fn every_client_finds_a_package_and_installs_it() {
    for root in roots() {
        root.offer("first", &[&plain("1")]);
        let dnf = match root.suite() {
            Suite::Forky => "dnf5",
            Suite::Bookworm | Suite::Trixie => "dnf",
        };
        for client in [
            &["zypper", "--non-interactive", "install", "plain"][..],
            &[dnf, "-y", "install", "plain"],
            &["rpm", "-U", "/srv/first/plain-1-1.noarch.rpm"],
        ] {
            let outcome = root.run(client);
            assert!(outcome.status.success(), "{outcome:?}");
            assert_eq!(root.installed(), ["plain-1-1.noarch"]);
            let removed = root.run(["rpm", "-e", "plain"]);
            assert!(removed.status.success(), "{removed:?}");
        }
        // What came into the repository later is found too.
        root.offer("first", &[&plain("2")]);
        let outcome = root.run([dnf, "-y", "install", "plain"]);
        assert!(outcome.status.success(), "{outcome:?}");
        assert_eq!(root.installed(), ["plain-2-1.noarch"]);
    }
}

#[test]
fn btf_guard_lies_where_the_roots_own_rpm_looks() {
    for root in roots() {
        let version = root.run(["btf-guard", "--version"]);
        assert!(version.status.success(), "{version:?}");
        let value = root
            .run(["rpm", "--eval", "%__transaction_btf_guard"])
            .stdout;
        let [plugin, "--judge", judge] = value.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("{value}");
        };
        assert!(
            root.at(plugin).is_file() && root.at(judge).is_file(),
            "{value}"
        );
        let without = ClientRoot::without_guard(root.suite()).unwrap();
        assert!(!without.at(plugin).exists() && !without.at(judge).exists());
    }
}

#[test]
fn a_snapshot_sees_what_a_package_changes_and_nothing_else() {
    for root in roots() {
        let package = root.build(&plain("1"));
        let before = root.snapshot();
        root.put("/var/log/some.log", "a client's own");
        root.put("/var/lib/dnf/history", "a client's own");
        assert_eq!(before.changes(&root.snapshot()), [""; 0]);
        for (change, seen, back) in [
            (
                "chmod 0700 /usr/share",
                "usr/share",
                "chmod 0755 /usr/share",
            ),
            (
                "mkdir /usr/share/new",
                "usr/share/new",
                "rmdir /usr/share/new",
            ),
            (
                &format!("rpm -U {package}"),
                "rpm's database",
                "rpm -e plain",
            ),
            ("rm /etc/hostname", "etc/hostname", ""),
        ] {
            let changed = root.run(["sh", "-c", change]);
            assert!(changed.status.success(), "{changed:?}");
            let changes = before.changes(&root.snapshot());
            assert!(
                changes.iter().any(|name| name == seen),
                "{change}: {changes:?}"
            );
            if !back.is_empty() {
                root.run(["sh", "-c", back]);
                assert_eq!(before.changes(&root.snapshot()), [""; 0], "{back}");
            }
        }
    }
}

#[test]
fn a_chroot_is_no_machine() {
    for suite in Suite::ALL {
        let (Some(chroot), Some(machine)) = (ClientRoot::new(suite), ClientRoot::as_machine(suite))
        else {
            continue;
        };
        let same = |root: &ClientRoot| {
            let outcome = root.run(["stat", "-L", "-c", "%d:%i", "/", "/proc/1/root"]);
            let lines: Vec<_> = outcome.stdout.lines().collect();
            assert_eq!(lines.len(), 2, "{outcome:?}");
            lines[0] == lines[1]
        };
        assert!(!same(&chroot));
        assert!(same(&machine));
        // Either way the same kernel, and the same file from both sides.
        for root in [chroot, machine] {
            let release = root.run(["uname", "-r"]).stdout;
            assert_eq!(
                release.trim(),
                fs::read_to_string("/proc/sys/kernel/osrelease")
                    .unwrap()
                    .trim()
            );
            root.put("/etc/there", "text");
            assert_eq!(root.run(["cat", "/etc/there"]).stdout, "text");
        }
    }
}

#[test]
fn nothing_is_left_of_a_root_even_after_a_panic() {
    let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap();
    let before = mounts();
    for root in roots() {
        let seconds = format!("{}.5", 100_000 + std::process::id());
        let start = format!("sleep {seconds} </dev/null >/dev/null 2>&1 &");
        let started = root.run(["sh", "-c", &start]);
        assert!(started.status.success(), "{started:?}");
        assert_eq!(sleepers(&seconds), 1);
        assert_eq!(mounts(), before, "the mounts are seen outside");
        let ended = panic::catch_unwind(AssertUnwindSafe(move || {
            let _root = root;
            panic!("as a test does that fails");
        }));
        assert!(ended.is_err());
        assert_eq!(sleepers(&seconds), 0);
    }
}

#[test]
#[should_panic(expected = "still ran after 1 s")]
fn a_client_that_hangs_is_ended() {
    let root = ClientRoot::new(Suite::Bookworm);
    // Where there are no roots there is nothing to hang.
    let root = root.unwrap_or_else(|| panic!("still ran after 1 s, as it were"));
    root.client(["sleep", "1000"]).within(1).run();
}

#[test]
fn a_client_at_a_terminal_is_answered() {
    for root in roots() {
        let ask = "test -t 0 && test -t 1 && read -p 'Well? ' a && read -p 'Sure? ' b && echo $a$b";
        let outcome = root
            .client(["bash", "-c", ask])
            .answering(&[("Well? ", "y\n"), ("Sure? ", "n\n")]);
        assert!(outcome.status.success(), "{outcome:?}");
        assert!(outcome.stdout.ends_with("yn\n"), "{outcome:?}");
    }
}
