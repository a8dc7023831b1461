// SPDX-License-Identifier: GPL-2.0-or-later
//! UKIs, sound and not.

use btf_guard_btf::Order;

use super::assemble::{arm64, dos, riscv, uki, zboot};
use super::*;
use crate::kernel::image::detect::Outline;
use crate::kernel::image::uki::Uki;

fn of(bytes: &[u8]) -> Uki {
    Outline::of(bytes).unwrap().uki.unwrap()
}

/// The words of a UKI around this `.linux` and sections.
fn words(sections: &[(&str, &[u8])]) -> Uki {
    of(&uki(&[&[(".linux", &b"\x7fELF"[..])], sections].concat()))
}

#[test]
fn every_kernel_inside() {
    for format in ALL {
        let kernel = bzimage(&payload(format), VERSION);
        let parts: [(&str, &[u8]); 3] =
            [(".osrel", b"ID=x"), (".linux", &kernel), (".initrd", b"i")];
        let image = both(&uki(&parts)).unwrap();
        assert_eq!(image.base_btf, b"base btf");
        assert_eq!(image.release.as_deref(), Some("6.18.15-x"));
        assert_eq!(image.build.as_deref(), Some("#9 SMP y"));

        let kernel = zboot(&pack(format, &vmlinux_elf().bytes()));
        check(&both(&uki(&[(".linux", &kernel)])).unwrap());
        let kernel = pack(format, &vmlinux_elf().bytes());
        check(&both(&uki(&[(".linux", &kernel)])).unwrap());
    }
    check(&both(&uki(&[(".linux", &vmlinux_elf().bytes())])).unwrap());
    for kernel in [arm64(Order::Little, true), riscv(true, false)] {
        let plain = both(&kernel).unwrap();
        let inside = both(&uki(&[(".linux", &kernel)])).unwrap();
        assert_eq!(format!("{plain:?}"), format!("{inside:?}"));
    }
}

#[test]
fn what_it_says_of_itself() {
    let bytes = uki(&[
        (".osrel", b"ID=x\nNAME=\"X\"\n"),
        (".uname", b"6.18.15-x\n\0junk"),
        (".cmdline", b"  root=a \"b  c\"\n quiet\t1 \0"),
        (".linux", &vmlinux_elf().bytes()),
        (".initrd", b"an initrd"),
        // The first counts.
        (".uname", b"7.0"),
        (".initrd", b"another"),
    ]);
    let uki = of(&bytes);
    assert_eq!(uki.uname.as_deref(), Some("6.18.15-x"));
    assert_eq!(uki.cmdline.as_deref(), Some("root=a \"b  c\"  quiet 1"));
    assert_eq!(uki.os_release.as_deref(), Some("ID=x\nNAME=\"X\"\n"));
    let part = |range: &std::ops::Range<u64>| &bytes[range.start as usize..range.end as usize];
    assert_eq!(part(&uki.linux), vmlinux_elf().bytes());
    assert_eq!(part(&uki.initrd.unwrap()), b"an initrd");
    assert_eq!(uki.profile_initrds, []);

    let bare = words(&[]);
    assert_eq!((bare.uname, bare.cmdline, bare.initrd), (None, None, None));
    let escaped = words(&[(".uname", b"\x1b[31m")]).uname;
    assert_eq!(escaped.as_deref(), Some("\\x1b[31m"));
}

#[test]
fn profiles_override_the_base() {
    let bytes = uki(&[
        (".linux", &vmlinux_elf().bytes()),
        (".cmdline", b"base"),
        (".initrd", b"1"),
        (".profile", b"ID=main"),
        (".profile", b"ID=reset"),
        (".cmdline", b"reset"),
        (".linux", b"another kernel"),
        (".profile", b""),
        (".initrd", b"22"),
    ]);
    check(&both(&bytes).unwrap());
    let uki = of(&bytes);
    assert_eq!(uki.cmdline.as_deref(), Some("base"));
    let length = |range: &std::ops::Range<u64>| range.end - range.start;
    assert_eq!(uki.initrd.as_ref().map(length), Some(1));
    let own: Vec<_> = uki.profile_initrds.iter().map(length).collect();
    assert_eq!(own, [2]);
    // The base need not have a kernel, nor anything.
    let bytes = pe(&[
        (".profile", b"ID=a"),
        (".linux", &vmlinux_elf().bytes()),
        (".uname", b"6"),
    ]);
    check(&both(&bytes).unwrap());
    assert_eq!(of(&bytes).uname, None);
}

fn pe(sections: &[(&str, &[u8])]) -> Vec<u8> {
    super::assemble::pe(&dos(), 0x8664, sections)
}

