// SPDX-License-Identifier: GPL-2.0-or-later
//! What the actions of dnf 4 and dnf 5 tell after a transaction.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::thread::sleep;
use std::time::Duration;

use btf_guard_tests::Package;
use btf_guard_tests::client::{Build, ClientRoot, Suite, kernel, kmp, module, release};

use super::{assert_says, assert_silent, image, install, switch_plugin_off};
use crate::once::screen;

/// The dnf of a suite that has plugins of its own. Debian 12 has none for its dnf
/// where zypper is.
const DNFS: [(Suite, &str); 2] = [(Suite::Trixie, "dnf"), (Suite::Forky, "dnf5")];

/// A name as module packages have them.
const KMP: &str = "demo-kmp";

/// What dnf's hook says of a module that will not load.
const LEFT: [&str; 2] = [
    "after this transaction, ",
    "modules will not load on kernel",
];

#[test]
fn without_the_rpm_plugin_dnf_tells_of_what_is_left() {
    for (suite, dnf) in DNFS {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        switch_plugin_off(&root);
        install(&root, &kernel("kernel", "1", Build::New));
        let good = kmp("good-kmp", "1", Build::New);
        root.offer("repo", &[&kmp(KMP, "1", Build::Old), &good]);
        assert_silent(&root.run([dnf, "-y", "install", "good-kmp"]));
        assert_silent(&root.run([dnf, "-y", "remove", "good-kmp"]));
        for quiet in [&[][..], &["-q"]] {
            let command = [&[dnf, "-y"], quiet, &["install", KMP]].concat();
            let outcome = root.run(command);
            assert_says(
                &outcome,
                &["after this transaction", "will not load", &image()],
            );
            assert_silent(&root.run([dnf, "-y", "remove", KMP]));
        }
        let off = root.client([dnf, "-y", "install", KMP]);
        assert_silent(&off.env("BTF_GUARD", "off").run());
    }
}

#[test]
fn without_the_rpm_plugin_a_package_of_any_name_is_looked_at() {
    for (suite, dnf) in DNFS {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        switch_plugin_off(&root);
        install(&root, &kernel("kernel", "1", Build::New));
        root.offer("repo", &[&kmp("demo", "1", Build::Old)]);
        assert_says(&root.run([dnf, "-y", "install", "demo"]), &LEFT);
        assert_silent(&root.run([dnf, "-y", "remove", "demo"]));
    }
}

/// Before the transaction by rpm's plugin, of the package; not again after it.
#[test]
fn where_the_rpm_plugin_has_told_it_dnf_is_quiet() {
    for (suite, dnf) in DNFS {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        install(&root, &kernel("kernel", "1", Build::New));
        root.offer("repo", &[&kmp("demo", "1", Build::Old)]);
        for quiet in [&[][..], &["-q"]] {
            let command = [&[dnf, "-y"], quiet, &["install", "demo"]].concat();
            let outcome = root.client(command).env("BTF_GUARD", "warn").run();
            let line = assert_says(&outcome, &[LEFT[1]]);
            assert!(line.contains("would have blocked: "), "{line}");
            let removed = root.run([dnf, "-y", "remove", "demo"]);
            assert_silent(&removed);
        }
    }
}

#[test]
fn what_dnf_tells_at_a_terminal_stays_there() {
    for (suite, dnf) in DNFS {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        switch_plugin_off(&root);
        install(&root, &kernel("kernel", "1", Build::New));
        let demo = kmp(KMP, "1", Build::Old).lua("%post", "print('from a scriptlet')");
        root.offer("repo", &[&demo]);
        let command = root
            .client([dnf, "-y", "install", KMP])
            .env("TERM", "xterm");
        let outcome = command.answering(&[]);
        let screen = screen(&outcome);
        for words in [
            LEFT[1],
            "help: ",
            "modules: nf_conntrack",
            "the kernel would log: ",
        ] {
            assert_eq!(screen.matches(words).count(), 1, "{words}: {screen}");
        }
    }
}

/// Puts a module of the old build into place.
fn builder(name: &str) -> Package {
    let script = format!(
        "os.execute('install -D -m 644 /srv/wireguard.ko \
         /usr/lib/modules/{}/extra/wireguard.ko')",
        release()
    );
    Package::new(name)
        .file(format!("/usr/share/{name}"), "")
        .lua("%post", &script)
}

