// SPDX-License-Identifier: GPL-2.0-or-later
//! `make bench`: what btf-guard costs the clients when there is nothing for it to
//! do, which is nearly always.
//!
//! ```sh
//! cargo run -p btf-guard-tests --example cost [RUNS]
//! ```
//!
//! with the environment of `tests/setup/bench.sh`. Each client installs one package
//! without modules, in turn in a root with btf-guard and in one without; CPU time
//! is that of all processes that it starts and waits for. Medians are shown, of
//! both, of the ratio and of the difference, round by round.
//!
//! A client itself has more to do where there is any commit plugin or action. So there
//! is a third root, with one that does nothing, and two figures more: what that costs,
//! and how much more btf-guard does, with its limit. Nothing is asserted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::io;
use std::process::Command;
use std::time::Duration;

use btf_guard_tests::Package;
use btf_guard_tests::client::{ClientRoot, Suite};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Runs of each, unless told otherwise.
const RUNS: usize = 11;

/// Modules of a distribution's kernel.
const MODULES: usize = 4000;

/// Packages of a distribution's repository.
const PACKAGES: usize = 60_000;

/// The soft limit of descriptors in a login of systemd's. libzypp 17.25 closes each
/// number below it in every process that it starts.
const DESCRIPTORS: u64 = 1024;

/// CPU time beyond the same client with an action or a commit plugin that does nothing.
const LIMIT: &str = "≤ 8 ms";

/// An action of each dnf that does nothing, where the client looks for it.
const ACTIONS: [(&str, &str); 2] = [
    (
        "/etc/dnf/plugins/post-transaction-actions.d/nothing.action",
        "*:any:/bin/true\n",
    ),
    (
        "/etc/dnf/libdnf5-plugins/actions.d/nothing.actions",
        "post_transaction::::/bin/true\n",
    ),
];

/// The least that libzypp takes for a commit plugin: a program that answers.
const YES: &str = r#"
#include <string.h>
#include <unistd.h>

int main(void)
{
    static char frame[65536];
    ssize_t size;
    while ((size = read(0, frame, sizeof frame)) > 0) {
        if (memcmp(frame, "_DISCONNECT", 11) == 0)
            return write(1, "ACK\nexit:0\n\n", 13) != 13;
        if (frame[size - 1] == 0 && write(1, "ACK\n\n", 6) != 6)
            return 1;
    }
    return 0;
}
"#;

struct Case {
    name: &'static str,
    suite: Suite,
    /// How it is told to install and to remove, without a look at the network.
    words: &'static [&'static str],
    variable: (&'static str, &'static str),
}

const ZYPPER: &[&str] = &["zypper", "--non-interactive", "--no-refresh"];

