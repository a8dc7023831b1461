// SPDX-License-Identifier: GPL-2.0-or-later
//! Hooks of other programs than rpm: kernel-install, dkms, the two dnfs.

mod dkms;
mod dnf;
mod kernel_install;

use std::collections::BTreeSet;
use std::fs;

use btf_guard_tests::client::{ClientRoot, release};
use btf_guard_tests::{Outcome, Package};

fn shown(outcome: &Outcome) -> String {
    format!("{}{}", outcome.stdout, outcome.stderr)
}

/// Everything that was said by any part of btf-guard.
fn ours(outcome: &Outcome) -> Vec<String> {
    let shown = shown(outcome);
    let lines = shown.lines().filter(|line| line.contains("btf-guard: "));
    lines.map(str::to_owned).collect()
}

#[track_caller]
fn assert_silent(outcome: &Outcome) {
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(ours(outcome), [""; 0], "{outcome:?}");
}

/// One line of ours has all these words, and none is said twice.
#[track_caller]
fn assert_says(outcome: &Outcome, words: &[&str]) -> String {
    assert!(outcome.status.success(), "{outcome:?}");
    let ours = ours(outcome);
    let different: BTreeSet<_> = ours.iter().collect();
    assert_eq!(different.len(), ours.len(), "{outcome:?}");
    let has_all = |line: &&String| words.iter().all(|word| line.contains(word));
    let mut with = ours.iter().filter(has_all);
    let (Some(line), None) = (with.next(), with.next()) else {
        panic!("not one line with {words:?}: {outcome:?}");
    };
    line.clone()
}

/// As if there were no rpm plugin.
fn switch_plugin_off(root: &ClientRoot) {
    root.put(
        "/etc/rpm/macros.btf_guard",
        "%__transaction_btf_guard %{nil}\n",
    );
}

fn install(root: &ClientRoot, package: &Package) {
    let package = root.build(package);
    let installed = root.client(["rpm", "-U", "--force", &package]);
    let installed = installed.env("BTF_GUARD", "off").run();
    assert!(installed.status.success(), "{installed:?}");
}

/// Where kernels are copied to, and under which name. `small` leaves no room for one.
fn boots_from_esp(root: &ClientRoot, token: &str, small: bool) {
    if !root.at("/efi").exists() {
        root.mount_small("/efi", if small { 1 << 10 } else { 64 << 10 });
    }
    fs::create_dir_all(root.at("/efi/loader/entries")).unwrap();
    root.put("/etc/kernel/install.conf", "layout=bls\nBOOT_ROOT=/efi\n");
    root.put("/etc/kernel/entry-token", format!("{token}\n"));
    root.put("/etc/kernel/cmdline", "quiet\n");
    root.put("/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
}

fn image() -> String {
    format!("/usr/lib/modules/{}/vmlinuz", release())
}

fn add_kernel() -> [String; 4] {
    ["kernel-install", "add", release(), &image()].map(str::to_owned)
}
