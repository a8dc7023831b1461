// SPDX-License-Identifier: GPL-2.0-or-later
//! A judge that fails costs one warning line, never the transaction.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::time::{Duration, Instant};

use btf_guard_tests::{Judge, Package, Root};

use crate::{module_package, plain_package};

const GOES_ON: &str = "; the transaction goes on, its kernel modules are not judged; \
                       run 'btf-guard check' after it";

/// Installs a module package; returns the one line that was logged, up to the
/// words that every such line ends with.
fn logged(root: &Root) -> String {
    let package = root.build(&module_package("mod"));
    let outcome = root.rpm(["-U".as_ref(), package.as_os_str()]);
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(root.installed(), ["mod-1-1.noarch"]);
    assert_eq!(outcome.stdout, "");
    let [line] = outcome.log()[..] else {
        panic!("not one line: {outcome:?}");
    };
    line.strip_suffix(GOES_ON)
        .unwrap_or_else(|| panic!("{line}"))
        .to_owned()
}

fn logged_with(judge: &Judge) -> String {
    let line = logged(&Root::new(&judge.path()));
    assert!(judge.was_started());
    line
}

#[test]
fn missing() {
    let line = logged(&Root::new("/nonexistent/btf-guard".as_ref()));
    assert_eq!(
        line,
        "warning: btf-guard: /nonexistent/btf-guard does not start: \
         No such file or directory (os error 2)"
    );
}

#[test]
fn not_a_program() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let name = file.path().display();
    assert_eq!(
        logged(&Root::new(file.path())),
        format!("warning: btf-guard: {name} does not start: Permission denied (os error 13)")
    );
}

#[test]
fn ends_with_an_error_and_its_last_words_are_quoted() {
    let judge = Judge::script("echo first >&2; echo 'no kernel \"x\"' >&2; echo >&2; exit 4");
    assert_eq!(
        logged_with(&judge),
        "warning: btf-guard: the judge ended with exit status: 4, saying \"no kernel \\\"x\\\"\""
    );
}

#[test]
fn an_answer_before_a_failure_does_not_count() {
    let judge = Judge::script(
        r#"echo '{"schema":2,"decision":"block","messages":[{"level":"error","text":"no"}]}'; exit 1"#,
    );
    assert_eq!(
        logged_with(&judge),
        "warning: btf-guard: the judge ended with exit status: 1"
    );
}

#[test]
fn killed_by_a_signal() {
    let judge = Judge::script("kill -SEGV $$");
    let line = logged_with(&judge);
    assert!(
        line.starts_with("warning: btf-guard: the judge ended with signal: 11 (SIGSEGV)"),
        "{line}"
    );
}

#[test]
fn hangs() {
    let judge = Judge::script("echo busy >&2; echo $$ > $E/pid; sleep 1000 & wait");
    let root = Root::without_plugin();
    let root = with_timeout(root, &judge, 1);
    let start = Instant::now();
    assert_eq!(
        logged(&root),
        "warning: btf-guard: the judge gave no answer within 1 s and was stopped, saying \"busy\""
    );
    // Far from a timing test: either bound is a minute away from its failure.
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "what it started was waited for"
    );
    let group = judge.read("pid");
    let processes = Command::new("ps")
        .args(["-e", "-o", "pgid=,stat="])
        .output()
        .unwrap();
    let processes = String::from_utf8(processes.stdout).unwrap();
    let alive = processes.lines().any(|line| {
        let mut fields = line.split_whitespace();
        fields.next() == Some(group.trim())
            && fields.next().is_some_and(|state| !state.starts_with('Z'))
    });
    assert!(!alive, "what the judge started still runs");
}

#[test]
fn answers_and_then_hangs() {
    let judge = Judge::script(
        r#"echo '{"schema":2,"decision":"allow","messages":[]}'; exec >&-; sleep 1000"#,
    );
    let root = with_timeout(Root::without_plugin(), &judge, 1);
    assert_eq!(
        logged(&root),
        "warning: btf-guard: the judge gave no answer within 1 s and was stopped"
    );
}

fn with_timeout(root: Root, judge: &Judge, seconds: u32) -> Root {
    let plugins = judge.evidence("plugins");
    std::fs::create_dir(&plugins).unwrap();
    std::os::unix::fs::symlink(btf_guard_tests::plugin(), plugins.join("btf_guard.so")).unwrap();
    let judge = judge.path();
    let options = format!("--timeout {seconds} --judge {}", judge.display());
    root.with_plugins_from(&plugins, &options)
}

