// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard judge` as a hook calls it: a plan and open packages in, an answer out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod after;
#[path = "../common/mod.rs"]
mod common;
mod disk;
mod input;
mod parts;
mod policy;
mod preexisting;
mod shares;

use btf_guard_protocol::decision::Mode;

use crate::common::judge::{Transaction, install, kernel, kmp, kmp_of};
use common::{Build, Place, RELEASE, base, module, module_path};

#[test]
fn modules_that_no_kernel_here_takes_are_blocked() {
    let root = Place::new();
    let image = root.boot(Build::New).canonicalize().unwrap();
    let modules = [("stale", Build::Old), ("fine", Build::New)];
    let bad = kmp(&root, "bad", &modules);
    let good = kmp_of(&root, "good", Build::New);
    let answer = install(&root, &[&good, &bad]);
    answer.is("block").finds(&["stale refused block"]);
    assert_eq!(answer.0["summary"]["modules"], 3);
    assert_eq!(answer.0["kernels"][0]["target"], "boot");
    assert_eq!(
        answer.messages(),
        [
            format!(
                "error btf-guard: blocked: after this transaction, 1 of 3 modules will not load \
                 on kernel {RELEASE} ({}): its BTF was built for another build of it",
                image.display()
            ),
            format!(
                "error   help: bring kernel {RELEASE} and its modules from one build: reinstall \
                 its package, or rebuild the modules against it, before it is booted"
            ),
            "error   modules: stale (in bad-1-1.x86_64)".into(),
            "error   the kernel would log: BPF: [2] STRUCT | BPF: size=0 vlen=0 | BPF: Invalid \
             name | failed to validate module [stale] BTF: -22"
                .into(),
            "error btf-guard: nothing was changed; to go on all the same: BTF_GUARD=warn in the \
             environment, or rpm -D '_btf_guard warn'"
                .into(),
            "error   help: for every time: sudo btf-guard allow --package 'bad' --reason '...'"
                .into(),
            "error   help: for one time: sudo btf-guard allow --next --reason '...'".into(),
        ]
    );

    let under = |mode| Transaction::on(&root).mode(mode).install(&bad).judge();
    let warned = under(Mode::Warn);
    let messages = warned.is("warn").messages();
    let first = "warning btf-guard: would have blocked: after this";
    assert!(messages[0].starts_with(first), "{messages:?}");
    let warnings = messages.iter().filter(|m| m.starts_with("warning "));
    assert_eq!(warnings.count(), messages.len(), "{messages:?}");
    under(Mode::Off).is("allow").is_silent();
    install(&root, &[&good]).is("allow").is_silent().finds(&[]);
}

#[test]
fn without_a_kernel_that_judges_there_is_nothing_to_say() {
    let root = Place::new();
    let bad = kmp_of(&root, "bad", Build::Old);
    let answer = install(&root, &[&bad]);
    answer.is("allow").is_silent();
    assert_eq!(answer.0["kernels"], serde_json::json!([]));
    // One without BTF does not.
    let mut vmlinux = common::elf("vmlinux", None, object::Architecture::X86_64);
    vmlinux[16] = 2; // ET_EXEC
    root.file(&format!("boot/vmlinuz-{RELEASE}"), vmlinux);
    install(&root, &[&bad]).is("allow").is_silent();
}

#[test]
fn an_image_that_the_transaction_brings_replaces_the_copies() {
    let root = Place::new();
    let copy = root.boot(Build::Old).canonicalize().unwrap();
    let new = kmp_of(&root, "new", Build::New);
    install(&root, &[&new]).is("block");

    let kernel = kernel(&root, "kernel", Build::New);
    // The kernel comes last: it counts all the same.
    let answer = install(&root, &[&new, &kernel]);
    let judged_by = &answer.is("allow").0["kernels"][0];
    assert_eq!(judged_by["package"], "kernel-1-1.x86_64");
    let copies = serde_json::json!([copy.to_str().unwrap()]);
    assert_eq!(judged_by["same_kernel_paths"], copies);
}

