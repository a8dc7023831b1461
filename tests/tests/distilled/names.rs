// SPDX-License-Identifier: GPL-2.0-or-later
//! Which type of the base a name of the distilled base leads to.

use btf_guard_btf::Base;
use btf_guard_tests::btf::{Btf, KFLAG, kind};

use crate::{case, embed, kernel, named, pair, pointer, run_on};

#[test]
fn names_that_are_found() {
    case(|_| {}, pointer, 0, &[]);
    case(named("list_head", kind::STRUCT, 16), pointer, 0, &[]);
    case(named("list_head", kind::STRUCT, 16), embed, 0, &[]);
    // Only a pointer: the size does not matter, nor struct or union.
    case(named("list_head", kind::STRUCT, 24), pointer, 0, &[]);
    case(named("list_head", kind::UNION, 16), pointer, 0, &[]);
    case(named("list_head", kind::UNION, 16), embed, 0, &[]);
    case(named("file", kind::FWD, 0), pointer, 0, &[]);
    case(named("big", kind::ENUM, 8), pointer, 0, &[]);
    case(named("small", kind::ENUM, 4), pointer, 0, &[]);
    case(named("_Float", kind::FLOAT, 8), pointer, 0, &[]);
    // Of two with the same name the size chooses.
    case(named("pair", kind::STRUCT, 16), pointer, 0, &[]);
    case(named("pair", kind::STRUCT, 8), embed, 0, &[]);
    // The same type twice in the distilled base.
    case(
        |b| {
            b.named("file", kind::STRUCT, 0, 184, &[]);
            b.named("file", kind::STRUCT, 0, 184, &[]);
        },
        embed,
        0,
        &[],
    );
    // Nothing distilled, nothing referred to.
    let empty = Btf::base();
    let mut split = Btf::split(&empty);
    split.add(0, kind::PTR, 0, 0, &[]);
    assert_eq!(
        run_on(&kernel(), "6.12.117", &empty.build(), &split.build()),
        Ok(())
    );
}

#[test]
fn names_that_are_not_found() {
    let lost =
        |name: &str| format!("distilled base BTF type '{name}' [2] is not mapped to base BTF id");
    for (name, kind, size) in [
        ("nosuch", kind::STRUCT, 16),
        ("int", kind::INT, 8),
        ("big", kind::ENUM, 4),
        ("small", kind::ENUM, 8),
        ("_Float", kind::FLOAT, 4),
        ("list_head", kind::ENUM, 8),
        ("pair", kind::STRUCT, 4),
    ] {
        let make = |b: &mut Btf| {
            let rest: &[u32] = if kind == kind::INT {
                &[0x0100_0040]
            } else {
                &[]
            };
            b.named(name, kind, 0, size, rest);
        };
        case(make, pointer, 22, &[&lost(name)]);
    }
    // Held by value, so the size matters.
    case(
        named("list_head", kind::STRUCT, 24),
        embed,
        22,
        &[&lost("list_head")],
    );
    // Through an array, a typedef and a const it is still held by value.
    case(
        named("list_head", kind::STRUCT, 24),
        |b, id| {
            let array = b.next_id();
            b.add(0, kind::ARRAY, 0, 0, &[array + 1, 1, 2]);
            b.named("t", kind::TYPEDEF, 0, array + 2, &[]);
            b.add(0, kind::CONST, 0, id, &[]);
            b.structure("holder", 64, &[("m", array, 0)]);
        },
        22,
        &[&lost("list_head")],
    );
    // Another encoding.
    let mut base = Btf::base();
    base.named("int", kind::INT, 0, 4, &[32]);
    let mut split = Btf::split(&base);
    pointer(&mut split, 1);
    let refusal = run_on(&kernel(), "6.12.117", &base.build(), &split.build()).unwrap_err();
    assert_eq!(refusal.errno, -22);
    assert_eq!(
        refusal.log,
        ["distilled base BTF type 'int' [1] is not mapped to base BTF id"]
    );
}

#[test]
fn forward_declarations_compare_the_flag_and_nothing_else() {
    // A union's flag is not set, so the kernel finds no union for any FWD …
    case(
        named("u", kind::FWD, 0),
        pointer,
        22,
        &["distilled base BTF type 'u' [2] is not mapped to base BTF id"],
    );
    case(
        |b| {
            b.named("u", kind::FWD, KFLAG, 0, &[]);
        },
        pointer,
        22,
        &["distilled base BTF type 'u' [2] is not mapped to base BTF id"],
    );
    // … and no struct that has bit fields …
    case(
        named("bits", kind::FWD, 0),
        pointer,
        22,
        &["distilled base BTF type 'bits' [2] is not mapped to base BTF id"],
    );
    // … but takes a struct for a union.
    case(
        |b| {
            b.named("file", kind::FWD, KFLAG, 0, &[]);
        },
        pointer,
        0,
        &[],
    );
    case(
        |b| {
            b.named("later", kind::FWD, KFLAG, 0, &[]);
        },
        pointer,
        0,
        &[],
    );
    case(
        named("later", kind::FWD, 0),
        pointer,
        22,
        &["distilled base BTF type 'later' [2] is not mapped to base BTF id"],
    );
}

#[test]
fn ambiguous_names() {
    let base = kernel();
    let raw = Base::parse(base.build()).unwrap();
    assert!(raw.types() > 20);
    let (distilled, split) = pair(named("same", kind::STRUCT, 8), pointer);
    let refusal = run_on(&base, "6.12.117", &distilled, &split).unwrap_err();
    assert_eq!(refusal.errno, -22);
    let [line] = &refusal.log[..] else {
        panic!("{:?}", refusal.log)
    };
    assert!(
        line.starts_with("distilled base BTF type 'same' [2], size 8 has multiple candidates of the same size (ids ["),
        "{line}"
    );
    assert!(line.ends_with("]) in base BTF"), "{line}");
}

#[test]
fn how_many_bear_a_name_is_counted_once() {
    let mut base = kernel();
    let name = base.string("many");
    for _ in 0..50_000 {
        base.add(name, kind::STRUCT, 0, 8, &[]);
    }
    let (distilled, split) = pair(named("many", kind::STRUCT, 4), pointer);
    let refusal = run_on(&base, "6.12.117", &distilled, &split).unwrap_err();
    assert_eq!((refusal.errno, refusal.kernel_bug), (-22, None));
}
