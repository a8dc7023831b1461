// SPDX-License-Identifier: GPL-2.0-or-later
//! Installed, upgraded and removed by each client; in between, what is installed
//! does what it is for.

use std::path::PathBuf;

use btf_guard_tests::client::{Build, ClientRoot, Run, Suite, kernel, kmp};

use crate::built::{NAMES, Release, ZYPP, assert_loads, fitting, made, query, root, succeeds};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Rpm,
    Dnf,
    Zypper,
}

/// What is still there after a removal: the repositories of the test; dnf 5's
/// books; the parent of all licences, which belongs to distributions' first package;
/// directories of rpm's own links to binaries, which it leaves where packages that
/// share one go together. What bears our name is looked for in these too.
const NOT_OURS: [&str; 5] = [
    "etc/yum.repos.d",
    "etc/zypp/repos.d",
    "usr/lib/.build-id",
    "usr/lib/sysimage",
    "usr/share/licenses",
];

/// A root that a client looks after.
struct Machine {
    root: ClientRoot,
    tool: Tool,
    names: Vec<&'static str>,
}

impl Machine {
    fn new(suite: Suite, tool: Tool) -> Option<Self> {
        let names = fitting(suite)?;
        Some(Self {
            root: root(suite, &names)?,
            tool,
            names,
        })
    }

    /// The client's name and what keeps it from asking.
    fn client(&self) -> &'static str {
        match (self.tool, self.root.suite()) {
            (Tool::Rpm, _) => "rpm",
            (Tool::Dnf, Suite::Forky) => "dnf5 -y",
            (Tool::Dnf, Suite::Bookworm | Suite::Trixie) => "dnf -y",
            (Tool::Zypper, _) => "zypper --non-interactive",
        }
    }

    fn shell(&self, line: &str) -> Run<'_> {
        let run = self.root.client(["sh", "-c", line]);
        // Without its part of ours, zypper is judged as a whole in one transaction.
        match self.names.contains(&ZYPP) {
            true => run,
            false => run.env("ZYPP_SINGLE_RPMTRANS", "1"),
        }
    }

    /// A transaction that goes well and of which nothing is said.
    #[track_caller]
    fn quiet(&self, rpm: &str, others: &str) {
        let arguments = match self.tool {
            Tool::Rpm => rpm,
            Tool::Dnf | Tool::Zypper => others,
        };
        let outcome = self.shell(&format!("{} {arguments}", self.client())).run();
        succeeds(&outcome);
        let shown = format!("{}{}", outcome.stdout, outcome.stderr);
        for words in ["btf-guard: ", "error: ", "Failed to dlopen"] {
            assert!(!shown.contains(words), "{shown}");
        }
    }

    fn offer(&self, repository: &str, release: Release) {
        let files: Vec<PathBuf> = self
            .names
            .iter()
            .map(|name| release.package(self.root.suite(), name))
            .collect();
        self.root.offer_built(repository, &files);
    }

    /// Modules of another build of the kernel that is there are stopped.
    #[track_caller]
    fn blocks(&self) {
        let arguments = match self.tool {
            Tool::Rpm => "-U /srv/modules/demo-1-1.noarch.rpm",
            Tool::Dnf | Tool::Zypper => "install demo",
        };
        let status = match self.tool {
            Tool::Rpm | Tool::Dnf => 1,
            Tool::Zypper => 8,
        };
        let outcome = self.shell(&format!("{} {arguments}", self.client())).run();
        assert_eq!(outcome.status.code(), Some(status), "{outcome:?}");
        let shown = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(
            shown.contains("btf-guard: blocked: after this transaction, 4 of 4 modules"),
            "{shown}"
        );
        assert!(!self.root.run(["rpm", "-q", "demo"]).status.success());
    }

    /// The packages are there in a release, as they were built.
    #[track_caller]
    fn assert_installed(&self, release: &str) {
        let query = ["rpm", "-q", "--qf", "%{NAME} %{RELEASE}\n"];
        let outcome = self.root.run(query.iter().chain(&self.names));
        let mut lines: Vec<_> = outcome.stdout.lines().collect();
        lines.sort_unstable();
        let expected: Vec<_> = self
            .names
            .iter()
            .map(|name| format!("{name} {release}"))
            .collect();
        assert_eq!(lines, expected, "{outcome:?}");
        succeeds(&self.root.run(["rpm", "-V"].iter().chain(&self.names)));
        let version = self.root.run(["btf-guard", "--version"]);
        assert!(version.stdout.starts_with("btf-guard "), "{version:?}");
        assert_loads(&self.root, &self.names);
    }

    /// Files and directories that bear our name, but for what clients keep of
    /// packages.
    fn ours(&self) -> String {
        let script = "find / /run -xdev \\( -path /srv -o -path /var/cache/dnf \
            -o -path /var/cache/libdnf5 -o -path /var/cache/zypp -o -path /packages \\) -prune \
            -o -iname '*btf?guard*' -print";
        let outcome = self.root.run(["sh", "-c", script]);
        assert!(outcome.status.success(), "{outcome:?}");
        outcome.stdout
    }
}

