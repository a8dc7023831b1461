// SPDX-License-Identifier: GPL-2.0-or-later
//! What goes wrong around a transaction is told, once, and keeps no client from
//! its work.

use std::fs;

use btf_guard_tests::client::{Build, ClientRoot, Suite, kernel, kmp, release};
use btf_guard_tests::{Extracted, Outcome, Package, kernels};

/// The client of a suite that asks for nothing.
fn dnf(suite: Suite) -> &'static str {
    match suite {
        Suite::Forky => "dnf5",
        Suite::Bookworm | Suite::Trixie => "dnf",
    }
}

/// Puts a shell script in the judge's place, which may take a second.
fn replace_judge(root: &ClientRoot, script: &str) {
    root.put("/usr/bin/judge", format!("#!/bin/sh\n{script}\n"));
    let script = "chmod 755 /usr/bin/judge
        file=$(rpm --eval '%{_rpmmacrodir}')/macros.transaction_btf_guard
        sed -i 's|--judge [^\"]*|--judge /usr/bin/judge --timeout 1|' $file";
    let done = root.run(["sh", "-ec", script]);
    assert!(done.status.success(), "{done:?}");
}

fn complaints(outcome: &Outcome) -> usize {
    let shown = format!("{}{}", outcome.stdout, outcome.stderr);
    shown.matches("btf-guard: ").count()
}

#[test]
fn a_judge_that_is_killed_or_hangs_is_told_of_once() {
    for suite in Suite::ALL {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        root.offer("repo", &[&kmp("demo", "1", Build::Old)]);
        for (script, words) in [
            ("kill -KILL $$", "the judge ended with signal: 9 (SIGKILL)"),
            ("sleep 60", "the judge gave no answer within 1 s"),
        ] {
            replace_judge(&root, script);
            for command in [
                &[dnf(suite), "-y", "install", "demo"][..],
                &["zypper", "--non-interactive", "install", "demo"],
                &["rpm", "-U", "/srv/repo/demo-1-1.noarch.rpm"],
            ] {
                let outcome = root.run(command);
                assert!(outcome.status.success(), "{outcome:?}");
                let shown = format!("{}{}", outcome.stdout, outcome.stderr);
                assert!(shown.contains(words), "{command:?}: {shown}");
                assert_eq!(complaints(&outcome), 1, "{command:?}: {shown}");
                let removed = root.client(["rpm", "-e", "demo"]).env("BTF_GUARD", "off");
                assert!(removed.run().status.success());
            }
        }
    }
}

/// Neither the cache nor what hooks leave for one another is needed.
#[test]
fn with_full_disks_the_judgement_is_the_same() {
    for suite in Suite::ALL {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        let linux = root.build(&kernel("linux", "1", Build::New));
        assert!(root.run(["rpm", "-U", &linux]).status.success());
        for full in ["/run", "/var/cache/btf-guard", "/tmp"] {
            root.mount_small(full, 4);
            let fill = format!("cat /dev/zero > {full}/filled; mkdir -p {full}/btf-guard; true");
            assert!(root.run(["sh", "-c", &fill]).status.success());
        }
        let good = root.build(&kmp("good", "1", Build::New));
        let outcome = root.run(["rpm", "-U", &good]);
        assert!(outcome.status.success(), "{outcome:?}");
        assert_eq!(complaints(&outcome), 0, "{outcome:?}");

        let bad = root.build(&kmp("bad", "1", Build::Old));
        let outcome = root.run(["rpm", "-U", "--replacefiles", &bad]);
        assert!(!outcome.status.success(), "{outcome:?}");
        assert!(
            outcome.stderr.contains("btf-guard: blocked: "),
            "{outcome:?}"
        );
    }
}

/// rpm takes back what it could not write, so there is nothing to tell of.
#[test]
fn a_disk_that_fills_up_half_way_is_rpms_to_tell_of() {
    for suite in Suite::ALL {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        let linux = root.build(&kernel("linux", "1", Build::New));
        assert!(root.run(["rpm", "-U", &linux]).status.success());
        let extra = format!("/usr/lib/modules/{}/extra", release());
        root.mount_small(&extra, 512);
        let good = root.build(&kmp("good", "1", Build::New));
        let outcome = root.run(["rpm", "-U", "--ignoresize", &good]);
        assert!(!outcome.status.success(), "{outcome:?}");
        assert!(
            outcome.stderr.contains("unpacking of archive failed"),
            "{outcome:?}"
        );
        assert_eq!(complaints(&outcome), 0, "{outcome:?}");
        assert_eq!(root.installed(), ["linux-1-1.noarch"]);
    }
}

