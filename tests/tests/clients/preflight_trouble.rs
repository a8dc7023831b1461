// SPDX-License-Identifier: GPL-2.0-or-later
//! What goes wrong before an update, who is kept waiting, and who gives up.

use btf_guard_tests::Package;
use btf_guard_tests::client::{FETCHER, SHIM, Suite, release};

use crate::client::{Act, Tool};
use crate::preflight::{
    MODULES, STORE, is_zypper, judged, judged_act, scenes, words, zypper_scenes,
};
use crate::scene::Scene;
use crate::slow;
use crate::zypp_ask::noise;

#[test]
fn a_package_that_nobody_offers_is_an_error_in_the_clients_words() {
    for scene in scenes(Scene::old) {
        let install = match is_zypper(scene.client) {
            true => "zypper in",
            false => "dnf install",
        };
        let outcome = judged(&scene, &format!("{install} nonsense"), 3);
        let words = match scene.client.tool {
            Tool::Dnf4 => "Unable to find a match: nonsense",
            Tool::Dnf5 => "No match for argument: nonsense",
            _ => "error: libzypp: no repository offers 'nonsense'",
        };
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(said.contains(words), "{outcome:?}");
        for wrong in ["--setopt=downloadonly=0", "./a.rpm"] {
            judged(&scene, &format!("{install} -- {wrong}"), 3);
        }
    }
}

