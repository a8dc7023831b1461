// SPDX-License-Identifier: GPL-2.0-or-later
//! Asking libzypp what a transaction would bring: the right packages, nothing
//! changed, and an error in words for whatever goes wrong.

use std::path::PathBuf;

use btf_guard_protocol::zypp::{Ask, Extent, Request, Resolve, Verb};
use btf_guard_tests::client::{ClientRoot, FETCHER, SHIM, Suite, has_fetcher};
use btf_guard_tests::{Package, shim};

/// What is installed at first, and what the repository then has.
struct Offer {
    old: Vec<Package>,
    new: Vec<Package>,
}

/// A kernel that stays beside its successor, a module package, a tool that
/// takes another one's place.
fn offer() -> Offer {
    let kernel = |version: &str| {
        Package::new("kernel-default")
            .version(version)
            .tag("Provides", "multiversion(kernel)")
            .file(format!("/usr/lib/modules/{version}/vmlinuz"), "image")
    };
    let kmp = |version: &str| {
        Package::new("drbd")
            .version(version)
            .tag("Provides", "kmod(drbd.ko)")
            .file(format!("/usr/lib/modules/{version}/drbd.ko"), "module")
    };
    let tool = |version: &str| {
        Package::new("tool")
            .version(version)
            .file("/usr/share/tool", version)
    };
    let relic = Package::new("relic").file("/usr/share/relic", "");
    Offer {
        old: vec![kernel("1"), kmp("1"), tool("1"), relic],
        new: vec![
            kernel("2"),
            kmp("2"),
            tool("2").tag("Obsoletes", "relic < 2"),
            Package::new("fresh")
                .tag("Requires", "kmod(drbd.ko)")
                .file("/usr/share/fresh", ""),
        ],
    }
}

/// A root of each suite with the old packages installed and the new on offer.
pub(crate) fn roots() -> impl Iterator<Item = ClientRoot> {
    let roots = Suite::ALL.into_iter().filter_map(ClientRoot::new);
    roots.filter(has_fetcher).inspect(|root| {
        let Offer { old, new } = offer();
        let built: Vec<_> = old.iter().map(|package| root.build(package)).collect();
        let install = ["rpm", "-U", "--define", "_btf_guard off"].map(str::to_owned);
        let installed = root.run(install.into_iter().chain(built));
        assert!(installed.status.success(), "{installed:?}");
        root.offer("first", &new.iter().collect::<Vec<_>>());
        let zypp = "[main]\nmultiversion = provides:multiversion(kernel)\n";
        root.put("/etc/zypp/zypp.conf", zypp);
    })
}

fn request(verb: Verb, packages: &[&str], fetch: Extent) -> Request {
    let resolve = Resolve {
        verb,
        packages: packages.iter().map(|&name| name.to_owned()).collect(),
        no_refresh: false,
    };
    let mut request = Request::new("/".into(), Ask::Resolve(resolve));
    request.fetch = fetch;
    request
}

pub(crate) fn up() -> Request {
    request(Verb::Up, &[], Extent::Kernel)
}

#[test]
fn an_update_is_told_and_what_carries_modules_is_fetched() {
    for root in roots() {
        let before = root.snapshot();
        for verb in [Verb::Up, Verb::Dup] {
            let fetched = root.fetch(&request(verb, &[], Extent::Kernel));
            assert!(fetched.status.success(), "{fetched:?}");
            assert_eq!(fetched.outcome().problems, [""; 0]);
            let (come, go) = fetched.steps();
            assert_eq!(
                come,
                [
                    "drbd-2-1.noarch",
                    "kernel-default-2-1.noarch",
                    "tool-2-1.noarch"
                ]
            );
            // The old kernel stays.
            assert_eq!(
                go,
                ["drbd-1-1.noarch", "relic-1-1.noarch", "tool-1-1.noarch"]
            );
            for nevra in ["drbd-2-1.noarch", "kernel-default-2-1.noarch"] {
                let step = fetched.coming(nevra);
                assert!(step.kernel, "{step:?}");
                let path = step.path.as_ref().unwrap();
                let wanted = PathBuf::from(format!("/var/cache/zypp/packages/first/{nevra}.rpm"));
                assert_eq!(*path, wanted);
                let theirs = std::fs::read(root.at(path.to_str().unwrap())).unwrap();
                let offered = std::fs::read(root.at(&format!("/srv/first/{nevra}.rpm"))).unwrap();
                assert_eq!(theirs, offered);
                assert_eq!(step.size, theirs.len() as u64);
            }
            let tool = fetched.coming("tool-2-1.noarch");
            assert!(!tool.kernel && tool.path.is_none(), "{tool:?}");
            assert_eq!(tool.repository.as_deref(), Some("first"));
        }
        // libzypp links the metadata of a repository on the same file system into
        // its cache, and touches it there.
        let mut changes = before.changes(&root.snapshot());
        changes.retain(|path| path != "srv/first/repodata/repomd.xml");
        assert_eq!(changes, [""; 0]);
        // What lies in the cache is seen without fetching, and by zypper too.
        let again = root.fetch(&request(Verb::Up, &[], Extent::None));
        assert!(again.coming("drbd-2-1.noarch").path.is_some());
        assert!(again.coming("tool-2-1.noarch").path.is_none());
    }
}

