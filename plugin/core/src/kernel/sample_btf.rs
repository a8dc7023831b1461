// SPDX-License-Identifier: GPL-2.0-or-later
//! BTF for tests.

use btf_guard_btf::Order;

/// BTF of `count` pointers and one struct of this name.
pub(crate) fn sample_btf(order: Order, header: u32, name: &str, count: usize) -> Vec<u8> {
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
