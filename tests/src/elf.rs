// SPDX-License-Identifier: GPL-2.0-or-later
//! Small ELF files around chosen sections: modules and vmlinux.

use object::write::Object;
use object::{Architecture, BinaryFormat, Endianness, SectionKind};

/// A relocatable x86-64 file with the given sections: a module.
pub fn module(sections: &[(&str, &[u8])]) -> Vec<u8> {
    relocatable(Architecture::X86_64, Endianness::Little, sections)
}

/// A relocatable file for any machine.
pub fn relocatable(
    architecture: Architecture,
    endian: Endianness,
    sections: &[(&str, &[u8])],
) -> Vec<u8> {
    let mut object = Object::new(BinaryFormat::Elf, architecture, endian);
    for (name, bytes) in sections {
        let id = object.add_section(Vec::new(), name.as_bytes().to_vec(), SectionKind::Metadata);
        object.append_section_data(id, bytes, 1);
    }
    object.write().unwrap()
}

/// A `.ko` named `name` for release 6.18.15-test whose `.BTF` is `btf`.
pub fn named_module(name: &str, btf: &[u8]) -> Vec<u8> {
    let info = format!("name={name}\0vermagic=6.18.15-test SMP preempt mod_unload \0license=GPL\0");
    module(&[(".modinfo", info.as_bytes()), (".BTF", btf)])
}

/// A vmlinux of `release` whose base BTF is `btf`: an executable with the
/// version banner in `.rodata`.
pub fn vmlinux(release: &str, btf: &[u8]) -> Vec<u8> {
    let banner =
        format!("Linux version {release} (me@here) (gcc) #1 SMP Thu Jan 1 00:00:00 UTC 1970\n\0");
    let mut elf = module(&[(".rodata", banner.as_bytes()), (".BTF", btf)]);
    // e_type: ET_EXEC
    elf[16] = 2;
    elf
}

/// An x86 bzImage of `release` around a compressed kernel.
pub fn bzimage(release: &str, payload: &[u8]) -> Vec<u8> {
    const SETUP_SECTORS: usize = 4;
    const VERSION_AT: usize = 0x300;
    let mut out = vec![0; (SETUP_SECTORS + 1) * 512];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    put(0x1f1, &[SETUP_SECTORS as u8]);
    put(0x1fe, &0xaa55u16.to_le_bytes());
    put(0x202, b"HdrS");
    // Boot protocol 2.15
    put(0x206, &0x020fu16.to_le_bytes());
    put(0x20e, &((VERSION_AT - 0x200) as u16).to_le_bytes());
    put(0x211, &[1]);
    put(0x236, &1u16.to_le_bytes());
    put(0x248, &0u32.to_le_bytes());
    put(0x24c, &(payload.len() as u32).to_le_bytes());
    let version = format!("{release} (me@here) #1 SMP Thu Jan 1 00:00:00 UTC 1970\0");
    put(VERSION_AT, version.as_bytes());
    out.extend_from_slice(payload);
    out
}