#[test]
fn packages_by_name_glob_version_and_capability() {
    for root in roots() {
        for (packages, come) in [
            (&["fresh"][..], &["fresh-1-1.noarch"][..]),
            (&["fre*"], &["fresh-1-1.noarch"]),
            (&["tool=2"], &["tool-2-1.noarch"]),
            (&["tool"], &["tool-2-1.noarch"]),
            // Installed already, as a capability.
            (&["kmod(drbd.ko)"], &[]),
            (
                &["kernel-default", "drbd = 2"],
                &["drbd-2-1.noarch", "kernel-default-2-1.noarch"],
            ),
        ] {
            let fetched = root.fetch(&request(Verb::In, packages, Extent::All));
            assert_eq!(fetched.outcome().problems, [""; 0], "{packages:?}");
            assert_eq!(fetched.steps().0, come, "{packages:?}");
            let steps = fetched.outcome().steps.iter();
            assert!(
                steps
                    .filter(|step| step.repository.is_some())
                    .all(|step| step.path.is_some())
            );
        }
        let fetched = root.fetch(&request(Verb::In, &["fresh", "nonsense"], Extent::All));
        assert_eq!(
            fetched.outcome().problems,
            ["no repository offers 'nonsense'"]
        );
        assert!(fetched.outcome().steps.is_empty());
        // What cannot be solved has the solver's words.
        let broken = Package::new("broken")
            .tag("Requires", "what-nobody-has")
            .file("/usr/share/broken", "");
        root.offer("first", &[&broken]);
        let fetched = root.fetch(&request(Verb::In, &["broken"], Extent::All));
        let problems = &fetched.outcome().problems;
        assert!(
            problems.iter().any(|text| text.contains("what-nobody-has")),
            "{problems:?}"
        );
        assert!(fetched.outcome().steps.is_empty());
    }
}

#[test]
fn a_patch_brings_its_packages_and_no_others() {
    for root in roots() {
        root.advise("first", "drbd", "2");
        let fetched = root.fetch(&request(Verb::Patch, &[], Extent::All));
        assert_eq!(fetched.outcome().problems, [""; 0]);
        assert_eq!(
            fetched.steps(),
            (vec!["drbd-2-1.noarch"], vec!["drbd-1-1.noarch"])
        );
    }
}

#[test]
fn a_user_gets_an_answer_but_no_download() {
    for root in roots() {
        // Someone has refreshed before.
        let refreshed = root.run(["zypper", "--non-interactive", "refresh"]);
        assert!(refreshed.status.success(), "{refreshed:?}");
        root.run(["chmod", "755", "/run"]);
        let as_nobody = format!("setpriv --reuid 65534 --regid 65534 --clear-groups {FETCHER}");
        let fetched = root.fetch_by(&as_nobody, &up());
        let outcome = fetched.outcome();
        assert_eq!(fetched.steps().0.len(), 3, "{fetched:?}");
        assert!(outcome.steps.iter().all(|step| step.path.is_none()));
        let [not_root, no_cache] = &outcome.problems[..] else {
            panic!("{outcome:?}");
        };
        assert!(not_root.starts_with("not root:"), "{not_root}");
        assert!(
            no_cache.starts_with("/var/cache/zypp/packages cannot be written"),
            "{no_cache}"
        );
    }
}