const CASES: [Case; 7] = [
    Case {
        name: "dnf 4.14",
        suite: Suite::Bookworm,
        words: &["dnf", "-y", "-C"],
        variable: ("A", ""),
    },
    Case {
        name: "dnf 4.23",
        suite: Suite::Trixie,
        words: &["dnf", "-y", "-C"],
        variable: ("A", ""),
    },
    Case {
        name: "dnf5 5.4",
        suite: Suite::Forky,
        words: &["dnf5", "-y"],
        variable: ("A", ""),
    },
    Case {
        name: "zypper classic, 17.25",
        suite: Suite::Bookworm,
        words: ZYPPER,
        variable: ("A", ""),
    },
    Case {
        name: "zypper classic, 17.36",
        suite: Suite::Trixie,
        words: ZYPPER,
        variable: ("A", ""),
    },
    Case {
        name: "zypper single, 17.36",
        suite: Suite::Trixie,
        words: ZYPPER,
        variable: ("ZYPP_SINGLE_RPMTRANS", "1"),
    },
    Case {
        name: "zypper single, 17.38",
        suite: Suite::Forky,
        words: ZYPPER,
        variable: ("A", ""),
    },
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runs = arguments.first().map_or(RUNS, |runs| runs.parse().unwrap());
    let only = arguments.get(1).map_or("", String::as_str);
    let limit = Rlimit {
        current: Some(DESCRIPTORS),
        ..getrlimit(Resource::Nofile)
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    println!(
        "| client | packages | without | with | ratio | difference | the client's own | ours | limit |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for case in &CASES {
        if !case.name.contains(only) {
            continue;
        }
        for packages in [0, PACKAGES] {
            measure(case, packages, runs);
        }
    }
}

fn measure(case: &Case, packages: usize, runs: usize) {
    let (Some(with), Some(without), Some(with_nothing)) = (
        ClientRoot::as_machine(case.suite),
        ClientRoot::without_guard(case.suite),
        ClientRoot::without_guard(case.suite),
    ) else {
        return;
    };
    if case.words == ZYPPER {
        add_commit_plugin(&with_nothing);
    } else {
        for (path, text) in ACTIONS {
            with_nothing.put(path, text);
        }
    }
    let roots = [without, with, with_nothing];
    for root in &roots {
        prepare(root, packages);
        // What a client and the plugin make once for each repository.
        run(case, root);
        run(case, root);
    }
    let mut rounds: Vec<Vec<f64>> = Vec::new();
    for round in 0..runs {
        let mut figures = vec![0.0; roots.len()];
        // Who goes first has the caches as the others' removals left them.
        for turn in 0..roots.len() {
            let turn = (round + turn) % roots.len();
            figures[turn] = run(case, &roots[turn]);
        }
        rounds.push(figures);
    }
    let of = |figure: fn(&[f64]) -> f64| median(rounds.iter().map(|all| figure(all)).collect());
    println!(
        "| {} | {} | {:.1} ms | {:.1} ms | {:.3} | {:+.1} ms | {:+.1} ms | {:+.1} ms | {LIMIT} |",
        case.name,
        packages + 1,
        of(|all| all[0]),
        of(|all| all[1]),
        of(|all| all[1] / all[0]),
        of(|all| all[1] - all[0]),
        of(|all| all[2] - all[0]),
        of(|all| all[1] - all[2]),
    );
}

/// Gives libzypp a plugin that says yes to everything.
fn add_commit_plugin(root: &ClientRoot) {
    let place = tempfile::tempdir().unwrap();
    let (source, program) = (place.path().join("yes.c"), place.path().join("yes"));
    std::fs::write(&source, YES).unwrap();
    let built = Command::new("cc")
        .args(["-O2", "-static", "-o"])
        .args([&program, &source])
        .status();
    assert!(built.unwrap().success());
    root.copy("/usr/lib/zypp/plugins/commit/yes", &program);
}

/// A kernel's module directory and its files in `/boot`, of which nothing is read
/// unless it has changed, and a repository.
fn prepare(root: &ClientRoot, packages: usize) {
    let script = format!(
        "for i in $(seq {MODULES}); do
             dir=/usr/lib/modules/6.1/kernel/drivers/$((i % 200))
             test -d $dir || mkdir -p $dir
             : >$dir/$i.ko
         done
         mkdir /usr/lib/modules/6.1/extra
         for name in alias builtin dep devname order softdep symbols; do
             : >/usr/lib/modules/6.1/modules.$name
         done
         for name in System.map config initrd.img vmlinuz; do
             : >/boot/$name-6.1
         done"
    );
    assert!(root.run(["sh", "-c", &script]).status.success());
    root.offer(
        "repo",
        &[&Package::new("plain").file("/usr/share/plain", "text")],
    );
    if packages > 0 {
        root.pretend("repo", packages);
    }
    let command = match root.suite() {
        Suite::Forky => "dnf5 -y makecache; zypper --non-interactive refresh",
        Suite::Bookworm | Suite::Trixie => "dnf -y makecache; zypper --non-interactive refresh",
    };
    let known = root.run(["sh", "-ec", command]);
    assert!(known.status.success(), "{known:?}");
}

/// Installs the package, and takes it away again, which is not counted.
fn run(case: &Case, root: &ClientRoot) -> f64 {
    let (name, value) = case.variable;
    let act = |verb| {
        let words = [case.words, &[verb, "plain"]].concat();
        let outcome = root.client(words).env(name, value).run();
        assert!(outcome.status.success(), "{outcome:?}");
    };
    let before = children();
    act("install");
    let cost = children() - before;
    act("remove");
    cost.as_secs_f64() * 1e3
}

/// User and system time of all children that were waited for, and of theirs.
#[allow(unsafe_code)]
fn children() -> Duration {
    // SAFETY: all-zero is a valid rusage, and the call fills it.
    let mut usage = unsafe { std::mem::zeroed::<libc::rusage>() };
    // SAFETY: `usage` is ours.
    let status = unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    assert_eq!(status, 0, "{}", io::Error::last_os_error());
    let time = |value: libc::timeval| {
        let micros = u32::try_from(value.tv_usec).unwrap();
        Duration::new(u64::try_from(value.tv_sec).unwrap(), micros * 1000)
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
