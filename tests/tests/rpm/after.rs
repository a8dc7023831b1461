// SPDX-License-Identifier: GPL-2.0-or-later
//! After the last change the disk is judged again, and what is new is told.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{SystemTime, UNIX_EPOCH};

use btf_guard_protocol::decision::Mode;
use btf_guard_protocol::plan::{Action, Stage};
use btf_guard_protocol::procfs::Process;
use btf_guard_protocol::state::last_check::ReportedState;
use btf_guard_protocol::state::trusted_dir::Private;
use btf_guard_tests::{Judge, Outcome, Package, Root};
use serde_json::{Value, json};

use crate::{RELEASE, module_package, plain_package};

fn answer(decision: &str, level: &str, text: &str) -> Value {
    let messages = json!([{"level": level, "text": text}]);
    json!({"schema": 2, "decision": decision, "messages": messages, "keys": [text]})
}

fn silence() -> Value {
    json!({"schema": 2, "decision": "allow", "messages": []})
}

fn install(root: &Root, packages: &[Package]) -> Outcome {
    let mut command = root.command(["-U"]);
    command.args(packages.iter().map(|package| root.build(package)));
    root.run(command)
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs()
}

#[test]
fn what_is_found_on_the_disk_is_told() {
    let judge = Judge::staged(
        &answer("warn", "warning", "before"),
        &answer("warn", "warning", "after"),
    );
    let root = Root::new(&judge.path());
    let begun = now();
    let outcome = install(&root, &[module_package("mod"), plain_package("plain")]);
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(outcome.log(), ["warning: before", "warning: after"]);

    let (before, after) = (judge.plan(), judge.plan_after().unwrap());
    assert_eq!(before.stage, Stage::Pre);
    assert_eq!((before.since, before.reported_keys.len()), (None, 0));
    assert_eq!(after.stage, Stage::Post);
    assert_eq!(
        (after.root, after.mode, after.test),
        (before.root, None, false)
    );
    assert_eq!(after.reported_keys, ["before"]);
    let since = after.since.unwrap();
    assert!((begun..=now()).contains(&since), "{since}");
    let [element] = &after.elements[..] else {
        panic!(
            "only the package with a module matters: {:?}",
            after.elements
        );
    };
    assert_eq!(element.paths, before.elements[0].paths);
    assert_eq!((element.action, element.file), (Action::Install, None));
}

#[test]
fn what_was_reported_is_left_for_the_hooks_that_follow() {
    let judge = Judge::staged(
        &answer("warn", "warning", "before"),
        &answer("warn", "warning", "after"),
    );
    let root = Root::new(&judge.path());
    let state = || ReportedState::read(&Private::create(&root.handoffs()).unwrap()).unwrap();
    for options in [&["-U", "--test"][..], &["-U", "--justdb"]] {
        let mut command = root.command(options);
        command.arg(root.build(&module_package("mod")));
        assert!(root.run(command).status.success());
    }
    assert_eq!(state(), None);

    let begun = now();
    install(&root, &[module_package("other")]);
    let state = state().unwrap();
    assert_eq!(state.reported, ["before", "after"]);
    assert_eq!((state.pending, state.unshown.len()), (false, 0));
    assert_eq!(state.root, root.path().join(""));
    assert!((begun..=now()).contains(&state.looked), "{state:?}");
    assert!(!Process::lives(state.pid, state.started), "rpm is gone");
}

/// While the transaction is under way, hooks in scriptlets are to leave it to the plugin.
#[test]
fn what_is_under_way_is_noted_until_it_is_over() {
    let root = Root::without_plugin();
    let run = root.handoffs();
    let judge = Judge::script(&format!(
        "plan=$(cat)
         case $plan in *'\"stage\":\"post\"'*)
             cp {}/state.json $E/seen
             echo '{}'
             exit
         esac
         echo '{}'",
        run.display(),
        silence(),
        answer("warn", "warning", "before")
    ));
    let plugins = judge.evidence("plugins");
    fs::create_dir(&plugins).unwrap();
    symlink(btf_guard_tests::plugin(), plugins.join("btf_guard.so")).unwrap();
    let program = judge.path();
    let options = format!("--judge {} --handoff {}", program.display(), run.display());
    let root = root.with_plugins_from(&plugins, &options);
    assert!(install(&root, &[module_package("mod")]).status.success());
    let pending: ReportedState = serde_json::from_str(&judge.read("seen")).unwrap();
    assert!(pending.pending && pending.reported == ["before"]);
    let dir = Private::create(&run).unwrap();
    assert!(!ReportedState::read(&dir).unwrap().unwrap().pending);

    // librpm finds a conflict after it has called the plugin.
    let path = format!("/lib/modules/{RELEASE}/extra/mod.ko");
    let other = Package::new("other").file(path, "not that of mod");
    assert!(!install(&root, &[other]).status.success());
    assert_eq!(ReportedState::read(&dir).unwrap(), None);
}

#[test]
fn nothing_new_is_silence() {
    let judge = Judge::staged(&silence(), &silence());
    let root = Root::new(&judge.path());
    let outcome = install(&root, &[module_package("mod")]);
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!((outcome.log().len(), outcome.stdout.as_str()), (0, ""));
    assert!(judge.plan_after().is_some());
}

