// SPDX-License-Identifier: GPL-2.0-or-later
//! Distilled bases (`.BTF.base`): what relocates, what the kernel refuses, and
//! where the kernel itself goes wrong.
//!
//! Errno and messages of the refusals are those of 6.12.117, 6.18.15 and 7.3.4.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod kernel_bugs;
mod names;

use btf_guard_btf::features::Features;
use btf_guard_btf::{Base, LogFormat, VerifyError, verify_module};
use btf_guard_tests::btf::{Btf, Era, KFLAG, kind};

/// The base of 6.12 with what the cases look for: `struct list_head` (16
/// bytes), `struct file` (184), `struct twin` of 8 bytes twice and of 16 once,
/// an 8-byte ENUM64 and an anonymous union.
fn kernel() -> Btf {
    let mut b = Era::V6_12.base();
    b.structure("file", 184, &[]);
    b.structure("twin", 8, &[]);
    b.structure("twin2", 8, &[]);
    let twin = b.string("pair");
    b.add(twin, kind::STRUCT, 0, 8, &[]);
    b.add(twin, kind::STRUCT, 0, 16, &[]);
    let same = b.string("same");
    b.add(same, kind::STRUCT, 0, 8, &[]);
    b.add(same, kind::STRUCT, 0, 8, &[]);
    b.named("big", kind::ENUM64, 0, 8, &[]);
    b.named("small", kind::ENUM, 0, 4, &[]);
    b.named("u", kind::UNION, 0, 8, &[]);
    b.named("bits", kind::STRUCT, KFLAG, 8, &[]);
    b.named("later", kind::FWD, KFLAG, 0, &[]);
    b.named("_Float", kind::FLOAT, 0, 8, &[]);
    b
}

/// What a kernel says that refuses: errno, log, and what it does if it does not refuse.
#[derive(Debug, PartialEq)]
struct Refusal {
    errno: i32,
    log: Vec<String>,
    kernel_bug: Option<String>,
}

impl Refusal {
    fn of(error: &VerifyError, abilities: &Features, discards: bool) -> Self {
        Self {
            errno: error.errno(),
            log: error.log(LogFormat::new(abilities, discards)),
            kernel_bug: error.kernel_bug(),
        }
    }
}

fn run_on(base: &Btf, release: &str, distilled: &[u8], split: &[u8]) -> Result<(), Refusal> {
    let base = Base::parse(base.build()).unwrap();
    let abilities = Features::of(&base, Some(release));
    verify_module(split, Some(distilled), &base, &abilities)
        .map_err(|error| Refusal::of(&error, &abilities, false))
}

/// `distilled` is what `.BTF.base` holds besides `int`; `split` gets the id of
/// its last type.
#[track_caller]
fn case(distilled: impl Fn(&mut Btf), split: impl Fn(&mut Btf, u32), errno: i32, log: &[&str]) {
    let (distilled, split) = pair(distilled, split);
    match run_on(&kernel(), "6.12.117", &distilled, &split) {
        Ok(()) => assert_eq!((errno, log.len()), (0, 0)),
        Err(refusal) => {
            assert_eq!(refusal.kernel_bug, None);
            assert_eq!((-refusal.errno, refusal.log), (errno, owned(log)));
        }
    }
}

fn owned(log: &[&str]) -> Vec<String> {
    log.iter().map(|line| (*line).to_owned()).collect()
}

fn pair(distilled: impl Fn(&mut Btf), split: impl Fn(&mut Btf, u32)) -> (Vec<u8>, Vec<u8>) {
    let mut base = Btf::base();
    base.int();
    distilled(&mut base);
    let mut own = Btf::split(&base);
    split(&mut own, base.next_id() - 1);
    (base.build(), own.build())
}

/// A pointer to the last distilled type.
fn pointer(b: &mut Btf, id: u32) {
    b.add(0, kind::PTR, 0, id, &[]);
}

/// A struct that holds the last distilled type by value.
fn embed(b: &mut Btf, id: u32) {
    b.structure("holder", 64, &[("m", id, 0)]);
}

fn named(name: &str, kind: u32, size: u32) -> impl Fn(&mut Btf) + '_ {
    move |b| {
        b.named(name, kind, 0, size, &[]);
    }
}

#[test]
fn what_a_distilled_base_may_not_hold() {
    case(
        |b| {
            b.add(0, kind::STRUCT, 0, 16, &[]);
        },
        pointer,
        22,
        &["type [2], kind [4] is invalid for distilled base BTF; it is anonymous"],
    );
    case(
        named("file", kind::TYPEDEF, 1),
        pointer,
        22,
        &["type [2] in distilled based BTF has unexpected kind [8]"],
    );
    let mut split = Btf::split(&Btf::base());
    split.add(0, kind::PTR, 0, 0, &[]);
    let split = split.build();
    for (distilled, log) in [
        (Vec::new(), "hdr_len not found"),
        (Btf::base().header(24, [0; 4]), "No data"),
        (
            {
                let mut bad = Btf::base();
                bad.strings.insert(0, b'x');
                bad.build()
            },
            "Invalid string section",
        ),
        (
            {
                let mut bad = Btf::base();
                bad.strings.clear();
                bad.add(0, kind::PTR, 0, 0, &[]);
                bad.build()
            },
            "Invalid string section",
        ),
    ] {
        let refusal = run_on(&kernel(), "6.12.117", &distilled, &split).unwrap_err();
        assert_eq!(
            (refusal.errno, &refusal.log[..]),
            (-22, &[log.to_owned()][..])
        );
    }
}