/// The package has no module of its own, so nothing is judged before it; after it the
/// action looks, whether the rpm plugin is there or not.
#[test]
fn dnf_tells_of_what_a_scriptlet_builds() {
    for (suite, dnf) in DNFS {
        for (is_on, name) in [(true, "builder"), (false, "builder-dkms")] {
            let Some(root) = ClientRoot::new(suite) else {
                continue;
            };
            if !is_on {
                switch_plugin_off(&root);
            }
            install(&root, &kernel("kernel", "1", Build::New));
            root.copy("/srv/wireguard.ko", &module(Build::Old, "wireguard"));
            root.offer("repo", &[&builder(name), &kmp("other", "1", Build::New)]);
            let outcome = root.run([dnf, "-y", "-q", "install", name]);
            assert_says(
                &outcome,
                &["after this transaction, ", " will not load on kernel"],
            );
            // It is not the next one's, once that is later by what may have been rounded.
            sleep(Duration::from_secs(4));
            assert_silent(&root.run([dnf, "-y", "remove", name]));
        }
    }
}

#[test]
fn what_a_scriptlet_builds_is_told_at_a_terminal_and_not_with_off() {
    for (suite, dnf) in DNFS {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        install(&root, &kernel("kernel", "1", Build::New));
        root.copy("/srv/wireguard.ko", &module(Build::Old, "wireguard"));
        root.offer("repo", &[&builder("builder")]);
        let install = || root.client([dnf, "-y", "install", "builder"]);
        assert_silent(&install().env("BTF_GUARD", "off").run());
        // It is not the next one's, once that is later by what may have been rounded.
        sleep(Duration::from_secs(4));
        assert_silent(&root.run([dnf, "-y", "remove", "builder"]));
        let screen = screen(&install().env("TERM", "xterm").answering(&[]));
        let told = screen.matches("will not load on kernel").count();
        assert_eq!(told, 1, "{screen}");
    }
}

/// Where the program is installed, and what it is replaced by to see who runs it.
const PROGRAM: &str = "/usr/bin/btf-guard";
const ASKED: &str = "/tmp/asked";

/// What was run of the program while this was done, which goes well: the first words
/// of each.
#[track_caller]
fn asked(root: &ClientRoot, command: &[&str]) -> Vec<String> {
    assert_silent(&root.run(command));
    let asked = fs::read_to_string(root.at(ASKED)).unwrap_or_default();
    let _ = fs::remove_file(root.at(ASKED));
    asked.lines().map(str::to_owned).collect()
}

/// The hook looks at times first, and starts no judge where nothing has changed; the
/// rpm plugin starts nothing at all.
#[test]
fn a_transaction_without_modules_has_no_judge_started() {
    for (suite, dnf) in DNFS {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        install(&root, &kernel("kernel", "1", Build::New));
        let plain = Package::new("plain").file("/usr/share/plain", "text");
        let changes = Package::new("changes")
            .file("/usr/share/changes", "")
            .lua("%posttrans", "io.open('/boot/new', 'w'):close()");
        root.offer("repo", &[&plain, &changes]);
        let real = format!("{PROGRAM}-real");
        fs::rename(root.at(PROGRAM), root.at(&real)).unwrap();
        root.put(
            PROGRAM,
            format!(
                "#!/bin/sh\necho \"$1\" \"$2\" >>{ASKED}\n\
                 [ \"$1\" = hook ] || exit 1\nexec {real} \"$@\"\n"
            ),
        );
        fs::set_permissions(root.at(PROGRAM), Permissions::from_mode(0o755)).unwrap();
        // dnf's start is known by two seconds, and FAT's times are even ones.
        sleep(Duration::from_secs(5));
        for verb in ["install", "remove"] {
            assert_eq!(
                asked(&root, &[dnf, "-y", verb, "plain"]),
                ["hook dnf"],
                "{dnf}"
            );
        }
        // rpm itself has no hook that would ask.
        let rpm = ["rpm", "-U", "/srv/repo/plain-1-1.noarch.rpm"];
        assert_eq!(asked(&root, &rpm), [""; 0], "{dnf}");
        let state = root.at("/run/btf-guard/state.json");
        assert!(!state.exists(), "{dnf}: nothing was judged");
        // A scriptlet has changed something: it is judged, once.
        assert_eq!(
            asked(&root, &[dnf, "-y", "install", "changes"]),
            ["hook dnf"],
            "{dnf}"
        );
        assert!(state.exists(), "{dnf}: it was judged");
    }
}

#[test]
fn what_rpm_told_of_a_root_is_not_told_of_another() {
    let Some(root) = ClientRoot::new(Suite::Forky) else {
        return;
    };
    switch_plugin_off(&root);
    root.offer(
        "repo",
        &[
            &kernel("kernel", "1", Build::New),
            &kmp("demo", "1", Build::Old),
        ],
    );
    let options = ["dnf5", "-y", "--installroot=/inside", "--use-host-config"];
    let outcome = root.run([&options[..], &["install", "kernel", "demo"]].concat());
    let line = assert_says(&outcome, &LEFT);
    assert!(line.contains(&format!("(/inside{}", image())), "{line}");
}
