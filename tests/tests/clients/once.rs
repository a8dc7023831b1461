//! Each client shows a part of what the plugin says and hides another: here each
//! line is seen, once, whatever the client and however quiet it was asked to be.

use std::fs;
use std::num::NonZero;

use btf_guard_tests::Outcome;
use btf_guard_tests::client::{Build, ClientRoot, Suite, kernel, kmp, release};

/// Options between a client and its verb, and how it is told to be quiet.
struct Client {
    name: &'static str,
    options: &'static [&'static str],
    quiet: &'static [&'static str],
    /// How it ends when a transaction is stopped.
    stopped: i32,
}

const DNF: Client = Client {
    name: "dnf",
    options: &["-y"],
    quiet: &["-q"],
    stopped: 1,
};
const DNF5: Client = Client {
    name: "dnf5",
    ..DNF
};
const ZYPPER: Client = Client {
    name: "zypper",
    options: &["--non-interactive"],
    quiet: &["--quiet"],
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
    fn command(&self, quiet: bool, arguments: &[&str]) -> Vec<String> {
        let quiet = if quiet { self.quiet } else { &[] };
        let words = [&[self.name], self.options, quiet, arguments].concat();
        words.into_iter().map(str::to_owned).collect()
    }
}

/// Roots with each client of each suite, where a kernel of this build is installed.
fn each(build: Build, test: impl Fn(&ClientRoot, &Client)) {
    for suite in Suite::ALL {
        for client in clients(suite) {
            let Some(root) = ClientRoot::new(suite) else {
                continue;
            };
            let package = root.build(&kernel("kernel", "1", build));
            let installed = root.client(["rpm", "-U", &package]);
            let installed = installed.env("BTF_GUARD", "off").run();
            assert!(installed.status.success(), "{installed:?}");
            test(&root, client);
        }
    }
}

/// The lines that are ours, without what the client puts in front of them.
fn ours(text: &str) -> Vec<&str> {
    let marks = ["RPM: ", "error:", "warning:"];
    text.lines()
        .map(|line| {
            marks.iter().fold(line, |line, mark| {
                line.trim_start().strip_prefix(mark).unwrap_or(line)
            })
        })
        .map(str::trim)
        .filter(|line| {
            let starts = [
                "btf-guard:",
                "help:",
                "modules:",
                "built for",
                "the kernel would",
            ];
            starts.iter().any(|start| line.starts_with(start))
        })
        .collect()
}

#[track_caller]
fn assert_told_once(shown: &str, headline: &str, lines: usize) {
    let ours = ours(shown);
    let mut different = ours.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(
        different.len(),
        ours.len(),
        "a line is shown twice: {shown}"
    );
    assert!(ours.iter().any(|line| line.contains(headline)), "{shown}");
    assert!(ours.len() >= lines, "{lines} lines at least: {shown}");
}

fn all(outcome: &Outcome) -> String {
    format!("{}{}", outcome.stdout, outcome.stderr)
}

/// What is on the screen in the end, after all drawing, and above it.
fn screen(outcome: &Outcome) -> String {
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
        for quiet in [false, true] {
            let outcome = root.run(client.command(quiet, &["install", "demo"]));
            assert_eq!(outcome.status.code(), Some(client.stopped), "{outcome:?}");
            assert_told_once(&all(&outcome), "blocked: after this transaction", 5);
        }
        assert_eq!(before.changes(&root.snapshot()), [""; 0]);
    });
}

#[test]
fn a_warning_is_seen_once() {
    each(Build::New, |root, client| {
        root.offer("repo", &[&kmp("demo", "1", Build::Old)]);
        for quiet in [false, true] {
            let command = root.client(client.command(quiet, &["install", "demo"]));
            let outcome = command.env("BTF_GUARD", "warn").run();
            assert!(outcome.status.success(), "{outcome:?}");
            assert_told_once(&all(&outcome), "after this transaction", 4);
            assert_eq!(root.installed(), ["demo-1-1.noarch", "kernel-1-1.noarch"]);
            let removed = root.client(["rpm", "-e", "demo"]).env("BTF_GUARD", "off");
            assert!(removed.run().status.success());
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
                &[&kernel("kernel", "2", Build::New).lua("%post", &script)],
            );
            let outcome = root.run(client.command(false, &["update", "kernel"]));
            assert!(outcome.status.success(), "{outcome:?}");
            assert_eq!(root.installed(), ["kernel-2-1.noarch"]);
            let shown = all(&outcome);
            match refreshed {
                true => assert_eq!(ours(&shown), [""; 0], "{shown}"),
                false => assert_told_once(&shown, "/boot/vmlinuz-", 4),
            }
        });
    }
}

#[test]
fn at_a_terminal_nothing_is_wiped_out() {
    each(Build::Old, |root, client| {
        boot_copies(root);
        root.offer("repo", &[&kernel("kernel", "2", Build::New)]);
        let script = "print('from a scriptlet')";
        let demo = kmp("demo", "1", Build::Old).lua("%post", script);
        root.offer("repo", &[&demo]);
        let warned = root.client(client.command(false, &["install", "kernel", "demo"]));
        let warned = warned.env("BTF_GUARD", "warn").env("TERM", "xterm");
        let outcome = warned.answering(&[]);
        assert!(outcome.status.success(), "{outcome:?}");
        let screen = screen(&outcome);
        assert_told_once(&screen, "after this transaction", 8);
        assert_told_once(&screen, "/boot/vmlinuz-", 8);
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
