// SPDX-License-Identifier: GPL-2.0-or-later
//! PackageKit 1.2, 1.3 and 1.4 with each of its back ends that use rpm: the real
//! daemon, asked by its own client over a real bus, with polkit's leave.

use std::thread;

use btf_guard_tests::client::{Build, ClientRoot, KMP};
use btf_guard_tests::skip::skipped;

use crate::desk::{ALL, Backend, Desk};
use crate::scene::{assert_blocked, assert_names_the_modules, said};
use crate::shelf;

/// How pkcon ends when a transaction failed.
const FAILED: i32 = 7;

const BLOCKED: &str = "btf-guard: blocked: ";

const INSTALL: &str = "install driver-kmp";

#[test]
fn a_package_without_modules_comes_and_goes() {
    for backend in ALL {
        let Some(desk) = Desk::new(backend, &["plain"]) else {
            continue;
        };
        desk.quiet("install plain");
        desk.scene
            .assert_installed(&["kernel-default-1", "plain-1"]);
        desk.quiet("remove plain");
        desk.scene.assert_installed(&["kernel-default-1"]);
    }
}

#[test]
fn modules_that_load_come_without_a_word() {
    for backend in ALL {
        let Some(desk) = Desk::new(backend, &[]) else {
            continue;
        };
        desk.quiet(INSTALL);
        desk.scene
            .assert_installed(&["driver-kmp-1", "kernel-default-1"]);
        // Another build of both.
        desk.scene.offer("new");
        desk.quiet("refresh force");
        desk.quiet("update");
        desk.scene
            .assert_installed(&["driver-kmp-2", "kernel-default-2"]);
        desk.quiet("remove driver-kmp");
        desk.scene.assert_installed(&["kernel-default-2"]);
    }
}

/// The other package of the transaction does not come either.
#[test]
fn modules_that_nothing_loads_are_stopped() {
    for backend in ALL {
        let Some(desk) = Desk::new(backend, &["new", "plain"]) else {
            continue;
        };
        let before = desk.scene.root.snapshot();
        let outcome = desk.pkcon("install plain driver-kmp");
        let text = said(&outcome);
        assert_eq!(outcome.status.code(), Some(FAILED), "{backend:?}: {text}");
        let failure = format!("Fatal error: {}", backend.failure());
        assert!(text.contains(&failure), "{backend:?}: {text}");
        assert_eq!(text.contains("btf-guard"), backend.tells_why(), "{text}");
        if backend.tells_why() {
            assert_blocked(&text);
        }
        desk.assert_stopped(&before, "driver-kmp-2-1.noarch");
        let (unit, log) = (desk.unit.heard(), desk.log());
        assert_eq!(
            (unit.contains(BLOCKED), log.contains(BLOCKED)),
            (backend.logs_to_unit(), !backend.logs_to_unit()),
            "{backend:?}: {unit}"
        );
        assert_eq!(desk.guard("status").0, Some(0), "{backend:?}");

        // Whoever knows better says so beforehand, for PackageKit passes nothing on.
        let (made, _) = desk.guard("allow --next --reason 'by hand'");
        assert_eq!(made, Some(0));
        let outcome = desk.pkcon(INSTALL);
        assert!(outcome.status.success(), "{backend:?}: {outcome:?}");
        let text = said(&outcome);
        assert!(!text.contains("btf-guard"), "{backend:?}: {text}");
        desk.scene
            .assert_installed(&["driver-kmp-2", "kernel-default-1"]);
        let entry = desk.journal.entry();
        assert_eq!(entry.get("BTF_GUARD_CLIENT"), "packagekitd", "{entry:?}");
        assert_eq!(entry.get("BTF_GUARD_REASON"), "by hand", "{entry:?}");
        assert_eq!(
            desk.guard("allow --list").1,
            "",
            "{backend:?}: it is used up"
        );
        let (code, motd) = desk.guard("status --motd");
        assert_eq!(code, Some(2), "{backend:?}: {motd}");
        assert!(motd.contains("4 modules will not load"), "{motd}");
    }
}

/// In a unit's journal, each line is by itself. The daemon removes its environment, so
/// that this is not told by what systemd has put there.
#[test]
fn a_unit_is_told_in_one_line() {
    for backend in ALL.into_iter().filter(|backend| backend.logs_to_unit()) {
        let Some(desk) = Desk::new(backend, &["new"]) else {
            continue;
        };
        assert_eq!(desk.pkcon(INSTALL).status.code(), Some(FAILED));
        let text = desk.unit.heard();
        let mut lines = text.lines();
        let line = lines.find(|line| line.contains(BLOCKED));
        let line = line.unwrap_or_else(|| panic!("{backend:?}: {text}"));
        assert_names_the_modules(line, "error: btf-guard: blocked: ");
    }
}

