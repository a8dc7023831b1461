//! A case for every rule of `btf_parse_module()` that can fail, and for the
//! neighbours that must pass, on a small base with the traces of each era.
//!
//! Errno and last message are those of real kernels (6.1.192, 6.12.117,
//! 6.16.12, 6.18.15, 7.1.13, 7.3.4) on the same defect.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use btf_guard::btf::{Base, verify_module};
use btf_guard::kernel::Abilities;
use btf_guard_tests::btf::{Btf, Era, KFLAG, kind};

/// A BTF on the base of one era.
struct Given {
    split: Vec<u8>,
    distilled: Option<Vec<u8>>,
}

impl From<Vec<u8>> for Given {
    fn from(split: Vec<u8>) -> Self {
        Self {
            split,
            distilled: None,
        }
    }
}

impl From<Btf> for Given {
    fn from(split: Btf) -> Self {
        split.build().into()
    }
}

const OK: (i32, &str) = (0, "");

/// What the kernel of `era` says, as `errno` and the log joined by `|`.
fn verdict(era: Era, given: &Given) -> (i32, String) {
    let base = Base::parse(era.base().build()).unwrap();
    let abilities = Abilities::of(&base, Some(era.release()));
    match verify_module(
        &given.split,
        given.distilled.as_deref(),
        &base,
        &abilities,
        false,
    ) {
        Ok(()) => (0, String::new()),
        Err(refusal) => {
            let bug = refusal.kernel_bug.map(|bug| format!("KERNEL BUG: {bug}"));
            let log: Vec<String> = refusal.log.into_iter().chain(bug).collect();
            (-refusal.errno, log.join("|"))
        }
    }
}

/// Runs one case: `expected` lists, oldest first, the era from which on an
/// outcome holds. `{N}` stands for the first id of the split BTF, `{N+1}` for its
/// second, `{S+4}` for the offset four bytes behind the base's strings.
fn case<G: Into<Given>>(
    name: &str,
    make: impl Fn(&mut Btf, Era) -> G,
    expected: &[(Era, (i32, &str))],
) {
    assert_eq!(expected[0].0, Era::V6_1, "{name}: what about 6.1?");
    for era in Era::ALL {
        let base = era.base();
        let given = make(&mut Btf::split(&base), era).into();
        let (_, (errno, log)) = expected.iter().rfind(|(since, _)| *since <= era).unwrap();
        let log = log
            .replace("{N}", &base.next_id().to_string())
            .replace("{N+1}", &(base.next_id() + 1).to_string())
            .replace("{S+4}", &(base.next_string() + 4).to_string());
        assert_eq!(verdict(era, &given), (*errno, log), "{name} on {era:?}");
    }
}

/// A case whose outcome is the same everywhere.
fn everywhere<G: Into<Given>>(
    name: &str,
    make: impl Fn(&mut Btf, Era) -> G,
    expected: (i32, &str),
) {
    case(name, make, &[(Era::V6_1, expected)]);
}

/// One type with a name of its own.
fn one(b: &mut Btf, name: impl AsRef<[u8]>, kind: u32, vlen: u32, size: u32, rest: &[u32]) -> Btf {
    b.named(name, kind, vlen, size, rest);
    b.clone()
}

/// One nameless type.
fn anon(b: &mut Btf, kind: u32, vlen: u32, size: u32, rest: &[u32]) -> Btf {
    b.add(0, kind, vlen, size, rest);
    b.clone()
}

fn named_struct(name: &[u8]) -> impl Fn(&mut Btf, Era) -> Btf + '_ {
    move |b, _| one(b, name, kind::STRUCT, 0, 8, &[])
}

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

const NAMED: [(u32, &str); 6] = [
    (kind::TYPEDEF, "TYPEDEF"),
    (kind::FWD, "FWD"),
    (kind::FUNC, "FUNC"),
    (kind::VAR, "VAR"),
    (kind::DATASEC, "DATASEC"),
    (kind::TYPE_TAG, "TYPE_TAG"),
];

