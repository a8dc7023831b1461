// SPDX-License-Identifier: GPL-2.0-or-later
//! Where the kernel itself goes wrong.

use btf_guard_btf::features::Features;
use btf_guard_btf::{Base, Order, verify_base, verify_module};
use btf_guard_tests::btf::{Btf, kind};

use crate::{Refusal, case, kernel, pair, pointer, run_on};

#[track_caller]
fn bug(distilled: impl Fn(&mut Btf), split: impl Fn(&mut Btf, u32), words: &str) {
    let (distilled, split) = pair(distilled, split);
    let refusal = run_on(&kernel(), "6.12.117", &distilled, &split).unwrap_err();
    let bug = refusal.kernel_bug.unwrap();
    assert!(bug.contains(words), "{bug}");
    assert_eq!((refusal.errno, refusal.log.len()), (0, 0));
}

#[test]
fn where_the_kernel_itself_goes_wrong() {
    let null = "through a NULL pointer";
    bug(
        |_| {},
        |b, _| {
            b.structure("holder", 64, &[("m", 77, 0)]);
        },
        null,
    );
    bug(
        |_| {},
        |b, _| {
            let array = b.add(0, kind::ARRAY, 0, 0, &[77, 1, 1]);
            b.structure("holder", 64, &[("m", array, 0)]);
        },
        null,
    );
    // Arrays of each other are no modifiers, so nothing stopped the circle.
    bug(
        |_| {},
        |b, _| {
            let first = b.next_id();
            b.add(0, kind::ARRAY, 0, 0, &[first + 1, 1, 1]);
            b.add(0, kind::ARRAY, 0, 0, &[first, 1, 1]);
            b.structure("holder", 64, &[("m", first, 0)]);
        },
        "never leaves the circle",
    );
    let past = "reads past its map";
    bug(
        |_| {},
        |b, _| {
            b.add(0, kind::PTR, 0, 77, &[]);
        },
        past,
    );
    bug(
        |_| {},
        |b, _| {
            b.add(0, kind::FUNC_PROTO, 1, 1, &[0, 0xffff_ffff]);
        },
        past,
    );
    // The first id past the map, and the last inside.
    bug(|_| {}, |b, _| pointer(b, 3), past);
    case(|_| {}, |b, _| pointer(b, 2), 0, &[]);
}

/// `btf_add_type()` (read, not measured): a BTF that stands alone is refused at
/// `BTF_MAX_TYPE` types, `void` among them; a split one that steps over the
/// limit writes past the kernel's array.
#[test]
fn too_many_types() {
    const MAX_TYPE: u32 = 0x000f_ffff;
    let abilities = Features::of(&Base::parse(kernel().build()).unwrap(), Some("6.12.117"));
    let pointers = |mut b: Btf, count: u32| {
        for _ in 0..count {
            b.add(0, kind::PTR, 0, 0, &[]);
        }
        b.build()
    };
    let most = pointers(Btf::base(), MAX_TYPE - 1);
    assert_eq!(verify_base(&most, Order::Little, &abilities), Ok(()));
    let refusal =
        verify_base(&pointers(Btf::base(), MAX_TYPE), Order::Little, &abilities).unwrap_err();
    let refusal = Refusal::of(&refusal, &abilities, false);
    assert_eq!((refusal.errno, refusal.kernel_bug), (-7, None));
    assert_eq!(refusal.log, ["Exceeded max num of types"]);

    let base = kernel();
    let parsed = Base::parse(base.build()).unwrap();
    let verdict = |count| {
        verify_module(
            &pointers(Btf::split(&base), count),
            None,
            &parsed,
            &abilities,
        )
    };
    assert_eq!(verdict(MAX_TYPE), Ok(()));
    let bug = verdict(MAX_TYPE + 1).unwrap_err().kernel_bug().unwrap();
    assert!(bug.contains("writes past its array"), "{bug}");
}
