// SPDX-License-Identifier: GPL-2.0-or-later
//! What the judge is told of a transaction.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use btf_guard_protocol::plan::{Action, Element};
use btf_guard_tests::{Judge, Package, Root};

use crate::{RELEASE, module_package, plain_package};

/// A judge that allows everything.
fn recorder() -> Judge {
    Judge::answering("allow", &[])
}

fn install(root: &Root, packages: &[PathBuf]) {
    let mut command = root.command(["-U"]);
    command.args(packages);
    let outcome = root.run(command);
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(outcome.log(), [""; 0]);
}

/// The plan's elements as (package, action, has a descriptor), sorted.
fn summary(elements: &[Element]) -> Vec<(&str, Action, bool)> {
    let mut summary: Vec<_> = elements
        .iter()
        .map(|element| {
            (
                element.nevra.as_str(),
                element.action,
                element.file.is_some(),
            )
        })
        .collect();
    summary.sort_by_key(|(nevra, ..)| *nevra);
    summary
}

#[test]
fn modules_and_images_are_named_and_nothing_else() {
    let judge = recorder();
    let root = Root::new(&judge.path());
    let wanted = [
        format!("/boot/Image-{RELEASE}"),
        format!("/boot/vmlinuz-{RELEASE}"),
        format!("/lib/modules/{RELEASE}/extra/a.ko"),
        format!("/lib/modules/{RELEASE}/kernel/b.ko.xz"),
        format!("/lib/modules/{RELEASE}/vmlinuz"),
        format!("/usr/lib/modules/{RELEASE}/c.ko.zst"),
        format!("/usr/lib/modules/{RELEASE}/vmlinux.gz"),
    ];
    let other = [
        format!("/boot/System.map-{RELEASE}"),
        format!("/lib/modules/{RELEASE}/kernel/vmlinuz"),
        format!("/lib/modules/{RELEASE}/modules.dep"),
        "/usr/lib/debug/lib/modules/6.1/a.ko".to_owned(),
    ];
    let mut package = Package::new("kernel").ghost(format!("/boot/vmlinux-{RELEASE}"));
    for path in wanted.iter().chain(&other) {
        package = package.file(path, path);
    }
    install(&root, &[root.build(&package)]);

    let plan = judge.plan();
    assert_eq!((plan.schema, plan.test, plan.mode), (2, false, None));
    assert_eq!(plan.root, root.path().join(""));
    assert_eq!(
        summary(&plan.elements),
        [("kernel-1-1.noarch", Action::Install, true)]
    );
    let mut paths = plan.elements[0].paths.clone();
    paths.sort();
    assert_eq!(paths, wanted.map(PathBuf::from));
}

/// Fedora's `kernel-uki-virt` has no other image.
#[test]
fn a_package_whose_only_kernel_is_a_unified_image_is_judged() {
    for name in ["vmlinuz-virt.efi", "vmlinuz.efi"] {
        let judge = recorder();
        let root = Root::new(&judge.path());
        let path = format!("/lib/modules/{RELEASE}/{name}");
        let package = Package::new("kernel-uki").file(&path, &path);
        install(&root, &[root.build(&package)]);
        let plan = judge.plan();
        assert_eq!(plan.elements.len(), 1, "{name}");
        assert_eq!(plan.elements[0].paths, [PathBuf::from(path)]);
    }
}

#[test]
fn the_judge_reads_each_package_from_its_start() {
    let judge = Judge::before(
        "for n in $(tr ',' '\\n' < $E/plan | sed -n 's/.*\"file\":\\([0-9]*\\)$/\\1/p'); do
             cat <&$n > $E/package-$n
         done
         echo '{\"schema\":2,\"decision\":\"allow\",\"messages\":[]}'",
    );
    let root = Root::new(&judge.path());
    let packages = ["one", "two"].map(|name| root.build(&module_package(name)));
    install(&root, &packages);

    let plan = judge.plan();
    assert_eq!(plan.elements.len(), 2);
    for element in &plan.elements {
        let number = element.file.unwrap();
        let seen = fs::read(judge.evidence(&format!("package-{number}"))).unwrap();
        let name = element.nevra.strip_suffix("-1-1.noarch").unwrap();
        let index = usize::from(name == "two");
        assert_eq!(seen, fs::read(&packages[index]).unwrap(), "{name}");
    }
}

#[test]
fn an_upgrade_names_both_halves() {
    let judge = recorder();
    let root = Root::new(&judge.path());
    install(&root, &[root.build(&module_package("mod"))]);
    install(&root, &[root.build(&module_package("mod").version("2"))]);
    let plan = judge.plan();
    let expected = [
        ("mod-1-1.noarch", Action::Erase, false),
        ("mod-2-1.noarch", Action::Install, true),
    ];
    assert_eq!(summary(&plan.elements), expected);
    assert_eq!(plan.elements[0].paths, plan.elements[1].paths);
}

