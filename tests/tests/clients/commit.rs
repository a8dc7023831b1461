// SPDX-License-Identifier: GPL-2.0-or-later
//! zypper's commits, in both of its back ends: judged as one by the commit
//! plugin, decided before the first change by the rpm plugin.

mod plugin_fails;

use std::fs;

use btf_guard_tests::client::{Build, ClientRoot, Run, Suite, kernel, kmp};
use btf_guard_tests::skip::skipped;
use btf_guard_tests::{Outcome, Package, shim};

/// A zypper, told to use one of its back ends.
#[derive(Debug, Clone, Copy)]
struct Zypper {
    suite: Suite,
    /// One transaction for all, or an rpm process for each package.
    single: bool,
}

/// libzypp 17.25 knows the classic back end only; in 17.38 as Debian builds it,
/// the option to download as needed leads to it.
const ALL: [Zypper; 5] = [
    classic(Suite::Bookworm),
    classic(Suite::Trixie),
    single(Suite::Trixie),
    classic(Suite::Forky),
    single(Suite::Forky),
];

const fn classic(suite: Suite) -> Zypper {
    Zypper {
        suite,
        single: false,
    }
}

const fn single(suite: Suite) -> Zypper {
    Zypper {
        suite,
        single: true,
    }
}

/// libzypp knows a package by what its name and its metadata say.
const KERNEL: &str = "kernel-default";

const PLUGIN: &str = "/usr/lib/zypp/plugins/commit/btf-guard";
const FETCHER: &str = "/usr/lib/btf-guard/btf-guard-zypp-fetch";
const HANDOFFS: &str = "/run/btf-guard";

/// rpm's own words in front of what it stops for.
const STOPPED: &str = "Plugin btf_guard: hook tsm_pre failed";

impl Zypper {
    /// A root with a kernel installed; `None`, and said, where there is none.
    fn root(self, build: Build) -> Option<ClientRoot> {
        if shim(self.suite.name()).is_none() {
            skipped(&format!("the commits of {}", self.suite.name()), "no shim");
            return None;
        }
        let root = ClientRoot::new(self.suite)?;
        install(&root, &kernel(KERNEL, "1", build));
        Some(root)
    }

    fn run<'a>(self, root: &'a ClientRoot, arguments: &[&str]) -> Run<'a> {
        self.client(root, &["--non-interactive"], arguments)
    }

    fn client<'a>(self, root: &'a ClientRoot, global: &[&str], arguments: &[&str]) -> Run<'a> {
        let classic: &[&str] = match (self.suite, self.single) {
            (Suite::Forky, false) => &["--download-as-needed"],
            _ => &[],
        };
        let (verb, rest) = arguments.split_first().unwrap();
        let words = [&["zypper"], global, &[verb], classic, rest].concat();
        let single = if self.single { "1" } else { "0" };
        root.client(words).env("ZYPP_SINGLE_RPMTRANS", single)
    }
}

/// Installs a package without a word from btf-guard.
fn install(root: &ClientRoot, package: &Package) {
    let package = root.build(package);
    let installed = root
        .client(["rpm", "-U", &package])
        .env("BTF_GUARD", "off")
        .run();
    assert!(installed.status.success(), "{installed:?}");
}

fn plain(name: &str) -> Package {
    Package::new(name).file(format!("/usr/share/{name}"), "text")
}

fn all(outcome: &Outcome) -> String {
    format!("{}{}", outcome.stdout, outcome.stderr)
}

fn zypper_log(root: &ClientRoot) -> String {
    let log = fs::read(root.at("/var/log/zypper.log")).unwrap_or_default();
    let log = String::from_utf8_lossy(&log).into_owned();
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("btf-guard") || line.contains("PLUGIN"))
        .collect();
    lines.join("\n")
}

/// What is left of hand-offs.
fn handoffs(root: &ClientRoot) -> Vec<String> {
    let Ok(entries) = fs::read_dir(root.at(HANDOFFS)) else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("zypp-")).collect()
}

#[test]
fn a_blocked_commit_changes_nothing() {
    for zypper in ALL {
        let Some(root) = zypper.root(Build::New) else {
            continue;
        };
        install(&root, &plain("old"));
        // The module package comes last and a removal first: by itself, each
        // would have let something through by then.
        let bad = kmp("demo-kmp", "1", Build::Old).tag("Requires", "first");
        root.offer("repo", &[&bad, &plain("first")]);
        let before = root.snapshot();
        let outcome = zypper.run(&root, &["install", "demo-kmp", "-old"]).run();
        let shown = all(&outcome);
        assert_eq!(
            outcome.status.code(),
            Some(8),
            "{zypper:?}: {shown}\n{}",
            zypper_log(&root)
        );
        assert!(
            shown.contains("btf-guard: blocked: "),
            "{zypper:?}: {shown}"
        );
        assert!(shown.contains(STOPPED), "{zypper:?}: {shown}");
        assert_eq!(before.changes(&root.snapshot()), [""; 0], "{zypper:?}");
        assert_eq!(
            root.installed(),
            ["kernel-default-1-1.noarch", "old-1-1.noarch"]
        );
        assert_eq!(handoffs(&root), [""; 0], "{zypper:?}");
    }
}