#[test]
fn garbage() {
    for (answer, reason) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("Segmentation fault", "expected value at line 1 column 1"),
        ("{}", "missing field `schema` at line 1 column 2"),
        (
            r#"{"schema":1,"decision":"block","messages":[]}"#,
            "schema 1, not 2",
        ),
        (
            r#"{"schema":2,"decision":"block","messages":[]}"#,
            "a block without a reason",
        ),
    ] {
        let judge = Judge::script(&format!("printf '%s' '{answer}'"));
        let expected =
            format!("warning: btf-guard: the judge's answer is not understood ({reason})");
        assert_eq!(logged_with(&judge), expected);
    }
    let deep = Judge::script("printf '{\"deep\":'; head -c 1000000 /dev/zero | tr '\\0' '['");
    let line = logged_with(&deep);
    assert!(
        line.contains("not understood (EOF while parsing a list"),
        "{line}"
    );
}

#[test]
fn writes_without_end() {
    let judge = Judge::script("cat /dev/zero");
    assert_eq!(
        logged_with(&judge),
        "warning: btf-guard: the judge's answer is longer than 16 MiB"
    );
}

#[test]
fn fills_standard_error_before_it_answers() {
    // More than a pipe holds: a hook that does not read it would wait for ever.
    let judge = Judge::script(
        r#"head -c 1000000 /dev/zero | tr '\0' 'x' >&2
        echo '{"schema":2,"decision":"warn","messages":[{"level":"warning","text":"done"}]}'"#,
    );
    let root = Root::new(&judge.path());
    let package = root.build(&module_package("mod"));
    let outcome = root.rpm(["-U".as_ref(), package.as_os_str()]);
    assert_eq!(outcome.log(), ["warning: done"]);
}

#[test]
fn a_root_that_no_plan_can_name() {
    let judge = Judge::answering("block", &[("error", "no")]);
    let root = Root::new(&judge.path());
    let package = root.build(&module_package("mod"));
    let odd = root.path().join(OsStr::from_bytes(b"\xff"));
    std::fs::create_dir(&odd).unwrap();
    let mut options = root.options();
    let position = options.iter().position(|option| *option == root.path());
    options[position.unwrap()] = odd.into_os_string();
    let mut command = Command::new("rpm");
    command.args(options).args(["-U", "--test"]).arg(package);
    let outcome = root.run(command);
    assert!(outcome.status.success(), "{outcome:?}");
    let expected = format!("warning: btf-guard: its root directory's name is not UTF-8{GOES_ON}");
    assert_eq!(outcome.log(), [expected]);
    assert!(!judge.was_started());
}

#[test]
fn with_ever_fewer_descriptors_rpm_fares_no_worse() {
    let judge = Judge::answering("allow", &[]);
    let root = Root::new(&judge.path());
    let package = root.build(&module_package("mod"));
    let run = |limit: u32, mode: &str| {
        let mut command = Command::new("sh");
        command
            .args([
                "-c",
                &format!("ulimit -n {limit}; exec \"$@\""),
                "sh",
                "rpm",
            ])
            .args(root.options())
            .args(["-U", "--test"])
            .arg(&package)
            .env("BTF_GUARD", mode);
        root.run(command)
    };
    let mut complaints = 0;
    for limit in 4..40 {
        let (with, without) = (run(limit, "block"), run(limit, "off"));
        assert_eq!(with.status, without.status, "{limit}: {with:?}");
        if with.status.success() {
            assert!(with.log().len() <= 1, "{limit}: {with:?}");
            complaints += with.log().len();
        }
    }
    assert_ne!(complaints, 0, "no limit was low enough to matter");
}

/// btf-guard's own package: plugin, judge, nothing of a kernel.
fn guard(judge: &Judge, version: &str) -> Package {
    Package::new("btf-guard")
        .version(version)
        .copy("/plugins/btf_guard.so", btf_guard_tests::plugin())
        .copy("/bin/btf-guard", judge.path())
}

#[test]
fn btf_guard_itself_is_installed_upgraded_and_removed() {
    let judge = Judge::answering("warn", &[("warning", "judged")]);
    let root = Root::without_plugin();
    let (plugins, program) = (
        root.path().join("plugins"),
        root.path().join("bin/btf-guard"),
    );
    let options = format!("--judge {}", program.display());
    // As the package's macro file would: the plugin need not be there yet.
    let root = root.with_plugins_from(&plugins, &options);
    let first = root.build(&guard(&judge, "1"));
    let second = root.build(&guard(&judge, "2"));
    let module = root.build(&module_package("mod"));
    let newer = root.build(&module_package("mod").version("2"));
    let plain = root.build(&plain_package("plain"));

    let outcome = root.rpm(["-U".as_ref(), first.as_os_str()]);
    assert!(
        outcome.status.success() && outcome.log().is_empty(),
        "{outcome:?}"
    );

    let outcome = root.rpm(["-U".as_ref(), second.as_os_str(), module.as_os_str()]);
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(outcome.log(), ["warning: judged"]);

    let outcome = root.rpm(["-e", "btf-guard", "mod"]);
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(outcome.log(), ["warning: judged"]);

    let outcome = root.rpm(["-U".as_ref(), newer.as_os_str(), plain.as_os_str()]);
    assert!(
        outcome.status.success() && outcome.log().is_empty(),
        "{outcome:?}"
    );
}