/// A test run that is stopped is the last of a transaction.
#[test]
fn a_word_for_one_time_is_used_up_by_the_block() {
    for backend in ALL {
        let Some(desk) = warned(backend) else {
            continue;
        };
        let (made, _) = desk.guard("deny --next --reason 'not today'");
        assert_eq!(made, Some(0));
        let outcome = desk.pkcon("install foreign-kmp");
        assert_eq!(
            outcome.status.code(),
            Some(FAILED),
            "{backend:?}: {outcome:?}"
        );
        assert_eq!(
            desk.guard("allow --list").1,
            "",
            "{backend:?}: it is used up"
        );
        let outcome = desk.pkcon("install foreign-kmp");
        assert!(outcome.status.success(), "{backend:?}: {outcome:?}");
    }
}

/// PackageKit hands no warning on, so that it is where one can look for it.
#[test]
fn a_warning_is_in_the_journal_and_stands() {
    for backend in ALL {
        let Some(desk) = warned(backend) else {
            continue;
        };
        let outcome = desk.pkcon("install foreign-kmp");
        assert!(outcome.status.success(), "{backend:?}: {outcome:?}");
        let text = said(&outcome);
        assert!(!text.contains("btf-guard"), "{backend:?}: {text}");
        let entry = desk.journal.entry();
        for (field, value) in [
            ("BTF_GUARD_CLIENT", "packagekitd"),
            ("BTF_GUARD_DECISION", "warn"),
            ("BTF_GUARD_VERDICT", "refused"),
            ("BTF_GUARD_PACKAGE", "foreign-kmp-1-1.noarch"),
        ] {
            assert_eq!(entry.get(field), value, "{backend:?}: {entry:?}");
        }
        let (code, text) = desk.guard("status");
        assert_eq!(code, Some(1), "{backend:?}: {text}");
        for word in KMP.into_iter().chain([", by packagekitd"]) {
            assert!(text.contains(word), "{backend:?}: {text}");
        }
        let (code, motd) = desk.guard("status --motd");
        assert_eq!(code, Some(1), "{backend:?}: {motd}");
        assert!(motd.contains("4 modules will not load"), "{motd}");
        // Gone with the modules.
        let outcome = desk.pkcon("remove foreign-kmp");
        assert!(outcome.status.success(), "{backend:?}: {outcome:?}");
        let (_, text) = desk.guard("status");
        assert!(!text.contains("will not load"), "{backend:?}: {text}");
    }
}

/// A machine whose running kernel, and no other, refuses `foreign-kmp`.
fn warned(backend: Backend) -> Option<Desk> {
    let root = ClientRoot::machine_with_packagekit(backend.suite())?;
    if !root.stand_in(Build::Old) {
        skipped("a running kernel", "it shows no BTF and configuration");
        return None;
    }
    Some(Desk::over(root, backend, &["running"], &["kernel-default"]))
}

/// What is downloaded now, and installed by a unit of PackageKit's at the next boot.
#[test]
fn an_offline_update() {
    // After a failure, PackageKit lets ten seconds pass.
    thread::scope(|scope| {
        for backend in ALL {
            scope.spawn(move || offline_update(backend));
        }
    });
}

fn offline_update(backend: Backend) {
    let Some(root) = ClientRoot::with_packagekit(backend.suite()) else {
        return;
    };
    let both = ["kernel-default", "driver-kmp"];
    let desk = Desk::over(root, backend, &[], &both);
    // A kernel for which there are no modules.
    let mut kernel = shelf::packages("new");
    kernel.retain(|path| path.to_string_lossy().contains("kernel-default"));
    desk.scene.root.offer_built("alone", &kernel);
    desk.quiet("refresh force");
    let before = desk.scene.root.snapshot();
    let prepared = desk.pkcon("update --only-download");
    let stopped = || {
        // The modules lie on the disk already.
        desk.assert_stopped(&before, "");
        let unit = desk.unit.heard();
        let told = unit.contains(BLOCKED);
        assert_eq!(told, backend.logs_to_unit(), "{backend:?}: {unit}");
    };
    if backend == Backend::Dnf {
        // rpm's test run belongs to the preparation.
        assert_eq!(prepared.status.code(), Some(FAILED), "{prepared:?}");
        stopped();
    } else {
        assert!(prepared.status.success(), "{backend:?}: {prepared:?}");
        assert!(desk.journal.is_silent(), "{backend:?}: {prepared:?}");
        let status = desk.reboot();
        assert!(status.contains("Status:\tFailed"), "{backend:?}: {status}");
        let told = status.contains(BLOCKED);
        assert_eq!(told, backend.tells_why(), "{backend:?}: {status}");
        stopped();
    }

    // With its modules it is an update as any other.
    desk.scene.offer("new");
    desk.quiet("refresh force");
    let prepared = desk.pkcon("update --only-download");
    // The back end dnf downloads nothing from a repository on the disk, and says so.
    let expected = if backend == Backend::Dnf { 5 } else { 0 };
    let status = prepared.status.code();
    assert_eq!(status, Some(expected), "{backend:?}: {prepared:?}");
    let status = desk.reboot();
    assert!(status.contains("Status:\tSuccess"), "{backend:?}: {status}");
    desk.scene
        .assert_installed(&["driver-kmp-2", "kernel-default-2"]);
    assert!(desk.journal.is_silent(), "{backend:?}");
}
