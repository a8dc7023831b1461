// SPDX-License-Identifier: GPL-2.0-or-later
//! The running kernel.

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use btf_guard_btf::Base;
use btf_guard_btf::features::Features;
use object::elf;

use super::{Error, Kernel, KernelConfig, KernelSource, Target, image};
use crate::module::ElfTarget;
use crate::module::source::Regular;

/// Where the kernel shows its base BTF (`kernel/bpf/sysfs_btf.c`, since 5.4).
const BTF: &str = "/sys/kernel/btf/vmlinux";

/// `uname -r`.
pub(crate) fn release() -> String {
    let uname = rustix::system::uname();
    uname.release().to_string_lossy().into_owned()
}

/// The running kernel, its BTF from [`BTF`]; without one where it shows none.
pub(crate) fn read() -> Result<Kernel, Error> {
    let mut btf = Vec::new();
    let base = match Regular::open(Path::new(BTF)) {
        Ok(file) => {
            file.read_all(image::MAX_BTF, &mut btf)?;
            Base::parse(btf)?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Base::none(),
        Err(error) => return Err(error.into()),
    };
    let uname = rustix::system::uname();
    let release = release();
    Ok(Kernel {
        abilities: Features::of(&base, Some(&release)),
        config: KernelConfig::of_running(&release),
        release: Some(release),
        build: Some(uname.version().to_string_lossy().into_owned()),
        moment: Target::Running,
        source: KernelSource::Running,
        base: Arc::new(base),
        target: uname.machine().to_str().ok().and_then(target),
        sha256: OnceLock::new(),
    })
}

/// What modules must be built for on a machine that `uname -m` calls so
/// (`UTS_MACHINE` of the kernel's `arch/*/Makefile`); `None` if the name is
/// not known.
fn target(machine: &str) -> Option<ElfTarget> {
    use btf_guard_btf::Order::{Big, Little};
    let (machine, is_64, order) = match machine {
        "x86_64" => (elf::EM_X86_64, true, Little),
        "aarch64" => (elf::EM_AARCH64, true, Little),
        "aarch64_be" => (elf::EM_AARCH64, true, Big),
        "s390x" => (elf::EM_S390, true, Big),
        "ppc64le" => (elf::EM_PPC64, true, Little),
        "ppc64" => (elf::EM_PPC64, true, Big),
        "ppc" => (elf::EM_PPC, false, Big),
        "riscv64" => (elf::EM_RISCV, true, Little),
        "loongarch64" => (elf::EM_LOONGARCH, true, Little),
        "i386" | "i486" | "i586" | "i686" => (elf::EM_386, false, Little),
        // armv5tel, armv6l, armv7l; armv7b is big-endian.
        arm if arm.starts_with("armv") && arm.ends_with('l') => (elf::EM_ARM, false, Little),
        arm if arm.starts_with("armv") && arm.ends_with('b') => (elf::EM_ARM, false, Big),
        _ => return None,
    };
    Some(ElfTarget {
        machine: machine.0,
        is_64,
        order,
        elf_type: elf::ET_REL.0,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use btf_guard_btf::Order;

    use super::*;

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
}