#[test]
fn too_many_profiles_and_too_long_texts() {
    let linux = (".linux", &b"\x7fELF"[..]);
    let mut sections = vec![linux];
    sections.resize(257, (".profile", &b"ID=x"[..]));
    of(&pe(&sections));
    sections.push((".profile", b"ID=x"));
    refused(&pe(&sections), "at most 256 sections .profile");

    let text = vec![b' '; 65537];
    let uki = of(&pe(&[linux, (".cmdline", &text[1..])]));
    assert_eq!(uki.cmdline.as_deref(), Some(""));
    let too_long = pe(&[linux, (".cmdline", &text)]);
    refused(&too_long, "a section .cmdline of at most 65536 bytes");
}

#[test]
fn most_sections_that_a_pe_file_can_have() {
    let mut sections = vec![(".a", &b""[..]); 65534];
    sections.push((".linux", b"\x7fELF"));
    let before = std::time::Instant::now();
    let linux = of(&pe(&sections)).linux;
    assert_eq!(linux.end - linux.start, 4);
    assert!(before.elapsed().as_secs() < 10);
    // As many, but not in the file.
    let mut bytes = pe(&[(".linux", b"\x7fELF")]);
    bytes[0x46..0x48].copy_from_slice(&[0xff, 0xff]);
    let error = refused(&bytes, "a PE section table of 2621400 bytes");
    assert_eq!(error.offset, 0x40 + 24 + 240);
}

#[test]
fn a_uki_in_a_uki_is_refused() {
    let inner = uki(&[(".linux", &bzimage(&payload(Format::Xz), VERSION))]);
    let outer = uki(&[(".linux", &inner)]);
    let error = refused(&outer, "a kernel as the UKI's .linux, not another UKI");
    // Where `.linux` is, by its bytes.
    let second = memchr::memmem::find_iter(&outer, b"MZ").nth(1).unwrap();
    assert_eq!(error.offset, second as u64);
    let script = uki(&[(".linux", b"#!/bin/sh")]);
    refused(&script, "a kernel as the UKI's .linux: a");
}

#[test]
fn a_pe_file_without_a_kernel_is_none() {
    for name in [".text", ".linuxes"] {
        refused(&pe(&[(name, b"\x7fELF")]), "a kernel: a vmlinux");
    }
    refused(&pe(&[]), "a kernel: a vmlinux");
}

#[test]
fn the_optional_header_says_its_own_length() {
    // PE32, for 32-bit machines, has 16 bytes less than PE32+.
    let mut bytes = pe(&[(".linux", &vmlinux_elf().bytes())]);
    bytes[0x54] = 224;
    let table = 0x40 + 24;
    bytes.copy_within(table + 240..table + 280, table + 224);
    check(&both(&bytes).unwrap());
    // What does not begin as a DOS file is none.
    bytes[0] = b'm';
    refused(&bytes, "a kernel: a vmlinux");
}

#[test]
fn errors_inside_are_placed_in_the_file() {
    let kernel = bzimage(&payload(Format::Xz), VERSION);
    let mut bytes = uki(&[(".linux", &kernel)]);
    let start = of(&bytes).linux.start;
    let at = start as usize + 3 * 512 + 0x40 + 30;
    bytes[at] ^= 0xff;
    let error = malformed(both(&bytes));
    assert!(error.offset >= start + 3 * 512 + 0x40, "{error}");
    // A bzImage that is cut before it was put in.
    let bytes = uki(&[(".linux", &kernel[..kernel.len() - 101])]);
    let error = refused(&bytes, "a bzImage of at least");
    assert_eq!(error.offset, start + kernel.len() as u64 - 101);
    // An ELF file that is none.
    let error = malformed(both(&uki(&[(".linux", b"\x7fELF\x02\x03")])));
    assert_eq!(error.offset, start + 5);
}

#[test]
fn sections_must_be_in_the_file() {
    let kernel = bzimage(&payload(Format::Xz), VERSION);
    let bytes = uki(&[(".linux", &kernel), (".initrd", &[9; 1000])]);
    let cut = &bytes[..bytes.len() - 1];
    let expected = "a section .initrd inside the file, which ends 1 bytes short of it";
    let error = refused(cut, expected);
    // Where its header is.
    let header = &bytes[error.offset as usize..];
    assert!(header.starts_with(b".initrd\0"));
    for length in 0..bytes.len() {
        malformed(parse(&bytes[..length]));
    }
    let empty = malformed(both(&uki(&[(".linux", b"")])));
    assert_eq!(empty.expected, "a section .linux that is not empty");
}

#[test]
fn every_changed_byte_of_the_headers_is_survived() {
    let good = uki(&[
        (".linux", &vmlinux_elf().bytes()),
        (".profile", b"ID=a"),
        (".cmdline", b"a"),
    ]);
    for at in 0..0x300 {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[at] = value;
            let _ = parse(&bad);
        }
    }
}