#[test]
fn an_image_of_a_system_is_named_as_one() {
    let judge = recorder();
    let root = Root::new(&judge.path());
    let package = root.build(&module_package("mod"));
    for (value, expected) in [(None, false), (Some(""), false), (Some("true"), true)] {
        let mut command = root.command(["-U", "--force"]);
        command.arg(&package).env_remove("TRANSACTIONAL_UPDATE");
        if let Some(value) = value {
            command.env("TRANSACTIONAL_UPDATE", value);
        }
        assert!(root.run(command).status.success());
        assert_eq!(judge.plan().offline_image, expected, "{value:?}");
        assert_eq!(
            judge.plan_after().unwrap().offline_image,
            expected,
            "{value:?}"
        );
    }
}

#[test]
fn an_erase_names_what_goes() {
    let judge = recorder();
    let root = Root::new(&judge.path());
    let ghost = format!("/boot/vmlinuz-{RELEASE}");
    let packages = [module_package("mod").ghost(&ghost), plain_package("plain")];
    install(&root, &packages.map(|package| root.build(&package)));
    let outcome = root.rpm(["-e", "mod", "plain"]);
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(root.installed(), [""; 0]);

    let plan = judge.plan();
    assert_eq!(
        summary(&plan.elements),
        [("mod-1-1.noarch", Action::Erase, false)]
    );
    let module = format!("/lib/modules/{RELEASE}/extra/mod.ko");
    // rpm removes a file that it did not bring but owns.
    assert_eq!(plan.elements[0].paths, [ghost, module].map(PathBuf::from));
}

#[test]
fn a_block_stops_an_erase_too() {
    let judge = Judge::answering("block", &[("error", "no")]);
    let root = Root::new(&judge.path());
    let package = root.build(&module_package("mod"));
    let mut command = root.command(["-U"]);
    command.arg(package).env("BTF_GUARD", "off");
    assert!(root.run(command).status.success());
    let before = root.snapshot();
    assert!(!root.rpm(["-e", "mod"]).status.success());
    assert_eq!(root.snapshot(), before);
}

#[test]
fn a_file_that_another_package_replaced_does_not_go() {
    let judge = recorder();
    let root = Root::new(&judge.path());
    let kept = format!("/lib/modules/{RELEASE}/extra/kept.ko");
    let first = module_package("first").file(&kept, "of the first");
    let second = module_package("second").file(&kept, "of the second");
    install(&root, &[root.build(&first)]);
    let mut command = root.command(["-U", "--replacefiles"]);
    command.arg(root.build(&second));
    assert!(root.run(command).status.success());
    assert!(root.rpm(["-e", "first"]).status.success());
    let module = format!("/lib/modules/{RELEASE}/extra/first.ko");
    assert_eq!(judge.plan().elements[0].paths, [PathBuf::from(module)]);
    assert_eq!(
        fs::read(root.path().join(&kept[1..])).unwrap(),
        b"of the second"
    );
}

#[test]
fn a_name_that_is_not_utf8_does_not_hide_the_others() {
    let judge = recorder();
    let root = Root::new(&judge.path());
    let directory = PathBuf::from(format!("/lib/modules/{RELEASE}"));
    let odd = directory.join(OsStr::from_bytes(b"\xff.ko"));
    install(
        &root,
        &[root.build(&module_package("mod").file(odd, "odd"))],
    );
    let paths = &judge.plan().elements[0].paths;
    assert!(paths.contains(&directory.join("\u{fffd}.ko")), "{paths:?}");
    assert!(paths.contains(&directory.join("extra/mod.ko")), "{paths:?}");
}

#[test]
fn twenty_thousand_modules_in_one_package() {
    let judge = recorder();
    let root = Root::new(&judge.path());
    let mut package = Package::new("many");
    for number in 0..20_000 {
        package = package.file(format!("/lib/modules/{RELEASE}/extra/{number}.ko"), "");
    }
    let package = root.build(&package);
    let mut command = root.command(["-U", "--test"]);
    command.arg(package);
    let outcome = root.run(command);
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(outcome.log(), [""; 0]);
    assert_eq!(judge.plan().elements[0].paths.len(), 20_000);
}

#[test]
fn a_header_that_would_become_gigabytes_is_given_up() {
    let judge = recorder();
    let root = Root::new(&judge.path());
    let mut directory = format!("/lib/modules/{RELEASE}");
    while directory.len() < 3_700 {
        directory.push('/');
        directory.push_str(&"d".repeat(200));
    }
    let mut package = Package::new("deep");
    for number in 0..10_000 {
        package = package.file(Path::new(&directory).join(format!("{number}.ko")), "");
    }
    let package = root.build(&package);
    let mut command = root.command(["-U", "--test"]);
    command.arg(package);
    let outcome = root.run(command);
    assert!(outcome.status.success(), "{outcome:?}");
    let [line] = outcome.log()[..] else {
        panic!("not one line: {outcome:?}");
    };
    assert!(
        line.starts_with("warning: btf-guard: its packages name more than 32 MiB of module paths;"),
        "{line}"
    );
    assert!(!judge.was_started());
}
