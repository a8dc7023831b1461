// SPDX-License-Identifier: GPL-2.0-or-later
//! One rule each, on the last value that it takes and the first that it does not.

use btf_guard_tests::btf::{Btf, KFLAG, kind};

use super::{Case, Family, Material};

type Probe = (String, Box<dyn Fn(&mut Btf)>);

fn probe(label: impl Into<String>, make: impl Fn(&mut Btf) + 'static) -> Probe {
    (label.into(), Box::new(make))
}

pub(super) fn all(material: &Material) -> Vec<Case> {
    let (types, strings) = (material.base.types(), material.base.strings_len());
    let mut probes = names();
    probes.extend(chains());
    probes.extend(aggregates());
    probes.extend(references(strings));
    probes.extend(small_kinds());
    let made = probes.into_iter().map(|(label, make)| {
        let mut b = Btf::continuing(types, strings);
        make(&mut b);
        Case::carried(Family::Probe, label, b.build())
    });
    made.collect()
}

/// The bytes on both sides of each border between classes of `lib/ctype.c`, and
/// what logs escape.
const BORDERS: [u8; 42] = [
    0x01, 0x09, 0x1f, 0x20, b'"', b'$', b'%', b'-', b'.', b'/', b'0', b'9', b':', b'@', b'A', b'Z',
    b'[', b'\\', b'^', b'_', b'`', b'a', b'z', b'{', 0x7e, 0x7f, 0x80, 0x9f, 0xa0, 0xaa, 0xb5,
    0xba, 0xbf, 0xc0, 0xd6, 0xd7, 0xd8, 0xdf, 0xf6, 0xf7, 0xf8, 0xff,
];

fn names() -> Vec<Probe> {
    let mut probes = Vec::new();
    for len in [127, 128, 511, 512, 513] {
        probes.push(probe(format!("name-{len}"), move |b| {
            b.structure(&"a".repeat(len), 8, &[]);
        }));
        probes.push(probe(format!("section-{len}"), move |b| {
            let var = b.named("v", kind::VAR, 0, 1, &[0]);
            b.named("s".repeat(len), kind::DATASEC, 1, 8, &[var, 0, 8]);
        }));
    }
    for (place, before) in [("first", ""), ("later", "x")] {
        for byte in BORDERS {
            let name = [before.as_bytes(), &[byte]].concat();
            probes.push(probe(format!("{place}-{byte:02x}"), move |b| {
                b.named(&name, kind::STRUCT, 0, 8, &[]);
            }));
        }
    }
    for name in [".data..percpu", ".data x", ".data-x", "a\u{e9}"] {
        probes.push(probe(format!("section {}", name.len()), move |b| {
            let var = b.named("v", kind::VAR, 0, 1, &[0]);
            b.named(name, kind::DATASEC, 1, 8, &[var, 0, 8]);
        }));
    }
    probes
}

fn chains() -> Vec<Probe> {
    let mut probes = Vec::new();
    for len in [31_u32, 32, 33] {
        probes.push(probe(format!("chain-forward-{len}"), move |b| {
            let first = b.next_id();
            for n in 1..=len {
                b.add(0, kind::CONST, 0, if n == len { 1 } else { first + n }, &[]);
            }
        }));
        probes.push(probe(format!("chain-back-{len}"), move |b| {
            let mut before = 1;
            for _ in 0..len {
                before = b.add(0, kind::VOLATILE, 0, before, &[]);
            }
        }));
    }
    for beyond in [0, 1, 2, 100] {
        probes.push(probe(format!("chain-to-beyond-{beyond}"), move |b| {
            let next = b.next_id() + beyond;
            b.add(0, kind::CONST, 0, next, &[]);
        }));
    }
    probes.push(probe("tag-behind-modifier", |b| {
        let tag = b.named("user", kind::TYPE_TAG, 0, 1, &[]);
        b.add(0, kind::CONST, 0, tag, &[]);
    }));
    probes.push(probe("modifier-behind-tag", |b| {
        let modifier = b.add(0, kind::CONST, 0, 1, &[]);
        b.named("user", kind::TYPE_TAG, 0, modifier, &[]);
    }));
    probes.push(probe("tag-modifier-tag", |b| {
        let inner = b.named("user", kind::TYPE_TAG, 0, 1, &[]);
        let modifier = b.add(0, kind::CONST, 0, inner, &[]);
        b.named("user", kind::TYPE_TAG, 0, modifier, &[]);
    }));
    probes
}

