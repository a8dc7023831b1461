// SPDX-License-Identifier: GPL-2.0-or-later
//! Each client shows a part of what the plugin says and hides another: here each
//! line is seen, once, whatever the client and however quiet it was asked to be.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZero;

use btf_guard_tests::client::{Build, ClientRoot, Suite, kernel, kmp, release};
use btf_guard_tests::{Outcome, Package};

struct Client {
    name: &'static str,
    /// What stands between its name and a verb: each of these must show all.
    options: &'static [&'static [&'static str]],
    /// How it ends when a transaction is stopped.
    stopped: i32,
}

const DNF: Client = Client {
    name: "dnf",
    options: &[&["-y"], &["-y", "-q"]],
    stopped: 1,
};
const DNF5: Client = Client {
    name: "dnf5",
    ..DNF
};
/// What it does with `--quiet` is among zypper's own tests.
const ZYPPER: Client = Client {
    name: "zypper",
    options: &[&["--non-interactive"]],
    stopped: 8,
};

/// The clients that resolve and download. Debian 12's and 13's zypper starts rpm
/// once for each package, which other tests are about.
fn clients(suite: Suite) -> &'static [Client] {
    match suite {
        Suite::Bookworm | Suite::Trixie => &[DNF],
        Suite::Forky => &[DNF5, ZYPPER],
    }
}

impl Client {
    /// Its command lines.
    fn commands(&self, arguments: &[&str]) -> Vec<Vec<String>> {
        let owned = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect();
        let lines = self.options.iter();
        let lines = lines.map(|options| [&[self.name], *options, arguments].concat());
        lines.map(owned).collect()
    }
}

/// Roots with each client of each suite, where a kernel of this build is installed.
fn each(build: Build, test: impl Fn(&ClientRoot, &Client)) {
    for suite in Suite::ALL {
        for client in clients(suite) {
            let Some(root) = ClientRoot::new(suite) else {
                continue;
            };
            let package = root.build(&kernel("linux", "1", build));
            let installed = root.client(["rpm", "-U", &package]);
            let installed = installed.env("BTF_GUARD", "off").run();
            assert!(installed.status.success(), "{installed:?}");
            test(&root, client);
        }
    }
}

/// Our headlines, without what the client puts in front of them.
fn headlines(shown: &str) -> Vec<&str> {
    let lines = shown.lines();
    let ours = lines.filter_map(|line| Some(&line[line.find("btf-guard: ")?..]));
    ours.map(str::trim_end).collect()
}

/// Each headline once, these among them, and all that belongs to them.
#[track_caller]
fn assert_told_once(shown: &str, among: &[&str]) {
    let headlines = headlines(shown);
    let different: BTreeSet<_> = headlines.iter().collect();
    assert_eq!(
        different.len(),
        headlines.len(),
        "a line is shown twice: {shown}"
    );
    for words in among {
        let matching = headlines.iter().filter(|line| line.contains(words));
        assert!(matching.count() > 0, "no {words:?}: {shown}");
    }
    for words in [
        "  help: ",
        "  modules: ",
        "  built for ",
        "  the kernel would log: ",
    ] {
        assert!(shown.contains(words), "no {words:?}: {shown}");
    }
}

fn all(outcome: &Outcome) -> String {
    format!("{}{}", outcome.stdout, outcome.stderr)
}

/// What is on the screen in the end, after all drawing, and above it.
pub(crate) fn screen(outcome: &Outcome) -> String {
    let size = |cells| NonZero::new(cells).unwrap();
    let mut terminal = vt100::Parser::new(size(500), size(400), 0);
    terminal.process(outcome.stdout.replace('\n', "\r\n").as_bytes());
    terminal.screen().contents()
}

#[test]
fn a_block_is_seen_once_and_changes_nothing() {
    each(Build::New, |root, client| {
        root.offer("repo", &[&kmp("demo", "1", Build::Old)]);
        let before = root.snapshot();
        for command in client.commands(&["install", "demo"]) {
            let outcome = root.run(command);
            assert_eq!(outcome.status.code(), Some(client.stopped), "{outcome:?}");
            assert_told_once(
                &all(&outcome),
                &["blocked: after this transaction, ", "BTF_GUARD=warn"],
            );
        }
        assert_eq!(before.changes(&root.snapshot()), [""; 0]);
    });
}

