// SPDX-License-Identifier: GPL-2.0-or-later
//! Before an update: what zypper and dnf would do, judged without doing it.

use btf_guard_tests::client::{Suite, has_fetcher, release};
use btf_guard_tests::{Outcome, Package};

use crate::client::{Act, Client, Tool};
use crate::scene::Scene;

/// zypper with libzypp 17.25, 17.36 and 17.38; dnf 4.14, dnf 4.23, dnf5.
const CLIENTS: [Client; 6] = [
    Client::new(Suite::Bookworm, Tool::ZypperClassic),
    Client::new(Suite::Trixie, Tool::ZypperSingle),
    Client::new(Suite::Forky, Tool::ZypperSingle),
    Client::new(Suite::Bookworm, Tool::Dnf4),
    Client::new(Suite::Trixie, Tool::Dnf4),
    Client::new(Suite::Forky, Tool::Dnf5),
];

const KERNEL: (&str, &str) = ("kernel-default", "2");
pub(crate) const MODULES: (&str, &str) = ("driver-kmp", "2");

/// Where a preflight of dnf keeps packages.
pub(crate) const STORE: &str = "/var/cache/btf-guard/dnf";

pub(crate) fn is_zypper(client: Client) -> bool {
    matches!(client.tool, Tool::ZypperClassic | Tool::ZypperSingle)
}

/// The scenes of all clients; for zypper where the shim is there.
pub(crate) fn scenes(make: fn(Client) -> Option<Scene>) -> impl Iterator<Item = Scene> {
    let scenes = CLIENTS.into_iter().filter_map(make);
    scenes.filter(|scene| !is_zypper(scene.client) || has_fetcher(&scene.root))
}

pub(crate) fn zypper_scenes(make: fn(Client) -> Option<Scene>) -> impl Iterator<Item = Scene> {
    scenes(make).filter(|scene| is_zypper(scene.client))
}

/// The words behind `preflight`.
pub(crate) fn words(client: Client, act: Act<'_>) -> String {
    let named = |names: &[(&str, &str)], sign: &str| {
        let names = names.iter();
        let names: Vec<_> = names
            .map(|(name, version)| format!("{name}{sign}{version}"))
            .collect();
        names.join(" ")
    };
    match (act, is_zypper(client)) {
        (Act::Install(names), true) => format!("zypper in {}", named(names, "=")),
        (Act::Install(names), false) => format!("dnf install {}", named(names, "-")),
        (Act::Downgrade(names), false) => format!("dnf downgrade {}", named(names, "-")),
        (Act::Update(_), true) => "zypper up".to_owned(),
        (Act::Update(_), false) => "dnf upgrade".to_owned(),
        (act, _) => panic!("{act:?}"),
    }
}

/// Judges, which changes nothing but caches and leaves no package of dnf's.
#[track_caller]
pub(crate) fn judged(scene: &Scene, words: &str, status: i32) -> Outcome {
    let before = scene.root.snapshot();
    let outcome = scene.shell(&format!("btf-guard preflight {words}")).run();
    let changes = before.changes(&scene.root.snapshot());
    assert_eq!(changes, [""; 0], "{:?}: {outcome:?}", scene.client);
    let client = scene.client;
    assert_eq!(
        outcome.status.code(),
        Some(status),
        "{client:?} {words}: {outcome:?}"
    );
    let left = scene
        .root
        .run(["sh", "-c", &format!("find {STORE} -mindepth 1")]);
    assert_eq!(left.stdout, "", "{client:?}");
    outcome
}

#[track_caller]
pub(crate) fn judged_act(scene: &Scene, act: Act<'_>, status: i32) -> Outcome {
    judged(scene, &words(scene.client, act), status)
}

/// All of it is on standard output, and nothing else is said.
#[track_caller]
fn assert_ok(outcome: &Outcome) {
    assert!(outcome.stdout.starts_with("ok: "), "{outcome:?}");
    assert_eq!(outcome.stderr, "");
}

#[test]
fn modules_of_this_kernel_may_come_and_those_of_another_build_block() {
    for scene in scenes(Scene::old_kernel) {
        let good = judged_act(&scene, Act::Install(&[("driver-kmp", "1")]), 0);
        assert!(
            good.stdout.starts_with("ok: all 4 modules load on"),
            "{good:?}"
        );
        scene.offer("new");
        let bad = judged_act(&scene, Act::Install(&[MODULES]), 2);
        for words in [
            "error: 4 of 4 modules will not load on kernel",
            release(),
            "their BTF was built for",
            "help: ",
            "--> driver-kmp-2-1.noarch",
            "BPF: Invalid name",
            "failed to validate module [nf_conntrack] BTF: -22",
        ] {
            assert!(bad.stdout.contains(words), "{words}: {bad:?}");
        }
        assert_eq!(bad.stderr, "");
        // The client is stopped for the same.
        let stopped = scene.run(Act::Install(&[MODULES])).status;
        assert_eq!(stopped.code(), Some(scene.client.blocked(1)));
    }
}

