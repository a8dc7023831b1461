// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used)]

use std::fs;

use btf_guard_btf::Order;

use super::*;

/// A base BTF of one type, `int`.
const SMALL: &[u8] = b"\x9f\xeb\x01\0\x18\0\0\0\0\0\0\0\x10\0\0\0\x10\0\0\0\x05\0\0\0\
    \x01\0\0\0\0\0\0\x01\x04\0\0\0\x20\0\0\x01\
    \0int\0";

#[test]
fn a_kernel_from_an_image() {
    let image = Image {
        base_btf: SMALL.to_vec(),
        release: Some("6.1-x".to_owned()),
        build: Some("#1 SMP".to_owned()),
        config: Some("CONFIG_MODULE_ALLOW_BTF_MISMATCH=y".to_owned()),
        ..Image::default()
    };

    let path = Path::new("/boot/vmlinuz-6.1-x");
    let kernel = Kernel::from_image(image, path, KernelConfig::default()).unwrap();
    assert_eq!(kernel.release.as_deref(), Some("6.1-x"));
    assert_eq!(kernel.build.as_deref(), Some("#1 SMP"));
    assert_eq!(kernel.moment, Target::NextBoot);
    assert_eq!(kernel.source, KernelSource::File(path.to_owned()));
    assert_eq!(kernel.config, KernelConfig::default());
    assert_eq!(kernel.base.bytes(), SMALL);
    let digest = "24d02eaddcd032ce9b2fbaa972588be541cf505f6b19bebe32a346a37dc6a887";
    assert_eq!(kernel.sha256(), digest);
    assert_eq!(kernel.clone().sha256(), digest);
}

#[test]
fn a_kernel_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("base.btf");
    fs::write(&path, SMALL).unwrap();
    let kernel = Kernel::open(&path, None).unwrap();
    assert_eq!((&kernel.release, kernel.target), (&None, None));
    assert_eq!(kernel.config.allow_mismatch, None);
    assert_eq!(kernel.base.bytes(), SMALL);

    let config = KernelConfig {
        allow_mismatch: Some(true),
        ..KernelConfig::default()
    };
    let kernel = Kernel::open(&path, Some(&config)).unwrap();
    assert_eq!(kernel.config, config);
    fs::write(&path, "neither").unwrap();
    let neither = Kernel::open(&path, None);
    assert!(matches!(neither, Err(Error::Malformed(_))));
}

#[test]
fn the_running_kernel() {
    let shows_btf = Path::new("/sys/kernel/btf/vmlinux").exists();
    let kernel = Kernel::running().unwrap();
    assert_eq!(kernel.base.is_none(), !shows_btf);
    assert_eq!(kernel.moment, Target::Running);
    assert_eq!(kernel.source, KernelSource::Running);
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(kernel.release.as_deref(), Some(release.trim_end()));
    let build = fs::read_to_string("/proc/sys/kernel/version").unwrap();
    assert_eq!(kernel.build.as_deref(), Some(build.trim_end()));
    assert_eq!(kernel.config, KernelConfig::of_running(release.trim_end()));
    assert_eq!(kernel.sha256().len(), 64);
}

#[test]
fn machines() {
    for (name, machine, is_64, order) in [
        ("x86_64", 62, true, Order::Little),
        ("aarch64", 183, true, Order::Little),
        ("s390x", 22, true, Order::Big),
        ("ppc64le", 21, true, Order::Little),
        ("riscv64", 243, true, Order::Little),
        ("i686", 3, false, Order::Little),
        ("armv7l", 40, false, Order::Little),
        ("armv5tejl", 40, false, Order::Little),
    ] {
        let target = target(name).unwrap();
        assert_eq!((target.machine, target.is_64), (machine, is_64), "{name}");
        assert_eq!((target.order, target.elf_type), (order, 1), "{name}");
    }
    assert_eq!(target("alpha"), None);
    assert_eq!(target("armchair"), None);
}