#[test]
fn kinds_that_need_a_name() {
    for (number, word) in NAMED {
        let (size, rest, detail): (u32, &[u32], &str) = match number {
            kind::FWD => (0, &[], "struct"),
            kind::VAR => (1, &[1], "type_id=1 linkage=1"),
            kind::DATASEC => (8, &[], "size=8 vlen=0"),
            _ => (1, &[], "type_id=1"),
        };
        everywhere(
            word,
            |b, _| anon(b, number, 0, size, rest),
            (22, &format!("[{{N}}] {word} (anon)|{detail}|Invalid name")),
        );
        everywhere(word, |b, _| one(b, "foo", number, 0, size, rest), OK);
    }
    everywhere(
        "a declaration tag without a name",
        |b, _| anon(b, kind::DECL_TAG, 0, 1, &[u32::MAX]),
        (
            22,
            "[{N}] DECL_TAG (anon)|type=1 component_idx=-1|Invalid value",
        ),
    );
    everywhere(
        "tags take any name",
        |b, _| {
            one(b, "a b-c", kind::TYPE_TAG, 0, 1, &[]);
            one(b, "a b-c", kind::DECL_TAG, 0, 1, &[u32::MAX])
        },
        OK,
    );
}

#[test]
fn kinds_that_must_not_have_a_name() {
    for (number, word, rest, detail) in [
        (kind::PTR, "PTR", &[][..], "type_id=1"),
        (kind::CONST, "CONST", &[], "type_id=1"),
        (kind::VOLATILE, "VOLATILE", &[], "type_id=1"),
        (kind::RESTRICT, "RESTRICT", &[], "type_id=1"),
        (
            kind::FUNC_PROTO,
            "FUNC_PROTO",
            &[],
            "return=1 args=(|void|)",
        ),
    ] {
        everywhere(
            word,
            |b, _| one(b, "foo", number, 0, 1, rest),
            (22, &format!("[{{N}}] {word} foo|{detail}|Invalid name")),
        );
    }
    everywhere(
        "an array",
        |b, _| one(b, "foo", kind::ARRAY, 0, 0, &[1, 1, 7]),
        (
            22,
            "[{N}] ARRAY foo|type_id=1 index_type_id=1 nr_elems=7|Invalid name",
        ),
    );
}

#[test]
fn vlen_and_kind_flag() {
    for (number, word, size, rest, detail) in [
        (
            kind::INT,
            "INT",
            4,
            &[32][..],
            "size=4 bits_offset=0 nr_bits=32 encoding=(none)",
        ),
        (kind::PTR, "PTR", 1, &[], "type_id=1"),
        (
            kind::ARRAY,
            "ARRAY",
            0,
            &[1, 1, 1],
            "type_id=1 index_type_id=1 nr_elems=1",
        ),
        (kind::FLOAT, "FLOAT", 8, &[], "size=8"),
    ] {
        everywhere(
            word,
            |b, _| anon(b, number, 1, size, rest),
            (22, &format!("[{{N}}] {word} (anon)|{detail}|vlen != 0")),
        );
        everywhere(
            word,
            |b, _| anon(b, number, KFLAG, size, rest),
            (
                22,
                &format!("[{{N}}] {word} (anon)|{detail}|Invalid btf_info kind_flag"),
            ),
        );
        everywhere(word, |b, _| anon(b, number, 0, size, rest), OK);
    }
    for (number, word, size, rest, detail) in [
        (kind::TYPEDEF, "TYPEDEF", 1, &[][..], "type_id=1"),
        (kind::VAR, "VAR", 1, &[0], "type_id=1 linkage=0"),
    ] {
        everywhere(
            word,
            |b, _| one(b, "foo", number, 2, size, rest),
            (22, &format!("[{{N}}] {word} foo|{detail}|vlen != 0")),
        );
        everywhere(
            word,
            |b, _| one(b, "foo", number, KFLAG, size, rest),
            (
                22,
                &format!("[{{N}}] {word} foo|{detail}|Invalid btf_info kind_flag"),
            ),
        );
    }
    everywhere(
        "a forward declaration",
        |b, _| one(b, "foo", kind::FWD, 1 | KFLAG, 0, &[]),
        (22, "[{N}] FWD foo|union|vlen != 0"),
    );
    everywhere(
        "a function",
        |b, _| one(b, "foo", kind::FUNC, KFLAG, 1, &[]),
        (22, "[{N}] FUNC foo|type_id=1|Invalid btf_info kind_flag"),
    );
    everywhere(
        "a function prototype",
        |b, _| anon(b, kind::FUNC_PROTO, KFLAG, 1, &[]),
        (
            22,
            "[{N}] FUNC_PROTO (anon)|return=1 args=(|void|)|Invalid btf_info kind_flag",
        ),
    );
    everywhere(
        "a data section",
        |b, _| one(b, ".d", kind::DATASEC, KFLAG, 8, &[]),
        (
            22,
            "[{N}] DATASEC .d|size=8 vlen=0|Invalid btf_info kind_flag",
        ),
    );
    everywhere(
        "an enum",
        |b, _| {
            let value = b.string("a");
            one(b, "foo", kind::ENUM, 1 | KFLAG, 4, &[value, 1])
        },
        OK,
    );
    case(
        "a type tag",
        |b, _| one(b, "user", kind::TYPE_TAG, KFLAG, 1, &[]),
        &[
            (
                Era::V6_1,
                (
                    22,
                    "[{N}] TYPE_TAG user|type_id=1|Invalid btf_info kind_flag",
                ),
            ),
            (Era::V6_16, OK),
        ],
    );
    case(
        "a declaration tag",
        |b, _| one(b, "tag", kind::DECL_TAG, KFLAG, 1, &[u32::MAX]),
        &[
            (
                Era::V6_1,
                (
                    22,
                    "[{N}] DECL_TAG tag|type=1 component_idx=-1|Invalid btf_info kind_flag",
                ),
            ),
            (Era::V6_16, OK),
        ],
    );
    everywhere(
        "a declaration tag with vlen",
        |b, _| one(b, "tag", kind::DECL_TAG, 1, 1, &[0]),
        (22, "[{N}] DECL_TAG tag|type=1 component_idx=0|vlen != 0"),
    );
    everywhere(
        "a component before the first",
        |b, _| one(b, "tag", kind::DECL_TAG, 0, 1, &[-2i32 as u32]),
        (
            22,
            "[{N}] DECL_TAG tag|type=1 component_idx=-2|Invalid component_idx",
        ),
    );
}

