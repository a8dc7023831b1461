// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;

use super::test_elf::Elf;
use super::*;
use crate::compression::Format;
use crate::compression::tests::pack;

const INFO: &[u8] = b"license=GPL\0name=nf_demo\0vermagic=6.1.0-56-amd64 SMP mod_unload \0";

fn demo() -> Elf {
    Elf::module()
        .with(".text", b"\x90\x90\x90")
        .with(".modinfo", INFO)
        .with(".BTF", b"split")
        .with(".BTF.base", b"distilled")
}

fn malformed(result: Result<Module, Error>) -> Malformed {
    match result {
        Err(Error::Malformed(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// What is wrong with these bytes, which no kernel has refused, begins like that.
fn unread(bytes: &[u8], expected: &str) {
    let error = malformed(both(bytes, "x.ko"));
    assert!(error.expected.starts_with(expected), "{error}");
}

/// What the loader finds wrong with these bytes.
fn fault(bytes: &[u8]) -> ElfError {
    let module = both(bytes, "nf-x.ko.xz").unwrap();
    assert_eq!((module.name.as_str(), &module.btf), ("nf_x", &None));
    let (error, found) = module
        .fault
        .unwrap_or_else(|| panic!("{} bytes", bytes.len()));
    assert!(found.contains("expected"), "{found}");
    error
}

/// Reads the same bytes from memory and from a file; both must agree.
fn both(bytes: &[u8], name: &str) -> Result<Module, Error> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    let from_file = open(&path);
    let from_memory = parse(bytes, name);
    assert_eq!(format!("{from_file:?}"), format!("{from_memory:?}"));
    from_memory
}

#[test]
fn a_module_of_either_class_and_byte_order_is_read() {
    for is_64 in [true, false] {
        for order in [Order::Little, Order::Big] {
            let mut elf = demo();
            (elf.is_64, elf.order, elf.machine) = (is_64, order, 0x1234);
            let module = both(&elf.bytes(), "other-name.ko").unwrap();
            assert_eq!(module.name, "nf_demo");
            assert_eq!(module.vermagic.unwrap(), "6.1.0-56-amd64 SMP mod_unload ");
            assert_eq!(module.btf.as_deref(), Some(&b"split"[..]));
            assert_eq!(module.btf_base.as_deref(), Some(&b"distilled"[..]));
            let target = module.target.unwrap();
            assert_eq!((target.machine, target.elf_type), (0x1234, 1));
            assert_eq!((target.is_64, target.order), (is_64, order));
        }
    }
}

#[test]
fn compressed_modules_are_told_by_their_magic() {
    for format in [Format::Gzip, Format::Xz, Format::Zstd] {
        let bytes = pack(format, &demo().bytes());
        for name in ["x.ko", "x.ko.zst", "x.ko.gz"] {
            assert_eq!(both(&bytes, name).unwrap().btf.unwrap(), b"split");
        }
        assert_eq!(parse(&bytes, "x").unwrap().name, "nf_demo");
    }
    for format in [Format::Lz4, Format::Lzma, Format::Bzip2] {
        let error = fault(&pack(format, &demo().bytes()));
        assert_eq!(error, ElfError::InvalidElfMagic, "{format:?}");
    }
    let twice = pack(Format::Zstd, &pack(Format::Gzip, &demo().bytes()));
    assert_eq!(fault(&twice), ElfError::InvalidElfMagic);
    let nothing = pack(Format::Zstd, b"");
    assert_eq!(fault(&nothing), ElfError::InvalidElfLength { length: 0 });
}

#[test]
fn a_module_without_sections_or_with_empty_ones() {
    let module = both(&Elf::module().bytes(), "snd-x.ko.xz").unwrap();
    assert_eq!((module.name.as_str(), module.vermagic), ("snd_x", None));
    assert_eq!((module.btf, module.btf_base), (None, None));
    let elf = Elf::module()
        .with(".BTF", b"")
        .with(".BTF.base", b"")
        .with(".modinfo", b"name=\0vermagic=6.1\0");
    let module = both(&elf.bytes(), "a-b.ko").unwrap();
    assert_eq!(
        (module.name, module.vermagic.unwrap()),
        ("a_b".into(), "6.1".into())
    );
    assert_eq!((module.btf, module.btf_base), (Some(vec![]), Some(vec![])));
}

#[test]
fn the_first_section_of_a_name_counts_whatever_its_type() {
    let mut elf = Elf::module()
        .with(".BTF.ext", b"no")
        .with(".BT", b"no")
        .with(".BTF", b"first")
        .with(".BTF", b"second");
    // SHT_NULL, SHT_NOBITS, SHT_NOTE
    for kind in [0, 8, 7] {
        elf.sections[2].1 = kind;
        assert_eq!(both(&elf.bytes(), "x.ko").unwrap().btf.unwrap(), b"first");
    }
}

#[test]
fn section_zero_has_no_name() {
    let elf = demo();
    let mut bytes = elf.bytes();
    let (_, entry) = elf.lengths();
    // Section 0 becomes another `.BTF`, with the content of `.text`.
    let at = elf.table();
    let (text, btf) = (at + entry, at + 3 * entry);
    bytes.copy_within(text..text + entry, at);
    bytes.copy_within(btf..btf + 4, at);
    assert_eq!(both(&bytes, "x.ko").unwrap().btf.unwrap(), b"split");
}

#[test]
fn only_relocatable_files_have_sections() {
    let mut elf = demo();
    elf.elf_type = 2;
    let mut bytes = elf.bytes();
    let module = both(&bytes, "vmlinux").unwrap();
    assert_eq!(module.target.unwrap().elf_type, 2);
    assert_eq!((module.btf, module.name.as_str()), (None, "vmlinux"));
    bytes.truncate(64);
    assert_eq!(both(&bytes, "x.ko").unwrap().target.unwrap().elf_type, 2);
}

#[test]
fn every_truncation_is_refused() {
    let mut elf = demo();
    for is_64 in [true, false] {
        elf.is_64 = is_64;
        let bytes = elf.bytes();
        let header = elf.lengths().0;
        for length in 0..bytes.len() {
            let expected = match length {
                0 => ElfError::EmptyFile,
                _ if length < header => ElfError::InvalidElfLength {
                    length: length as u64,
                },
                _ => ElfError::SectionTableOutside,
            };
            assert_eq!(fault(&bytes[..length]), expected);
        }
        for format in [Format::Gzip, Format::Xz, Format::Zstd] {
            let packed = pack(format, &bytes);
            for length in 0..packed.len() {
                let errno = match Format::detect(&packed[..length]) {
                    None if length > 0 => -8,
                    _ => -22,
                };
                assert_eq!(
                    fault(&packed[..length]).errno(),
                    errno,
                    "{format:?} {length}"
                );
            }
        }
    }
}

#[test]
fn every_changed_header_byte_is_survived() {
    for is_64 in [true, false] {
        let mut elf = demo();
        elf.is_64 = is_64;
        let bytes = elf.bytes();
        for at in (0..elf.lengths().0).chain(elf.table()..bytes.len()) {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bad = bytes.clone();
                bad[at] = value;
                let _ = parse(&bad, "x.ko");
                if value == 0xff {
                    let _ = both(&bad, "x.ko");
                }
            }
        }
    }
}

/// The sound module with `value` written at `at`.
fn patched(at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = demo().bytes();
    bytes[at..at + value.len()].copy_from_slice(value);
    bytes
}

#[test]
fn bad_headers_are_named() {
    use ElfError::*;
    // Class and byte order: the kernel takes them for its own.
    unread(&patched(4, &[3]), "the ELF class 1 or 2");
    unread(&patched(5, &[0]), "the ELF byte order 1 or 2");
    let names = |index, count| InvalidSectionNameIndex { index, count };
    for (at, value, expected) in [
        (0, &b"\x7fELG"[..], InvalidElfMagic),
        (0x10, &[3, 0], InvalidElfType { elf_type: 3 }),
        (0x28, &[0xff; 8], SectionTableOutside),
        (0x28, &[0, 0, 0, 1], SectionTableOutside),
        (0x3a, &[40, 0], InvalidSectionHeaderSize),
        (0x3c, &[0, 0], names(5, 0)),
        (0x3c, &[0xff, 0xff], SectionTableOutside),
        (0x3e, &[0, 0], names(0, 6)),
        (0x3e, &[7, 0], names(7, 6)),
        (0x3e, &[1, 0], UnterminatedSectionNames),
    ] {
        let bytes = patched(at, value);
        let module = both(&bytes, "x.ko").unwrap();
        let (found, _) = module.fault.unwrap();
        assert_eq!(found, expected);
    }
}

#[test]
fn sections_outside_the_file_are_named() {
    let table = demo().table();
    for section in [1, 3, 5] {
        let header = table + section as usize * 64;
        for (at, value) in [(0x18, [0xf0; 8]), (0x20, [0xf0; 8])] {
            let section_type = if section == 5 { 3 } else { 1 };
            let outside = ElfError::SectionOutside {
                section,
                section_type,
            };
            assert_eq!(fault(&patched(header + at, &value)), outside);
        }
    }
    let empty = fault(&patched(table + 5 * 64 + 0x20, &[0; 8]));
    assert_eq!(empty, ElfError::EmptySectionNames);
    // Without bytes of its own, a section may be anywhere; but not be `.BTF`.
    let mut elf = demo();
    for kind in [0, 8] {
        elf.sections[0].1 = kind;
        let mut bytes = elf.bytes();
        bytes[table + 64 + 0x18..][..8].fill(0xff);
        assert!(both(&bytes, "x.ko").unwrap().fault.is_none());
    }
    elf.sections[2].1 = 8;
    let mut bytes = elf.bytes();
    bytes[table + 3 * 64 + 0x20..][..8].fill(0xff);
    unread(&bytes, ".BTF of ");
}

#[test]
fn what_is_no_module_is_refused_and_huge_sections_are_not_read() {
    let mut names = Elf::module().with(".x", &vec![0; (16 << 20) + 1]).bytes();
    names[0x3e] = 1;
    unread(&names, "section names of at most");
    let info = Elf::module().with(".modinfo", &vec![b'a'; (1 << 20) + 1]);
    unread(&info.bytes(), "a .modinfo of at most");
    for (bytes, expected, errno, log) in [
        (&b""[..], ElfError::EmptyFile, -22, None),
        (
            b"\x7fEL",
            ElfError::InvalidElfLength { length: 3 },
            -8,
            Some("Invalid ELF header len 3"),
        ),
        (
            b"#!/bin/sh\n",
            ElfError::InvalidElfLength { length: 10 },
            -8,
            Some("Invalid ELF header len 10"),
        ),
        (
            &[b'#'; 4096],
            ElfError::InvalidElfMagic,
            -8,
            Some("Invalid ELF header magic: != \\x7fELF"),
        ),
        (b"\x28\xb5\x2f\xfd", ElfError::DamagedCompression, -22, None),
    ] {
        let found = fault(bytes);
        assert_eq!((found, found.errno()), (expected, errno));
        assert_eq!(found.log().first().map(String::as_str), log);
    }
}

#[test]
fn only_regular_files_that_are_not_too_long_are_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let mut mkfifo = std::process::Command::new("mkfifo");
    let made = mkfifo.arg(path("pipe.ko")).status();
    assert!(made.unwrap().success());
    for name in ["", "none", "pipe.ko"] {
        assert!(matches!(open(&path(name)), Err(Error::Io(_))), "{name}");
    }
    let file = fs::File::create(path("x.ko")).unwrap();
    file.set_len(MAX_MODULE as u64 + 1).unwrap();
    assert_eq!(malformed(open(&path("x.ko"))).offset, MAX_MODULE as u64);
}

#[test]
fn the_suffix_btf_means_bare_btf() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("nf-nat.btf");
    fs::write(&file, "not checked here").unwrap();
    let module = open_any(&file).unwrap();
    assert_eq!(module.name, "nf_nat");
    assert_eq!(module.btf.as_deref(), Some(&b"not checked here"[..]));
    assert!(module.target.is_none());

    let empty = dir.path().join("empty.btf");
    fs::write(&empty, "").unwrap();
    assert!(open_any(&empty).is_err());

    let ko = dir.path().join("nf-nat.ko");
    fs::rename(&file, &ko).unwrap();
    assert!(open_any(&ko).unwrap().fault.is_some());
    assert!(open_any(dir.path()).is_err());
}
