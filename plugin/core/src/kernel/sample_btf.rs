// SPDX-License-Identifier: GPL-2.0-or-later
//! BTF for tests.

use btf_guard_btf::Order;

/// BTF of `count` pointers and one struct of this name.
pub(crate) fn sample_btf(order: Order, header: u32, name: &str, count: usize) -> Vec<u8> {
    let word = |value: u32| match order {
        Order::Little => value.to_le_bytes(),
        Order::Big => value.to_be_bytes(),
    };
    let mut types = Vec::new();
    for _ in 0..count {
        types.extend([0, 2 << 24, 0].map(word).concat());
    }
    types.extend([1, 4 << 24, 0].map(word).concat());
    let strings = format!("\0{name}\0");
    let magic: [u8; 2] = match order {
        Order::Little => [0x9f, 0xeb],
        Order::Big => [0xeb, 0x9f],
    };
    let mut out = magic.to_vec();
    out.extend_from_slice(&[1, 0]);
    let lengths = [types.len(), types.len(), strings.len()].map(|length| word(length as u32));
    out.extend(
        [[word(header), word(0)], [lengths[0], lengths[1]]]
            .concat()
            .concat(),
    );
    out.extend(lengths[2]);
    out.resize(header as usize, 0);
    out.extend(types);
    out.extend_from_slice(strings.as_bytes());
    out
}
