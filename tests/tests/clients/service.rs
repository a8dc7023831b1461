// SPDX-License-Identifier: GPL-2.0-or-later
//! A service of which the plugin knows nothing, and that has nobody to tell.
//!
//! PackageKit is tried itself (`packagekit.rs`), but it keeps a standard error. This is
//! a stand-in for the daemons that do not: Python with rpm's own bindings, copied to the
//! daemon's name so that it is the file that runs. It makes a test run and then the
//! transaction, without environment, terminal or standard error.

use btf_guard_tests::Outcome;
use btf_guard_tests::client::Suite;

use crate::client::{Client, Tool};
use crate::journal::Journal;
use crate::scene::Scene;

const DAEMON: &str = "/usr/libexec/serviced";

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

/// The daemon at work.
fn install(scene: &Scene) -> Outcome {
    let package = "/srv/new/driver-kmp-2-1.noarch.rpm";
    let line = format!("exec env -i {DAEMON} /tmp/daemon.py {package} >/dev/null 2>&-");
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
        let journal = Journal::of(&scene.root);
        let before = scene.root.snapshot();
        let outcome = install(&scene);
        // In the test run, so that there is no other.
        assert_eq!(outcome.status.code(), Some(3), "{client:?}: {outcome:?}");
        assert_eq!(before.changes(&scene.root.snapshot()), [""; 0]);
        let entry = journal.entry();
        for (field, value) in [
            ("BTF_GUARD_CLIENT", "serviced"),
            ("BTF_GUARD_DECISION", "block"),
            ("BTF_GUARD_VERDICT", "refused"),
            ("BTF_GUARD_PACKAGE", "driver-kmp-2-1.noarch"),
            ("BTF_GUARD_UID", "0"),
        ] {
            assert_eq!(entry.get(field), value, "{client:?}: {entry:?}");
        }
        let message = entry.get("MESSAGE");
        assert!(message.contains("blocked serviced: "), "{message}");

        let reason = "--reason 'by hand'";
        let made = scene.shell(&format!("btf-guard allow --next {reason}"));
        assert!(made.run().status.success());
        let outcome = install(&scene);
        assert!(outcome.status.success(), "{client:?}: {outcome:?}");
        scene.assert_installed(&["driver-kmp-2", "kernel-default-1"]);
        let entry = journal.entry();
        assert_eq!(entry.get("BTF_GUARD_CLIENT"), "serviced", "{entry:?}");
        assert_eq!(entry.get("BTF_GUARD_REASON"), "by hand", "{entry:?}");
        let listed = scene.shell("btf-guard allow --list").run();
        assert_eq!(listed.stdout, "", "{client:?}: it is used up");
    }
}
