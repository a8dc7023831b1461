// SPDX-License-Identifier: GPL-2.0-or-later
//! Rules that several kinds share: names, `vlen`, `kind_flag`.

use btf_guard_tests::btf::{Era, KFLAG, kind};

use crate::{OK, anon, case, everywhere, one};

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
