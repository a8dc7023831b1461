// SPDX-License-Identifier: GPL-2.0-or-later
//! What the paths of a package mean on the disk: links, relocation, what is left out.

use std::fs;
use std::os::unix::fs::symlink;

use btf_guard_tests::btf::{Btf, Era};
use btf_guard_tests::{Outcome, Package, Root, elf, program};

use crate::real::{ENFORCING, assert_blocked, assert_silent, fitting, foreign, run};

pub(crate) const KERNEL: &str = "6.18.15-test";

pub(crate) fn image(base: &Btf) -> Vec<u8> {
    elf::vmlinux(KERNEL, &base.build())
}

pub(crate) fn dir(below: &str) -> String {
    format!("/lib/modules/{KERNEL}/{below}")
}

/// A root with a merged `/usr` and a kernel that enforces BTF.
pub(crate) fn root() -> Root {
    let root = Root::new(&program());
    fs::create_dir_all(root.path().join("usr/lib")).unwrap();
    symlink("usr/lib", root.path().join("lib")).unwrap();
    put(&root, &dir("vmlinuz"), image(&Era::V6_18.base()));
    put(&root, &dir("config"), ENFORCING);
    put(&root, &dir("kernel/driver.ko"), fitting("driver"));
    root
}

pub(crate) fn put(root: &Root, path: &str, content: impl AsRef<[u8]>) {
    let path = root.path().join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn link(root: &Root, path: &str, target: &str) {
    let path = root.path().join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(target, path).unwrap();
}

/// The log without rpm's own words about such a package.
fn log(outcome: &Outcome) -> Vec<&str> {
    let mut log = outcome.log();
    log.retain(|line| !line.contains("RPM v3 packages are deprecated"));
    log
}

/// Where a module comes to lie: the root before, a package of it, rpm's options, and
/// the path at which the kernel will find it.
struct Way {
    prepare: fn(&Root),
    package: fn(Vec<u8>) -> Package,
    options: Vec<String>,
    found: String,
}

fn way(package: fn(Vec<u8>) -> Package, options: &[String], found: &str) -> Way {
    Way {
        prepare: |_| {},
        package,
        options: options.to_vec(),
        found: dir(found),
    }
}

const OPT: &str = "/opt/kmp/kmp.ko";

fn in_opt(module: Vec<u8>) -> Package {
    Package::new("kmp")
        .tag("Prefix", "/opt/kmp")
        .file(OPT, module)
}

fn opt_is_linked(root: &Root) {
    put(root, "/opt/kmp/readme", "");
    link(root, &dir("extra"), "/opt/kmp");
}

fn ways() -> Vec<Way> {
    let relocate = |from: &str, to: String| ["--relocate".to_owned(), format!("{from}={to}")];
    let extra = "extra/kmp.ko";
    vec![
        // A link to a module of another release, which has no kernel here.
        way(
            |module| {
                Package::new("kmp")
                    .file("/lib/modules/6.0-other/extra/kmp.ko", module)
                    .link(dir("weak-updates/kmp.ko"), "../../6.0-other/extra/kmp.ko")
            },
            &[],
            "weak-updates/kmp.ko",
        ),
        // A link to a directory.
        way(
            |module| in_opt(module).link(dir("extra"), "/opt/kmp"),
            &[],
            extra,
        ),
        way(
            |module| {
                in_opt(module)
                    .link("/opt/link", "kmp")
                    .link(dir("extra"), "../../../../opt/link")
            },
            &[],
            extra,
        ),
        // The link is there already.
        Way {
            prepare: opt_is_linked,
            ..way(
                |module| Package::new("kmp").file(dir("extra/kmp.ko"), module),
                &[],
                extra,
            )
        },
        Way {
            prepare: opt_is_linked,
            ..way(in_opt, &[], extra)
        },
        Way {
            prepare: |root| link(root, &dir("extra"), "../../../../opt/kmp"),
            ..way(in_opt, &[], extra)
        },
        Way {
            prepare: opt_is_linked,
            ..way(
                |module| in_opt(module).file(dir("updates/other.ko"), fitting("other")),
                &[],
                extra,
            )
        },
        way(in_opt, &relocate("/opt/kmp", dir("extra")), extra),
        way(
            in_opt,
            &relocate("/opt/kmp", format!("/usr//lib/./modules/{KERNEL}/extra")),
            extra,
        ),
        way(in_opt, &["--prefix".to_owned(), dir("extra")], extra),
        // rpm cleans directories, and not the paths of files.
        way(
            |module| Package::new("kmp").tag("Prefix", OPT).file(OPT, module),
            &relocate(OPT, dir("kernel/../extra/kmp.ko")),
            extra,
        ),
        way(
            |module| {
                Package::new("kmp")
                    .file(dir("extra/kmp.ko"), module)
                    .whole_paths()
            },
            &[],
            extra,
        ),
        way(
            |module| in_opt(module).link(dir("extra"), "/opt/kmp").whole_paths(),
            &[],
            extra,
        ),
    ]
}

#[test]
fn a_module_is_judged_where_the_kernel_will_find_it() {
    for (index, way) in ways().into_iter().enumerate() {
        let root = root();
        (way.prepare)(&root);
        let options: Vec<&str> = way.options.iter().map(String::as_str).collect();
        let options = [&["-U"], &options[..]].concat();
        let bad = root.build(&(way.package)(foreign("kmp")));
        let before = root.snapshot();
        let outcome = run(&root, &options, &[&bad]);
        assert!(!outcome.status.success(), "{index}: {outcome:?}");
        assert_eq!(root.snapshot(), before, "{index}: something changed");
        let log = log(&outcome);
        assert!(
            log[0].starts_with("error: btf-guard: blocked: "),
            "{index}: {log:?}"
        );

        let good = root.build(&(way.package)(fitting("kmp")).version("2"));
        let outcome = run(&root, &options, &[&good]);
        assert!(outcome.status.success(), "{index}: {outcome:?}");
        assert_eq!(self::log(&outcome), [""; 0], "{index}");
        let found = root.path().join(way.found.trim_start_matches('/'));
        // A link is followed inside the root.
        let there = fs::symlink_metadata(&found).is_ok() || way.found.contains("extra/");
        assert!(there, "{index}: {found:?}");
    }
}

/// The module lies on the disk, and the package brings the way to it.
#[test]
fn a_link_that_comes_makes_a_module_of_the_disk_a_releases() {
    for (path, target) in [
        (dir("extra"), "/srv/kmp"),
        (dir("extra/kmp.ko"), "../../../../../srv/kmp/kmp.ko"),
    ] {
        let root = root();
        put(&root, "/srv/kmp/kmp.ko", foreign("kmp"));
        let package = root.build(&Package::new("way").link(&path, target));
        assert_blocked(&root, &["-U"], &[&package]);
        put(&root, "/srv/kmp/kmp.ko", fitting("kmp"));
        assert_silent(&run(&root, &["-U"], &[&package]));
        // Nor is it judged where the same package takes the module's place.
        put(&root, "/srv/kmp/kmp.ko", foreign("kmp"));
        let both = Package::new("way")
            .version("2")
            .link(&path, target)
            .file("/srv/kmp/kmp.ko", fitting("kmp"));
        assert_silent(&run(&root, &["-U"], &[&root.build(&both)]));
    }
}

#[test]
fn what_is_not_installed_there_is_not_judged() {
    let at = dir("extra/kmp.ko");
    let exclude = |path: String| vec![format!("--excludepath={path}")];
    let share = |path: String| vec!["-D".to_owned(), format!("_netsharedpath {path}")];
    for (options, lands) in [
        (exclude(at.clone()), None),
        (exclude(dir("extra")), None),
        (vec!["--excludepath".to_owned(), dir("extra")], None),
        (share(format!("/srv:{}", dir("extra"))), None),
        (share(at.clone()), None),
        (
            vec![
                "--relocate".to_owned(),
                format!("{}=/opt/away", dir("extra")),
            ],
            Some("/opt/away/kmp.ko"),
        ),
    ] {
        let root = root();
        let kmp = Package::new("kmp")
            .tag("Prefix", &dir("extra"))
            .file(&at, foreign("kmp"))
            .file(dir("updates/good.ko"), fitting("good"));
        let kmp = root.build(&kmp);
        assert_blocked(&root, &["-U"], &[&kmp]);
        let words: Vec<&str> = options.iter().map(String::as_str).collect();
        assert_silent(&run(&root, &[&["-U"], &words[..]].concat(), &[&kmp]));
        let is_there = |path: &str| root.path().join(path.trim_start_matches('/')).exists();
        assert!(!is_there(&at), "{options:?}");
        assert!(lands.is_none_or(is_there), "{options:?}");
        assert!(is_there(&dir("updates/good.ko")), "{options:?}");
    }
    // One that is near is no excuse.
    for options in [exclude(dir("ext")), share(dir("updates"))] {
        let root = root();
        let kmp = root.build(&Package::new("kmp").file(&at, foreign("kmp")));
        assert_blocked(&root, &["-U", &options.join(" ")][..1], &[&kmp]);
    }
}

/// A shared path is not removed either: what is below it stays.
#[test]
fn what_is_shared_does_not_go() {
    let root = root();
    let kernel = Package::new("kernel").file(dir("kernel/own.ko"), fitting("own"));
    assert_silent(&run(&root, &["-U"], &[&root.build(&kernel)]));
    fs::remove_file(root.path().join(&dir("kernel/driver.ko")[1..])).unwrap();
    let shared = format!("_netsharedpath {}", dir("kernel"));
    assert_silent(&run(&root, &["-e", "-D", &shared, "kernel"], &[]));
    assert!(root.path().join(&dir("kernel/own.ko")[1..]).exists());
}
