// SPDX-License-Identifier: GPL-2.0-or-later
//! Names, the header, the string section, and the head of every type.

use btf_guard_tests::btf::{Btf, Era, kind};

use crate::{OK, anon, case, everywhere, named_struct, one, verdict};

#[test]
fn names() {
    everywhere("a struct", named_struct(b"foo"), OK);
    everywhere("a dot inside", named_struct(b"foo.bar"), OK);
    everywhere("a dot first", named_struct(b".foo"), OK);
    everywhere(
        "a digit first",
        named_struct(b"9foo"),
        (22, "[{N}] STRUCT 9foo|size=8 vlen=0|Invalid name"),
    );
    everywhere("a Latin-1 letter", named_struct(b"fo\xe9"), OK);
    everywhere(
        "a Latin-1 sign",
        named_struct(b"fo\xd7"),
        (22, "[{N}] STRUCT fo\\xd7|size=8 vlen=0|Invalid name"),
    );
    everywhere(
        "a dash",
        named_struct(b"fo-o"),
        (22, "[{N}] STRUCT fo-o|size=8 vlen=0|Invalid name"),
    );
    everywhere(
        "a dollar",
        named_struct(b"fo$o"),
        (22, "[{N}] STRUCT fo$o|size=8 vlen=0|Invalid name"),
    );
    for len in [127, 128, 511, 512] {
        everywhere("a long name", named_struct(&b"a".repeat(len)), OK);
    }
    let long = "a".repeat(513);
    everywhere(
        "a name that is too long",
        named_struct(long.as_bytes()),
        (
            22,
            &format!("[{{N}}] STRUCT {long}|size=8 vlen=0|Invalid name"),
        ),
    );
    everywhere(
        "an empty name that is not offset 0",
        named_struct(b""),
        (22, "[{N}] STRUCT|size=8 vlen=0|Invalid name"),
    );
    everywhere(
        "an offset just beyond the strings",
        |b, _| {
            b.string("foo");
            b.add(b.next_string(), kind::STRUCT, 0, 8, &[]);
            b.clone()
        },
        // The split's strings are four bytes long.
        (22, "[{N}] Invalid name_offset:{S+4}"),
    );
    everywhere(
        "an offset into the middle of an own string",
        |b, _| {
            let at = b.string("foo");
            b.add(at + 1, kind::STRUCT, 0, 8, &[]);
            b.clone()
        },
        OK,
    );
    everywhere(
        "an offset into the middle of a string of the base",
        // "int" is the first string, at offset 1.
        |b, _| {
            b.add(2, kind::STRUCT, 0, 8, &[]);
            b.clone()
        },
        OK,
    );
    everywhere(
        "the last byte of the base's strings",
        |b, _| {
            b.add(b.next_string() - 1, kind::STRUCT, 0, 8, &[]);
            b.clone()
        },
        (22, "[{N}] STRUCT|size=8 vlen=0|Invalid name"),
    );
    everywhere(
        "the same name twice",
        |b, _| {
            let name = b.string("foo");
            b.add(name, kind::STRUCT, 0, 8, &[]);
            b.add(name, kind::STRUCT, 0, 8, &[]);
            b.clone()
        },
        OK,
    );
}

#[test]
fn long_lines_are_cut_as_the_kernel_cuts_them() {
    let long = "-".repeat(2000);
    let base = Era::V6_12.base();
    let given = named_struct(long.as_bytes())(&mut Btf::split(&base), Era::V6_12).into();
    let (_, log) = verdict(Era::V6_12, &given);
    let first = log.split('|').next().unwrap();
    assert_eq!(first.len(), 1018);
    let (_, log) = verdict(Era::V6_1, &given);
    assert_eq!(log.split('|').next().unwrap().len(), 986);
}

