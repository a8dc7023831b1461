// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::Base;

/// BTF of `count` pointers and one struct of this name.
fn btf(order: Order, header: u32, name: &str, count: usize) -> Vec<u8> {
    let strings = format!("\0{name}\0");
    let mut types = [0, 2 << 24, 0].repeat(count);
    types.extend([1, 4 << 24, 0]);
    let length = 4 * types.len() as u32;
    let magic = match order {
        Order::Little => 0x0001_eb9f,
        Order::Big => 0xeb9f_0100,
    };
    let mut words = vec![magic, header, 0, length, length, strings.len() as u32];
    words.resize(header as usize / 4, 0);
    words.extend(types);
    let words = words.into_iter().flat_map(|word| order.bytes(word));
    words.chain(strings.into_bytes()).collect()
}

fn kernel(count: usize) -> Vec<u8> {
    btf(Order::Little, 24, "task_struct", count)
}

fn find(image: &[u8]) -> Option<Range<usize>> {
    find_base(image, Order::Little).unwrap()
}

#[test]
fn a_base_is_found_wherever_it_is() {
    for header in [24, 28, 32, 256] {
        for order in [Order::Little, Order::Big] {
            let base = btf(order, header, "task_struct", 5);
            assert!(Base::parse(base.clone()).is_ok());
            for before in 0..9 {
                let mut image = vec![0xeb; before];
                image.extend_from_slice(&base);
                image.extend_from_slice(b"what comes next");
                let found = find_base(&image, order).unwrap();
                assert_eq!(found, Some(before..before + base.len()), "{header}");
                let other = match order {
                    Order::Little => Order::Big,
                    Order::Big => Order::Little,
                };
                assert_eq!(find_base(&image, other), Ok(None));
            }
        }
    }
}

#[test]
fn what_is_not_sound_is_no_base() {
    let good = kernel(3);
    // Magic, version, flags; the header's length; sections; the types' kinds;
    // the NULs; the name.
    let strings = good.len() - 13;
    let header = [0, 1, 2, 3, 4, 5, 8, 12, 16, 20];
    let behind = [
        24 + 7,
        24 + 12 * 3 + 7,
        strings,
        strings + 4,
        good.len() - 1,
    ];
    for at in header.into_iter().chain(behind) {
        for value in [0x11, 0x7f, 0xff] {
            let mut bad = good.clone();
            bad[at] = value;
            bad.extend_from_slice(&[0xee; 300]);
            assert_eq!(find_base(&bad, Order::Little), Ok(None), "{at}");
        }
    }
    for length in 0..good.len() {
        let found = find_base(&good[..length], Order::Little);
        assert_eq!(found.ok().flatten(), None);
    }
}

#[test]
fn strings_begin_with_a_nul() {
    let mut base = btf(Order::Little, 24, "x\0task_struct", 3);
    assert!(find(&base).is_some());
    let strings = base.len() - 15;
    base[strings] = b'y';
    assert_eq!(find(&base), None);
}

#[test]
fn of_several_the_largest_of_a_kernel_counts() {
    let program = btf(Order::Little, 24, "bpf_iter", 90);
    let (small, large) = (kernel(10), kernel(20));
    let image = [&small[..], &program, &large, &small, &kernel(20)].concat();
    let start = small.len() + program.len();
    assert_eq!(find(&image), Some(start..start + large.len()));
    assert_eq!(find(&program), None);
    assert_eq!(find(b""), None);
}

#[test]
fn sections_of_a_layout_belong_to_it() {
    // The layout (Linux 7.1) may lie before the types, or behind the strings.
    let mut base = btf(Order::Little, 32, "task_struct", 2);
    let strings = u32::from_le_bytes(base[16..20].try_into().unwrap());
    base[24..28].copy_from_slice(&(strings + 13).to_le_bytes());
    base[28..32].copy_from_slice(&8_u32.to_le_bytes());
    assert_eq!(find(&base), None);
    base.extend_from_slice(&[7; 8]);
    let mut image = base.clone();
    image.extend_from_slice(b"more");
    assert_eq!(find(&image), Some(0..base.len()));
}

#[test]
fn a_base_that_the_end_cuts_in_two_is_told() {
    let base = kernel(NO_ACCIDENT + 10);
    let mut image = b"before".to_vec();
    image.extend_from_slice(&base);
    let strings = image.len() - 13;
    for length in [strings - 3, strings, strings + 1, image.len() - 1] {
        let error = find_base(&image[..length], Order::Little).unwrap_err();
        assert_eq!(error.offset, length as u64);
        let expected = format!("the rest of {} bytes of BTF that begin at 0x6", base.len());
        assert_eq!(error.expected, expected);
    }
    // Too little to know, unless another one is whole.
    assert_eq!(find(&image[..NO_ACCIDENT * 12]), None);
    let both = [&kernel(1)[..], &image[..strings]].concat();
    assert_eq!(find(&both), Some(0..kernel(1).len()));
}

#[test]
fn a_kind_of_a_newer_kernel_ends_the_walk_only() {
    let count = NO_ACCIDENT + 10;
    let whole = kernel(count);
    let of = |kind: u8, index: usize| {
        let mut base = whole.clone();
        base[24 + 12 * index + 7] = kind;
        find(&base)
    };
    for (kind, index, is_found) in [
        (20, count - 1, true),
        (31, count - 1, true),
        (32, count - 1, false),
        (0, count - 1, false),
        // Too little of it is understood.
        (20, NO_ACCIDENT - 1, false),
    ] {
        let expected = is_found.then_some(0..whole.len());
        assert_eq!(of(kind, index), expected, "{kind} at {index}");
    }
}

#[test]
fn walks_over_each_other_end() {
    // Headers, all of which lead into the same million of types; these are
    // wrong at their end, or not of a kernel.
    for (name, last) in [("x", 4_u32), ("task_struct", 0x7f)] {
        let count = 1_000_000;
        let tail = btf(Order::Little, 24, name, count);
        let mut image = Vec::new();
        let headers = 4000;
        for index in 0..headers {
            let distance = ((headers - index) * 24) as u32;
            let length = (count as u32 + 1) * 12;
            let strings = name.len() as u32 + 2;
            image.extend_from_slice(b"\x9f\xeb\x01\0");
            for value in [24, distance, length, distance + length, strings] {
                image.extend_from_slice(&value.to_le_bytes());
            }
        }
        image.extend_from_slice(&tail);
        let kind = image.len() - name.len() - 2 - 5;
        image[kind] = last as u8;
        let before = std::time::Instant::now();
        let error = find_base(&image, Order::Little).unwrap_err();
        let expected = "BTF, not thousands of BTFs that lie over each other";
        assert_eq!(error.expected, expected);
        // Without the bound it would be some minutes.
        assert!(before.elapsed().as_secs() < 10);
    }
}

#[test]
fn strings_over_each_other_end() {
    // Headers with one type each, and with the rest of the image as strings.
    let mut image = Vec::new();
    let total = 64 << 20;
    while image.len() < 1 << 20 {
        let strings = (total - image.len() - 36) as u32;
        image.extend_from_slice(b"\x9f\xeb\x01\0");
        for value in [24, 0, 12, 12, strings, 0, 2 << 24, 0, 0] {
            image.extend_from_slice(&u32::to_le_bytes(value));
        }
    }
    image.resize(total, 0);
    let before = std::time::Instant::now();
    assert!(find_base(&image, Order::Little).is_err());
    assert!(before.elapsed().as_secs() < 10);
}
