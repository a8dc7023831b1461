// SPDX-License-Identifier: GPL-2.0-or-later
//! A machine whose running kernel is not one of its root's: WSL, small virtual machines.

#![allow(clippy::unwrap_used)]

use btf_guard_tests::Outcome;
use btf_guard_tests::client::RunningMachine;

/// This machine without a kernel, a module or a boot entry.
fn bare() -> RunningMachine {
    let machine = RunningMachine::new();
    let remove = "rm -rf /boot/* /efi/* /lib/modules/* /usr/lib/modules/*";
    let removed = machine.run(&["sh", "-c", remove]);
    assert!(removed.status.success(), "{removed:?}");
    machine
}

fn run(machine: &RunningMachine, line: &str) -> (Option<i32>, Outcome) {
    let outcome = machine.run(&["sh", "-c", line]);
    (outcome.status.code(), outcome)
}

#[test]
fn a_kernel_from_outside_of_the_root_is_no_failure() {
    let machine = bare();
    for line in ["btf-guard check", "btf-guard check --kernel all"] {
        let (code, outcome) = run(&machine, line);
        assert_eq!(code, Some(0), "{line}: {outcome:?}");
        let told = "is started from outside of this root";
        assert!(outcome.stdout.contains(told), "{line}: {outcome:?}");
    }
    for more in ["", "--rescan", "--motd-file /run/motd"] {
        let (code, outcome) = run(&machine, &format!("btf-guard status {more}"));
        assert_eq!(code, Some(0), "{outcome:?}");
        assert!(outcome.stdout.starts_with("ok: "), "{outcome:?}");
    }

    // An entry that leads nowhere is another matter.
    machine.put("/boot/loader/entries/a.conf", "linux /vmlinuz-6.9\n");
    for line in ["btf-guard check", "btf-guard status"] {
        let (code, outcome) = run(&machine, line);
        assert_eq!(code, Some(2), "{line}: {outcome:?}");
        assert!(
            outcome.stdout.contains("cannot boot"),
            "{line}: {outcome:?}"
        );
    }
}

#[test]
fn without_proc_nothing_is_ok() {
    let machine = bare();
    machine.put("/lib/modules/6.9/kernel/a.ko", "");
    let unmounted = machine.run(&["umount", "-l", "/proc"]);
    assert!(unmounted.status.success(), "{unmounted:?}");
    for line in ["btf-guard check --kernel all", "btf-guard status"] {
        let (code, outcome) = run(&machine, line);
        assert_eq!(code, Some(3), "{line}: {outcome:?}");
        let said = [outcome.stdout, outcome.stderr].concat();
        assert!(said.contains("/proc: it is not mounted"), "{line}: {said}");
        assert!(!said.contains("ok: "), "{line}: {said}");
    }
}
