// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard judge` as a hook calls it: a plan and open packages in, an answer out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../common/mod.rs"]
mod common;
mod input;
mod preexisting;

use btf_guard_protocol::decision::Mode;
use btf_guard_protocol::plan::{Action, Element};

use crate::common::judge::{Transaction, kernel, kmp};
use common::{Build, Place, RELEASE, base, module, module_path};

#[test]
fn modules_that_no_kernel_here_takes_are_blocked() {
    let (root, files) = (Place::new(), Place::new());
    let image = root.boot(Build::New).canonicalize().unwrap();
    let bad = kmp(
        &files,
        "bad",
        &[("stale", Build::Old), ("fine", Build::New)],
    );
    let good = kmp(&files, "good", &[("other", Build::New)]);
    let answer = Transaction::on(&root).install(&good).install(&bad).judge();
    assert_eq!(answer.decision(), "block");
    assert_eq!(answer.verdicts(), ["stale refused block"]);
    assert_eq!(answer.0["summary"]["modules"], 3);
    assert_eq!(answer.0["kernels"][0]["moment"], "boot");
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

    let warned = Transaction::on(&root)
        .mode(Mode::Warn)
        .install(&bad)
        .judge();
    assert_eq!(warned.decision(), "warn");
    let messages = warned.messages();
    assert!(
        messages[0].starts_with("warning btf-guard: would have blocked: after this"),
        "{messages:?}"
    );
    assert!(
        messages.iter().all(|m| m.starts_with("warning ")),
        "{messages:?}"
    );

    let off = Transaction::on(&root).mode(Mode::Off).install(&bad).judge();
    assert_eq!(off.decision(), "allow");
    assert!(off.messages().is_empty());

    let fine = Transaction::on(&root).install(&good).judge();
    assert_eq!(fine.decision(), "allow");
    assert!(fine.messages().is_empty() && fine.verdicts().is_empty());
}

#[test]
fn without_a_kernel_of_that_release_there_is_nothing_to_say() {
    let (root, files) = (Place::new(), Place::new());
    let bad = kmp(&files, "bad", &[("stale", Build::Old)]);
    let answer = Transaction::on(&root).install(&bad).judge();
    assert_eq!(answer.decision(), "allow");
    assert!(answer.messages().is_empty());
    assert_eq!(answer.0["kernels"], serde_json::json!([]));
}

#[test]
fn an_image_that_the_transaction_brings_replaces_the_copies() {
    let (root, files) = (Place::new(), Place::new());
    let copy = root.boot(Build::Old).canonicalize().unwrap();
    let new = kmp(&files, "new", &[("fine", Build::New)]);
    assert_eq!(
        Transaction::on(&root).install(&new).judge().decision(),
        "block"
    );

    let kernel = kernel(&files, "kernel", Build::New);
    // The kernel comes last: it counts all the same.
    let answer = Transaction::on(&root)
        .install(&new)
        .install(&kernel)
        .judge();
    assert_eq!(answer.decision(), "allow", "{:?}", answer.messages());
    let judged_by = &answer.0["kernels"][0];
    assert_eq!(judged_by["package"], "kernel-1-1.x86_64");
    assert_eq!(
        judged_by["same_kernel_paths"],
        serde_json::json!([copy.to_str().unwrap()])
    );
}

#[test]
fn an_image_that_comes_and_cannot_be_read_blocks_nothing() {
    let (root, files) = (Place::new(), Place::new());
    root.boot(Build::Old);
    let new = kmp(&files, "new", &[("fine", Build::New)]);
    let image = format!("/lib/modules/{RELEASE}/Image");
    let foreign = files.package("foreign", &[(image.clone(), b"no kernel".into())]);
    let answer = Transaction::on(&root).install(&new).install(&foreign);
    let answer = answer.judge();
    assert_eq!(answer.decision(), "allow");
    let messages = answer.messages();
    let [line] = &messages[..] else {
        panic!("{messages:?}");
    };
    let start = format!("warning btf-guard: foreign-1-1.x86_64: {image}: at offset 0x0: expected");
    assert!(line.starts_with(&start), "{line}");
    assert!(line.ends_with("; it was not judged"), "{line}");

    // The plan alone knows of the image.
    let mut transaction = Transaction::on(&root).install(&new);
    transaction.plan.elements.push(Element {
        nevra: "kernel-1-1.x86_64".into(),
        action: Action::Install,
        file: None,
        paths: vec![format!("/boot/vmlinuz-{RELEASE}").into()],
    });
    let answer = transaction.judge();
    assert_eq!(answer.decision(), "allow");
    assert!(
        answer.says("the package file cannot be opened"),
        "{:?}",
        answer.messages()
    );
}

