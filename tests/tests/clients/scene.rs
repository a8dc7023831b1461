// SPDX-License-Identifier: GPL-2.0-or-later
//! A root, packages on offer, and a client at work.

use btf_guard_tests::client::{ClientRoot, KMP, Run, release};
use btf_guard_tests::skip::skipped;
use btf_guard_tests::{Outcome, Snapshot};

use crate::client::{Act, Client};
use crate::shelf;

/// A root in which a client is used.
pub(crate) struct Scene {
    pub(crate) root: ClientRoot,
    pub(crate) client: Client,
}

impl Scene {
    /// With nothing installed and nothing on offer; `None`, aloud, where the
    /// client's root is not there.
    pub(crate) fn empty(client: Client) -> Option<Self> {
        Some(Self {
            root: ClientRoot::new(client.suite)?,
            client,
        })
        .filter(Self::is_seen_whole)
    }

    /// The same, as a machine that runs.
    pub(crate) fn machine(client: Client) -> Option<Self> {
        let root = ClientRoot::as_machine(client.suite)?;
        Some(Self { root, client }).filter(Self::is_seen_whole)
    }

    /// Can all that happens be judged as one? Where not, and said, nothing is
    /// stopped.
    fn is_seen_whole(&self) -> bool {
        let is_seen_whole = self.client.is_seen_whole();
        if !is_seen_whole {
            skipped(&format!("{:?}", self.client), "no shim around its libzypp");
        }
        is_seen_whole
    }

    /// With packages of the repository `old` on offer and installed.
    pub(crate) fn with_old(client: Client, names: &[&str]) -> Option<Self> {
        let scene = Self::empty(client)?;
        scene.offer("old");
        let files = names
            .iter()
            .map(|name| format!("/srv/old/{name}-1-1.noarch.rpm"));
        let command = ["rpm", "-U"].map(str::to_owned).into_iter().chain(files);
        let outcome = scene.root.client(command).env("BTF_GUARD", "off").run();
        assert!(outcome.status.success(), "{outcome:?}");
        Some(scene)
    }

    /// Kernel and modules of the old build.
    pub(crate) fn old(client: Client) -> Option<Self> {
        Self::with_old(client, &["kernel-default", "driver-kmp"])
    }

    /// The kernel of the old build.
    pub(crate) fn old_kernel(client: Client) -> Option<Self> {
        Self::with_old(client, &["kernel-default"])
    }

    pub(crate) fn offer(&self, repository: &str) {
        self.root
            .offer_built(repository, &shelf::packages(repository));
    }

    pub(crate) fn withdraw(&self, repository: &str) {
        self.root.withdraw(repository);
    }

    pub(crate) fn run(&self, act: Act<'_>) -> Outcome {
        self.shell(&self.client.command(act)).run()
    }

    /// Does it, and neither client nor btf-guard has anything to object to.
    #[track_caller]
    pub(crate) fn quiet(&self, act: Act<'_>) {
        let outcome = self.run(act);
        assert!(outcome.status.success(), "{:?}: {outcome:?}", self.client);
        let text = said(&outcome);
        assert!(!text.contains("btf-guard"), "{:?}: {text}", self.client);
    }

    /// Is stopped, which changes nothing and is explained.
    #[track_caller]
    pub(crate) fn refused(&self, act: Act<'_>, packages: usize) {
        let before = self.root.snapshot();
        let outcome = self.run(act);
        let (client, text) = (self.client, said(&outcome));
        self.assert_stopped(&before, &outcome, client.blocked(packages));
        if client.shows() {
            assert_blocked(&text);
        }
    }

    /// Runs a shell's command line, which is to end with this status and to change
    /// nothing. With answers, it is run at a terminal. Returns what was said.
    #[track_caller]
    pub(crate) fn stopped(&self, line: &str, answers: &[(&str, &str)], status: i32) -> String {
        let before = self.root.snapshot();
        let run = self.shell(line);
        let outcome = match answers {
            [] => run.run(),
            answers => run.answering(answers),
        };
        self.assert_stopped(&before, &outcome, status);
        said(&outcome)
    }

    /// A shell's command line, with what this client has in its environment.
    pub(crate) fn shell(&self, line: &str) -> Run<'_> {
        let run = self.root.client(["sh", "-c", line]);
        let variables = self.client.variables().iter();
        variables.fold(run, |run, (name, value)| run.env(name, value))
    }

    #[track_caller]
    fn assert_stopped(&self, before: &Snapshot, outcome: &Outcome, status: i32) {
        let (client, text) = (self.client, said(outcome));
        assert_eq!(
            before.changes(&self.root.snapshot()),
            [""; 0],
            "{client:?}: {text}"
        );
        assert_eq!(outcome.status.code(), Some(status), "{client:?}: {text}");
    }

    /// The packages that are installed, without release and architecture.
    #[track_caller]
    pub(crate) fn assert_installed(&self, expected: &[&str]) {
        let installed = self.root.installed();
        let names = installed.iter();
        let names: Vec<_> = names
            .map(|name| name.trim_end_matches("-1.noarch"))
            .collect();
        assert_eq!(names, expected, "{:?}", self.client);
    }
}

/// What the user saw, wherever it was written to.
pub(crate) fn said(outcome: &Outcome) -> String {
    format!("{}\n{}", outcome.stdout, outcome.stderr)
}

/// The whole of a block's words.
#[track_caller]
pub(crate) fn assert_blocked(text: &str) {
    assert_names_the_modules(text, "error: btf-guard: blocked: ");
    let way_out = "nothing was changed; to go on all the same: BTF_GUARD=warn";
    assert!(text.contains(way_out), "{text}");
}

/// Kernel, modules, and the log to expect.
#[track_caller]
pub(crate) fn assert_names_the_modules(text: &str, beginning: &str) {
    for words in [
        beginning,
        release(),
        KMP[0],
        "their BTF was built for",
        "BPF: Invalid name | failed to validate module [nf_conntrack] BTF: -22",
    ] {
        assert!(text.contains(words), "{words:?} is missing from:\n{text}");
    }
}