#[test]
fn header() {
    let plain = |b: &mut Btf| named_struct(b"foo")(b, Era::V6_1);
    everywhere(
        "seven bytes",
        |b, _| plain(b).build()[..7].to_vec(),
        (22, "hdr_len not found"),
    );
    everywhere(
        "shorter than its header",
        |b, _| plain(b).build()[..23].to_vec(),
        (22, "btf_header not found"),
    );
    everywhere(
        "the other byte order",
        |b, _| {
            let mut raw = plain(b).build();
            raw[..2].reverse();
            raw[4..8].reverse();
            raw
        },
        (22, "btf_header not found"),
    );
    everywhere(
        "32 bytes, zeros",
        |b, _| plain(b).build_with(32, &[0; 8]),
        OK,
    );
    everywhere(
        "40 bytes, zeros",
        |b, _| plain(b).build_with(40, &[0; 16]),
        OK,
    );
    everywhere(
        "28 bytes, zeros",
        |b, _| plain(b).build_with(28, &[0; 4]),
        OK,
    );
    everywhere(
        "40 bytes, the last not zero",
        |b, _| {
            let mut extra = [0; 16];
            extra[15] = 1;
            plain(b).build_with(40, &extra)
        },
        (7, "Unsupported btf_header"),
    );
    case(
        "a layout section",
        |b, _| {
            let b = plain(b);
            let mut raw = b.header(32, [0, 12, 12, 4]);
            raw.extend_from_slice(&[16, 0, 0, 0, 80, 0, 0, 0]);
            raw.extend_from_slice(&b.types);
            raw.extend_from_slice(&b.strings);
            raw.extend_from_slice(&[0; 80]);
            raw
        },
        &[(Era::V6_1, (7, "Unsupported btf_header")), (Era::V7_1, OK)],
    );
    everywhere(
        "magic",
        |b, _| {
            let mut raw = plain(b).build();
            raw[0] = 0;
            raw
        },
        (22, "Invalid magic"),
    );
    everywhere(
        "version",
        |b, _| {
            let mut raw = plain(b).build();
            raw[2] = 2;
            raw
        },
        (524, "Unsupported version"),
    );
    everywhere(
        "flags",
        |b, _| {
            let mut raw = plain(b).build();
            raw[3] = 1;
            raw
        },
        (524, "Unsupported flags"),
    );
    everywhere("nothing but a header", |b, _| b.header(24, [0; 4]), OK);
    everywhere(
        "a header of 16 bytes",
        |b, _| {
            let mut raw = b.header(16, [0, 12, 0, 0]);
            raw.truncate(16);
            raw.extend_from_slice(&plain(b).types);
            raw
        },
        (22, "String section is not at the end"),
    );
    let sections = |sections: [u32; 4], tail: &'static [u8]| {
        move |b: &mut Btf, _: Era| {
            let b = named_struct(b"foo")(b, Era::V6_1);
            let mut raw = b.header(24, sections);
            raw.extend_from_slice(&b.types);
            raw.extend_from_slice(&b.strings);
            raw.extend_from_slice(tail);
            raw
        }
    };
    everywhere("right", sections([0, 12, 12, 4], &[]), OK);
    everywhere(
        "types beyond the end",
        sections([0, 12, 17, 4], &[]),
        (22, "Invalid section offset"),
    );
    everywhere(
        "an offset that is negative when signed sorts first",
        sections([0, 12, 0x8000_0000, 4], &[]),
        (22, "Invalid section offset"),
    );
    everywhere(
        "a gap",
        sections([0, 11, 12, 4], &[]),
        (22, "Unsupported section found"),
    );
    everywhere(
        "an overlap",
        sections([0, 12, 11, 5], &[]),
        (22, "Section overlap found"),
    );
    everywhere(
        "a section too long",
        sections([0, 12, 12, 5], &[]),
        (22, "Total section length too long"),
    );
    everywhere(
        "a trailing byte",
        sections([0, 12, 12, 4], &[0]),
        (22, "Unsupported section found"),
    );
    everywhere(
        "strings before types",
        |b, _| {
            let b = plain(b);
            let mut raw = b.header(24, [4, 12, 0, 4]);
            raw.extend_from_slice(&b.strings);
            raw.extend_from_slice(&b.types);
            raw
        },
        (22, "String section is not at the end"),
    );
    case(
        "strings before types under a header of 32 bytes",
        |b, _| {
            let b = plain(b);
            let mut raw = b.header(32, [4, 12, 0, 4]);
            raw.extend_from_slice(&[0; 8]);
            raw.extend_from_slice(&b.strings);
            raw.extend_from_slice(&b.types);
            raw
        },
        &[
            (Era::V6_1, (22, "String section is not at the end")),
            (Era::V7_1, OK),
        ],
    );
}

#[test]
fn strings() {
    everywhere("none", |b, _| anon(b, kind::STRUCT, 0, 8, &[]), OK);
    everywhere(
        "no NUL at the end",
        |b, _| {
            let mut b = named_struct(b"foo")(b, Era::V6_1);
            b.strings.pop();
            b
        },
        (22, "Invalid string section"),
    );
    everywhere(
        "16 MiB and a byte",
        |b, _| {
            b.strings = vec![0; 0x0100_0001];
            b.clone()
        },
        (22, "Invalid string section"),
    );
    everywhere(
        "16 MiB",
        |b, _| {
            b.strings = vec![0; 0x0100_0000];
            b.clone()
        },
        OK,
    );
}

#[test]
fn info() {
    let bad = |info: u32| {
        move |b: &mut Btf, _: Era| {
            let name = b.string("foo");
            b.words(&[name, info, 8]);
            b.clone()
        }
    };
    case(
        "bit 18 of vlen",
        bad(0x0401_0000),
        &[
            (Era::V6_1, (22, "[{N}] Invalid btf_info:4010000")),
            (
                Era::V7_3,
                (22, "[{N}] STRUCT foo|meta_left:0 meta_needed:786432"),
            ),
        ],
    );
    case(
        "kind 36",
        bad(0x2400_0000),
        &[
            (Era::V6_1, (22, "[{N}] Invalid btf_info:24000000")),
            (Era::V7_3, (22, "[{N}] Invalid kind:36")),
        ],
    );
    case(
        "bit 30",
        bad(0x4400_0000),
        &[
            (Era::V6_1, (22, "[{N}] Invalid btf_info:44000000")),
            (Era::V7_3, (22, "[{N}] Invalid kind:68")),
        ],
    );
    everywhere("kind 20", bad(0x1400_0000), (22, "[{N}] Invalid kind:20"));
    everywhere("kind 0", bad(0), (22, "[{N}] Invalid kind:0"));
    everywhere(
        "half a type",
        |b, _| {
            anon(b, kind::PTR, 0, 1, &[]);
            b.words(&[0, 0]);
            b.clone()
        },
        (22, "[{N+1}] meta_left:8 meta_needed:12"),
    );
    everywhere(
        "a member short",
        |b, _| one(b, "foo", kind::STRUCT, 2, 8, &[0, 1, 0]),
        (22, "[{N}] STRUCT foo|meta_left:12 meta_needed:24"),
    );
}