#[test]
fn the_split_is_checked_before_it_is_relocated() {
    case(
        named("nosuch", kind::STRUCT, 8),
        |b, _| {
            b.named("a-b", kind::STRUCT, 0, 8, &[]);
        },
        22,
        &["[3] STRUCT a-b", "size=8 vlen=0", "Invalid name"],
    );
    // A modifier beyond all types: refused without a word.
    case(
        |_| {},
        |b, _| {
            b.add(0, kind::CONST, 0, 77, &[]);
        },
        22,
        &[],
    );
}

#[test]
fn strings_of_the_distilled_base() {
    // The name of a distilled type has a counterpart …
    case(
        named("file", kind::STRUCT, 184),
        |b, id| {
            // "file" stands behind "int" in the distilled base's strings.
            b.add(5, kind::TYPEDEF, 0, id, &[]);
        },
        0,
        &[],
    );
    // … any other string has none.
    case(
        |b| {
            b.string("stray");
        },
        |b, _| {
            b.add(5, kind::TYPEDEF, 0, 1, &[]);
        },
        2,
        &["string '' [offset 5] is not mapped to base BTF"],
    );
    // Members and values are names too.
    case(
        |b| {
            b.string("stray");
        },
        |b, _| {
            b.add(0, kind::STRUCT, 1, 8, &[5, 1, 0]);
        },
        2,
        &["string '' [offset 5] is not mapped to base BTF"],
    );
    // A parameter's name offset is not checked anywhere, beyond all strings it just moves.
    case(
        |_| {},
        |b, _| {
            b.add(0, kind::FUNC_PROTO, 1, 1, &[0xffff_fff0, 1]);
        },
        0,
        &[],
    );
}

#[test]
fn a_shared_array_is_not_a_circle() {
    case(
        named("list_head", kind::STRUCT, 16),
        |b, id| {
            let array = b.add(0, kind::ARRAY, 0, 0, &[id, 1, 1]);
            b.structure("one", 64, &[("a", array, 0), ("b", array, 128)]);
            b.structure("two", 64, &[("a", array, 0)]);
        },
        0,
        &[],
    );
}

#[test]
fn before_the_fix_the_last_types_were_not_looked_at() {
    let (distilled, split) = pair(named("list_head", kind::STRUCT, 24), embed);
    assert!(run_on(&kernel(), "6.12.13", &distilled, &split).is_err());
    assert_eq!(run_on(&kernel(), "6.12.12", &distilled, &split), Ok(()));
}

#[test]
fn kernels_without_the_ability_take_the_split_as_it_is() {
    let base = Era::V6_1.base();
    let raw = Base::parse(base.build()).unwrap();
    let abilities = Features::of(&raw, Some("6.1.192"));
    assert!(!abilities.distilled_base);
    let mut split = Btf::split(&base);
    split.named("foo", kind::STRUCT, 0, 8, &[]);
    assert_eq!(
        verify_module(&split.build(), Some(b"nonsense"), &raw, &abilities),
        Ok(())
    );
}

#[test]
fn the_other_byte_order() {
    let big = Btf::base().big_endian();
    let base = Era::V6_12.base_in(big.clone());
    let mut split = Btf::split(&base);
    split.structure("foo", 16, &[("a", 1, 0), ("b", 1, 32)]);
    let raw = Base::parse(base.build()).unwrap();
    let abilities = Features::of(&raw, None);
    assert_eq!(abilities, {
        let little = Base::parse(Era::V6_12.base().build()).unwrap();
        Features::of(&little, None)
    });
    assert_eq!(
        verify_module(&split.build(), None, &raw, &abilities),
        Ok(())
    );
    split.named("a-b", kind::STRUCT, 0, 0x0102_0304, &[]);
    let refusal = verify_module(&split.build(), None, &raw, &abilities).unwrap_err();
    assert_eq!(
        refusal.log(LogFormat::new(&abilities, false))[1],
        "size=16909060 vlen=0"
    );

    let mut distilled = big;
    distilled.named("list_head", kind::STRUCT, 0, 16, &[]);
    let mut split = Btf::split(&distilled);
    embed(&mut split, 1);
    assert_eq!(
        verify_module(&split.build(), Some(&distilled.build()), &raw, &abilities),
        Ok(())
    );
}

#[test]
fn a_kernel_that_permits_mismatches_keeps_types_to_itself() {
    let lines = |era: Era, discards: bool| {
        let base = era.base();
        let mut split = Btf::split(&base);
        split.named("a-b", kind::STRUCT, 0, 8, &[]);
        let base = Base::parse(base.build()).unwrap();
        let abilities = Features::of(&base, Some(era.release()));
        let refusal = verify_module(&split.build(), None, &base, &abilities).unwrap_err();
        assert_eq!(refusal.errno(), -22);
        refusal.log(LogFormat::new(&abilities, discards)).len()
    };
    assert_eq!((lines(Era::V6_1, false), lines(Era::V6_1, true)), (3, 3));
    assert_eq!((lines(Era::V6_12, false), lines(Era::V6_12, true)), (3, 0));
}