#[test]
fn an_image_that_cannot_be_read_replaces_the_one_at_its_path() {
    let root = Place::booting(Build::Old);
    let new = kmp_of(&root, "new", Build::New);
    for (image, decision) in [
        // It takes the place of the one that would judge.
        (format!("/boot/vmlinuz-{RELEASE}"), "allow"),
        // It takes nobody's place.
        (format!("/lib/modules/{RELEASE}/Image"), "block"),
    ] {
        let foreign = root.package("foreign", &[(image.clone(), b"no kernel".into())]);
        let answer = install(&root, &[&new, &foreign]);
        answer.is(decision);
        let start = format!("btf-guard: foreign-1-1.x86_64: {image}: at offset 0x0: expected");
        answer.says(&start).says("; it was not judged");
        assert_eq!(decision == "allow", answer.messages().len() == 1);
    }

    // The plan alone knows of the image.
    let image = format!("/boot/vmlinuz-{RELEASE}");
    let transaction = Transaction::on(&root).install(&new);
    let answer = transaction.install_closed("kernel", &[&image]).judge();
    answer.is("allow");
    answer.says("the package file cannot be opened");
}

#[test]
fn modules_that_stay_are_held_against_the_image_that_comes() {
    let root = Place::booting(Build::Old);
    for name in ["kmp", "replaced", "erased"] {
        root.install(name, Build::Old);
    }
    let kernel = kernel(&root, "kernel", Build::New);
    let modules = kmp_of(&root, "replaced", Build::New);
    let answer = Transaction::on(&root)
        .install(&kernel)
        .install(&modules)
        .erase(&[&module_path("erased"), &module_path("replaced")])
        .judge();
    answer.is("block").finds(&["kmp refused block"]);
    answer.says("(in kernel-1-1.x86_64)");
}

#[test]
fn erasing_is_no_finding() {
    let root = Place::booting(Build::New);
    root.install("stale", Build::Old);
    let erase = Transaction::on(&root).erase(&[&module_path("stale")]);
    erase.judge().is("allow").is_silent();

    // An image that goes without another coming is no target.
    let bad = kmp_of(&root, "bad", Build::Old);
    install(&root, &[&bad]).is("block");
    let gone = Transaction::on(&root).install(&bad);
    let image = format!("/boot/vmlinuz-{RELEASE}");
    gone.erase(&[&image]).judge().is("allow");
}

#[test]
fn one_kernel_at_two_places_is_judged_once_and_two_kernels_twice() {
    let root = Place::booting(Build::New);
    let bad = kmp_of(&root, "stale", Build::Old);
    let beside = format!("lib/modules/{RELEASE}/vmlinuz");
    root.file(&beside, base(Build::New));
    let answer = install(&root, &[&bad]);
    let kernel = &answer.finds(&["stale refused block"]).0["kernels"][0];
    assert_eq!(kernel["same_kernel_paths"].as_array().unwrap().len(), 1);

    root.file(&beside, base(Build::Old));
    let answer = install(&root, &[&bad]);
    answer.finds(&["stale loads none", "stale refused warn"]);
    answer.is("warn");
    assert_eq!(answer.0["kernels"].as_array().unwrap().len(), 2);
}

#[test]
fn links_to_modules_are_followed_as_long_as_they_lead_to_one() {
    for (link, target) in [
        (module_path("kmp"), "/etc/vendor/kernel/kmp.ko"),
        (
            format!("/lib/modules/{RELEASE}/weak-updates/kmp.ko"),
            "/lib/modules/6.0-other/extra/kmp.ko",
        ),
    ] {
        let root = Place::booting(Build::Old);
        root.file(target, module("kmp", Build::Old));
        root.link(&link, target);
        let kernel = kernel(&root, "kernel", Build::New);
        install(&root, &[&kernel]).finds(&["kmp refused block"]);
        let gone = Transaction::on(&root).install(&kernel).erase(&[target]);
        gone.judge().is("allow");
    }
}
