//! What the actions of dnf 4 and dnf 5 tell after a transaction.

use std::thread::sleep;
use std::time::Duration;

use btf_guard_tests::Package;
use btf_guard_tests::client::{Build, ClientRoot, Suite, kernel, kmp, module, release};

use super::{assert_says, assert_silent, image, install, switch_plugin_off};
use crate::once::screen;

/// The dnf of a suite that has plugins of its own. Debian 12 has none for its dnf
/// where zypper is.
const DNFS: [(Suite, &str); 2] = [(Suite::Trixie, "dnf"), (Suite::Forky, "dnf5")];

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
        root.offer(
            "repo",
            &[&kmp("demo", "1", Build::Old), &kmp("good", "1", Build::New)],
        );
        assert_silent(&root.run([dnf, "-y", "install", "good"]));
        assert_silent(&root.run([dnf, "-y", "remove", "good"]));
        for quiet in [&[][..], &["-q"]] {
            let command = [&[dnf, "-y"], quiet, &["install", "demo"]].concat();
            let outcome = root.run(command);
            assert_says(
                &outcome,
                &["after this transaction", "will not load", &image()],
            );
            assert_silent(&root.run([dnf, "-y", "remove", "demo"]));
        }
        let off = root.client([dnf, "-y", "install", "demo"]);
        assert_silent(&off.env("BTF_GUARD", "off").run());
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
        let demo = kmp("demo", "1", Build::Old).lua("%post", "print('from a scriptlet')");
        root.offer("repo", &[&demo]);
        let command = root
            .client([dnf, "-y", "install", "demo"])
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

/// The package has no module of its own, so the rpm plugin does not look.
#[test]
fn dnf_tells_of_what_a_scriptlet_builds() {
    for (suite, dnf) in DNFS {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        install(&root, &kernel("kernel", "1", Build::New));
        root.copy("/srv/wireguard.ko", &module(Build::Old, "wireguard"));
        let script = format!(
            "os.execute('install -D -m 644 /srv/wireguard.ko \
             /usr/lib/modules/{}/extra/wireguard.ko')",
            release()
        );
        let builder = Package::new("builder")
            .file("/usr/share/builder", "")
            .lua("%post", &script);
        root.offer("repo", &[&builder, &kmp("other", "1", Build::New)]);
        let outcome = root.run([dnf, "-y", "install", "builder"]);
        assert_says(
            &outcome,
            &["after this transaction, ", " will not load on kernel"],
        );
        // It is not the next one's, once that is later by what may have been rounded.
        sleep(Duration::from_secs(4));
        assert_silent(&root.run([dnf, "-y", "remove", "builder"]));
    }
}

/// The rpm plugin tells the hook that there was none, and nothing else has changed
/// either: a glance is enough, and no judge is asked, who leaves word of it.
#[test]
fn a_transaction_without_modules_is_not_judged() {
    for (suite, dnf) in DNFS {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        install(&root, &kernel("kernel", "1", Build::New));
        let plain = Package::new("plain").file("/usr/share/plain", "text");
        root.offer("repo", &[&plain]);
        let told = root.at("/run/btf-guard/told");
        // Times are whole seconds, and FAT's are two.
        sleep(Duration::from_secs(3));
        for verb in ["install", "remove"] {
            assert_silent(&root.run([dnf, "-y", verb, "plain"]));
            assert!(!told.exists(), "{dnf} {verb}");
        }
        // rpm itself has no hook that would ask.
        assert_silent(&root.run(["rpm", "-U", "/srv/repo/plain-1-1.noarch.rpm"]));
        assert!(!told.exists(), "{dnf}");
        switch_plugin_off(&root);
        assert_silent(&root.run([dnf, "-y", "remove", "plain"]));
        assert!(told.exists(), "{dnf}");
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
