// SPDX-License-Identifier: GPL-2.0-or-later
//! What a base offers to the types that stand on it: how large its types are,
//! and what already leads to them.
//!
//! Made once for a base, when the first split BTF is held against it.

use super::Base;
use crate::raw::{Be, ByteOrder, Le, Order, Type, kind};

/// A type without a size: `void`, a function, a type that is only announced,
/// a modifier of one of these, or a chain that leads nowhere.
pub(crate) const NO_SIZE: u32 = u32::MAX;

/// The size of what is too large to count. C has nothing of the kind.
pub(crate) const HUGE: u32 = u32::MAX - 1;

/// Marks of the walk that fills the table.
const UNSEEN: u32 = u32::MAX - 2;
const ON_THE_WAY: u32 = u32::MAX - 3;

/// A bit for each id.
#[derive(Debug, Default)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    fn zeros(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn set(&mut self, at: u32) {
        if let Some(word) = self.0.get_mut(at as usize / 64) {
            *word |= 1 << (at % 64);
        }
    }

    /// `false` beyond the last.
    #[inline(always)]
    pub(crate) fn get(&self, at: u32) -> bool {
        self.0
            .get(at as usize / 64)
            .is_some_and(|word| word >> (at % 64) & 1 != 0)
    }
}

/// Tables over a base, by id.
#[derive(Debug)]
pub(crate) struct TypeTables {
    /// Size in bytes of each id, [`NO_SIZE`] or [`HUGE`].
    pub(crate) sizes: Vec<u32>,
    /// Kind of each id behind its modifiers; `void` where a chain leads nowhere.
    pub(crate) bare: Vec<u8>,
    /// Ids that a type of the base already leads to: by PTR, VOLATILE, CONST, RESTRICT.
    led_to: [Bits; 4],
    /// Bytes of a pointer.
    pub(crate) pointer: u32,
}

impl TypeTables {
    /// Reads the tables off `base`.
    pub(crate) fn of(base: &Base) -> Self {
        match base.order() {
            Order::Little => Self::read::<Le>(base),
            Order::Big => Self::read::<Be>(base),
        }
    }

    fn read<O: ByteOrder>(base: &Base) -> Self {
        let count = base.kinds().len();
        let mut this = Self {
            sizes: vec![UNSEEN; count],
            bare: vec![kind::VOID; count],
            led_to: std::array::from_fn(|_| Bits::zeros(count)),
            pointer: pointer_size(base),
        };
        let mut trail = Vec::new();
        for id in 0..count as u32 {
            this.measure::<O>(id, base, &mut trail);
        }
        for (&kind, (_, t)) in base.kinds().iter().skip(1).zip(base.all()) {
            if let Some(bits) = which(kind).and_then(|index| this.led_to.get_mut(index)) {
                bits.set(t.size_or_type);
            }
        }
        this
    }

    /// Is there a `kind` (PTR, VOLATILE, CONST, RESTRICT) in the base that leads to `id`?
    #[inline(always)]
    pub(crate) fn has(&self, kind: u8, id: u32) -> bool {
        which(kind)
            .and_then(|index| self.led_to.get(index))
            .is_some_and(|bits| bits.get(id))
    }

    /// Fills in `id` and everything on the way to what has a size of its own.
    fn measure<O: ByteOrder>(&mut self, id: u32, base: &Base, trail: &mut Vec<(u32, Option<u32>)>) {
        let mut current = id;
        let (mut size, mut bare) = loop {
            let Some(slot) = self.sizes.get_mut(current as usize) else {
                break (NO_SIZE, kind::VOID);
            };
            match *slot {
                UNSEEN => *slot = ON_THE_WAY,
                ON_THE_WAY => break (NO_SIZE, kind::VOID),
                known => {
                    let bare = self.bare.get(current as usize).copied();
                    break (known, bare.unwrap_or(kind::VOID));
                }
            }
            let step = match base.body(current) {
                Some((t, body)) => step::<O>(t, body, self.pointer),
                None => SizeStep::Ends(NO_SIZE),
            };
            let (next, times) = match step {
                SizeStep::Ends(size) => {
                    trail.push((current, None));
                    break (size, base.kind(current));
                }
                SizeStep::Leads(to) => (to, None),
                SizeStep::Repeats(element, times) => (element, Some(times)),
            };
            trail.push((current, times));
            current = next;
        };
        for (id, times) in trail.drain(..).rev() {
            if let Some(times) = times {
                size = repeated(size, times);
                bare = kind::ARRAY;
            }
            if let Some(slot) = self.sizes.get_mut(id as usize) {
                *slot = size;
            }
            if let Some(slot) = self.bare.get_mut(id as usize) {
                *slot = bare;
            }
        }
    }
}

/// Where the size of a type comes from.
pub(crate) enum SizeStep {
    /// From itself.
    Ends(u32),
    /// From the type it modifies.
    Leads(u32),
    /// From so many of another type.
    Repeats(u32, u32),
}

/// One step towards the size of a type that appends `body`.
#[inline(always)]
pub(crate) fn step<O: ByteOrder>(t: Type, body: &[u8], pointer: u32) -> SizeStep {
    match t.wide_kind() {
        kind::INT | kind::STRUCT | kind::UNION | kind::ENUM | kind::FLOAT | kind::ENUM64 => {
            SizeStep::Ends(t.size_or_type.min(HUGE))
        }
        kind::PTR => SizeStep::Ends(pointer),
        kind if kind::is_modifier(kind) => SizeStep::Leads(t.size_or_type),
        kind::ARRAY => match (O::u32_at(body, 0), O::u32_at(body, 8)) {
            (Some(element), Some(times)) => SizeStep::Repeats(element, times),
            _ => SizeStep::Ends(NO_SIZE),
        },
        _ => SizeStep::Ends(NO_SIZE),
    }
}

/// The size of an array.
pub(crate) fn repeated(size: u32, times: u32) -> u32 {
    match size {
        NO_SIZE => NO_SIZE,
        size => size.checked_mul(times).map_or(HUGE, |all| all.min(HUGE)),
    }
}

fn which(kind: u8) -> Option<usize> {
    match kind {
        kind::PTR => Some(0),
        kind::VOLATILE => Some(1),
        kind::CONST => Some(2),
        kind::RESTRICT => Some(3),
        _ => None,
    }
}

/// The bytes of a pointer, by those of `unsigned long`, which Linux has the
/// same everywhere. Where no such type tells, the smaller: what is too long
/// then is too long at any rate.
fn pointer_size(base: &Base) -> u32 {
    const NAMES: [&[u8]; 4] = [b"long unsigned int", b"unsigned long", b"long int", b"long"];
    base.all()
        .filter(|(_, t)| t.wide_kind() == kind::INT && matches!(t.size_or_type, 4 | 8))
        .find(|(_, t)| NAMES.contains(&base.string(t.name_off)))
        .map_or(4, |(_, t)| t.size_or_type)
}