#[test]
fn integers_and_floats() {
    let int =
        |data: u32, size: u32| move |b: &mut Btf, _: Era| anon(b, kind::INT, 0, size, &[data]);
    everywhere(
        "a name with blanks",
        |b, _| one(b, "long unsigned int", kind::INT, 0, 4, &[32]),
        OK,
    );
    everywhere(
        "an upper bit",
        int(0x1000_0020, 4),
        (22, "[{N}] INT (anon)|Invalid int_data:10000020"),
    );
    everywhere(
        "129 bits",
        int(129, 32),
        (
            22,
            "[{N}] INT (anon)|size=32 bits_offset=0 nr_bits=129 encoding=(none)|nr_bits exceeds 128",
        ),
    );
    everywhere("128 bits", int(128, 16), OK);
    everywhere(
        "offset and bits beyond the size",
        int(0x0008_0020, 4),
        (
            22,
            "[{N}] INT (anon)|size=4 bits_offset=8 nr_bits=32 encoding=(none)|nr_bits exceeds type_size",
        ),
    );
    for encoding in [0, 1, 2, 4] {
        everywhere("an encoding", int(encoding << 24 | 8, 1), OK);
    }
    everywhere(
        "two encodings",
        int(0x0300_0020, 4),
        (
            524,
            "[{N}] INT (anon)|size=4 bits_offset=0 nr_bits=32 encoding=UNKN|Unsupported encoding",
        ),
    );
    for size in [2, 4, 8, 12, 16] {
        everywhere(
            "a float",
            |b, _| one(b, "a-b", kind::FLOAT, 0, size, &[]),
            OK,
        );
    }
    everywhere(
        "a float of 3 bytes",
        |b, _| anon(b, kind::FLOAT, 0, 3, &[]),
        (22, "[{N}] FLOAT (anon)|size=3|Invalid type_size"),
    );
}

