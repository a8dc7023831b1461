// SPDX-License-Identifier: GPL-2.0-or-later
//! What each kind asks for itself.

use btf_guard_tests::btf::{Btf, Era, KFLAG, kind};

use crate::{OK, anon, case, everywhere, one};

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