#[test]
fn a_warning_is_seen_once() {
    each(Build::New, |root, client| {
        root.offer("repo", &[&kmp("demo", "1", Build::Old)]);
        for command in client.commands(&["install", "demo"]) {
            let outcome = root.client(command).env("BTF_GUARD", "warn").run();
            assert!(outcome.status.success(), "{outcome:?}");
            assert_told_once(&all(&outcome), &["would have blocked: "]);
            assert_eq!(root.installed(), ["demo-1-1.noarch", "linux-1-1.noarch"]);
            let removed = root.client(["rpm", "-e", "demo"]).env("BTF_GUARD", "off");
            assert!(removed.run().status.success());
        }
    });
}

/// dnf 4 shows the log of a test run that fails, for whatever reason.
#[test]
fn a_warning_is_seen_once_where_the_test_run_fails_for_another_reason() {
    each(Build::New, |root, client| {
        if client.name == "zypper" {
            // It looks for conflicts before it starts rpm.
            return;
        }
        let taken = format!("/usr/lib/modules/{}/extra/xfs.ko", release());
        let other = root.build(&Package::new("other").file(taken, "not that of demo"));
        let other = root.client(["rpm", "-U", &other]).env("BTF_GUARD", "off");
        assert!(other.run().status.success());
        root.offer("repo", &[&kmp("demo", "1", Build::Old)]);
        for command in client.commands(&["install", "demo"]) {
            let outcome = root.client(command).env("BTF_GUARD", "warn").run();
            assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
            assert!(outcome.stderr.contains("conflicts"), "{outcome:?}");
            assert_told_once(&all(&outcome), &["would have blocked: "]);
        }
    });
}

/// A copy of the kernel that is booted, which the new package is trusted to
/// refresh, and does or does not.
#[test]
fn what_a_transaction_leaves_behind_is_seen_once() {
    for refreshed in [false, true] {
        each(Build::Old, |root, client| {
            let script = match refreshed {
                true => copies(),
                false => String::new(),
            };
            boot_copies(root);
            root.offer(
                "repo",
                &[&kernel("linux", "2", Build::New).lua("%post", &script)],
            );
            let outcome = root.run(&client.commands(&["update", "linux"])[0]);
            assert!(outcome.status.success(), "{outcome:?}");
            assert_eq!(root.installed(), ["linux-2-1.noarch"]);
            let shown = all(&outcome);
            match refreshed {
                true => assert_eq!(headlines(&shown), [""; 0], "{shown}"),
                false => assert_told_once(&shown, &["/boot/vmlinuz-"]),
            }
        });
    }
}

#[test]
fn at_a_terminal_nothing_is_wiped_out() {
    each(Build::Old, |root, client| {
        boot_copies(root);
        let demo = |version, build| {
            // dnf 5 draws a package's lines again as long as it is the last.
            let script = "for line = 1, 20 do print('from a scriptlet') end";
            kmp("demo", version, build).lua("%posttrans", script)
        };
        let installed = root.build(&demo("1", Build::Old));
        assert!(root.run(["rpm", "-U", &installed]).status.success());
        let kernel = kernel("linux", "2", Build::New);
        root.offer("repo", &[&kernel, &demo("2", Build::Old)]);
        let command = &client.commands(&["update", "linux", "demo"])[0];
        let warned = root.client(command);
        let warned = warned.env("BTF_GUARD", "warn").env("TERM", "xterm");
        let outcome = warned.answering(&[]);
        assert!(outcome.status.success(), "{outcome:?}");
        let among = ["would have blocked: ", "/boot/vmlinuz-"];
        assert_told_once(&screen(&outcome), &among);
    });
}

/// Puts the image and its configuration into /boot, as a scriptlet does it.
fn boot_copies(root: &ClientRoot) {
    let tree = format!("/usr/lib/modules/{}", release());
    fs::create_dir_all(root.at("/boot")).unwrap();
    for name in ["vmlinuz", "config"] {
        let to = root.at(&format!("/boot/{name}-{}", release()));
        fs::copy(root.at(&format!("{tree}/{name}")), to).unwrap();
    }
}

/// The same in Lua.
fn copies() -> String {
    let release = release();
    format!(
        "for _, name in ipairs({{'vmlinuz', 'config'}}) do
           local from = io.open('/usr/lib/modules/{release}/' .. name, 'rb')
           local to = io.open('/boot/' .. name .. '-{release}', 'wb')
           to:write(from:read('*a')); to:close(); from:close()
         end"
    )
}
