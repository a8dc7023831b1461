// SPDX-License-Identifier: GPL-2.0-or-later
//! A commit plugin that is killed, misled, or not there.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};

use btf_guard_tests::client::{Build, Suite, kmp};

use super::{ALL, FETCHER, HANDOFFS, PLUGIN, all, classic, handoffs, plain, single, zypper_log};

/// By then something has changed: to stop now would make it worse.
#[test]
fn where_libzypp_cannot_be_asked_only_the_first_package_can_be_stopped() {
    // What asks for the other back end is no sign of it: 17.25 has none.
    let misled = single(Suite::Bookworm);
    let classic = ALL.into_iter().filter(|zypper| !zypper.single);
    for zypper in classic.chain([misled]) {
        let Some(root) = zypper.root(Build::New) else {
            continue;
        };
        fs::remove_file(root.at(FETCHER)).unwrap();
        let bad = kmp("demo-kmp", "1", Build::Old);
        root.offer("repo", &[&bad, &plain("first")]);
        let outcome = zypper.run(&root, &["install", "demo-kmp"]).run();
        assert_eq!(outcome.status.code(), Some(8), "{zypper:?}: {outcome:?}");
        assert_eq!(root.installed(), ["kernel-default-1-1.noarch"]);

        let bad = bad.version("2").tag("Requires", "first");
        root.offer("repo", &[&bad]);
        let outcome = zypper.run(&root, &["install", "demo-kmp"]).run();
        let shown = all(&outcome);
        assert!(outcome.status.success(), "{zypper:?}: {shown}");
        assert!(
            shown.contains("btf-guard: would have blocked: "),
            "{zypper:?}: {shown}"
        );
        assert!(
            zypper_log(&root).contains("does not start"),
            "{zypper:?}: {}",
            zypper_log(&root)
        );
    }
}

/// rpm itself sees all of it there, and is known by its program.
#[test]
fn where_one_transaction_is_all_no_commit_plugin_is_needed() {
    for zypper in ALL.into_iter().filter(|zypper| zypper.single) {
        let Some(root) = zypper.root(Build::New) else {
            continue;
        };
        fs::remove_file(root.at(PLUGIN)).unwrap();
        let bad = kmp("demo-kmp", "1", Build::Old).tag("Requires", "first");
        root.offer("repo", &[&bad, &plain("first")]);
        let outcome = zypper.run(&root, &["install", "demo-kmp"]).run();
        assert_eq!(outcome.status.code(), Some(8), "{zypper:?}: {outcome:?}");
        assert_eq!(root.installed(), ["kernel-default-1-1.noarch"]);
    }
}

/// Whoever kills the commit plugin before it has handed over gets what there is
/// without one; after that the decision stands.
#[test]
fn a_commit_plugin_that_is_killed_takes_no_decision_back() {
    for zypper in ALL.into_iter().filter(|zypper| !zypper.single) {
        for handed_over in [false, true] {
            let Some(root) = zypper.root(Build::New) else {
                continue;
            };
            let bad = kmp("demo-kmp", "1", Build::Old).tag("Requires", "first");
            root.offer("repo", &[&bad, &plain("first")]);
            let (program, script) = match handed_over {
                true => ("rpm", KILL_AFTER),
                false => ("btf-guard", KILL_BEFORE),
            };
            let path = format!("/usr/bin/{program}");
            fs::rename(root.at(&path), root.at(&format!("{path}-real"))).unwrap();
            root.put(&path, script);
            fs::set_permissions(root.at(&path), Permissions::from_mode(0o755)).unwrap();
            let outcome = zypper.run(&root, &["install", "demo-kmp"]).run();
            let shown = all(&outcome);
            assert!(root.at("/tmp/killed").exists(), "{zypper:?}: {shown}");
            let what = format!("{zypper:?}, {handed_over}: {shown}");
            if handed_over {
                assert_eq!(outcome.status.code(), Some(8), "{what}");
                assert!(shown.contains("btf-guard: blocked: "), "{what}");
                assert_eq!(root.installed(), ["kernel-default-1-1.noarch"]);
                assert_ne!(handoffs(&root), [""; 0], "nobody was left to remove it");
            } else {
                assert!(outcome.status.success(), "{what}");
                assert!(shown.contains("btf-guard: would have blocked: "), "{what}");
            }
            // The next commit cleans up.
            fs::rename(root.at(&format!("{path}-real")), root.at(&path)).unwrap();
            let next = zypper.run(&root, &["install", "--force", "first"]).run();
            assert!(next.status.success(), "{zypper:?}: {next:?}");
            assert_eq!(handoffs(&root), [""; 0], "{zypper:?}");
        }
    }
}

/// Judges as ever, unless the commit plugin asks, which is killed.
const KILL_BEFORE: &str = "#!/bin/sh
case $(readlink /proc/$PPID/exe) in
*/commit/btf-guard) : >/tmp/killed; kill -9 $PPID ;;

esac
exec btf-guard-real \"$@\"
";

/// Installs as ever, once it has killed the commit plugin.
const KILL_AFTER: &str = "#!/bin/sh
case \" $* \" in
*' -U '*)
    for process in /proc/[0-9]*; do
        case $(readlink $process/exe) in
        */commit/btf-guard) : >/tmp/killed; kill -9 ${process#/proc/} ;;
        esac
    done
    ;;
esac
exec rpm-real \"$@\"
";

/// A directory of another user's is not used, whatever lies in it: nobody can
/// have a commit passed, nor keep one from passing.
#[test]
fn a_forged_directory_is_not_used() {
    let zypper = classic(Suite::Bookworm);
    let Some(root) = zypper.root(Build::New) else {
        return;
    };
    let bad = kmp("demo-kmp", "1", Build::Old).tag("Requires", "first");
    root.offer("repo", &[&bad, &plain("first")]);
    fs::create_dir(root.at(HANDOFFS)).unwrap();
    chown(root.at(HANDOFFS), Some(65534), None).unwrap();
    let outcome = zypper.run(&root, &["install", "demo-kmp"]).run();
    let shown = all(&outcome);
    assert!(outcome.status.success(), "{shown}");
    assert!(shown.contains("it belongs to user 65534"), "{shown}");
    assert!(shown.contains("btf-guard: would have blocked: "), "{shown}");
    assert_eq!(handoffs(&root), [""; 0]);
}
