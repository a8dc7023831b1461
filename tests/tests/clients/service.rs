//! A service that changes packages for somebody else, as PackageKit does.
//!
//! The suites' PackageKit knows apt only, so that its daemon is a stand-in here:
//! Python, copied to the daemon's name so that it is the file that runs, with rpm's
//! own bindings. It does what PackageKit's librpm back ends do, a test run and then
//! the transaction, and has nothing of a session: no environment, no terminal, and a
//! standard error that nobody sees.

use std::fs;

use btf_guard_tests::Outcome;
use btf_guard_tests::client::Suite;

use crate::client::{Client, Tool};
use crate::journal::Journal;
use crate::scene::Scene;

const DAEMON: &str = "/usr/libexec/packagekitd";

const SCRIPT: &str = r#"
import os, rpm, sys
path = sys.argv[1]
files = {}
def callback(reason, amount, total, key, data):
    if reason == rpm.RPMCALLBACK_INST_OPEN_FILE:
        files[key] = os.open(key, os.O_RDONLY)
        return files[key]
    if reason == rpm.RPMCALLBACK_INST_CLOSE_FILE:
        os.close(files.pop(key))
ts = rpm.TransactionSet()
ts.setVSFlags(-1)
file = os.open(path, os.O_RDONLY)
ts.addInstall(ts.hdrFromFdno(file), path, 'u')
os.close(file)
if ts.check():
    sys.exit(2)
ts.order()
for flags, status in (rpm.RPMTRANS_FLAG_TEST, 3), (0, 4):
    ts.setFlags(flags)
    if ts.run(callback, '') is not None:
        sys.exit(status)
"#;

const ALL: [Client; 2] = [
    Client::new(Suite::Bookworm, Tool::Rpm),
    Client::new(Suite::Trixie, Tool::Rpm),
];

/// The daemon at work, with its standard error somewhere.
fn install(scene: &Scene, version: &str, stderr: &str) -> Outcome {
    let package = format!("/srv/new/driver-kmp-{version}-1.noarch.rpm");
    let line = format!("exec env -i {DAEMON} /tmp/daemon.py {package} >/dev/null {stderr}");
    scene.shell(&line).run()
}

#[test]
fn what_stops_a_service_is_in_the_journal() {
    for client in ALL {
        let Some(scene) = Scene::old_kernel(client) else {
            continue;
        };
        scene.offer("new");
        scene.root.put("/tmp/daemon.py", SCRIPT);
        let copied = scene.shell(&format!("cp -L /usr/bin/python3 {DAEMON}"));
        assert!(copied.run().status.success());
        for stderr in ["2>&-", "2>/tmp/stderr"] {
            let journal = Journal::of(&scene.root);
            let before = scene.root.snapshot();
            let outcome = install(&scene, "2", stderr);
            // In the test run, so that there is no other.
            assert_eq!(outcome.status.code(), Some(3), "{client:?}: {outcome:?}");
            assert_eq!(before.changes(&scene.root.snapshot()), [""; 0]);
            let entry = journal.entry();
            for (field, value) in [
                ("BTF_GUARD_CLIENT", "packagekitd"),
                ("BTF_GUARD_DECISION", "block"),
                ("BTF_GUARD_VERDICT", "refused"),
                ("BTF_GUARD_PACKAGE", "driver-kmp-2-1.noarch"),
                ("BTF_GUARD_UID", "0"),
            ] {
                assert_eq!(entry.get(field), value, "{client:?}: {entry:?}");
            }
            let message = entry.get("MESSAGE");
            assert!(message.contains("blocked packagekitd: "), "{message}");

            let reason = "--reason 'by hand'";
            let made = scene.shell(&format!("btf-guard allow --next {reason}"));
            assert!(made.run().status.success());
            let outcome = install(&scene, "2", stderr);
            assert!(outcome.status.success(), "{client:?}: {outcome:?}");
            scene.assert_installed(&["driver-kmp-2", "kernel-default-1"]);
            let entry = journal.entry();
            assert_eq!(entry.get("BTF_GUARD_CLIENT"), "packagekitd", "{entry:?}");
            assert_eq!(entry.get("BTF_GUARD_REASON"), "by hand", "{entry:?}");
            let listed = scene.shell("btf-guard allow --list").run();
            assert_eq!(listed.stdout, "", "{client:?}: it is used up");

            let removed = scene.shell("rpm -e --noplugins driver-kmp").run();
            assert!(removed.status.success(), "{removed:?}");
            let socket = scene.root.at("/run/systemd/journal/socket");
            fs::remove_file(socket).unwrap();
        }
        let shown = fs::read_to_string(scene.root.at("/tmp/stderr")).unwrap();
        assert!(shown.contains("btf-guard: "), "{shown}");
    }
}

/// What fits goes through without a word.
#[test]
fn a_service_that_does_nothing_wrong_is_left_alone() {
    for client in ALL {
        let Some(scene) = Scene::old_kernel(client) else {
            continue;
        };
        scene.offer("old");
        scene.root.put("/tmp/daemon.py", SCRIPT);
        let line = format!(
            "cp -L /usr/bin/python3 {DAEMON}
             exec env -i {DAEMON} /tmp/daemon.py /srv/old/driver-kmp-1-1.noarch.rpm"
        );
        let outcome = scene.shell(&line).run();
        assert!(outcome.status.success(), "{client:?}: {outcome:?}");
        assert_eq!(outcome.stderr, "", "{client:?}");
        scene.assert_installed(&["driver-kmp-1", "kernel-default-1"]);
    }
}
