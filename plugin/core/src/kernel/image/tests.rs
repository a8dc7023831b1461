// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

pub(crate) mod assemble;
pub(super) mod peek;
mod raw;
mod uki;

use std::fs;

use btf_guard_btf::Order;
use btf_guard_btf::error::Malformed;

use super::*;
use crate::compression::Format;
use crate::compression::tests::{ALL, pack, sample};
use crate::module::test_elf::Elf;

const RODATA_TEXT: &[u8] = b"xx\0Linux version %s (%s)\0\
    Linux version 6.1.0-56-amd64 (b@h) (gcc, ld) #1 SMP Debian 6.1.192-2\n\0";

fn vmlinux_elf() -> Elf {
    let mut elf = Elf::module()
        .with(".text", &[0xe8; 1000])
        .with(".rodata", RODATA_TEXT)
        .with(".BTF", b"base btf");
    elf.elf_type = 2;
    elf
}

/// Sets up `payload` as the kernel's build does.
fn bzimage(payload: &[u8], version: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 3 * 512 + 0x40];
    out[0x1f1] = 2;
    out[0x1fe..0x206].copy_from_slice(b"\x55\xaa\xeb\x66HdrS");
    out[0x206..0x208].copy_from_slice(&0x020f_u16.to_le_bytes());
    if !version.is_empty() {
        out[0x20e..0x210].copy_from_slice(&0x123_u16.to_le_bytes());
        out[0x323..][..version.len()].copy_from_slice(version);
    }
    out[0x248..0x24c].copy_from_slice(&0x40_u32.to_le_bytes());
    out[0x24c..0x250].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(payload);
    out.extend_from_slice(&[0x90; 100]);
    out
}

/// A payload: the kernel and its relocations, with the length at the end.
fn payload(format: Format) -> Vec<u8> {
    let mut kernel = vmlinux_elf().bytes();
    kernel.extend_from_slice(&[0x81; 64]);
    let mut out = pack(format, &kernel);
    if format != Format::Gzip {
        out.extend_from_slice(&(kernel.len() as u32).to_le_bytes());
    }
    out
}

/// Reads the same bytes from memory and from a file; both must agree.
fn both(bytes: &[u8]) -> Result<Image, Error> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    let from_file = open(file.path());
    let from_memory = parse(bytes);
    assert_eq!(format!("{from_file:?}"), format!("{from_memory:?}"));
    from_memory
}

