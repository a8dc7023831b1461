// SPDX-License-Identifier: GPL-2.0-or-later
//! Images of every format, put together around small payloads.

use btf_guard_btf::Order;

use super::*;

/// BTF of `count` pointers and one struct of this name.
pub(crate) fn sample_btf(order: Order, header: u32, name: &str, count: usize) -> Vec<u8> {
    let strings = format!("\0{name}\0");
    let mut types = [0, 2 << 24, 0].repeat(count);
    types.extend([1, 4 << 24, 0]);
    let length = 4 * types.len() as u32;
    let magic = match order {
        Order::Little => 0x0001_eb9f,
        Order::Big => 0xeb9f_0100,
    };
    let mut words = vec![magic, header, 0, length, length, strings.len() as u32];
    words.resize(header as usize / 4, 0);
    words.extend(types);
    let words = words.into_iter().flat_map(|word| order.bytes(word));
    words.chain(strings.into_bytes()).collect()
}

/// `NT_GNU_BUILD_ID` of twenty bytes, all of them `byte`.
pub(crate) fn note(order: Order, byte: u8) -> Vec<u8> {
    let words = [4, 20, 3].map(|word| order.bytes(word));
    [&words.concat()[..], b"GNU\0", &[byte; 20]].concat()
}

pub(crate) const CONFIG: &str = "CONFIG_MODULES=y\nCONFIG_IKCONFIG=y\n";

/// The base BTF in [`memory`].
pub(crate) fn base(order: Order) -> Vec<u8> {
    sample_btf(order, 32, "task_struct", 40)
}

/// What a raw kernel has in memory: a BPF program, the base, texts, a note.
pub(crate) fn memory(order: Order) -> Vec<u8> {
    let mut out = sample_btf(order, 24, "bpf_iter", 70);
    out.extend_from_slice(&[0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 0xeb, 0x9f, 1, 0]);
    out.extend_from_slice(RODATA_TEXT);
    out.extend_from_slice(&base(order));
    out.extend_from_slice(b"IKCFG_ST");
    out.extend_from_slice(&pack(Format::Gzip, CONFIG.as_bytes()));
    out.extend_from_slice(b"IKCFG_ED");
    out.extend_from_slice(&note(order, 0xab));
    out
}

/// A PE file: its sections behind `head`, which begins with `MZ` and has at
/// least the 64 bytes of a DOS header.
pub(crate) fn pe(head: &[u8], machine: u16, sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = head.to_vec();
    let start = out.len();
    out[0x3c..0x40].copy_from_slice(&(start as u32).to_le_bytes());
    out.extend_from_slice(b"PE\0\0");
    let (count, length) = (sections.len() as u16, 240);
    for half in [machine, count, 0, 0, 0, 0, 0, 0, length, 0x22e, 0x20b] {
        out.extend_from_slice(&half.to_le_bytes());
    }
    out.resize(start + 24 + 240, 0);
    let padded = |length: usize| length.next_multiple_of(0x200);
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

pub(super) fn dos() -> Vec<u8> {
    let mut out = b"MZ".to_vec();
    out.resize(0x40, 0);
    out
}

/// An arm64 `Image`, with or without an EFI stub.
pub(crate) fn arm64(order: Order, stub: bool) -> Vec<u8> {
    let mut head = dos();
    head[0x18] = 0xa | u8::from(order == Order::Big);
    head[0x38..0x3c].copy_from_slice(b"ARM\x64");
    raw(head, 0xaa64, order, stub)
}

/// A riscv64 `Image`; newer ones have the second magic alone.
pub(crate) fn riscv(first: bool, stub: bool) -> Vec<u8> {
    let mut head = dos();
    if first {
        head[0x30..0x35].copy_from_slice(b"RISCV");
    }
    head[0x38..0x3c].copy_from_slice(b"RSC\x05");
    raw(head, 0x5064, Order::Little, stub)
}

/// A LoongArch `vmlinux.efi`, which cannot be without its stub.
pub(crate) fn loongarch() -> Vec<u8> {
    let mut head = dos();
    head[0x38..0x3c].copy_from_slice(b"\xcd\x23\x82\x81");
    raw(head, 0x6264, Order::Little, true)
}

fn raw(mut head: Vec<u8>, machine: u16, order: Order, stub: bool) -> Vec<u8> {
    if stub {
        let sections: [(&str, &[u8]); 2] = [(".text", &[0x1f; 700]), (".data", &memory(order))];
        return pe(&head, machine, &sections);
    }
    head[..2].copy_from_slice(&[0x6f, 0x10]);
    head.extend(memory(order));
    head
}

/// An s390x image around what follows the decompressor.
pub(crate) fn s390x(payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x40; 0x1_0000];
    out.extend_from_slice(b"\xa7\xf4\0\x0c\0\0\0\0S390EP\0\x01");
    out.resize(0x1_2340, 7);
    // What a decompressor has in its own code and tables.
    out.extend_from_slice(b"\x28\xb5\x2f\xfd\0\0\0\0Linux version %s (x)\n\0");
    out.resize(out.len().next_multiple_of(8), 0);
    out.extend_from_slice(payload);
    out.resize(out.len().next_multiple_of(4096) + 4096 - 4, 0);
    out.extend_from_slice(b"zIPL");
    out
}

/// An EFI zboot image.
pub(crate) fn zboot(payload: &[u8]) -> Vec<u8> {
    let mut head = dos();
    head[4..8].copy_from_slice(b"zimg");
    head[0x38..0x3c].copy_from_slice(b"\xcd\x23\x82\x81");
    let mut out = pe(&head, 0xaa64, &[(".text", payload), (".data", &[1; 100])]);
    let start = out.windows(payload.len()).position(|part| part == payload);
    out[8..12].copy_from_slice(&(start.unwrap() as u32).to_le_bytes());
    out[12..16].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    out[0x18..0x1c].copy_from_slice(b"any\0");
    out
}

/// A UKI of these sections, behind those of the stub.
pub(crate) fn uki(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let stub: &[(&str, &[u8])] = &[(".text", &[0xcc; 600]), (".sbat", b"sbat,1")];
    let head = [&dos()[..], &[0; 64]].concat();
    pe(&head, 0x8664, &[stub, sections].concat())
}
