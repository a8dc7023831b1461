// SPDX-License-Identifier: GPL-2.0-or-later
//! PackageKit as it runs on a desk: daemon, bus and polkit in a root, and its client.

use std::fs;

use btf_guard_tests::client::{ClientRoot, Suite};
use btf_guard_tests::{Outcome, Snapshot};

use crate::client::{Client, Tool};
use crate::journal::{Journal, Streams};
use crate::scene::{Scene, said};

/// A back end, and where it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    /// libdnf, without Python, in Debian 12.
    Dnf,
    /// libdnf5, in testing.
    Dnf5,
    /// libzypp 17.36 in Debian 13: one rpm process a package.
    ZyppClassic,
    /// libzypp 17.38 in testing: all packages in one transaction.
    ZyppSingle,
}

pub(crate) const ALL: [Backend; 4] = [
    Backend::Dnf,
    Backend::Dnf5,
    Backend::ZyppClassic,
    Backend::ZyppSingle,
];

impl Backend {
    pub(crate) fn suite(self) -> Suite {
        match self {
            Self::Dnf => Suite::Bookworm,
            Self::ZyppClassic => Suite::Trixie,
            Self::Dnf5 | Self::ZyppSingle => Suite::Forky,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Dnf => "dnf",
            Self::Dnf5 => "dnf5",
            Self::ZyppClassic | Self::ZyppSingle => "zypp",
        }
    }

    /// All that the client is told of a transaction that was stopped, up to the
    /// reason, where it is told that.
    pub(crate) fn failure(self) -> &'static str {
        match self {
            Self::Dnf => "Error -1 running transaction\n",
            Self::Dnf5 => "Transaction failed: \n",
            Self::ZyppClassic => "Subprocess failed. Error: RPM failed: ",
            Self::ZyppSingle => {
                "Transaction could not be completed.\n \
                 Theses packages could not be installed: driver-kmp\n"
            }
        }
    }

    /// Does the client show what stopped it?
    pub(crate) fn tells_why(self) -> bool {
        self == Self::ZyppClassic
    }

    /// Does rpm's log go to the daemon's standard error? Of zypp it goes to a log of the
    /// back end's own.
    pub(crate) fn logs_to_unit(self) -> bool {
        matches!(self, Self::Dnf | Self::Dnf5)
    }
}

/// A root whose PackageKit runs.
pub(crate) struct Desk {
    pub(crate) scene: Scene,
    backend: Backend,
    pub(crate) journal: Journal,
    pub(crate) unit: Streams,
}

impl Desk {
    /// With the kernel of the old build, which is what boots; `None`, aloud, where there
    /// is no such PackageKit.
    pub(crate) fn new(backend: Backend, repositories: &[&str]) -> Option<Self> {
        let root = ClientRoot::with_packagekit(backend.suite())?;
        Some(Self::over(root, backend, repositories, &["kernel-default"]))
    }

    /// With packages of the repository `old` installed.
    pub(crate) fn over(
        root: ClientRoot,
        backend: Backend,
        repositories: &[&str],
        names: &[&str],
    ) -> Self {
        let client = Client::new(backend.suite(), Tool::Rpm);
        let scene = Scene { root, client };
        scene.offer("old");
        for name in names {
            let line = format!("BTF_GUARD=off rpm -U /srv/old/{name}-1-1.noarch.rpm");
            assert!(scene.shell(&line).run().status.success());
        }
        for repository in repositories {
            scene.offer(repository);
        }
        let journal = Journal::of(&scene.root);
        let unit = Streams::of(&scene.root);
        let this = Self {
            scene,
            backend,
            journal,
            unit,
        };
        this.start();
        let refreshed = this.pkcon("refresh force");
        assert!(refreshed.status.success(), "{refreshed:?}");
        this
    }

    /// Starts bus, polkit and daemon, which ends if it finds no polkit, and waits for
    /// them. Without a way out, PackageKit takes nothing from a repository.
    fn start(&self) {
        self.scene.root.connect();
        let line = format!(
            "mkdir -p /run/dbus
             dbus-daemon --system --fork --nopidfile
             wait_for() {{
                 until dbus-send --system --print-reply --dest=org.freedesktop.DBus / \\
                     org.freedesktop.DBus.NameHasOwner string:org.freedesktop.$1 |
                     grep -q true; do sleep 0.1; done
             }}
             /usr/lib/polkit-1/polkitd --no-debug >/dev/null 2>&1 &
             wait_for PolicyKit1
             INVOCATION_ID=8f2d1ad1b6a14e0c9d1c5d4b3f0f5a67 \\
                 systemd-cat /usr/libexec/packagekitd --backend={} &
             wait_for PackageKit",
            self.backend.name()
        );
        let started = self.scene.shell(&line).run();
        assert!(started.status.success(), "{:?}: {started:?}", self.backend);
    }

    /// Runs PackageKit's client.
    pub(crate) fn pkcon(&self, words: &str) -> Outcome {
        self.scene.shell(&format!("pkcon -p -y {words}")).run()
    }

    /// Does it, and nobody has anything to say about it, anywhere.
    #[track_caller]
    pub(crate) fn quiet(&self, words: &str) {
        let backend = self.backend;
        let outcome = self.pkcon(words);
        assert!(outcome.status.success(), "{backend:?}: {outcome:?}");
        let text = said(&outcome) + &self.unit.heard();
        assert!(!text.contains("btf-guard"), "{backend:?}: {text}");
        assert!(self.journal.is_silent(), "{backend:?}");
    }

    /// Nothing was changed, and the journal has what and why.
    #[track_caller]
    pub(crate) fn assert_stopped(&self, before: &Snapshot, package: &str) {
        let backend = self.backend;
        let changes = before.changes(&self.scene.root.snapshot());
        assert_eq!(changes, [""; 0], "{backend:?}");
        let entry = self.journal.entry();
        for (field, value) in [
            ("BTF_GUARD_CLIENT", "packagekitd"),
            ("BTF_GUARD_DECISION", "block"),
            ("BTF_GUARD_VERDICT", "refused"),
            ("BTF_GUARD_PACKAGE", package),
            ("BTF_GUARD_UID", "0"),
        ] {
            assert_eq!(entry.get(field), value, "{backend:?}: {entry:?}");
        }
        let message = entry.get("MESSAGE");
        assert!(message.contains("blocked packagekitd: "), "{message}");
        assert!(self.journal.is_silent(), "{backend:?}: it is told once");
    }

    /// The back end's own log.
    pub(crate) fn log(&self) -> String {
        let log = self.scene.root.at("/var/log/pk_backend_zypp");
        fs::read_to_string(log).unwrap_or_default()
    }

    /// What a command of btf-guard's says, and how it ends.
    pub(crate) fn guard(&self, words: &str) -> (Option<i32>, String) {
        let outcome = self.scene.shell(&format!("btf-guard {words}")).run();
        (outcome.status.code(), outcome.stdout)
    }

    /// What systemd does at the boot after an update was prepared, and what PackageKit
    /// says of it then. Who is to boot again afterwards is not here.
    pub(crate) fn reboot(&self) -> String {
        let backend = self.backend;
        let triggered = self.pkcon("offline-trigger");
        assert!(triggered.status.success(), "{backend:?}: {triggered:?}");
        let link = self.scene.root.at("/system-update");
        assert!(link.is_symlink(), "{backend:?}");
        let outcome = self
            .scene
            .shell("exec /usr/libexec/pk-offline-update")
            .run();
        assert!(!link.is_symlink(), "{backend:?}: {outcome:?}");
        said(&self.pkcon("offline-status"))
    }
}
