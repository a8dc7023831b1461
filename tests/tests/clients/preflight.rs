//! Before an update: what zypper and dnf would do, judged without doing it.

use btf_guard_tests::client::{FETCHER, SHIM, Suite, has_fetcher, release};
use btf_guard_tests::{Outcome, Package};

use crate::client::{Act, Client, Tool};
use crate::scene::Scene;
use crate::slow;
use crate::zypp_ask::noise;

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
const MODULES: (&str, &str) = ("driver-kmp", "2");

/// Where a preflight of dnf keeps packages.
const STORE: &str = "/var/cache/btf-guard/dnf";

fn is_zypper(client: Client) -> bool {
    matches!(client.tool, Tool::ZypperClassic | Tool::ZypperSingle)
}

/// The scenes of all clients; for zypper where the shim is there.
fn scenes(make: fn(Client) -> Option<Scene>) -> impl Iterator<Item = Scene> {
    let scenes = CLIENTS.into_iter().filter_map(make);
    scenes.filter(|scene| !is_zypper(scene.client) || has_fetcher(&scene.root))
}

fn zypper_scenes(make: fn(Client) -> Option<Scene>) -> impl Iterator<Item = Scene> {
    scenes(make).filter(|scene| is_zypper(scene.client))
}

/// The words behind `preflight`.
fn words(client: Client, act: Act<'_>) -> String {
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
fn judged(scene: &Scene, words: &str, status: i32) -> Outcome {
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
fn judged_act(scene: &Scene, act: Act<'_>, status: i32) -> Outcome {
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
        let summary = "Tell which modules kernels will refuse after an update";
        assert_eq!(name, format!("zypper-btf-guard - {summary}"));
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