#[test]
fn what_goes_wrong_is_said_in_words() {
    for root in roots() {
        let mut elsewhere = up();
        elsewhere.root = "/no/such/root".into();
        let fetched = root.fetch(&elsewhere);
        assert_eq!(fetched.status.code(), Some(1));
        assert!(fetched.failure().what.contains("/no/such/root"));
        assert!(!root.at("/no").exists(), "libzypp made the root");

        let mut unbuilt = up();
        unbuilt.shim = Some("/no/such/shim.so".into());
        let failure = root.fetch(&unbuilt).failure().clone();
        assert_eq!(failure.what, "/no/such/shim.so cannot be loaded");
        assert!(
            failure.detail.contains("cannot open shared object"),
            "{failure:?}"
        );

        let other = match root.suite() {
            Suite::Bookworm => Suite::Trixie,
            Suite::Trixie | Suite::Forky => Suite::Bookworm,
        };
        root.copy("/opt/other.so", &shim(other.name()).unwrap());
        let mut other = up();
        other.shim = Some("/opt/other.so".into());
        let failure = root.fetch(&other).failure().clone();
        assert!(failure.detail.contains("libzypp.so."), "{failure:?}");

        // One bad repository does not hide the good one.
        root.put("/srv/bad/repodata/repomd.xml", "<repomd");
        root.put(
            "/etc/zypp/repos.d/bad.repo",
            "[bad]\nname=bad\nenabled=1\nbaseurl=file:///srv/bad\ngpgcheck=0\nautorefresh=1\n",
        );
        let fetched = root.fetch(&up());
        assert_eq!(fetched.steps().0.len(), 3, "{fetched:?}");
        let problems = &fetched.outcome().problems;
        assert!(
            problems
                .iter()
                .all(|text| text.starts_with("repository bad")),
            "{problems:?}"
        );
        assert!(!problems.is_empty());

        let garbage = root.run(["sh", "-c", &format!("echo nonsense | {FETCHER}")]);
        assert_eq!(garbage.status.code(), Some(1));
        assert!(garbage.stdout.contains("cannot be understood"));
    }
}

#[test]
fn a_full_disk_costs_the_packages_that_do_not_fit_and_no_others() {
    for root in roots() {
        let big = Package::new("big-kmp")
            .tag("Provides", "kmod(big.ko)")
            .file("/usr/lib/modules/1/big.ko", noise(1 << 20));
        root.offer("first", &[&big]);
        root.mount_small("/var/cache/zypp/packages", 64);
        root.run([
            "sh",
            "-c",
            "truncate -s 10M /srv/first/big-kmp-1-1.noarch.rpm",
        ]);
        let asked = request(Verb::In, &["big-kmp", "drbd=2"], Extent::Kernel);
        let fetched = root.fetch(&asked);
        assert!(fetched.coming("drbd-2-1.noarch").path.is_some());
        assert!(fetched.coming("big-kmp-1-1.noarch").path.is_none());
        let problems = &fetched.outcome().problems;
        assert!(
            problems
                .iter()
                .any(|text| text.starts_with("big-kmp-1-1.noarch was not fetched: ")),
            "{problems:?}"
        );
    }
}

#[test]
fn the_handle_stands_two_opens_panics_and_many_questions() {
    for root in roots() {
        // Only a distribution upgrade goes back to an older version.
        let ahead = |version: &str| {
            let package = Package::new("ahead").version(version);
            package.file("/usr/share/ahead", version)
        };
        let newer = root.build(&ahead("9"));
        let installed = root.run(["rpm", "-U", &newer]);
        assert!(installed.status.success(), "{installed:?}");
        root.offer("first", &[&ahead("1")]);
        root.copy("/opt/probe", env!("CARGO_BIN_EXE_zypp_probe").as_ref());
        let probed = root.run(["/opt/probe", SHIM, "/"]);
        assert!(probed.status.success(), "{probed:?}");
        let lines: Vec<_> = probed.stdout.lines().collect();
        let [second, panicked, stopped, up, dup, again, beyond, reopened] = lines[..] else {
            panic!("{probed:?}");
        };
        assert_eq!(second, "second: Some(Busy)");
        assert_eq!(panicked, r#"panicked: Err(Panicked("as a test does"))"#);
        assert_eq!(stopped, "stopped: Err(Stopped)");
        assert!(
            up.starts_with("Update: ") && up.contains("kernel-default-2-1.noarch"),
            "{up}"
        );
        assert!(dup.contains("ahead-1-1.noarch"), "{dup}");
        assert!(!up.contains("ahead"), "{up}");
        assert_eq!(up, again);
        assert!(beyond.starts_with("beyond: Err(Failed("), "{beyond}");
        assert_eq!(reopened, "reopened: 6");
    }
}

/// Bytes that do not compress.
pub(crate) fn noise(count: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_le_bytes()[7]
    };
    (0..count).map(|_| next()).collect()
}
