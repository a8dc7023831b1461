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

/// A name as module packages have them. Without the rpm plugin, dnf 5 runs its action
/// for such packages only.
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

/// What tells a package of modules, where its name does not: with dnf 4 nothing need.
#[test]
fn without_the_rpm_plugin_a_package_of_any_name_is_looked_at_if_dnf_knows_its_files() {
    let filelists = "--setopt=optional_metadata_types=filelists";
    let every = "post_transaction::::/usr/bin/btf-guard hook dnf --client ${pid} \
                 --root ${conf.installroot}\n";
    for (suite, dnf) in DNFS {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        switch_plugin_off(&root);
        install(&root, &kernel("kernel", "1", Build::New));
        root.offer("repo", &[&kmp("demo", "1", Build::Old)]);
        let install = [dnf, "-y", "install", "demo"];
        let outcome = root.run(install);
        match suite {
            Suite::Forky => assert_silent(&outcome),
            Suite::Bookworm | Suite::Trixie => drop(assert_says(&outcome, &LEFT)),
        }
        assert_silent(&root.run([dnf, "-y", "remove", "demo"]));
        assert_says(&root.run(install.into_iter().chain([filelists])), &LEFT);
        assert_silent(&root.run([dnf, "-y", "remove", "demo"]));
        if suite == Suite::Forky {
            root.put("/etc/dnf/libdnf5-plugins/actions.d/every.actions", every);
            assert_says(&root.run(install), &LEFT);
        }
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
/// rpm plugin looks, or the action where that is off and dnf has one.
#[test]
fn dnf_tells_of_what_a_scriptlet_builds() {
    for (suite, dnf) in DNFS.into_iter().chain([(Suite::Bookworm, "dnf")]) {
        for (is_on, name) in [(true, "builder"), (false, "builder-dkms")] {
            if suite == Suite::Bookworm && !is_on {
                continue;
            }
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

/// The rpm plugin has looked at what scriptlets have done: a glance is enough, and no
/// program is started.
#[test]
fn a_transaction_without_modules_starts_no_program() {
    for (suite, dnf) in DNFS {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        install(&root, &kernel("kernel", "1", Build::New));
        let plain = Package::new("plain").file("/usr/share/plain", "text");
        let named = Package::new("plain-kmod").file("/usr/share/plain-kmod", "text");
        let held = Package::new("held").file("/usr/lib/modules/6.1/extra/held.ko", "");
        let forged = [
            forged("forged", 0, "$1"),
            forged("forged-by-another", 65534, "$1"),
            forged("forged-of-another", 0, "1$1"),
        ];
        let [one, two, three] = &forged;
        root.offer("repo", &[&plain, &named, &held, one, two, three]);
        root.put(
            PROGRAM,
            format!("#!/bin/sh\necho \"$1\" \"$2\" >>{ASKED}\nexit 1\n"),
        );
        fs::set_permissions(root.at(PROGRAM), Permissions::from_mode(0o755)).unwrap();
        // Times are whole seconds, and FAT's are two.
        sleep(Duration::from_secs(4));
        for verb in ["install", "remove"] {
            assert_eq!(asked(&root, &[dnf, "-y", verb, "plain"]), [""; 0], "{dnf}");
        }
        // rpm itself has no hook that would ask.
        let rpm = ["rpm", "-U", "/srv/repo/plain-1-1.noarch.rpm"];
        assert_eq!(asked(&root, &rpm), [""; 0], "{dnf}");

        // Its name is one that dnf 5 runs the action for; dnf 4 runs it for all.
        let told = root.at("/run/btf-guard/told");
        let hook = match suite {
            Suite::Forky => &["hook dnf"][..],
            Suite::Bookworm | Suite::Trixie => &[],
        };
        let command = [dnf, "-y", "install", "plain-kmod"];
        assert_eq!(asked(&root, &command), hook, "{dnf}");
        assert!(told.exists(), "{dnf}");

        // What was left of another process, or by somebody else, is not believed.
        switch_plugin_off(&root);
        let command = [dnf, "-y", "remove", "plain-kmod"];
        assert_eq!(asked(&root, &command), ["hook dnf"], "{dnf}");
        let command = [dnf, "-y", "install", "held"];
        let installed = asked(&root, &command);
        assert_eq!(installed.is_empty(), suite == Suite::Forky, "{dnf}");
        // Of what is installed dnf 5 knows the files.
        let command = [dnf, "-y", "remove", "held"];
        assert_eq!(asked(&root, &command), ["hook dnf"], "{dnf}");
        if suite == Suite::Trixie {
            for (package, expected) in [
                ("forged", &[][..]),
                ("forged-by-another", &["hook dnf"]),
                ("forged-of-another", &["hook dnf"]),
            ] {
                let command = [dnf, "-y", "install", package];
                assert_eq!(asked(&root, &command), expected, "{package}");
            }
        }
    }
}

/// Leaves word as the rpm plugin does, in a file of this owner, of a client that was
/// started then.
fn forged(name: &str, owner: u32, started: &str) -> Package {
    let script = format!(
        "os.execute([[read -r line </proc/$PPID/stat && set -- $line && shift 21 &&
         printf '{{\"schema\":1,\"pid\":%%s,\"started\":%%s,\"root\":\"/\",\"looked\":9999999999,\"is_idle\":true,\"keys\":[ ]}}' \
         $PPID {started} >/run/btf-guard/told && chown {owner} /run/btf-guard/told]])"
    );
    Package::new(name)
        .file(format!("/usr/share/{name}"), "")
        .lua("%post", &script)
}

/// A scriptlet has changed something: the judge is asked, once.
#[test]
fn a_glance_that_shows_a_change_has_the_judge_asked() {
    for (suite, dnf) in DNFS {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        install(&root, &kernel("kernel", "1", Build::New));
        let changes = Package::new("changes")
            .file("/usr/share/changes", "")
            .lua("%posttrans", "io.open('/boot/new', 'w'):close()");
        root.offer("repo", &[&changes]);
        let real = format!("{PROGRAM}-real");
        fs::rename(root.at(PROGRAM), root.at(&real)).unwrap();
        root.put(
            PROGRAM,
            format!("#!/bin/sh\necho \"$1\" \"$2\" >>{ASKED}\nexec {real} \"$@\"\n"),
        );
        fs::set_permissions(root.at(PROGRAM), Permissions::from_mode(0o755)).unwrap();
        sleep(Duration::from_secs(4));
        let asked = asked(&root, &[dnf, "-y", "install", "changes"]);
        assert_eq!(
            asked.first().map(String::as_str),
            Some("judge "),
            "{asked:?}"
        );
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