#[test]
fn the_same_words_are_not_told_twice() {
    let same = answer("warn", "warning", "same");
    let judge = Judge::staged(&same, &same);
    let outcome = install(&Root::new(&judge.path()), &[module_package("mod")]);
    assert_eq!(outcome.log(), ["warning: same"]);
}

#[test]
fn nothing_is_stopped_any_more() {
    let judge = Judge::staged(&silence(), &answer("block", "error", "too late"));
    let root = Root::new(&judge.path());
    let outcome = install(&root, &[module_package("mod")]);
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(outcome.log(), ["warning: too late"]);
    assert_eq!(root.installed(), ["mod-1-1.noarch"]);
}

#[test]
fn an_erase_is_followed_up_and_the_admins_word_holds() {
    let judge = Judge::staged(&silence(), &silence());
    let root = Root::new(&judge.path());
    install(&root, &[module_package("mod")]);
    fs::remove_file(judge.evidence("after")).unwrap();
    let mut command = root.command(["-e", "mod"]);
    command.env("BTF_GUARD", "warn");
    assert!(root.run(command).status.success());
    let after = judge.plan_after().unwrap();
    assert_eq!(after.elements[0].action, Action::Erase);
    assert_eq!(after.mode, Some(Mode::Warn));
}

#[test]
fn where_nothing_has_changed_nothing_is_asked() {
    let judge = Judge::staged(&silence(), &answer("warn", "warning", "after"));
    let root = Root::new(&judge.path());
    let package = root.build(&module_package("mod"));
    let plain = root.build(&plain_package("plain"));
    for (options, package, mode) in [
        (&["-U", "--test"][..], &package, ""),
        (&["-U", "--justdb"], &package, ""),
        (&["-U", "--force"], &plain, ""),
        (&["-U", "--force"], &package, "off"),
    ] {
        let mut command = root.command(options);
        command.arg(package).env("BTF_GUARD", mode);
        let outcome = root.run(command);
        assert!(outcome.status.success(), "{outcome:?}");
        assert_eq!(outcome.log(), [""; 0], "{options:?}");
    }

    // librpm finds a conflict after it has called the plugin.
    let path = format!("/lib/modules/{RELEASE}/extra/mod.ko");
    let other = root.build(&Package::new("other").file(path, "not that of mod"));
    let outcome = root.rpm(["-U".as_ref(), other.as_os_str()]);
    assert!(!outcome.status.success(), "{outcome:?}");
    assert!(outcome.stderr.contains("conflicts"), "{outcome:?}");
    assert!(judge.was_started() && judge.plan_after().is_none());

    let blocking = Judge::staged(&answer("block", "error", "no"), &silence());
    let root = Root::new(&blocking.path());
    let outcome = install(&root, &[module_package("mod")]);
    assert!(!outcome.status.success(), "{outcome:?}");
    assert!(blocking.plan_after().is_none());
}

#[test]
fn a_transaction_that_failed_half_way_is_looked_at() {
    let judge = Judge::staged(&silence(), &answer("warn", "warning", "half of it"));
    let root = Root::new(&judge.path());
    let whole = module_package("whole");
    let failing = module_package("failing").lua("%pre", "error('no')");
    let outcome = install(&root, &[whole, failing]);
    assert!(!outcome.status.success(), "{outcome:?}");
    assert_eq!(root.installed(), ["whole-1-1.noarch"]);
    assert_eq!(outcome.log().last(), Some(&"warning: half of it"));
}

/// One rpm process is a part of zypper's commit, whose end its own plugin sees.
#[test]
fn within_a_commit_the_disk_is_not_for_each_rpm_to_judge() {
    for single in [false, true] {
        let judge = Judge::staged(&silence(), &silence());
        let root = Root::new(&judge.path());
        let mut command = match single {
            true => root.single(["-U"]),
            false => root.command(["-U"]),
        };
        command
            .arg(root.build(&module_package("mod")))
            .env("ZYPP_IS_RUNNING", "1");
        assert!(root.run(command).status.success());
        assert_eq!(judge.plan_after().is_some(), single);
    }
}

#[test]
fn a_judge_that_the_transaction_removed_is_not_missed() {
    let judge = Judge::script(
        r#"cat > /dev/null; rm $0
        echo '{"schema":2,"decision":"allow","messages":[]}'"#,
    );
    let outcome = install(&Root::new(&judge.path()), &[module_package("mod")]);
    assert!(outcome.status.success(), "{outcome:?}");
    assert!(judge.was_started() && !judge.path().exists());
    assert_eq!(outcome.log(), [""; 0]);
}

#[test]
fn a_judge_that_fails_only_then_costs_one_line() {
    let judge = Judge::script(
        r#"grep -q '"stage":"post"' && exit 3
        echo '{"schema":2,"decision":"allow","messages":[]}'"#,
    );
    let outcome = install(&Root::new(&judge.path()), &[module_package("mod")]);
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(
        outcome.log(),
        [
            "warning: btf-guard: the judge ended with exit status: 3; what the transaction left \
             on the disk is not judged; run 'btf-guard check'"
        ]
    );
}
