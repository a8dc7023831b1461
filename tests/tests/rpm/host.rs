// SPDX-License-Identifier: GPL-2.0-or-later
//! The plugin is a guest in rpm's process, and starts another.

use std::path::Path;
use std::process::Command;

use btf_guard_tests::{Judge, Root, plugin};

use crate::module_package;

/// What the client in `clients/states.py` prints.
fn client(root: &Root, judge: Option<&Judge>, children: &str) -> serde_json::Value {
    let package = root.build(&module_package("mod"));
    let plugins = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(plugin(), plugins.path().join("btf_guard.so")).unwrap();
    let plugins = plugins.path().display();
    // Debian's module for its own interpreter, not for one in the PATH.
    let mut command = Command::new("/usr/bin/python3");
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/states.py"))
        .arg(root.path())
        .args(["_dbpath=/var/lib/rpm", "_pkgverify_level=digest"])
        .arg(format!("__plugindir={plugins}"));
    if let Some(judge) = judge {
        let judge = judge.path();
        command.arg(format!(
            "__transaction_btf_guard={plugins}/btf_guard.so --judge {}",
            judge.display()
        ));
    }
    command.arg(package).env("SIGCHLD", children);
    let outcome = root.run(command);
    assert!(outcome.status.success(), "{outcome:?}");
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome:?}"))
}

#[test]
fn the_process_is_left_as_it_was() {
    let judge = Judge::answering("allow", &[]);
    let hanging = Judge::script("cat /dev/zero");
    let root = Root::without_plugin();
    let without = client(&root, None, "default");
    assert_eq!(without["results"], serde_json::json!(["ok", "ok"]));
    for judge in [judge, hanging] {
        let with = client(&root, Some(&judge), "default");
        assert!(judge.was_started());
        assert_eq!(with, without);
    }
}

#[test]
fn a_client_that_never_reaps_is_served() {
    let judge = Judge::answering("block", &[("error", "no")]);
    let root = Root::without_plugin();
    let with = client(&root, Some(&judge), "ignore");
    assert_eq!(with["results"], serde_json::json!(["failed", "failed"]));
    assert_eq!(with["states"][0], with["states"][1]);
}

#[test]
fn the_judge_starts_clean() {
    let judge = Judge::before(
        "env > $E/environment
         ps -o pgid= -p $$ > $E/group; echo $$ > $E/pid
         cat /proc/self/status > $E/status
         echo \"$@\" > $E/arguments
         set -- /proc/$$/fd/*
         open=; for fd; do [ -L $fd ] && open=\"$open ${fd##*/}\"; done
         echo $open > $E/descriptors
         echo '{\"schema\":2,\"decision\":\"allow\",\"messages\":[]}'",
    );
    let root = Root::new(&judge.path());
    let package = root.build(&module_package("mod"));
    let mut command = Command::new("env");
    command
        .args(["--ignore-signal=PIPE,HUP", "--block-signal=TERM", "rpm"])
        .args(root.options())
        .arg("-U")
        .arg(package)
        .env("LD_LIBRARY_PATH", "/nonexistent")
        .env("SECRET", "x");
    let outcome = root.run(command);
    assert!(
        outcome.status.success() && outcome.log().is_empty(),
        "{outcome:?}"
    );

    let environment = judge.read("environment");
    let mut variables: Vec<_> = environment
        .lines()
        // The shell's own.
        .filter(|line| {
            !["PWD=", "OLDPWD=", "_=", "SHLVL="]
                .iter()
                .any(|own| line.starts_with(own))
        })
        .collect();
    variables.sort_unstable();
    assert_eq!(
        variables,
        ["LANG=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
    );
    assert_eq!(judge.read("arguments"), "judge --timeout=60000\n");
    assert_eq!(judge.read("group").trim(), judge.read("pid").trim());

    let status = judge.read("status");
    let signals = |field: &str| {
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
    };
    assert_eq!(signals("SigBlk:"), 0);
    // 32 and 33 are the C library's, which gives no way to set them. A file that gets too
    // long is an error, not the end.
    let too_long = 1 << (rustix::process::Signal::XFSZ.as_raw() - 1);
    assert_eq!(signals("SigIgn:") & !(3 << 31), too_long);

    let package = judge.plan().elements[0].file.unwrap().to_string();
    let descriptors = judge.read("descriptors");
    let mut descriptors: Vec<_> = descriptors.split_whitespace().collect();
    // bash keeps its script there.
    descriptors.retain(|number| *number != "255");
    assert_eq!(descriptors, ["0", "1", "2", package.as_str()]);
}

#[test]
fn closed_standard_descriptors_do_not_mix_up_the_judges() {
    let judge = Judge::answering("block", &[("error", "no")]);
    let root = Root::new(&judge.path());
    let package = root.build(&module_package("mod"));
    for closed in ["<&-", ">&-", "<&- >&-", "<&- >&- 2>&-"] {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("exec \"$@\" {closed}"), "sh", "rpm"])
            .args(root.options())
            .arg("-U")
            .arg(&package);
        let outcome = root.run(command);
        assert!(!outcome.status.success(), "{closed}: {outcome:?}");
        assert_eq!(judge.plan().elements.len(), 1, "{closed}");
    }
    assert_eq!(root.installed(), [""; 0]);
}

#[test]
fn where_descriptors_are_short_the_judge_still_starts() {
    let judge = Judge::answering("block", &[("error", "no")]);
    let root = Root::new(&judge.path());
    let package = root.build(&module_package("mod"));
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 34; exec \"$@\"", "sh", "rpm"])
        .args(root.options())
        .arg("-U")
        .arg(&package);
    let outcome = root.run(command);
    assert!(!outcome.status.success(), "{outcome:?}");
    assert_eq!(outcome.log()[0], "error: no");
    assert_eq!(judge.plan().elements[0].file, None);
}

#[test]
fn an_interrupt_is_rpms_not_the_judges() {
    // What Ctrl-C does: SIGINT to the whole foreground process group.
    let judge = Judge::script(
        r#"cat > /dev/null; : > $E/judging; sleep 1; : > $E/judged
        echo '{"schema":2,"decision":"block","messages":[{"level":"error","text":"no"}]}'"#,
    );
    let root = Root::new(&judge.path());
    let package = root.build(&module_package("mod"));
    let before = root.snapshot();
    let mut command = Command::new("setsid");
    command
        .args(["-w", "sh", "-c"])
        .arg(
            "(until [ -e $J/judging ]; do sleep 0.05; done; kill -INT 0) &
             exec env --default-signal=INT \"$@\"",
        )
        .args(["sh", "rpm"])
        .args(root.options())
        .arg("-U")
        .arg(&package)
        .env("J", judge.evidence(""));
    let outcome = root.run(command);
    assert!(!outcome.status.success(), "{outcome:?}");
    assert!(
        judge.evidence("judged").exists(),
        "the judge was interrupted"
    );
    assert_eq!(root.snapshot(), before);
}
