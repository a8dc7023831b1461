// SPDX-License-Identifier: GPL-2.0-or-later
//! Raw kernels, plain and compressed, and those that wrap them.

use btf_guard_btf::Order;

use super::assemble::{CONFIG, arm64, base, loongarch, memory, note, riscv, s390x, zboot};
use super::*;

fn check_raw(image: &Image, machine: u16, order: Order) {
    assert_eq!(image.base_btf, base(order));
    assert_eq!(image.release.as_deref(), Some("6.1.0-56-amd64"));
    assert_eq!(image.build.as_deref(), Some(BUILD));
    assert_eq!(image.config.as_deref(), Some(CONFIG));
    assert_eq!(image.build_id, Some("ab".repeat(20)));
    let target = image.target.unwrap();
    assert_eq!((target.machine, target.order), (machine, order));
    assert_eq!((target.is_64, target.elf_type), (true, 1));
}

#[test]
fn every_raw_image_plain_compressed_and_in_a_zboot() {
    for (bytes, machine, order) in [
        (arm64(Order::Little, true), 183, Order::Little),
        (arm64(Order::Little, false), 183, Order::Little),
        (arm64(Order::Big, true), 183, Order::Big),
        (riscv(true, true), 243, Order::Little),
        (riscv(true, false), 243, Order::Little),
        (riscv(false, true), 243, Order::Little),
        (loongarch(), 258, Order::Little),
        (s390x(&memory(Order::Big)), 22, Order::Big),
    ] {
        check_raw(&both(&bytes).unwrap(), machine, order);
        for format in ALL {
            let packed = pack(format, &bytes);
            check_raw(&both(&packed).unwrap(), machine, order);
            check_raw(&both(&zboot(&packed)).unwrap(), machine, order);
            // The kernel's build leaves the length out of the payload's.
            let mut sized = zboot(&packed);
            sized.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            check_raw(&both(&sized).unwrap(), machine, order);
        }
    }
}

#[test]
fn a_zboot_may_hold_a_vmlinux() {
    for format in ALL {
        check(&both(&zboot(&pack(format, &vmlinux_elf().bytes()))).unwrap());
    }
    let btf = zboot(&pack(Format::Xz, &base(Order::Little)));
    refused(&btf, "a vmlinux (ELF) or a raw Image as the zboot payload");
    refused(&zboot(b"not packed"), "a payload compressed by");
}

#[test]
fn a_compressed_s390x_image() {
    for format in ALL {
        let mut payload = pack(format, &memory(Order::Big));
        if format != Format::Gzip {
            payload.extend_from_slice(&(memory(Order::Big).len() as u32).to_le_bytes());
        }
        check_raw(&both(&s390x(&payload)).unwrap(), 22, Order::Big);
    }
}

#[test]
fn an_s390x_image_without_btf_or_cut_short() {
    for payload in [Vec::new(), pack(Format::Zstd, b"no BTF in here")] {
        let expected = "a kernel, known by its base BTF or its banner";
        refused(&s390x(&payload), expected);
    }
    // The other byte order's is another machine's; that it is a kernel shows.
    let other = memory(Order::Little);
    for payload in [pack(Format::Zstd, &other), other] {
        assert_eq!(both(&s390x(&payload)).unwrap().base_btf, b"");
    }

    let mut kernel = memory(Order::Big);
    kernel.extend(sample(16 << 20));
    let image = s390x(&pack(Format::Gzip, &kernel));
    let start = memchr::memmem::find(&image, b"\x1f\x8b\x08").unwrap();
    let error = malformed(both(&image[..image.len() / 2]));
    let expected = format!("cut short (in the kernel that begins at {start:#x})");
    assert!(error.expected.ends_with(&expected), "{error}");
    assert!(error.offset >= start as u64);
}

#[test]
fn a_raw_image_without_btf_or_cut_short() {
    let mut image = arm64(Order::Little, true);
    let at = memchr::memmem::find(&image, b"task_struct").unwrap();
    image[at] = b'T';
    assert_eq!(both(&image).unwrap().base_btf, b"");
    for image in [arm64(Order::Little, true), riscv(true, true), loongarch()] {
        let error = malformed(both(&image[..image.len() - 1]));
        let expected = "a section .data inside the file, which ends 1 bytes short of it";
        assert_eq!(error.expected, expected);
        for length in 0..image.len() {
            assert!(parse(&image[..length]).is_err());
        }
    }
    let image = arm64(Order::Little, false);
    for length in 0..image.len() {
        let _ = parse(&image[..length]);
    }
}

#[test]
fn a_zboot_that_lies_about_its_payload() {
    let good = zboot(&pack(Format::Zstd, &arm64(Order::Little, true)));
    let size = good.len() as u32;
    let end = u64::from(size);
    let (long, empty) = (
        "an EFI zboot image of at least",
        "the length of the zboot payload, not 0",
    );
    for (start, length, offset, expected) in [
        (size - 4, 5, end, long),
        (u32::MAX, u32::MAX, end, long),
        (0x200, 0, 0xc, empty),
        (size, 0, 0xc, empty),
        (0, 64, 0, "a payload compressed by"),
    ] {
        let mut bad = good.clone();
        bad[8..12].copy_from_slice(&start.to_le_bytes());
        bad[12..16].copy_from_slice(&length.to_le_bytes());
        let error = refused(&bad, expected);
        assert_eq!(error.offset, offset);
    }
    for length in 0..0x100 {
        malformed(both(&good[..length]));
    }
}

#[test]
fn build_ids() {
    let id_of = |bytes: &[u8]| both(bytes).unwrap().build_id;
    for order in [Order::Little, Order::Big] {
        let mut elf = vmlinux_elf();
        elf.order = order;
        // Another vendor's note comes first, and one of another type.
        let mut notes = note(order, 1);
        notes[12..15].copy_from_slice(b"XEN");
        let mut other = note(order, 2);
        other[if order == Order::Little { 8 } else { 11 }] = 5;
        notes.extend(other);
        let without = elf.clone().with(".notes", &notes);
        assert_eq!(id_of(&without.bytes()), None);
        notes.extend(note(order, 0xcd));
        let with = elf.with(".notes", &notes);
        assert_eq!(id_of(&with.bytes()), Some("cd".repeat(20)));
    }
    // In a raw kernel, the vDSO's makes it doubtful; the same again does not.
    let mut image = arm64(Order::Little, false);
    image.extend(note(Order::Little, 0xab));
    assert_eq!(id_of(&image), Some("ab".repeat(20)));
    image.extend(note(Order::Little, 0xac));
    assert_eq!(id_of(&image), None);
}
