// SPDX-License-Identifier: GPL-2.0-or-later
//! A plugin that rpm cannot load stops every installation on a machine. Whatever
//! becomes of rpm while the plugin comes, changes or goes, and whatever a crash
//! leaves of it: the next rpm works.

use std::fs::{self, File};
use std::thread::sleep;
use std::time::Duration;

use btf_guard_tests::client::{ClientRoot, Suite};
use btf_guard_tests::{Outcome, Package};

use crate::built::{Release, query, root, succeeds};

const PLUGIN: &str = "rpm-plugin-btf-guard";

/// More calls than any of the transactions makes.
const ENOUGH: u32 = 200;

/// How a shell, `timeout` or strace tell that a child was killed.
const KILLED: [Option<i32>; 2] = [Some(137), None];

/// A root with both releases of the plugin's package at hand.
fn scene(suite: Suite) -> Option<ClientRoot> {
    let root = root(suite, &["btf-guard", PLUGIN])?;
    for (name, release) in [("first", Release::First), ("next", Release::Next)] {
        root.copy(
            &format!("/packages/{name}.rpm"),
            &release.package(suite, PLUGIN),
        );
    }
    root.build(&Package::new("plain").file("/usr/share/plain", "text"));
    Some(root)
}

/// rpm with what is to be done, without the package that has the judge: nothing
/// here is to be judged.
fn rpm(what: &str) -> Vec<&str> {
    let mut words = vec!["rpm", "--nodeps"];
    words.extend(what.split(' '));
    words
}

/// Another package comes and goes, without a word.
#[track_caller]
fn assert_works(root: &ClientRoot) {
    for what in ["-U /packages/plain-1-1.noarch.rpm", "-e plain"] {
        succeeds(&root.run(rpm(what)));
    }
}

/// Kills rpm at each call of a transaction, until there are no more.
fn killed_everywhere(before: &[&str], what: &str) {
    for suite in Suite::ALL {
        let mut killed = 0;
        loop {
            let Some(root) = scene(suite) else {
                break;
            };
            for step in before {
                succeeds(&root.run(rpm(step)));
            }
            let outcome = root.client(rpm(what)).killed_at(killed + 1).run();
            assert_works(&root);
            if outcome.status.success() {
                // Both files were put into place, or taken away.
                assert!(killed >= 2, "{suite:?}: {outcome:?}");
                break;
            }
            assert!(KILLED.contains(&outcome.status.code()), "{outcome:?}");
            // What was begun can be brought to its end.
            let again = format!("{what} --replacepkgs");
            let again = match what.starts_with("-e") {
                true => what,
                false => &again,
            };
            let mut ended = root.run(rpm(again));
            if ended.stderr.contains("unpacking of archive failed") {
                // rpm names what it writes by the second, and meets what is left.
                sleep(Duration::from_secs(1));
                ended = root.run(rpm(again));
            }
            let gone = ended.stderr.contains("is not installed");
            assert!(ended.status.success() || gone, "{ended:?}");
            assert_works(&root);
            killed += 1;
            assert!(killed < ENOUGH, "{suite:?}");
        }
    }
}

#[test]
fn an_installation_may_be_killed_anywhere() {
    killed_everywhere(&[], "-U /packages/first.rpm");
}

#[test]
fn an_upgrade_may_be_killed_anywhere() {
    killed_everywhere(&["-U /packages/first.rpm"], "-U /packages/next.rpm");
}

#[test]
fn a_removal_may_be_killed_anywhere() {
    killed_everywhere(&["-U /packages/first.rpm"], "-e rpm-plugin-btf-guard");
}

/// Where the plugin lies in a root.
fn plugin(suite: Suite) -> String {
    let files = query(&["-l"], &Release::First.package(suite, PLUGIN));
    let plugin = files.into_iter().find(|path| path.ends_with(".so"));
    plugin.unwrap()
}

#[test]
fn a_disk_may_be_full() {
    for suite in Suite::ALL {
        let Some(root) = scene(suite) else {
            continue;
        };
        let directory = plugin(suite).replace("/btf_guard.so", "");
        root.mount_small(&directory, 64);
        let outcome = root.run(rpm("-U --ignoresize /packages/first.rpm"));
        assert!(!outcome.status.success(), "{outcome:?}");
        let failed = format!("unpacking of archive failed on file {directory}/btf_guard.so");
        assert!(outcome.stderr.contains(&failed), "{outcome:?}");
        assert_works(&root);
    }
}

/// What a crash may leave of a file that was about to be written: so much of it, of
/// its whole length, and then zeros up to a length.
fn damages(length: u64) -> [(&'static str, u64, u64); 4] {
    [
        ("its last page is zeros", length - 4096, length),
        ("its end is missing", length / 2, length / 2),
        ("it is empty", 0, 0),
        ("it is as long as it should be, and zeros", 0, length),
    ]
}

/// The one line that tells of it.
#[track_caller]
fn assert_told(outcome: &Outcome, damage: &str) {
    assert!(outcome.status.success(), "{damage}: {outcome:?}");
    let shown = format!("{}{}", outcome.stdout, outcome.stderr);
    let told = shown.matches("btf_guard.so is damaged, kernel modules are not judged");
    assert!(told.count() > 0, "{damage}: {outcome:?}");
}

#[test]
fn a_plugin_that_is_damaged_is_told_of_and_not_loaded() {
    for suite in Suite::ALL {
        let Some(root) = scene(suite) else {
            continue;
        };
        succeeds(&root.run(rpm("-U /packages/first.rpm")));
        assert_works(&root);
        let file = root.at(&plugin(suite));
        let length = fs::metadata(&file).unwrap().len();
        for (damage, left, padded) in damages(length) {
            let cut = File::options().write(true).open(&file).unwrap();
            cut.set_len(left).unwrap();
            cut.set_len(padded).unwrap();
            // What it would do if it were loaded all the same.
            let macros = format!("__transaction_btf_guard {}", plugin(suite));
            let plain = "/packages/plain-1-1.noarch.rpm";
            let loaded = root.run(["rpm", "-D", &macros, "-U", plain]);
            assert!(
                !loaded.status.success() || damage.starts_with("its last page"),
                "{damage}: {loaded:?}"
            );
            let come = format!("-U --replacepkgs {plain}");
            assert_told(&root.run(rpm(&come)), damage);
            assert_told(&root.run(rpm("-e plain")), damage);
        }
        fs::remove_file(&file).unwrap();
        assert_works(&root);
        // Both ways lead back.
        succeeds(&root.run(rpm("-U --replacepkgs /packages/first.rpm")));
        succeeds(&root.run(rpm("-e rpm-plugin-btf-guard")));
        assert_works(&root);
    }
}
