// SPDX-License-Identifier: GPL-2.0-or-later
//! A disk that is full in the middle of a commit of zypper's: libzypp and rpm tell
//! of that, we have nothing to add, and nothing is left of what our parts leave for
//! one another.

use std::fs;

use btf_guard_tests::Package;
use btf_guard_tests::client::{Build, Suite, kernel, kmp, release};

use crate::client::{Act, Client, Tool};
use crate::scene::{Scene, said};

const ALL: [Client; 5] = [
    Client::new(Suite::Bookworm, Tool::ZypperClassic),
    Client::new(Suite::Trixie, Tool::ZypperClassic),
    Client::new(Suite::Trixie, Tool::ZypperSingle),
    Client::new(Suite::Forky, Tool::ZypperClassic),
    Client::new(Suite::Forky, Tool::ZypperSingle),
];

/// What one process left for another in this root's `/run/btf-guard`.
fn left(scene: &Scene) -> Vec<String> {
    let entries = fs::read_dir(scene.root.at("/run/btf-guard"));
    let names = entries
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// The first package is installed. The second, with the modules, fills their disk
/// before its own files come; rpm has counted the room by then.
#[test]
fn a_disk_that_fills_up_in_a_commit_is_zyppers_to_tell_of() {
    for client in ALL {
        let Some(scene) = Scene::empty(client) else {
            continue;
        };
        let linux = scene.root.build(&kernel("linux", "1", Build::New));
        assert!(scene.root.run(["rpm", "-U", &linux]).status.success());
        let extra = format!("/usr/lib/modules/{}/extra", release());
        scene.root.mount_small(&extra, 32 << 10);
        let script = format!(
            "local file = io.open('{extra}/filler', 'w')
             file:setvbuf('no')
             while file:write(string.rep('x', 4096)) do end
             local seen = io.open('/tmp/seen', 'w')
             local list = io.popen('ls /run/btf-guard')
             seen:write(list:read('a'))
             seen:close()"
        );
        let first = Package::new("first").file("/usr/share/first", "text");
        let good = kmp("good-kmp", "1", Build::New).tag("Requires(pre)", "first");
        let good = good.lua("%pre", &script);
        scene.root.offer("repo", &[&first, &good]);

        let outcome = scene.run(Act::Install(&[("good-kmp", "1")]));
        let text = said(&outcome);
        assert!(!outcome.status.success(), "{client:?}: {text}");
        assert!(
            text.contains("unpacking of archive failed"),
            "{client:?}: {text}"
        );
        assert!(scene.root.at(&format!("{extra}/filler")).exists(), "{text}");
        assert!(!text.contains("btf-guard"), "{client:?}: {text}");
        scene.assert_installed(&["first-1", "linux-1"]);

        // While it went on there was something that could be left.
        let seen = fs::read_to_string(scene.root.at("/tmp/seen")).unwrap();
        assert!(seen.contains("zypp-"), "{client:?}: {seen}");
        let left = left(&scene);
        assert!(
            !left.iter().any(|name| name.starts_with("zypp-")),
            "{client:?}: {left:?}"
        );
    }
}
