// SPDX-License-Identifier: GPL-2.0-or-later
//! Defects for BTF: some aimed at a rule, some at random. The same seed gives
//! the same defects everywhere.

use crate::btf::{Btf, KFLAG, kind};

/// A small generator of random numbers (xorshift64*), the same on every machine.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Starts from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Any number.
    pub fn any(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.any()) * n as u64) >> 32) as usize
    }

    /// One of `all`.
    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

const NAMES: [&str; 12] = [
    "a",
    "foo",
    "bar_1",
    ".x",
    "x.y",
    "9",
    "a-b",
    "",
    "long unsigned int",
    "\u{e9}",
    "_",
    "a b",
];

/// A BTF of `types` types, most of them right, continuing what `b` continues.
pub fn generate(b: &mut Btf, types: usize, random: &mut Random) {
    let first = b.next_id();
    let names: Vec<u32> = NAMES.iter().map(|name| b.string(name)).collect();
    for _ in 0..types {
        let last = first + types as u32;
        let id = if random.once_in(30) {
            random.pick(&[0, last, last + 1, 0x000f_ffff, 0x0010_0000, u32::MAX])
        } else {
            1 + random.below(last as usize - 1) as u32
        };
        let good = names[random.below(5)];
        let name = if random.once_in(25) {
            random.pick(&names)
        } else {
            good
        };
        let flag = if random.once_in(30) { KFLAG } else { 0 };
        let vlen = random.below(3) as u32;
        let offset = |random: &mut Random| {
            if random.once_in(20) {
                random.any()
            } else {
                random.below(5) as u32 * 8
            }
        };
        match random.below(20) {
            0 | 1 => {
                let data = random.pick(&[
                    32,
                    0x0100_0020,
                    0x0200_0008,
                    0x0400_0008,
                    64,
                    129,
                    0x0300_0020,
                    0x0008_0018,
                ]);
                b.add(name, kind::INT, flag, random.pick(&[1, 4, 8, 16]), &[data]);
            }
            2 => {
                let rest = [id, random.pick(&[1, 1, 1, id]), random.below(9) as u32];
                b.add(0, kind::ARRAY, flag, 0, &rest);
            }
            3..=5 => {
                let kind = random.pick(&[kind::STRUCT, kind::STRUCT, kind::UNION]);
                let mut rest = Vec::new();
                let mut at = 0;
                for _ in 0..vlen {
                    rest.extend([random.pick(&[name, 0, good]), id, at]);
                    if kind == kind::STRUCT || random.once_in(10) {
                        at = u32::wrapping_add(at, offset(random));
                    }
                }
                b.add(name, kind, vlen | flag, random.pick(&[8, 16, 64]), &rest);
            }
            6 => {
                let rest: Vec<u32> = (0..vlen).flat_map(|n| [good, n]).collect();
                b.add(
                    name,
                    kind::ENUM,
                    vlen | flag,
                    random.pick(&[1, 2, 4, 8, 4, 3]),
                    &rest,
                );
            }
            7 => {
                let rest: Vec<u32> = (0..vlen).flat_map(|n| [name, n, 0]).collect();
                b.add(
                    name,
                    kind::ENUM64,
                    vlen | flag,
                    random.pick(&[1, 8, 4, 16]),
                    &rest,
                );
            }
            8 => {
                b.add(name, kind::FWD, flag, u32::from(random.once_in(9)), &[]);
            }
            9 => {
                b.add(name, kind::TYPEDEF, flag, id, &[]);
            }
            10..=12 => {
                let kind = random.pick(&[kind::VOLATILE, kind::CONST, kind::RESTRICT, kind::PTR]);
                let name = if random.once_in(20) { name } else { 0 };
                b.add(name, kind, flag, id, &[]);
            }
            13 | 14 => {
                let rest: Vec<u32> = (0..vlen).flat_map(|_| [good, id]).collect();
                b.add(
                    0,
                    kind::FUNC_PROTO,
                    vlen | flag,
                    random.pick(&[0, 1, id]),
                    &rest,
                );
            }
            15 => {
                let linkage = random.pick(&[0, 1, 0, 1, 2]);
                b.add(name, kind::FUNC, linkage | flag, id, &[]);
            }
            16 => {
                b.add(name, kind::VAR, flag, id, &[random.pick(&[0, 1, 1, 2])]);
            }
            17 => {
                let mut at = 0;
                let mut rest = Vec::new();
                for _ in 0..vlen {
                    rest.extend([id, at, random.pick(&[4, 8, 4, 0])]);
                    at += 8;
                }
                b.add(
                    name,
                    kind::DATASEC,
                    vlen | flag,
                    random.pick(&[16, 64, 8, 0]),
                    &rest,
                );
            }
            18 => {
                b.add(
                    name,
                    kind::FLOAT,
                    flag,
                    random.pick(&[2, 4, 8, 12, 16, 3]),
                    &[],
                );
            }
            _ => {
                let kind = random.pick(&[kind::DECL_TAG, kind::TYPE_TAG]);
                let rest: &[u32] = if kind == kind::DECL_TAG {
                    &[random.pick(&[u32::MAX, 0, 1, u32::MAX - 1])]
                } else {
                    &[]
                };
                b.add(name, kind, flag, id, rest);
            }
        }
    }
}

/// Breaks one thing, or nothing, in a whole BTF with a header of 24 bytes.
pub fn mutate(raw: &mut Vec<u8>, random: &mut Random) {
    let len = raw.len();
    if len < 28 {
        return;
    }
    let word = random.pick(&[
        0,
        1,
        2,
        4,
        8,
        20,
        23,
        24,
        25,
        28,
        32,
        0xff,
        0xffff,
        0x0001_0000,
        0x000f_ffff,
        0x0010_0000,
        0x00ff_ffff,
        0x0100_0000,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        len as u32,
    ]);
    let mut put = |at: usize, word: u32| {
        if let Some(place) = raw.get_mut(at..at + 4) {
            place.copy_from_slice(&word.to_le_bytes());
        }
    };
    match random.below(12) {
        0 => put(4 + 4 * random.below(5), word),
        1 => {
            let at = random.below(24);
            raw[at] ^= 1 << random.below(8);
        }
        2 => raw.truncate(random.below(len)),
        3 => raw.extend((0..1 + random.below(8)).map(|n| n as u8)),
        4..=6 => put(24 + 4 * random.below((len - 24) / 4), word),
        7 => {
            let at = 24 + random.below(len - 24);
            raw[at] ^= 1 << random.below(8);
        }
        8 => {
            let at = 24 + random.below(len - 24);
            // Never a line break: the log that is compared is made of lines.
            raw[at] = random.pick(&[
                0, b' ', b'-', b'.', b'9', b'_', 0x7f, 0x80, 0xa0, 0xc0, 0xd7, 0xff,
            ]);
        }
        _ => {}
    }
}