#[test]
fn references() {
    everywhere("void", |b, _| anon(b, kind::PTR, 0, 0, &[]), OK);
    everywhere(
        "a pointer to what is not there",
        |b, _| anon(b, kind::PTR, 0, 4711, &[]),
        OK,
    );
    everywhere(
        "the highest id",
        |b, _| anon(b, kind::PTR, 0, 0x000f_ffff, &[]),
        OK,
    );
    everywhere(
        "beyond the highest id",
        |b, _| anon(b, kind::PTR, 0, 0x0010_0000, &[]),
        (22, "[{N}] PTR (anon)|type_id=1048576|Invalid type_id"),
    );
    everywhere(
        "a pointer to itself",
        |b, _| anon(b, kind::PTR, 0, b.next_id(), &[]),
        OK,
    );
    everywhere(
        "a function of nothing",
        |b, _| one(b, "foo", kind::FUNC, 0, 0, &[]),
        OK,
    );
    everywhere(
        "a function of an int",
        |b, _| one(b, "foo", kind::FUNC, 1, 1, &[]),
        OK,
    );
    everywhere(
        "linkage extern",
        |b, _| one(b, "foo", kind::FUNC, 2, 1, &[]),
        (22, "[{N}] FUNC foo|type_id=1|Invalid func linkage"),
    );
    everywhere(
        "a parameter's name and id are not looked at",
        |b, _| {
            anon(
                b,
                kind::FUNC_PROTO,
                1,
                0xffff_ffff,
                &[0xffff_fff0, 0xffff_ffff],
            )
        },
        OK,
    );
    everywhere(
        "size of an array",
        |b, _| anon(b, kind::ARRAY, 0, 4, &[1, 1, 1]),
        (
            22,
            "[{N}] ARRAY (anon)|type_id=1 index_type_id=1 nr_elems=1|size != 0",
        ),
    );
    everywhere(
        "elements of an array",
        |b, _| anon(b, kind::ARRAY, 0, 0, &[0, 1, 1]),
        (
            22,
            "[{N}] ARRAY (anon)|type_id=0 index_type_id=1 nr_elems=1|Invalid elem",
        ),
    );
    everywhere(
        "index of an array",
        |b, _| anon(b, kind::ARRAY, 0, 0, &[1, 0x0010_0000, 1]),
        (
            22,
            "[{N}] ARRAY (anon)|type_id=1 index_type_id=1048576 nr_elems=1|Invalid index",
        ),
    );
    everywhere(
        "a forward declaration of something",
        |b, _| one(b, "foo", kind::FWD, 0, 1, &[]),
        (22, "[{N}] FWD foo|struct|type != 0"),
    );
    everywhere(
        "parameters in the log",
        |b, _| {
            let name = b.string("p");
            one(b, "foo", kind::FUNC_PROTO, 3, 1, &[name, 1, 0, 2, 0, 0])
        },
        (
            22,
            "[{N}] FUNC_PROTO foo|return=1 args=(|1 p|, 2 (anon)|, vararg|)|Invalid name",
        ),
    );
    everywhere(
        "nothing but varargs in the log",
        |b, _| one(b, "foo", kind::FUNC_PROTO, 1, 1, &[0, 0]),
        (
            22,
            "[{N}] FUNC_PROTO foo|return=1 args=(|vararg|)|Invalid name",
        ),
    );
}

#[test]
fn structs_and_unions() {
    let members = |kind: u32, flag: u32, list: &'static [(u32, u32)]| {
        move |b: &mut Btf, _: Era| {
            let name = b.string("m");
            let rest: Vec<u32> = list.iter().flat_map(|&(id, at)| [name, id, at]).collect();
            one(b, "foo", kind, list.len() as u32 | flag, 8, &rest)
        }
    };
    everywhere("at the end", members(kind::STRUCT, 0, &[(1, 64)]), OK);
    everywhere(
        "of a type that is not there",
        members(kind::STRUCT, 0, &[(4711, 0)]),
        OK,
    );
    everywhere(
        "itself",
        |b, _| {
            let id = b.next_id();
            one(b, "foo", kind::STRUCT, 1, 8, &[0, id, 0])
        },
        OK,
    );
    everywhere(
        "of type void",
        members(kind::STRUCT, 0, &[(0, 0)]),
        (22, "\\x09m type_id=0 bits_offset=0|Invalid type_id"),
    );
    everywhere(
        "beyond the highest id",
        members(kind::UNION, 0, &[(0x0010_0000, 0)]),
        (22, "\\x09m type_id=1048576 bits_offset=0|Invalid type_id"),
    );
    everywhere(
        "out of order",
        members(kind::STRUCT, 0, &[(1, 32), (1, 0)]),
        (
            22,
            "\\x09m type_id=1 bits_offset=0|Invalid member bits_offset",
        ),
    );
    everywhere(
        "an offset in a union",
        members(kind::UNION, 0, &[(1, 8)]),
        (
            22,
            "\\x09m type_id=1 bits_offset=8|Invalid member bits_offset",
        ),
    );
    everywhere(
        "past the end",
        members(kind::STRUCT, 0, &[(1, 65)]),
        (
            22,
            "\\x09m type_id=1 bits_offset=65|Member bits_offset exceeds its struct size",
        ),
    );
    everywhere(
        "a bit field past the end",
        members(kind::STRUCT, KFLAG, &[(1, 0x0300_0048)]),
        (
            22,
            "\\x09m type_id=1 bitfield_size=3 bits_offset=72|Member bits_offset exceeds its struct size",
        ),
    );
    everywhere(
        "a member's name",
        |b, _| {
            let name = b.string("a-b");
            one(b, "foo", kind::STRUCT, 1, 8, &[name, 1, 0])
        },
        (22, "\\x09a-b type_id=1 bits_offset=0|Invalid name"),
    );
    everywhere(
        "a member's name offset",
        |b, _| one(b, "foo", kind::STRUCT, 1, 8, &[0x0100_0000, 1, 0]),
        (
            22,
            "\\x09(invalid-name-offset) type_id=1 bits_offset=0|Invalid member name_offset:16777216",
        ),
    );
}