#[test]
fn modules_that_stay_are_held_against_the_image_that_comes() {
    let (root, files) = (Place::new(), Place::new());
    root.boot(Build::Old);
    root.install("kmp", Build::Old);
    root.install("replaced", Build::Old);
    root.install("erased", Build::Old);
    let kernel = kernel(&files, "kernel", Build::New);
    let modules = kmp(&files, "modules", &[("replaced", Build::New)]);
    let transaction = Transaction::on(&root)
        .install(&kernel)
        .install(&modules)
        .erase(&[module_path("erased"), module_path("replaced")]);
    let answer = transaction.judge();
    assert_eq!(answer.verdicts(), ["kmp refused block"]);
    assert_eq!(answer.decision(), "block");
    assert!(
        answer.says("(in kernel-1-1.x86_64)"),
        "{:?}",
        answer.messages()
    );
}

#[test]
fn erasing_is_no_finding() {
    let root = Place::new();
    root.boot(Build::New);
    root.install("stale", Build::Old);
    let erase = Transaction::on(&root)
        .erase(&[module_path("stale")])
        .judge();
    assert_eq!(erase.decision(), "allow");
    assert!(erase.messages().is_empty());

    // An image that goes without another coming is no target.
    let files = Place::new();
    let bad = kmp(&files, "bad", &[("bad", Build::Old)]);
    assert_eq!(
        Transaction::on(&root).install(&bad).judge().decision(),
        "block"
    );
    let gone = Transaction::on(&root)
        .install(&bad)
        .erase(&[format!("/boot/vmlinuz-{RELEASE}")]);
    assert_eq!(gone.judge().decision(), "allow");
}

#[test]
fn one_kernel_at_two_places_is_judged_once_and_two_kernels_twice() {
    let (root, files) = (Place::new(), Place::new());
    root.boot(Build::New);
    let bad = kmp(&files, "bad", &[("stale", Build::Old)]);
    let beside = format!("lib/modules/{RELEASE}/vmlinuz");
    root.file(&beside, base(Build::New));
    let answer = Transaction::on(&root).install(&bad).judge();
    assert_eq!(answer.verdicts(), ["stale refused block"]);
    assert_eq!(
        answer.0["kernels"][0]["same_kernel_paths"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    root.file(&beside, base(Build::Old));
    let answer = Transaction::on(&root).install(&bad).judge();
    assert_eq!(answer.0["kernels"].as_array().unwrap().len(), 2);
    assert_eq!(
        answer.verdicts(),
        ["stale loads none", "stale refused warn"]
    );
    assert_eq!(answer.decision(), "warn");
}

#[test]
fn links_to_modules_elsewhere_in_the_root_are_followed() {
    let (root, files) = (Place::new(), Place::new());
    root.boot(Build::Old);
    root.file("etc/vendor/kernel/kmp.ko", module("kmp", Build::Old));
    root.link(&module_path("kmp"), "/etc/vendor/kernel/kmp.ko");
    let kernel = kernel(&files, "kernel", Build::New);
    let answer = Transaction::on(&root).install(&kernel).judge();
    assert_eq!(
        answer.verdicts(),
        ["kmp refused block"],
        "{:?}",
        answer.messages()
    );
}

#[test]
fn a_module_whose_links_stay_can_be_removed() {
    let (root, files) = (Place::new(), Place::new());
    root.boot(Build::Old);
    let target = "/lib/modules/6.0-other/extra/kmp.ko";
    root.file(target, module("kmp", Build::Old));
    root.link(
        &format!("/lib/modules/{RELEASE}/weak-updates/kmp.ko"),
        target,
    );
    let kernel = kernel(&files, "kernel", Build::New);
    let stays = Transaction::on(&root).install(&kernel).judge();
    assert_eq!(stays.verdicts(), ["kmp refused block"]);
    let goes = Transaction::on(&root)
        .install(&kernel)
        .erase(&[target.to_owned()])
        .judge();
    assert_eq!(goes.decision(), "allow", "{:?}", goes.messages());
}

#[test]
fn a_kernel_without_btf_is_no_target() {
    let (root, files) = (Place::new(), Place::new());
    let mut vmlinux = common::elf("vmlinux", None, object::Architecture::X86_64);
    vmlinux[16] = 2; // ET_EXEC
    root.file(&format!("boot/vmlinuz-{RELEASE}"), vmlinux);
    let bad = kmp(&files, "bad", &[("stale", Build::Old)]);
    let answer = Transaction::on(&root).install(&bad).judge();
    assert_eq!(answer.decision(), "allow");
    assert!(answer.messages().is_empty(), "{:?}", answer.messages());
}
