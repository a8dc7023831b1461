// SPDX-License-Identifier: GPL-2.0-or-later
//! Initrds that a transaction leaves as they were while their kernel is another build.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use btf_guard_tests::btf::{Btf, Era};
use btf_guard_tests::{Package, initrd, program};
use serde_json::Value;

use crate::real::{ENFORCING, assert_silent, fitting, foreign, rebuilt};
use crate::roles::{Machine, OLD, add_copy, image};

/// A build of one release: its image, the driver that fits it, and its entry.
fn build(version: &str, base: &Btf, driver: Vec<u8>) -> Package {
    let dir = format!("/lib/modules/{OLD}");
    Package::new("kernel")
        .version(version)
        .file(format!("{dir}/vmlinuz"), image(OLD, base))
        .file(format!("{dir}/config"), ENFORCING)
        .file(format!("{dir}/kernel/driver.ko"), driver)
        .lua("%post", &add_copy(OLD))
}

fn initrd_with(driver: &[u8]) -> Vec<u8> {
    initrd::with_file(&format!("usr/lib/modules/{OLD}/kernel/driver.ko"), driver)
}

/// What dracut does is of no interest here: only that it is there, and so is to be named.
fn has_dracut(machine: &Machine) {
    machine.write("usr/bin/dracut", "");
    let path = machine.root.path().join("usr/bin/dracut");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn checked(machine: &Machine) -> Value {
    let mut command = Command::new(program());
    command.args(["check", "--format", "json", "--root"]);
    let output = command.arg(machine.root.path()).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

#[test]
fn an_initrd_that_was_not_made_anew_is_said_with_the_command() {
    let machine = Machine::new();
    has_dracut(&machine);
    machine.install(&build("1", &Era::V6_18.base(), fitting("driver")));
    machine.write("boot/initrd", initrd_with(&fitting("driver")));

    let next = machine
        .root
        .build(&build("2", &rebuilt(), foreign("driver")));
    let outcome = machine.rpm(&["-U"], &[&next]);
    assert!(outcome.status.success(), "{outcome:?}");
    let log = outcome.log().join("\n");
    assert!(log.contains("after this transaction"), "{log}");
    assert!(log.contains("/boot/initrd"), "{log}");
    let command = format!("dracut --force /boot/initrd {OLD}");
    assert!(log.contains(&command), "{log}");

    // It is known by its own name, and stands until that was done.
    let report = checked(&machine);
    assert_eq!(report["summary"]["initrd-stale"], 1, "{report}");
    let fix = &report["initrds"][0]["fix_command"];
    assert_eq!(fix, command.as_str());
    machine.write("boot/initrd", initrd_with(&foreign("driver")));
    let report = checked(&machine);
    assert_eq!(report["summary"]["initrd-stale"], 0, "{report}");
}

#[test]
fn an_initrd_that_a_scriptlet_has_made_anew_is_nothing_to_speak_of() {
    let machine = Machine::new();
    machine.install(&build("1", &Era::V6_18.base(), fitting("driver")));
    machine.write("boot/initrd", initrd_with(&fitting("driver")));
    machine.write("made/anew", initrd_with(&foreign("driver")));
    let dracut = "local from = io.open('/made/anew', 'rb')\n\
                  local to = io.open('/boot/initrd', 'wb')\n\
                  to:write(from:read('*a')) to:close()";
    let next = build("2", &rebuilt(), foreign("driver")).lua("%posttrans", dracut);
    let next = machine.root.build(&next);
    assert_silent(&machine.rpm(&["-U"], &[&next]));
}