fn malformed(result: Result<Image, Error>) -> Malformed {
    match result {
        Err(Error::Malformed(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// What is wrong with these bytes, which begins like that.
fn refused(bytes: &[u8], expected: &str) -> Malformed {
    let error = malformed(both(bytes));
    assert!(error.expected.starts_with(expected), "{error}");
    error
}

const BUILD: &str = "#1 SMP Debian 6.1.192-2";

/// The version string of a bzImage.
const VERSION: &[u8] = b"6.18.15-x (a@b) #9 SMP y\0";

fn check(image: &Image) {
    assert_eq!(image.base_btf, b"base btf");
    assert_eq!(image.release.as_deref(), Some("6.1.0-56-amd64"));
    assert_eq!(image.build.as_deref(), Some(BUILD));
    let target = image.target.unwrap();
    assert_eq!((target.machine, target.is_64), (62, true));
    assert_eq!((target.order, target.elf_type), (Order::Little, 1));
    assert_eq!(image.config, None);
}

#[test]
fn a_vmlinux_plain_and_compressed() {
    let bytes = vmlinux_elf().bytes();
    check(&both(&bytes).unwrap());
    for format in ALL {
        check(&both(&pack(format, &bytes)).unwrap());
    }
    let (little, big) = (Order::Little, Order::Big);
    for (is_64, order) in [(true, big), (false, little), (false, big)] {
        let mut elf = vmlinux_elf();
        (elf.is_64, elf.order, elf.machine, elf.elf_type) = (is_64, order, 22, 3);
        let image = both(&elf.bytes()).unwrap();
        assert_eq!(image.base_btf, b"base btf");
        let target = image.target.unwrap();
        assert_eq!((target.is_64, target.order), (is_64, order));
        assert_eq!((target.machine, target.elf_type), (22, 1));
    }
}

#[test]
fn a_bzimage_with_every_payload() {
    // Its version string is taken, not the banner inside.
    for format in ALL {
        let image = both(&bzimage(&payload(format), VERSION)).unwrap();
        assert_eq!(image.base_btf, b"base btf", "{format:?}");
        assert_eq!(image.release.as_deref(), Some("6.18.15-x"));
        assert_eq!(image.build.as_deref(), Some("#9 SMP y"));
        assert_eq!(image.target.unwrap().machine, 62);
    }
    // Without one, the banner is.
    check(&both(&bzimage(&payload(Format::Zstd), b"")).unwrap());
}

#[test]
fn the_setup_header_says_where_the_payload_is() {
    let mut bytes = bzimage(&payload(Format::Lz4), b"");
    // No setup sectors means four.
    bytes[0x1f1] = 0;
    bytes.splice(1536..1536, [0; 1024]);
    check(&both(&bytes).unwrap());
    // The payload is not searched for.
    let mut bytes = bzimage(&payload(Format::Gzip), b"");
    bytes[0x248] += 1;
    let error = refused(&bytes, "a payload compressed by");
    assert_eq!(error.offset, 3 * 512 + 0x41);
    // Of an old one, it is not known where it is.
    bytes[0x206] = 7;
    assert_eq!(malformed(both(&bytes)).offset, 0x206);
}

#[test]
fn raw_btf_in_either_order() {
    for bytes in [&b"\x9f\xeb\x01\0rest"[..], b"\xeb\x9f\x01\0rest"] {
        for bytes in [bytes.to_vec(), pack(Format::Xz, bytes)] {
            let image = both(&bytes).unwrap();
            assert_eq!(&image.base_btf[3..], b"\0rest");
            assert!(image.release.is_none() && image.build.is_none());
            assert!(image.target.is_none() && image.config.is_none());
        }
    }
}

#[test]
fn the_config_inside() {
    let text = "CONFIG_MODULES=y\n".repeat(100);
    for (marker, found) in [(&b"IKCFG_ST"[..], true), (b"IKCFG_XX", false)] {
        let mut rodata = b"IKCFG_ST\0 is a marker\0".to_vec();
        rodata.extend_from_slice(marker);
        rodata.extend_from_slice(&pack(Format::Gzip, text.as_bytes()));
        rodata.extend_from_slice(b"IKCFG_ED");
        rodata.extend_from_slice(RODATA_TEXT);
        let mut elf = vmlinux_elf();
        elf.sections[1].2 = rodata;
        let image = both(&elf.bytes()).unwrap();
        assert_eq!(image.config.as_deref(), found.then_some(text.as_str()));
        assert_eq!(image.build.as_deref(), Some(BUILD));
    }
    // Cut short or too long, it is as if it were not there.
    let too_long = vec![b'#'; crate::kernel::config::MAX_CONFIG + 1];
    for text in [&b"CONFIG_X=y"[..], &too_long] {
        let mut rodata = b"IKCFG_ST".to_vec();
        rodata.extend_from_slice(&pack(Format::Gzip, text));
        if text.len() < 100 {
            rodata.pop();
        }
        assert_eq!(crate::kernel::config::embedded(&rodata), None);
    }
}

#[test]
fn a_kernel_without_btf_or_rodata() {
    let mut elf = vmlinux_elf();
    elf.sections.pop();
    let empty = elf.clone().with(".BTF", b"");
    // A file of debug information alone keeps the section without its bytes.
    let mut debug = vmlinux_elf();
    debug.sections[2].1 = 8;
    for elf in [elf, empty, debug] {
        assert_eq!(both(&elf.bytes()).unwrap().base_btf, b"");
    }
    let mut elf = vmlinux_elf();
    elf.sections.remove(1);
    let image = both(&elf.bytes()).unwrap();
    assert_eq!(image.base_btf, b"base btf");
    assert_eq!((image.release, image.build), (None, None));
}

#[test]
fn what_is_no_kernel_is_told_so() {
    for bytes in [&b""[..], b"\x9f\xeb", b"MZ\0\0", &[0; 4096], b"#!/bin/sh\n"] {
        let error = refused(bytes, "a kernel: a vmlinux");
        assert_eq!(error.offset, 0);
    }
    let mut module = vmlinux_elf();
    module.elf_type = 1;
    let expected = "a vmlinux: an ELF executable, not a relocatable file";
    refused(&module.bytes(), expected);
    let packed = pack(Format::Gzip, b"ARM64 Image");
    let expected = "a vmlinux (ELF), a raw Image or raw BTF after decompression";
    refused(&packed, expected);
    let packed = bzimage(&pack(Format::Xz, b"no ELF"), b"");
    refused(&packed, "an ELF file (vmlinux) as the bzImage's payload");
}

#[test]
fn a_bzimage_that_is_cut_short_says_by_how_much() {
    let whole = bzimage(&payload(Format::Xz), b"");
    let end = whole.len() - 100;
    let ends = end - 1;
    let expected =
        format!("a bzImage of at least {end} bytes, as its header promises; it ends after {ends}");
    let error = refused(&whole[..ends], &expected);
    assert_eq!(error.offset, ends as u64);
    assert!(both(&whole[..end]).is_ok());
}

#[test]
fn every_truncation_is_an_error() {
    let elf = vmlinux_elf().bytes();
    for length in 0..elf.len() {
        malformed(both(&elf[..length]));
    }
    for format in ALL {
        let whole = bzimage(&payload(format), b"6.1 #1 x\0");
        for length in 0..whole.len() - 100 {
            malformed(parse(&whole[..length]));
        }
        let whole = pack(format, &elf);
        for length in 0..whole.len() {
            malformed(parse(&whole[..length]));
        }
    }
}

#[test]
fn every_changed_byte_of_the_setup_header_is_survived() {
    let whole = bzimage(&payload(Format::Zstd), b"6.1 #1 x\0");
    for at in 0x1f0..0x250 {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bad = whole.clone();
            bad[at] = value;
            let _ = both(&bad);
        }
    }
}

#[test]
fn a_version_string_that_is_none_is_passed_over() {
    let mut bytes = bzimage(&payload(Format::Zstd), b"6.18 (x) #9 SMP y\0");
    for outside in [0x400_u16, 0xffff] {
        bytes[0x20e..0x210].copy_from_slice(&outside.to_le_bytes());
        check(&both(&bytes).unwrap());
    }
    check(&both(&bzimage(&payload(Format::Zstd), b"no number\0")).unwrap());
}

#[test]
fn a_corrupt_payload_is_placed_in_the_file() {
    let mut bytes = bzimage(&payload(Format::Xz), b"");
    let start = 3 * 512 + 0x40;
    bytes[start + 30] ^= 0xff;
    let error = refused(&bytes, "sound xz data");
    assert!(error.offset >= start as u64, "{error}");
}

#[test]
fn a_file_that_is_too_long_is_not_read() {
    for (head, longest) in [
        (&b"\x9f\xeb\x01\0"[..], MAX_BTF),
        (b"\x1f\x8b\x08\0", MAX_KERNEL as u64),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), head).unwrap();
        file.as_file().set_len(longest + 1).unwrap();
        assert_eq!(malformed(open(file.path())).offset, longest);
    }
}

#[test]
fn a_payload_bomb_stops_at_the_cap() {
    // 600 MiB of zeros, as zstd blocks of one repeated byte.
    let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    for block in 0..600 * 8 {
        let last = u32::from(block == 600 * 8 - 1);
        let header = last | 1 << 1 | (128 << 10) << 3;
        bomb.extend_from_slice(&header.to_le_bytes()[..3]);
        bomb.push(0);
    }
    let error = malformed(parse(&bzimage(&bomb, b"")));
    let expected = "at most 536870912 bytes after decompression";
    assert_eq!(error.expected, expected);
}