fn whole_life(suite: Suite, tool: Tool) {
    let Some(machine) = Machine::new(suite, tool) else {
        return;
    };
    let names = machine.names.join(" ");
    let linux = machine.root.build(&kernel("linux", "1", Build::New));
    succeeds(&machine.root.run(["rpm", "-U", &linux]));
    let before = machine.root.snapshot();
    assert_eq!(machine.ours(), "");

    machine.offer("first", Release::First);
    machine.quiet("-U /srv/first/*.rpm", &format!("install {names}"));
    machine.assert_installed("1");

    machine
        .root
        .offer("modules", &[&kmp("demo", "1", Build::Old)]);
    machine.blocks();

    machine.offer("next", Release::Next);
    let update = match tool {
        Tool::Zypper => "update",
        Tool::Rpm | Tool::Dnf => "upgrade",
    };
    machine.quiet("-U /srv/next/*.rpm", update);
    machine.assert_installed("2");
    machine.blocks();

    // What it has written in between goes with it.
    assert!(machine.root.at("/var/cache/btf-guard").is_dir());
    machine.quiet(&format!("-e {names}"), &format!("remove {names}"));
    assert_eq!(machine.ours(), "");
    let mut changes = before.changes(&machine.root.snapshot());
    changes.retain(|path| !NOT_OURS.iter().any(|name| path.starts_with(name)));
    assert_eq!(changes, [""; 0]);
    // And the client goes on without it.
    machine.quiet("-U /srv/modules/demo-1-1.noarch.rpm", "install demo");
}

#[test]
fn by_rpm() {
    for suite in Suite::ALL {
        whole_life(suite, Tool::Rpm);
    }
}

#[test]
fn by_dnf() {
    for suite in Suite::ALL {
        whole_life(suite, Tool::Dnf);
    }
}

#[test]
fn by_zypper() {
    for suite in Suite::ALL {
        whole_life(suite, Tool::Zypper);
    }
}

/// Each package brings what it needs, and nothing that it does not.
#[test]
fn by_itself_each_package_brings_what_it_needs() {
    for suite in Suite::ALL {
        let Some(names) = fitting(suite) else {
            continue;
        };
        for name in names {
            let Some(root) = root(suite, &NAMES) else {
                continue;
            };
            let files: Vec<_> = NAMES.map(|name| Release::First.package(suite, name)).into();
            root.offer_built("first", &files);
            let dnf = match suite {
                Suite::Forky => "dnf5",
                Suite::Bookworm | Suite::Trixie => "dnf",
            };
            let no_more = "--setopt=install_weak_deps=False";
            succeeds(&root.run([dnf, "-y", no_more, "install", name]));
            let expected: &[&str] = match name {
                "btf-guard" => &["btf-guard"],
                ZYPP => &["btf-guard", "rpm-plugin-btf-guard", ZYPP],
                name => &["btf-guard", name],
            };
            let mut listed = root
                .run(["rpm", "-qa", "--qf", "%{NAME}\n", "*btf-guard*"])
                .stdout;
            listed.truncate(listed.trim_end().len());
            let mut listed: Vec<_> = listed.lines().collect();
            let mut expected = expected.to_vec();
            listed.sort_unstable();
            expected.sort_unstable();
            assert_eq!(listed, expected, "{suite:?} {name}");
        }
    }
}

/// The shim of one libzypp is not to be had for another.
#[test]
fn zyppers_part_wants_the_libzypp_that_it_was_built_with() {
    for suite in Suite::ALL {
        let Some(names) = fitting(suite) else {
            continue;
        };
        let Some(root) = root(suite, &names) else {
            continue;
        };
        for name in NAMES {
            root.copy(
                &format!("/offered/{name}.rpm"),
                &Release::First.package(suite, name),
            );
        }
        let outcome = root.run(["sh", "-c", "rpm -U /offered/*.rpm"]);
        assert_eq!(
            outcome.status.success(),
            names.contains(&ZYPP),
            "{outcome:?}"
        );
        if !outcome.status.success() {
            assert!(outcome.stderr.contains("libzypp.so."), "{outcome:?}");
        }
    }
    let requires = query(&["--requires"], &made(ZYPP));
    assert!(
        requires
            .iter()
            .any(|line| line == "libzypp(plugin:commit) = 1")
    );
}
