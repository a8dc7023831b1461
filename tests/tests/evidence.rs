// SPDX-License-Identifier: GPL-2.0-or-later
//! Each piece of evidence that split BTF belongs to another base, on hand-made
//! BTF: the smallest that shows it, and its words.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use btf_guard_btf::features::Features;
use btf_guard_btf::{
    Base, BasePairMemo, Comparison, LogFormat, Order, Split, base_strings, evidence, fits,
    read_module, same_meaning,
};
use btf_guard_tests::btf::{Btf, KFLAG, kind};

const INT: u32 = 1;
const PTR: u32 = 2;
const POINT: u32 = 3;
const PROTO: u32 = 4;
const FUNC: u32 = 5;
const VOID_TYPE: u32 = 6;

/// `int` of id 1, `unsigned long` hidden in none: pointers have 4 bytes.
fn base() -> Btf {
    let mut b = Btf::base();
    assert_eq!(b.int(), INT);
    assert_eq!(b.add(0, kind::PTR, 0, INT, &[]), PTR);
    assert_eq!(
        b.structure("point", 8, &[("x", INT, 0), ("y", INT, 32)]),
        POINT
    );
    assert_eq!(b.function("f", 1), FUNC);
    assert_eq!(FUNC - 1, PROTO);
    assert_eq!(b.named("nothing", kind::TYPEDEF, 0, 0, &[]), VOID_TYPE);
    b
}

/// The evidence in what `build` adds to a split BTF, in words.
fn found<T>(build: impl FnOnce(&mut Btf) -> T) -> Vec<String> {
    let below = base();
    let mut split = Btf::split(&below);
    build(&mut split);
    let raw = split.build();
    let split = Split::parse(&raw, Order::Little).unwrap();
    let base = Base::parse(below.build()).unwrap();
    let found: Vec<String> = evidence(&split, &base)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(fits(&split, &base), found.is_empty());
    // What the kernel's rules were followed over is looked at by a shorter way.
    let abilities = Features::of(&base, Some("6.18.15"));
    match read_module(&raw, None, &base, &abilities) {
        Ok(accepted) => assert_eq!(evidence(&accepted, &base), evidence(&split, &base)),
        Err(refusal) => {
            let log = refusal.log(LogFormat::new(&abilities, false));
            assert!(log.is_empty(), "{refusal:?}");
        }
    }
    found
}

#[test]
fn what_belongs_together_shows_nothing() {
    assert_eq!(
        found(|b| {
            let own = b.structure(
                "line",
                20,
                &[("a", POINT, 0), ("b", POINT, 64), ("p", PTR, 128)],
            );
            let array = b.add(0, kind::ARRAY, 0, 0, &[own, INT, 3]);
            b.add(0, kind::PTR, 0, own, &[]);
            b.structure("lines", 60, &[("all", array, 0)]);
            b.structure("flexible", 4, &[("n", INT, 0)]);
            b.function("g", 2);
            let variable = b.named("v", kind::VAR, 0, own, &[1]);
            b.named(".data..percpu", kind::DATASEC, 1, 20, &[variable, 0, 20]);
            b.named(
                "bits",
                kind::STRUCT,
                2 | KFLAG,
                4,
                &[0, INT, 3 << 24, 0, INT, 29 << 24 | 3],
            );
            b.named("any", kind::UNION, 2, 8, &[0, INT, 0, 0, POINT, 0]);
        }),
        [""; 0]
    );
}

#[test]
fn a_name_inside_a_string() {
    assert_eq!(
        found(|b| {
            // The first string of the base is "int", at 1.
            b.add(2, kind::FWD, 0, 0, &[]);
            b.add(3, kind::FWD, 0, 0, &[]);
        }),
        [
            "[7] FWD nt: name offset 2 lies inside this base's string 'int', not at its start \
          (and 1 more like it)"
        ]
    );
    assert_eq!(
        found(|b| {
            let own = b.string("alpha");
            b.add(own + 1, kind::FWD, 0, 0, &[]);
        }),
        ["[7] FWD lpha: name offset 26 lies inside its own string 'alpha', not at its start"]
    );
}

