// SPDX-License-Identifier: GPL-2.0-or-later
//! Chains of modifiers, and the order of type tags.

use btf_guard_tests::btf::{Btf, Era, kind};

use crate::{OK, anon, case, everywhere, one};

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