#[test]
fn a_kernel_needs_the_modules_of_its_build() {
    for scene in scenes(Scene::old) {
        let nothing = judged_act(&scene, Act::Update("old"), 0);
        assert_ok(&nothing);
        assert!(nothing.stdout.contains("nothing to do"), "{nothing:?}");
        scene.offer("new");
        let alone = judged_act(&scene, Act::Install(&[KERNEL]), 2);
        assert!(alone.stdout.contains("/lib/modules/"), "{alone:?}");
        let both = judged_act(&scene, Act::Install(&[KERNEL, MODULES]), 0);
        assert_ok(&both);
        for verb in match is_zypper(scene.client) {
            true => [
                "zypper up",
                "zypper update",
                "zypper dup",
                "zypper dist-upgrade",
            ],
            false => [
                "dnf upgrade",
                "dnf up",
                "dnf distro-sync",
                "dnf upgrade-minimal",
            ],
        } {
            assert_ok(&judged(&scene, verb, 0));
        }
        // So it is.
        let outcome = scene.run(Act::Update("new"));
        assert!(outcome.status.success(), "{outcome:?}");
        scene.assert_installed(&["driver-kmp-2", "kernel-default-2"]);
    }
}

/// What goes is counted, or old modules would be held against the new kernel.
#[test]
fn modules_that_others_obsolete_go() {
    for scene in scenes(Scene::old) {
        scene.offer("renamed-early");
        let verb = match is_zypper(scene.client) {
            // An update keeps what nobody asked to replace.
            true => "zypper dup",
            false => "dnf upgrade",
        };
        judged(&scene, verb, 2);
        scene.withdraw("renamed-early");
        scene.offer("renamed");
        assert_ok(&judged(&scene, verb, 0));
    }
}

/// dnf 4 does not say which version a downgrade replaces.
#[test]
fn what_is_downgraded_goes() {
    use btf_guard_tests::client::{Build, kernel, kmp, kmp_in};
    for scene in scenes(Scene::empty) {
        let new = [
            kernel("kernel-default", "2", Build::New),
            kmp_in("updates", "driver-kmp", "2", Build::New),
        ];
        let built = new.iter().map(|package| scene.root.build(package));
        let command = ["rpm", "-U"].map(str::to_owned).into_iter().chain(built);
        let installed = scene.root.client(command).env("BTF_GUARD", "off").run();
        assert!(installed.status.success(), "{installed:?}");
        let kernel = kernel("kernel-default", "1", Build::Old);
        let modules = kmp("driver-kmp", "1", Build::Old);
        let names = [("kernel-default", "1"), ("driver-kmp", "1")];
        // zypper steps back to what there is, and to what it is told only with
        // an option.
        let (alone, both) = match is_zypper(scene.client) {
            true => ("zypper dup".to_owned(), "zypper dup".to_owned()),
            false => (
                words(scene.client, Act::Downgrade(&names[..1])),
                words(scene.client, Act::Downgrade(&names)),
            ),
        };
        scene.root.offer("old", &[&kernel]);
        judged(&scene, &alone, 2);
        scene.root.offer("old", &[&modules]);
        assert_ok(&judged(&scene, &both, 0));
    }
}

#[test]
fn a_transaction_without_modules_has_nothing_to_judge() {
    for scene in scenes(Scene::old) {
        scene.offer("plain");
        let plain = judged_act(&scene, Act::Install(&[("plain", "1")]), 0);
        assert_ok(&plain);
        let note = "note: packages that would come: 1, that would go: 0; none has kernel modules";
        assert!(plain.stdout.contains(note), "{plain:?}");
    }
}

#[test]
fn the_answer_can_be_json_or_a_word_and_be_softened() {
    for scene in scenes(Scene::old_kernel) {
        scene.offer("new");
        let install = words(scene.client, Act::Install(&[MODULES]));
        let json = judged(&scene, &format!("{install} --format json"), 2).stdout;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["decision"], "block");
        assert_eq!(json["summary"]["refused"], 4);
        assert_eq!(json["modules"][0]["package"], "driver-kmp-2-1.noarch");
        let quiet = judged(&scene, &format!("{install} --quiet"), 2);
        assert_eq!(
            (quiet.stdout.as_str(), quiet.stderr.as_str()),
            ("block\n", "")
        );
        judged(&scene, &format!("{install} --mode warn"), 1);
        let off = judged(&scene, &format!("{install} --mode off"), 0);
        assert_eq!(off.stdout, "");
        let verbose = judged(&scene, &format!("{install} -v"), 2).stdout;
        assert!(verbose.contains("not checked: signature"), "{verbose}");
    }
}