#[test]
fn a_kind_that_cannot_be_led_to() {
    for (build, words) in [
        (
            (|b: &mut Btf| b.named("g", kind::FUNC, 0, POINT, &[])) as fn(&mut Btf) -> u32,
            "[7] FUNC g: its prototype leads to [3], here STRUCT point, not a FUNC_PROTO",
        ),
        (
            |b| b.add(0, kind::PTR, 0, FUNC, &[]),
            "[7] PTR (anon): its type leads to [5], here FUNC f, not a type",
        ),
        (
            |b| b.named("t", kind::TYPEDEF, 0, 99, &[]),
            "[7] TYPEDEF t: its type leads to [99], here no type at all, not a type",
        ),
        (
            |b| b.named("s", kind::DATASEC, 1, 4, &[INT, 0, 4]),
            "[7] DATASEC s: entry 1 leads to [1], here INT int, not a VAR",
        ),
        (
            |b| b.named("tag", kind::DECL_TAG, 0, INT, &[u32::MAX]),
            "[7] DECL_TAG tag: what it tags leads to [1], here INT int, not a struct, union, \
             typedef, function or variable",
        ),
        (
            |b| b.add(0, kind::ARRAY, 0, 0, &[INT, POINT, 2]),
            "[7] ARRAY (anon): its index leads to [3], here STRUCT point, not an integer",
        ),
        (
            |b| b.add(0, kind::FUNC_PROTO, 1, 0, &[0, PROTO]),
            "[7] FUNC_PROTO (anon): parameter 1 leads to [4], here FUNC_PROTO (anon), not a value",
        ),
        (
            |b| b.add(0, kind::FUNC_PROTO, 0, PROTO, &[]),
            "[7] FUNC_PROTO (anon): what it returns leads to [4], here FUNC_PROTO (anon), not a \
             value",
        ),
        (
            |b| b.structure("s", 4, &[("m", FUNC, 0)]),
            "[7] STRUCT s: member m at byte 0 leads to [5], here FUNC f, not a type",
        ),
    ] {
        assert_eq!(found(build), [words]);
    }
}

#[test]
fn a_type_that_does_not_fit_its_place() {
    for (build, words) in [
        (
            (|b: &mut Btf| b.structure("s", 8, &[("m", VOID_TYPE, 0)])) as fn(&mut Btf) -> u32,
            "[7] STRUCT s: member m at byte 0 is of type [6], here TYPEDEF nothing: a member has \
             a size",
        ),
        (
            |b| b.structure("s", 16, &[("m", POINT, 0), ("n", INT, 32)]),
            "[7] STRUCT s: member m at byte 0 is of type [3], here STRUCT point of 8 bytes: the \
             next member begins at byte 4",
        ),
        (
            |b| b.structure("s", 8, &[("m", POINT, 32)]),
            "[7] STRUCT s: member m at byte 4 is of type [3], here STRUCT point of 8 bytes: it \
             ends behind the 8 bytes of all",
        ),
        (
            |b| b.named("u", kind::UNION, 1, 4, &[0, POINT, 0]),
            "[7] UNION u: the member at byte 0 is of type [3], here STRUCT point of 8 bytes: it \
             ends behind the 4 bytes of all",
        ),
        (
            |b| b.add(0, kind::ARRAY, 0, 0, &[VOID_TYPE, INT, 2]),
            "[7] ARRAY (anon): its element is of type [6], here TYPEDEF nothing: an element has \
             a size",
        ),
        (
            |b| b.named("v", kind::VAR, 0, VOID_TYPE, &[0]),
            "[7] VAR v: it is of type [6], here TYPEDEF nothing: a variable has a size",
        ),
        (
            |b| {
                let variable = b.named("v", kind::VAR, 0, POINT, &[0]);
                b.named("s", kind::DATASEC, 1, 4, &[variable, 0, 4])
            },
            "[8] DATASEC s: entry 1 is of type [3], here STRUCT point of 8 bytes: the variable \
             has 4 bytes",
        ),
    ] {
        assert_eq!(found(build), [words]);
    }
}

#[test]
fn a_type_that_the_base_has_already() {
    assert_eq!(
        found(|b| b.add(0, kind::PTR, 0, INT, &[])),
        [
            "[7] PTR (anon) leads to [1], here INT int: this base has such a type, and it would not be repeated"
        ]
    );
    assert!(found(|b| b.add(0, kind::CONST, 0, INT, &[])).is_empty());
}