#[test]
fn enums() {
    for number in [kind::ENUM, kind::ENUM64] {
        let (word, rest): (_, &[u32]) = if number == kind::ENUM {
            ("ENUM", &[1])
        } else {
            ("ENUM64", &[1, 0])
        };
        let with = |value: &'static str| {
            move |b: &mut Btf, _: Era| {
                let name = b.string(value);
                let all: Vec<u32> = [name].iter().chain(rest).copied().collect();
                one(b, "foo", number, 1, 8, &all)
            }
        };
        everywhere(word, with("A"), OK);
        everywhere("no value", |b, _| one(b, "foo", number, 0, 4, &[]), OK);
        everywhere(
            "a value's name",
            with("a-b"),
            (
                22,
                &format!("[{{N}}] {word} foo|size=8 vlen=1|Invalid name"),
            ),
        );
        everywhere(
            "a value without a name",
            |b, _| {
                let all: Vec<u32> = [0].iter().chain(rest).copied().collect();
                one(b, "foo", number, 1, 8, &all)
            },
            (
                22,
                &format!("[{{N}}] {word} foo|size=8 vlen=1|Invalid name"),
            ),
        );
        everywhere(
            "a value's name offset",
            |b, _| {
                let all: Vec<u32> = [0x0100_0000].iter().chain(rest).copied().collect();
                one(b, "foo", number, 1, 8, &all)
            },
            (22, "\\x09Invalid name_offset:16777216"),
        );
        for size in [0, 3, 16] {
            everywhere(
                "size",
                |b, _| one(b, "foo", number, 0, size, &[]),
                (
                    22,
                    &format!("[{{N}}] {word} foo|size={size} vlen=0|Unexpected size"),
                ),
            );
        }
        everywhere(
            "name",
            |b, _| one(b, "1", number, 0, 4, &[]),
            (22, &format!("[{{N}}] {word} 1|size=4 vlen=0|Invalid name")),
        );
    }
}

