// SPDX-License-Identifier: GPL-2.0-or-later
//! What the machine tells of itself: the kernel's log, and what asks for modules.

use std::io::{self, Read};

use btf_guard_core::host_modules::Machine;
use btf_guard_core::kernel::kmsg;
use btf_guard_protocol::procfs;

use super::scene::{Scene, parts};

/// Hands out no more than so many bytes at a time, as the log's device does.
struct Pieces<'d>(&'d [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.1.min(buffer.len());
        self.0.read(buffer.get_mut(..length).unwrap_or_default())
    }
}

/// The kernel's log. The first byte says how much of it comes at a time: what it
/// tells does not depend on it.
pub(crate) fn kmsg(data: &[u8]) {
    let [piece, log @ ..] = data else {
        return;
    };
    let whole = kmsg::parse(log).expect("memory can be read");
    let pieces = Pieces(log, usize::from(*piece) + 1);
    let again = kmsg::parse(pieces).expect("memory can be read");
    // Of a line that is longer than a record no more than its end may be left.
    if log
        .split(|byte| *byte == b'\n')
        .all(|line| line.len() < 8192)
    {
        assert_eq!(whole, again);
    }
    for name in whole.refused.keys() {
        assert!(!name.contains(['-', '\n']));
    }
}

/// What a machine needs. The input is its files, in the order of `FILES`.
pub(crate) fn needed(data: &[u8]) {
    const FILES: [&str; 10] = [
        "lib/modules/6.1/modules.dep",
        "lib/modules/6.1/modules.alias",
        "sys/bus/pci/devices/one/modalias",
        "proc/modules",
        "proc/cmdline",
        "proc/self/mountinfo",
        "etc/modprobe.d/a.conf",
        "etc/modules-load.d/a.conf",
        "etc/fstab",
        "sys/class/net/one/uevent",
    ];
    thread_local! {
        static SCENE: Scene = Scene::new();
    }
    SCENE.with(|scene| {
        for (name, text) in FILES.into_iter().zip(parts::<{ FILES.len() }>(data)) {
            scene.read_only(name, text);
        }
        let machine = Machine::read(scene.root());
        // With the lists of a release, and by names alone.
        for dirs in [vec![scene.path("lib/modules/6.1")], Vec::new()] {
            let needs = machine.needs(&dirs);
            for name in needs.modules() {
                assert!(!name.contains('-') && !needs.of(name).is_empty());
            }
        }
    });
}

/// What the kernel says of a process, whose name is anybody's choice.
pub(crate) fn process(data: &[u8]) {
    let _ = procfs::parse(&String::from_utf8_lossy(data));
}
