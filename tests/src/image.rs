// SPDX-License-Identifier: GPL-2.0-or-later
//! Small kernel images of every format that wraps a kernel or leaves it raw.

/// What a raw kernel has in memory: its banner, and its base BTF.
pub fn memory(release: &str, btf: &[u8]) -> Vec<u8> {
    let banner =
        format!("Linux version {release} (me@here) (gcc) #1 SMP Thu Jan 1 00:00:00 UTC 1970\n\0");
    [banner.as_bytes(), btf].concat()
}

/// A PE file for this machine: its sections behind `head`, which has a DOS
/// header's 64 bytes or more.
pub fn pe(head: &[u8], machine: u16, sections: &[(&str, &[u8])]) -> Vec<u8> {
    const OPTIONAL_HEADER: usize = 240;
    let padded = |length: usize| length.next_multiple_of(0x200);
    let mut out = head.to_vec();
    let start = out.len();
    out[..2].copy_from_slice(b"MZ");
    out[0x3c..0x40].copy_from_slice(&(start as u32).to_le_bytes());
    out.extend_from_slice(b"PE\0\0");
    let count = sections.len() as u16;
    for half in [
        machine,
        count,
        0,
        0,
        0,
        0,
        0,
        0,
        OPTIONAL_HEADER as u16,
        0x22e,
        0x20b,
    ] {
        out.extend_from_slice(&half.to_le_bytes());
    }
    out.resize(start + 24 + OPTIONAL_HEADER, 0);
    let mut at = padded(out.len() + 40 * sections.len());
    for (name, bytes) in sections {
        let mut header = name.as_bytes().to_vec();
        header.resize(8, 0);
        for value in [bytes.len(), 0x1_0000 + at, padded(bytes.len()), at] {
            header.extend_from_slice(&(value as u32).to_le_bytes());
        }
        header.resize(40, 0);
        out.extend_from_slice(&header);
        at += padded(bytes.len());
    }
    for (_, bytes) in sections {
        out.resize(padded(out.len()), 0);
        out.extend_from_slice(bytes);
    }
    out.resize(padded(out.len()), 0);
    out
}

/// A UKI for x86 of these sections.
pub fn uki(sections: &[(&str, &[u8])]) -> Vec<u8> {
    pe(&[0; 64], 0x8664, sections)
}

fn raw(magic: &[u8], at: usize, machine: u16, memory: &[u8]) -> Vec<u8> {
    let mut head = [0; 64];
    head[at..at + magic.len()].copy_from_slice(magic);
    pe(&head, machine, &[(".data", memory)])
}

/// An arm64 `Image` with an EFI stub.
pub fn arm64(memory: &[u8]) -> Vec<u8> {
    raw(b"ARM\x64", 0x38, 0xaa64, memory)
}

/// A riscv64 `Image` with an EFI stub.
pub fn riscv64(memory: &[u8]) -> Vec<u8> {
    raw(b"RISCV\0\0\0RSC\x05", 0x30, 0x5064, memory)
}

/// A LoongArch `vmlinux.efi`.
pub fn loongarch64(memory: &[u8]) -> Vec<u8> {
    raw(b"\xcd\x23\x82\x81", 0x38, 0x6264, memory)
}

/// An s390x image: the decompressor's header, then the kernel, compressed or not.
pub fn s390x(kernel: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 0x1_1000];
    out[0x1_0008..0x1_000e].copy_from_slice(b"S390EP");
    out.extend_from_slice(kernel);
    out
}

/// An EFI zboot image for arm64 around a compressed kernel.
pub fn zboot(payload: &[u8]) -> Vec<u8> {
    let mut head = vec![0; 64];
    head[4..8].copy_from_slice(b"zimg");
    // The headers of one section and no more: the payload begins at 0x200.
    head[8..12].copy_from_slice(&0x200_u32.to_le_bytes());
    head[12..16].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    pe(&head, 0xaa64, &[(".text", payload)])
}