#[test]
fn variables_and_data_sections() {
    everywhere(
        "a variable of type void",
        |b, _| one(b, "v", kind::VAR, 0, 0, &[0]),
        (22, "[{N}] VAR v|type_id=0 linkage=0|Invalid type_id"),
    );
    everywhere(
        "an extern variable",
        |b, _| one(b, "v", kind::VAR, 0, 1, &[2]),
        (22, "[{N}] VAR v|type_id=1 linkage=2|Linkage not supported"),
    );
    let section = |name: &'static str, size: u32, variables: &'static [(u32, u32, u32)]| {
        move |b: &mut Btf, _: Era| {
            let rest: Vec<u32> = variables.iter().flat_map(|&(a, b, c)| [a, b, c]).collect();
            one(b, name, kind::DATASEC, variables.len() as u32, size, &rest)
        }
    };
    everywhere("dots", section(".data..percpu", 8, &[(1, 0, 8)]), OK);
    for name in [".data foo", ".data-x", "9", "1.x"] {
        let log = format!("[{{N}}] DATASEC {name}|size=8 vlen=0|Invalid name");
        case(
            name,
            section(name, 8, &[]),
            &[(Era::V6_1, (22, &log)), (Era::V6_12, OK)],
        );
    }
    everywhere(
        "a name that does not print",
        section("\u{7f}", 8, &[]),
        (22, "[{N}] DATASEC \\x7f|size=8 vlen=0|Invalid name"),
    );
    everywhere(
        "no size",
        section(".d", 0, &[(1, 0, 8)]),
        (22, "[{N}] DATASEC .d|size=0 vlen=1|size == 0"),
    );
    everywhere(
        "a variable of no type",
        section(".d", 8, &[(0, 0, 8)]),
        (22, "\\x09 type_id=0 offset=0 size=8|Invalid type_id"),
    );
    everywhere(
        "overlapping variables",
        section(".d", 8, &[(1, 0, 5), (1, 4, 4)]),
        (22, "\\x09 type_id=1 offset=4 size=4|Invalid offset"),
    );
    everywhere(
        "a variable behind the section",
        section(".d", 8, &[(1, 8, 1)]),
        (22, "\\x09 type_id=1 offset=8 size=1|Invalid offset"),
    );
    everywhere(
        "a variable without size",
        section(".d", 8, &[(1, 0, 0)]),
        (22, "\\x09 type_id=1 offset=0 size=0|Invalid size"),
    );
    everywhere(
        "a variable larger than the section",
        section(".d", 8, &[(1, 0, 9)]),
        (22, "\\x09 type_id=1 offset=0 size=9|Invalid size"),
    );
    everywhere(
        "a variable that sticks out",
        section(".d", 8, &[(1, 4, 5)]),
        (22, "\\x09 type_id=1 offset=4 size=5|Invalid offset+size"),
    );
}

/// `n` CONSTs in a row, each of the next; the last is of type 1.
fn forward_chain(n: u32) -> impl Fn(&mut Btf, Era) -> Btf {
    move |b, _| {
        for i in 0..n {
            let next = if i + 1 < n { b.next_id() + 1 } else { 1 };
            b.add(0, kind::CONST, 0, next, &[]);
        }
        b.clone()
    }
}

#[test]
fn modifier_chains() {
    let too_long = (40, "Max chain length or cycle detected");
    for number in [kind::CONST, kind::VOLATILE, kind::RESTRICT] {
        everywhere(
            "beyond all types",
            |b, _| anon(b, number, 0, 4711, &[]),
            (22, ""),
        );
    }
    for number in [kind::TYPEDEF, kind::TYPE_TAG] {
        everywhere(
            "beyond all types",
            |b, _| one(b, "t", number, 0, 4711, &[]),
            (22, ""),
        );
    }
    everywhere(
        "a modifier of itself",
        |b, _| {
            let id = b.next_id();
            anon(b, kind::CONST, 0, id, &[])
        },
        too_long,
    );
    everywhere("31", forward_chain(31), OK);
    everywhere("32", forward_chain(32), OK);
    everywhere("33", forward_chain(33), too_long);
    everywhere(
        "40 backwards, each checked before it is used",
        |b, _| {
            b.add(0, kind::CONST, 0, 1, &[]);
            for _ in 1..40 {
                b.add(0, kind::CONST, 0, b.next_id() - 1, &[]);
            }
            b.clone()
        },
        OK,
    );
    everywhere(
        "the bad link may come last",
        |b, _| {
            anon(b, kind::PTR, 0, 1, &[]);
            one(b, "s", kind::STRUCT, 0, 8, &[]);
            anon(b, kind::CONST, 0, 4711, &[])
        },
        (22, ""),
    );
    let disorder = (22, "Type tags don't precede modifiers");
    case(
        "const before a tag",
        |b, _| {
            let tag = b.next_id() + 1;
            anon(b, kind::CONST, 0, tag, &[]);
            one(b, "user", kind::TYPE_TAG, 0, 1, &[])
        },
        &[(Era::V6_1, disorder), (Era::V7_3, OK)],
    );
    case(
        "tag, const, tag",
        |b, _| {
            let next = b.next_id() + 1;
            one(b, "user", kind::TYPE_TAG, 0, next, &[]);
            anon(b, kind::CONST, 0, next + 1, &[]);
            one(b, "rcu", kind::TYPE_TAG, 0, 1, &[])
        },
        &[(Era::V6_1, disorder), (Era::V7_3, OK)],
    );
    everywhere(
        "tag, const",
        |b, _| {
            let next = b.next_id() + 1;
            one(b, "user", kind::TYPE_TAG, 0, next, &[]);
            anon(b, kind::CONST, 0, 1, &[])
        },
        OK,
    );
}