fn aggregates() -> Vec<Probe> {
    let mut probes = Vec::new();
    for offset in [0, 1, 63, 64, 65, 71, 72] {
        probes.push(probe(format!("member-at-{offset}-of-8-bytes"), move |b| {
            b.structure("s", 8, &[("m", 1, offset)]);
        }));
        probes.push(probe(
            format!("bitfield-at-{offset}-of-8-bytes"),
            move |b| {
                let member = b.string("m");
                b.named(
                    "s",
                    kind::STRUCT,
                    1 | KFLAG,
                    8,
                    &[member, 1, 3 << 24 | offset],
                );
            },
        ));
    }
    for (first, second) in [(0, 0), (8, 7), (8, 8)] {
        probes.push(probe(
            format!("members-at-{first}-and-{second}"),
            move |b| {
                b.structure("s", 8, &[("a", 1, first), ("b", 1, second)]);
            },
        ));
    }
    for (offset, size, whole) in [
        (0, 8, 8),
        (0, 9, 8),
        (7, 1, 8),
        (8, 1, 8),
        (0, 0, 8),
        (0, 8, 0),
    ] {
        probes.push(probe(
            format!("variable-{offset}-{size}-{whole}"),
            move |b| {
                let var = b.named("v", kind::VAR, 0, 1, &[0]);
                b.named(".data", kind::DATASEC, 1, whole, &[var, offset, size]);
            },
        ));
    }
    for (second, size) in [(3, 4), (4, 4), (5, 4)] {
        probes.push(probe(format!("variables-0-4-{second}-{size}"), move |b| {
            let var = b.named("v", kind::VAR, 0, 1, &[0]);
            b.named(
                ".data",
                kind::DATASEC,
                2,
                16,
                &[var, 0, 4, var, second, size],
            );
        }));
    }
    for size in [0, 1, 2, 3, 4, 8, 16] {
        probes.push(probe(format!("enum-of-{size}"), move |b| {
            let value = b.string("A");
            b.named("e", kind::ENUM, 1, size, &[value, 1]);
            b.named("f", kind::ENUM64, 1, size, &[value, 1, 0]);
        }));
    }
    probes.push(probe("enum-kflag", |b| {
        _ = b.named("e", kind::ENUM, KFLAG, 4, &[])
    }));
    probes
}

fn references(strings: u32) -> Vec<Probe> {
    let mut probes = Vec::new();
    for id in [0, 1, 0xf_ffff, 0x10_0000, 0xff_ffff, 0x100_0000] {
        for (label, kind) in [
            ("ptr", kind::PTR),
            ("typedef", kind::TYPEDEF),
            ("func", kind::FUNC),
            ("decl-tag", kind::DECL_TAG),
            ("var", kind::VAR),
        ] {
            probes.push(probe(format!("{label}-to-{id:x}"), move |b| {
                let name = if kind == kind::PTR { 0 } else { b.string("n") };
                let rest: &[u32] = match kind {
                    kind::VAR => &[0],
                    kind::DECL_TAG => &[u32::MAX],
                    _ => &[],
                };
                b.add(name, kind, 0, id, rest);
            }));
        }
        probes.push(probe(format!("array-of-{id:x}"), move |b| {
            b.add(0, kind::ARRAY, 0, 0, &[id, 1, 1]);
        }));
        probes.push(probe(format!("array-by-{id:x}"), move |b| {
            b.add(0, kind::ARRAY, 0, 0, &[1, id, 1]);
        }));
    }
    for (label, offset) in [
        ("last-of-base", strings - 1),
        ("first-of-own", strings),
        ("inside-own", strings + 1),
        ("end-of-own", strings + 3),
        ("beyond-own", strings + 4),
        ("highest", 0xff_ffff),
        ("too-high", 0x100_0000),
    ] {
        probes.push(probe(format!("name-{label}"), move |b| {
            b.string("abc");
            b.add(offset, kind::STRUCT, 0, 8, &[]);
        }));
    }
    probes
}

fn small_kinds() -> Vec<Probe> {
    let mut probes = Vec::new();
    for component in [-2_i32, -1, 0, 1, i32::MIN, i32::MAX] {
        probes.push(probe(format!("component-{component}"), move |b| {
            b.named("tag", kind::DECL_TAG, 0, 1, &[component as u32]);
        }));
    }
    for size in [0, 1, 2, 3, 4, 8, 10, 12, 16, 32] {
        probes.push(probe(format!("float-of-{size}"), move |b| {
            b.named("f", kind::FLOAT, 0, size, &[]);
        }));
    }
    for data in [
        0,
        1,
        64,
        65,
        128,
        129,
        0x100_0020,
        0x200_0020,
        0x300_0020,
        0x400_0020,
        0x800_0020,
        0x1000_0020,
        0x1_0020,
        0xff_0001,
    ] {
        for size in [1, 8, 16] {
            probes.push(probe(format!("int-{data:x}-in-{size}"), move |b| {
                b.named("i", kind::INT, 0, size, &[data]);
            }));
        }
    }
    for linkage in 0..4 {
        probes.push(probe(format!("linkage-{linkage}"), move |b| {
            let proto = b.add(0, kind::FUNC_PROTO, 0, 0, &[]);
            b.named("f", kind::FUNC, linkage, proto, &[]);
        }));
        probes.push(probe(format!("var-linkage-{linkage}"), move |b| {
            b.named("v", kind::VAR, 0, 1, &[linkage]);
        }));
    }
    for (kind, label) in [
        (kind::PTR, "ptr"),
        (kind::FWD, "fwd"),
        (kind::TYPEDEF, "typedef"),
        (kind::CONST, "const"),
        (kind::FUNC_PROTO, "func-proto"),
        (kind::FUNC, "func"),
        (kind::TYPE_TAG, "type-tag"),
        (kind::FLOAT, "float"),
        (20, "kind-20"),
        (31, "kind-31"),
        (0, "kind-0"),
    ] {
        for flags in [0, KFLAG, 1 << 16, 1 << 29, 1 << 30] {
            probes.push(probe(format!("{label}-flags-{flags:x}"), move |b| {
                let name = b.string("n");
                let anonymous = [kind::PTR, kind::CONST, kind::FUNC_PROTO].contains(&kind);
                let size = if kind == kind::FLOAT { 4 } else { 0 };
                b.words(&[if anonymous { 0 } else { name }, kind << 24 | flags, size]);
            }));
        }
    }
    probes
}