/// rpm lets one at a time change the system; each is judged for itself.
#[test]
fn two_at_once_are_judged_one_by_one() {
    for suite in Suite::ALL {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        let linux = root.build(&kernel("linux", "1", Build::New));
        assert!(root.run(["rpm", "-U", &linux]).status.success());
        let good = root.build(&kmp("good", "1", Build::New));
        let name = format!("/usr/lib/modules/{}/extra/elsewhere.ko", release());
        let bad = Package::new("bad").copy(name, old_module());
        let bad = root.build(&bad);
        let both = format!(
            "try() {{
                 while :; do
                     rpm -U $1 >$2 2>&1; code=$?
                     grep -q 'transaction lock' $2 || return $code
                 done
             }}
             try {good} /tmp/good & one=$!
             try {bad} /tmp/bad & two=$!
             wait $one && ! wait $two"
        );
        let outcome = root.run(["sh", "-c", &both]);
        let read = |path| fs::read_to_string(root.at(path)).unwrap();
        let (good, bad) = (read("/tmp/good"), read("/tmp/bad"));
        assert!(outcome.status.success(), "{good}{bad}");
        assert!(!good.contains("btf-guard"), "{good}");
        assert_eq!(bad.matches("btf-guard: blocked: ").count(), 1, "{bad}");
        assert_eq!(root.installed(), ["good-1-1.noarch", "linux-1-1.noarch"]);
    }
}

/// What lasts until the reboot is a matter of the machine that runs, not of a
/// root or an image that is made on it.
#[test]
fn the_running_kernel_is_no_target_of_another_root() {
    if !fs::exists("/sys/kernel/btf/vmlinux").unwrap() {
        btf_guard_tests::skip::skipped("the running kernel and clients", "it shows no BTF");
        return;
    }
    let running = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let path = format!("/usr/lib/modules/{}/extra/foreign.ko", running.trim());
    let package = Package::new("foreign").copy(path, old_module());
    for suite in Suite::ALL {
        let Some(root) = ClientRoot::as_machine(suite) else {
            continue;
        };
        root.offer("repo", &[&package]);
        let dnf = dnf(suite);
        let install = [dnf, "-y", "install", "foreign"];
        let inside = [
            dnf,
            "-y",
            "--installroot=/inside",
            "--use-host-config",
            "install",
            "foreign",
        ];
        let inside = inside.into_iter();
        let inside: Vec<_> = inside
            .filter(|word| *word != "--use-host-config" || dnf == "dnf5")
            .collect();
        let outcome = root.run(inside);
        assert!(outcome.status.success(), "{outcome:?}");
        assert!(fs::exists(root.at("/inside/usr/lib/modules")).unwrap());
        assert_eq!(complaints(&outcome), 0, "{outcome:?}");

        let image = root.client(install).env("TRANSACTIONAL_UPDATE", "1").run();
        assert!(image.status.success(), "{image:?}");
        assert_eq!(complaints(&image), 0, "{image:?}");

        assert!(root.run(["rpm", "-e", "foreign"]).status.success());
        let outcome = root.run(install);
        assert!(outcome.status.success(), "{outcome:?}");
        let judged = root.run([
            "btf-guard",
            "check",
            "--quiet",
            "/srv/repo/foreign-1-1.noarch.rpm",
            "--kernel",
            "running",
        ]);
        if judged.status.code() == Some(1) {
            assert_eq!(complaints(&outcome), 1, "{outcome:?}");
        }
    }
}

/// A module that no kernel but its own takes.
fn old_module() -> std::path::PathBuf {
    let all = Extracted::all(&kernels());
    let old = all
        .into_iter()
        .find(|kernel| kernel.name.starts_with("image-6.1.") && kernel.name.contains("cloud"));
    let modules = old.expect("a 6.1 kernel; run `make test`").modules;
    let xfs = modules.into_iter().find(|path| path.ends_with("xfs.ko"));
    xfs.expect("xfs in a kernel of Debian")
}