/// So many functions with names of different lengths.
fn functions(b: &mut Btf, count: usize) {
    for length in 0..count {
        let name = format!("function_{}", "x".repeat(length * 7 % 11));
        b.function(&format!("{name}{length}"), 1);
    }
}

#[test]
fn the_length_of_the_strings() {
    let below = base();
    let mut split = Btf::split(&below);
    functions(&mut split, 12);
    // At the end, and nothing refers to it.
    split.string("unreferenced");
    let raw = split.build();
    let split = Split::parse(&raw, Order::Little).unwrap();
    let length = below.strings.len() as u32;
    assert_eq!(base_strings(&split), Some(length));

    // Where its own strings would lie far behind all its names.
    let mut longer = base();
    longer.string("z".repeat(5000));
    let longer = Base::parse(longer.build()).unwrap();
    let found = evidence(&split, &longer);
    let words = format!(
        "its strings continue a base with {length} bytes of strings, not {}",
        length + 5001
    );
    assert!(found.iter().any(|e| e.to_string() == words), "{found:?}");
}

#[test]
fn too_little_gives_no_length() {
    let below = base();
    for count in 0..2 {
        let mut split = Btf::split(&below);
        functions(&mut split, count);
        let raw = split.build();
        assert_eq!(
            base_strings(&Split::parse(&raw, Order::Little).unwrap()),
            None
        );
    }
    // Names of one length: shifted by one of them, they fit as well.
    let mut split = Btf::split(&below);
    for number in 0..20 {
        split.function(&format!("same_{number:02}"), 1);
    }
    split.string("same_20");
    let raw = split.build();
    assert_eq!(
        base_strings(&Split::parse(&raw, Order::Little).unwrap()),
        None
    );
}

fn compared(split: &Btf, here: &Btf, there: &Btf) -> Comparison {
    let raw = split.build();
    let split = Split::parse(&raw, Order::Little).unwrap();
    let [here, there] = [here, there].map(|base| Base::parse(base.build()).unwrap());
    let mut known = BasePairMemo::default();
    let met = same_meaning(&split, &here, &there, &mut known);
    // What was learned does not change the answer.
    assert_eq!(same_meaning(&split, &here, &there, &mut known), met);
    met
}

#[test]
fn what_lies_before_the_first_difference_means_the_same() {
    let here = base();
    let mut there = base();
    there.structure("more", 0, &[]);
    // Refers to what both have, and bears no name of its own.
    let mut split = Btf::split(&here);
    split.add(0, kind::CONST, 0, POINT, &[]);
    assert_eq!(compared(&split, &here, &there), Comparison::Same);
    // Its own id is another's there; its own name too.
    let own = split.next_id() - 1;
    split.add(0, kind::PTR, 0, own, &[]);
    assert!(matches!(
        compared(&split, &here, &there),
        Comparison::Different(_)
    ));
    let mut split = Btf::split(&here);
    split.named("own", kind::FWD, 0, 0, &[]);
    assert!(matches!(
        compared(&split, &here, &there),
        Comparison::Different(_)
    ));
}

#[test]
fn a_difference_far_behind_is_found_and_named() {
    let ring = |size: u32| {
        let mut b = Btf::base();
        b.int();
        // node -> pointer to node, in a circle, and on to what may differ.
        let node = b.next_id();
        b.structure("node", 16, &[("next", node + 1, 0), ("leaf", node + 2, 64)]);
        b.add(0, kind::PTR, 0, node, &[]);
        b.add(0, kind::PTR, 0, node + 3, &[]);
        b.structure("leaf", size, &[("value", 1, 0)]);
        b
    };
    let here = ring(4);
    let mut split = Btf::split(&here);
    split.add(0, kind::CONST, 0, 2, &[]);
    assert_eq!(compared(&split, &here, &ring(4)), Comparison::Same);
    let Comparison::Different(difference) = compared(&split, &here, &ring(8)) else {
        panic!("the same");
    };
    assert_eq!(
        difference.to_string(),
        "[5] is STRUCT leaf of 8 bytes with 1 member, but STRUCT leaf of 4 bytes with 1 member here"
    );
}