#[test]
fn without_the_part_for_zypper_there_is_one_clear_error() {
    for scene in zypper_scenes(Scene::old) {
        scene.offer("new");
        scene.root.run(["mv", SHIM, "/opt/shim"]);
        let outcome = judged(&scene, "zypper up", 3);
        assert_eq!(outcome.stdout, "");
        let words = format!("error: nothing is judged: libzypp: {SHIM} cannot be loaded: ");
        assert!(outcome.stderr.starts_with(&words), "{outcome:?}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
        scene.root.run(["rm", FETCHER]);
        let outcome = judged(&scene, "zypper up", 3);
        let words = "error: the part for zypper is not installed: there is no";
        assert_eq!(outcome.stderr, format!("{words} {FETCHER}\n"));
        // dnf does not need it.
        let none = scene
            .root
            .run(["btf-guard", "preflight", "dnf", "reinstall"]);
        assert_eq!(none.status.code(), Some(3), "{none:?}");
    }
}

/// The packages of the tests have no signatures. Asked as dnf is by itself, it
/// refuses them, or adds the key that it misses to rpm's database.
#[test]
fn dnf_is_not_kept_from_it_by_keys() {
    for scene in scenes(Scene::old_kernel) {
        if is_zypper(scene.client) {
            continue;
        }
        scene.offer("new");
        let strict = "sed -i 's/gpgcheck=0/gpgcheck=1/' /etc/yum.repos.d/new.repo";
        scene.root.run(["sh", "-c", strict]);
        let refresh = "sed -i '/^repo_gpgcheck/d' /etc/yum.repos.d/new.repo";
        scene.root.run(["sh", "-c", refresh]);
        judged_act(&scene, Act::Install(&[MODULES]), 2);
    }
}

#[test]
fn what_a_killed_preflight_left_is_removed() {
    for scene in scenes(Scene::old) {
        if is_zypper(scene.client) {
            continue;
        }
        scene
            .root
            .put(&format!("{STORE}/packages/left.rpm"), "not a package");
        judged(&scene, "dnf upgrade", 0);
    }
}

/// What cannot be downloaded is missing from the whole, which is then not judged.
#[test]
fn a_package_that_does_not_come_is_an_error() {
    for scene in scenes(Scene::old) {
        scene.offer("new");
        let lost = format!("/srv/new/{}-{}-1.noarch.rpm", MODULES.0, MODULES.1);
        scene.root.run(["rm", &lost]);
        let outcome = judged_act(&scene, Act::Update("new"), 3);
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(said.contains("nothing is judged"), "{outcome:?}");
        assert!(said.contains("driver-kmp-2-1.noarch"), "{outcome:?}");
    }
}

/// A kernel of so many bytes, of which 14,000 come in a second.
fn offer_slowly(scene: &Scene, bytes: usize) {
    let kernel = Package::new("kernel-default")
        .version("3")
        .file("/usr/lib/modules/3/vmlinuz", noise(bytes));
    scene.root.offer("slow", &[&kernel]);
    slow::serve(&scene.root, "slow");
}

#[test]
fn whoever_waits_at_a_terminal_sees_what_comes() {
    for scene in scenes(Scene::old_kernel) {
        offer_slowly(&scene, 60_000);
        let line = format!(
            "btf-guard preflight {}",
            words(scene.client, Act::Update("slow"))
        );
        let shown = scene
            .shell(&line)
            .env("TERM", "xterm")
            .answering(&[])
            .stdout;
        let waits = match is_zypper(scene.client) {
            true => "(1/1) kernel-default-3-1.noarch",
            // Its own words.
            false => "kernel-default-3-1.noarch",
        };
        assert!(shown.contains(waits), "{:?}: {shown}", scene.client);
        // Elsewhere it is quiet.
        let shown = scene.shell(&line).run();
        assert!(!shown.stderr.contains("kernel-default"), "{shown:?}");
    }
}

/// An interrupt from the terminal goes to all that it runs.
#[test]
fn an_interrupt_ends_the_download_too() {
    for scene in scenes(Scene::old_kernel) {
        offer_slowly(&scene, 600_000);
        let (client, line) = (scene.client, words(scene.client, Act::Update("slow")));
        let runs = match client.tool {
            Tool::Dnf4 => "/usr/bin/dnf",
            Tool::Dnf5 => "/usr/bin/dnf5",
            _ => FETCHER,
        };
        // A word of its own: this script has it too.
        let find = format!("grep -qz '^{runs}$' /proc/[0-9]*/cmdline 2>/dev/null");
        // Job control gives it a process group of its own, as a shell at a terminal does.
        let script = format!(
            "set -m; btf-guard preflight {line} & for i in $(seq 600); do \
             {find} && [ -e /tmp/trickles ] && echo runs && break; sleep 0.1; done; \
             kill -INT -- -$!; wait $!; echo ended: $?"
        );
        let outcome = scene.root.client(["bash", "-c", &script]).run();
        assert!(
            outcome.stdout == "runs\nended: 130\n",
            "{client:?}: {outcome:?}"
        );
        // dnf says that it was interrupted before it ends.
        let gone = format!("for i in $(seq 100); do {find} || exit 0; sleep 0.1; done; exit 1");
        let left = scene.root.run(["bash", "-c", &gone]);
        assert!(left.status.success(), "{client:?}: {left:?}");
    }
}

#[test]
fn whoever_is_not_root_is_told_of_what_is_in_zyppers_cache() {
    for scene in zypper_scenes(Scene::old_kernel) {
        scene.offer("new");
        scene.root.run(["chmod", "755", "/run"]);
        let as_nobody = |options: &str| {
            let line = "setpriv --reuid 65534 --regid 65534 --clear-groups \
                        btf-guard preflight zypper in driver-kmp=2";
            scene.shell(&format!("{line} {options}")).run()
        };
        let refreshed = scene.root.run(["zypper", "--non-interactive", "refresh"]);
        assert!(refreshed.status.success(), "{refreshed:?}");
        let outcome = as_nobody("--no-refresh");
        assert_eq!(outcome.status.code(), Some(3), "{outcome:?}");
        let words = "error: nothing is judged: driver-kmp-2-1.noarch is not in the cache";
        assert!(outcome.stdout.contains(words), "{outcome:?}");
        judged(&scene, "zypper in driver-kmp=2", 2);
        let outcome = as_nobody("--no-refresh");
        // libzypp 17.38 shows its cache to root only.
        let status = match scene.client.suite {
            Suite::Forky => 3,
            Suite::Bookworm | Suite::Trixie => 2,
        };
        assert_eq!(outcome.status.code(), Some(status), "{outcome:?}");
        // The answer may be an old one; a block that was found is not hidden by that.
        let outcome = as_nobody("");
        assert_eq!(outcome.status.code(), Some(status), "{outcome:?}");
        assert!(
            outcome.stdout.contains("libzypp: not root: "),
            "{outcome:?}"
        );
    }
}

/// What `preflight` says is what the plugin does, also of what nobody can judge.
#[test]
fn what_cannot_be_judged_is_stopped_before_as_it_is_then() {
    let path = format!("/usr/lib/modules/{}/updates/unread.ko", release());
    // Of neither 32 nor 64 bits.
    let damaged = [&b"\x7fELF\x00\x01\x01"[..], &[0xff; 200]].concat();
    let unread = Package::new("unread-kmp").file(path, damaged);
    let install = Act::Install(&[("unread-kmp", "1")]);
    for scene in scenes(Scene::old) {
        scene.root.offer("unread", &[&unread]);
        let outcome = judged_act(&scene, install, 3);
        assert!(!outcome.stdout.contains("on_error"), "{outcome:?}");
        scene
            .root
            .put("/etc/btf-guard.toml", "on_error = \"block\"\n");
        let outcome = judged_act(&scene, install, 2);
        assert!(
            outcome.stdout.contains("on_error is \"block\""),
            "{outcome:?}"
        );
        let before = scene.root.snapshot();
        let outcome = scene.run(install);
        let code = outcome.status.code();
        assert_eq!(code, Some(scene.client.blocked(1)), "{outcome:?}");
        assert_eq!(before.changes(&scene.root.snapshot()), [""; 0]);
    }
}