#[test]
fn a_patch_is_judged_by_what_it_brings() {
    for scene in zypper_scenes(Scene::old) {
        assert_ok(&judged(&scene, "zypper patch", 0));
        scene.offer("new");
        // Of the two that fit together the patch names one.
        scene.root.advise("new", "driver-kmp", "2");
        let bad = judged(&scene, "zypper patch", 2);
        assert!(bad.stdout.contains("--> driver-kmp-2-1.noarch"), "{bad:?}");
    }
}

#[test]
fn zypper_has_it_as_a_command_of_its_own() {
    for scene in zypper_scenes(Scene::old_kernel) {
        scene.offer("new");
        let run = |line: &str| scene.shell(&format!("zypper {line}")).run();
        for (line, status) in [
            ("btf-guard in driver-kmp=2", 2),
            ("btf-guard preflight in driver-kmp=2", 2),
            ("btf-guard in driver-kmp=1 --no-refresh", 0),
            ("btf-guard up", 0),
            ("btf-guard check --kernel all", 0),
            ("btf-guard kernels", 0),
            ("btf-guard in nonsense", 3),
            ("btf-guard remove driver-kmp", 3),
        ] {
            let outcome = run(line);
            assert_eq!(outcome.status.code(), Some(status), "{line}: {outcome:?}");
        }
        let listed = run("help subcommand");
        assert!(listed.stdout.contains("btf-guard"), "{listed:?}");
        let help = run("btf-guard --help").stdout;
        assert!(help.contains("Usage: zypper btf-guard <COMMAND>"), "{help}");
    }
}

/// zypper takes the summary from the line that `man -f` finds in the page.
#[test]
fn the_manual_page_tells_zypper_what_the_command_is_for() {
    for scene in zypper_scenes(Scene::old_kernel) {
        let page = scene.root.at("/usr/share/man/man1/zypper-btf-guard.1");
        let page = std::fs::read_to_string(page).unwrap();
        let name = page
            .split(".SH NAME\n")
            .nth(1)
            .unwrap()
            .lines()
            .next()
            .unwrap();
        let name = name.replace("\\-", "-");
        let summary = "Report which modules kernels will refuse after an update";
        assert_eq!(name, format!("zypper-btf-guard - {summary}"));
    }
}

/// A package whose name says nothing of modules is still looked into by dnf,
/// which downloads all.
#[test]
fn dnf_looks_into_all_that_comes() {
    use btf_guard_tests::client::{Build, kmp};
    for scene in scenes(Scene::old_kernel) {
        if is_zypper(scene.client) {
            continue;
        }
        let odd: Package = kmp("odd-name", "1", Build::New);
        scene.root.offer("odd", &[&odd]);
        judged_act(&scene, Act::Install(&[("odd-name", "1")]), 2);
    }
}

#[test]
fn another_root_has_its_own_kernels_packages_and_repositories() {
    for scene in scenes(Scene::empty) {
        scene.offer("old");
        scene.offer("new");
        let settings = "for i in zypp yum.repos.d dnf rpm os-release; do \
                        test ! -e /etc/$i || cp -r /etc/$i /alt/etc; done";
        let install = "BTF_GUARD=off rpm --root /alt -U /srv/old/kernel-default-1-1.noarch.rpm";
        let line = format!("mkdir -p /alt/etc; {settings}; rpm --root /alt --initdb; {install}");
        let made = scene.shell(&line).run();
        assert!(made.status.success(), "{made:?}");
        for (version, status) in [("1", 0), ("2", 2)] {
            let install = words(scene.client, Act::Install(&[("driver-kmp", version)]));
            let run = scene.shell(&format!("btf-guard preflight {install} --root /alt"));
            let outcome = run.run();
            assert_eq!(
                outcome.status.code(),
                Some(status),
                "{:?}: {outcome:?}",
                scene.client
            );
            let kernel = format!("/alt/usr/lib/modules/{}/vmlinuz", release());
            assert!(outcome.stdout.contains(&kernel), "{outcome:?}");
        }
        let listed = scene.root.run(["rpm", "--root", "/alt", "-qa"]).stdout;
        assert_eq!(listed, "kernel-default-1-1.noarch\n");
    }
}
