// SPDX-License-Identifier: GPL-2.0-or-later
//! What devices ask for: their aliases, and the drivers behind network interfaces.

use std::fs;
use std::path::Path;

use super::Machine;
use super::etc::{self, entries};

/// Devices of one bus or class that are looked at.
const MAX_DEVICES: usize = 10_000;

/// A file of sysfs is no longer than a page.
pub(crate) const PAGE: u64 = 4096;

/// Directories above a device. The kernel nests some twenty.
const MAX_DEPTH: usize = 64;

/// The longest reason that quotes an alias, in characters.
const MAX_SHOWN: usize = 60;

/// The alias of every device that is there. All of them lie on a bus or in a class, but
/// for what all processors have in common.
pub(crate) fn aliases(root: &Path, machine: &mut Machine) {
    let buses = entries(&root.join("sys/bus"), MAX_DEVICES);
    let buses = buses.into_iter().map(|bus| bus.join("devices"));
    let classes = entries(&root.join("sys/class"), MAX_DEVICES);
    let system = root.join("sys/devices/system");
    for dir in buses.chain(classes).chain([system]) {
        for device in entries(&dir, MAX_DEVICES) {
            let Some(alias) = etc::text(&device.join("modalias"), PAGE) else {
                continue;
            };
            let alias = alias.trim();
            if !alias.is_empty() {
                let shown: String = alias.chars().take(MAX_SHOWN).collect();
                machine.want_alias(alias, &format!("device {shown}"));
            }
        }
    }
}

/// The drivers of the devices of network interfaces, and what makes those that have none.
pub(crate) fn network(root: &Path, machine: &mut Machine) {
    for interface in entries(&root.join("sys/class/net"), MAX_DEVICES) {
        let Some(name) = interface.file_name() else {
            continue;
        };
        let why = format!("network interface {}", name.to_string_lossy());
        drivers(root, &interface, &why, machine);
        let event = etc::text(&interface.join("uevent"), PAGE).unwrap_or_default();
        let kind = event.lines().find_map(|line| line.strip_prefix("DEVTYPE="));
        if let Some(kind) = kind {
            // What `ip link add type` asks for (`MODULE_ALIAS_RTNL_LINK`).
            machine.want_alias(&format!("rtnl-link-{kind}"), &why);
        }
    }
}

/// The modules of the drivers of a device and of all that it hangs from.
pub(crate) fn drivers(root: &Path, device: &Path, why: &str, machine: &mut Machine) {
    let (Ok(device), Ok(top)) = (device.canonicalize(), root.join("sys").canonicalize()) else {
        return;
    };
    let below = device.ancestors().take_while(|dir| dir.starts_with(&top));
    for dir in below.take(MAX_DEPTH) {
        let Ok(module) = fs::canonicalize(dir.join("driver/module")) else {
            continue;
        };
        let name = module.file_name().unwrap_or_default().to_string_lossy();
        machine.want_name(&name, why);
    }
}