/// A rebuilt kernel and the modules rebuilt for it, under one release: whichever
/// comes first does not fit what is there by then.
#[test]
fn a_kernel_and_its_modules_are_judged_together_in_either_order() {
    for zypper in ALL {
        for kernel_first in [true, false] {
            if zypper.single && !kernel_first {
                continue;
            }
            let Some(root) = zypper.root(Build::Old) else {
                continue;
            };
            let demo = |version, build| kmp("demo-kmp", version, build);
            install(&root, &demo("1", Build::Old));
            let (kernel, demo) = (kernel(KERNEL, "2", Build::New), demo("2", Build::New));
            let (kernel, demo) = match kernel_first {
                true => (kernel, demo.tag("Requires", "kernel-default = 2")),
                false => (kernel.tag("Requires", "demo-kmp = 2"), demo),
            };
            root.offer("repo", &[&kernel, &demo]);
            let outcome = zypper.run(&root, &["update"]).run();
            let shown = all(&outcome);
            let what = format!("{zypper:?}, {kernel_first}: {shown}\n{}", zypper_log(&root));
            assert!(outcome.status.success(), "{what}");
            assert!(!shown.contains("btf-guard"), "{what}");
            assert_eq!(
                root.installed(),
                ["demo-kmp-2-1.noarch", "kernel-default-2-1.noarch"]
            );
            let first =
                shown.find("kernel-default-2-1").unwrap() < shown.find("demo-kmp-2-1").unwrap();
            assert!(
                zypper.single || first == kernel_first || !shown.contains("Installing: "),
                "{what}"
            );
        }
    }
}

/// The same with modules that were not rebuilt: blocked as one, with the kernel.
#[test]
fn a_kernel_is_blocked_for_modules_that_do_not_come_along() {
    for zypper in ALL {
        let Some(root) = zypper.root(Build::Old) else {
            continue;
        };
        install(&root, &kmp("demo-kmp", "1", Build::Old));
        root.offer("repo", &[&kernel(KERNEL, "2", Build::New)]);
        let before = root.snapshot();
        let outcome = zypper.run(&root, &["update"]).run();
        assert_eq!(outcome.status.code(), Some(8), "{zypper:?}: {outcome:?}");
        assert_eq!(before.changes(&root.snapshot()), [""; 0], "{zypper:?}");
        // The admin insists.
        let warned = zypper
            .run(&root, &["update"])
            .env("BTF_GUARD", "warn")
            .run();
        let shown = all(&warned);
        assert!(warned.status.success(), "{zypper:?}: {shown}");
        assert_eq!(
            shown.matches("would have blocked: ").count(),
            1,
            "{zypper:?}: {shown}"
        );
        assert_eq!(handoffs(&root), [""; 0], "{zypper:?}");
    }
}

/// Nothing has changed by then, so a retry is stopped again, and so is what comes
/// after a package that is ignored.
#[test]
fn no_answer_at_the_prompt_leads_around_a_block() {
    for zypper in ALL.into_iter().filter(|zypper| !zypper.single) {
        let Some(root) = zypper.root(Build::New) else {
            continue;
        };
        let bad = kmp("demo-kmp", "1", Build::Old).tag("Requires", "first");
        root.offer("repo", &[&bad, &plain("first")]);
        let before = root.snapshot();
        let prompt = "Abort, retry, ignore?";
        for answers in [
            &[("ontinue?", "y\n"), (prompt, "a\n")][..],
            &[
                ("ontinue?", "y\n"),
                (prompt, "r\n"),
                (prompt, "r\n"),
                (prompt, "a\n"),
            ],
            &[("ontinue?", "y\n"), (prompt, "i\n"), (prompt, "i\n")],
        ] {
            let outcome = zypper
                .client(&root, &[], &["install", "demo-kmp"])
                .answering(answers);
            let shown = &outcome.stdout;
            assert_eq!(
                shown.matches("btf-guard: blocked: ").count(),
                1,
                "{zypper:?}: {shown}"
            );
            let changes = before.changes(&root.snapshot());
            // libzypp's own doing, of another refresh.
            let changes: Vec<_> = changes
                .iter()
                .filter(|path| !path.starts_with("srv/"))
                .collect();
            assert!(changes.is_empty(), "{zypper:?}: {changes:?}: {shown}");
            // Failures that are ignored are none to zypper.
            let ignored = answers.contains(&(prompt, "i\n"));
            assert_eq!(outcome.status.success(), ignored, "{zypper:?}: {shown}");
        }
    }
}
#[test]
fn without_modules_nothing_is_said_and_nothing_is_left() {
    for zypper in ALL {
        let Some(root) = zypper.root(Build::New) else {
            continue;
        };
        root.offer("repo", &[&plain("first")]);
        let outcome = zypper.run(&root, &["install", "first"]).run();
        assert!(outcome.status.success(), "{zypper:?}: {outcome:?}");
        assert!(
            !all(&outcome).contains("btf-guard"),
            "{zypper:?}: {outcome:?}"
        );
        assert_eq!(handoffs(&root), [""; 0], "{zypper:?}");
        let log = zypper_log(&root);
        assert!(log.contains(PLUGIN), "{zypper:?}: never started: {log}");
        assert!(!log.contains("! btf-guard: "), "{zypper:?}: {log}");
    }
}
