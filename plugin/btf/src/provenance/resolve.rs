// SPDX-License-Identifier: GPL-2.0-or-later
//! What an id or a name offset leads to, on the base or in the split BTF.

use super::scan::{NOTHING, Scan};
use crate::base::type_tables::{HUGE, NO_SIZE, SizeStep, repeated, step};
use crate::raw::{ByteOrder, kind};

/// Links of modifiers and arrays that are followed among own types. Real chains
/// have a handful; of a longer one nothing is said.
const LINKS: usize = 64;

impl<O: ByteOrder> Scan<'_, O> {
    /// The kind of an id.
    #[inline(always)]
    pub(crate) fn kind(&self, id: u32) -> u8 {
        let kind = match id.checked_sub(self.first_id) {
            None => self.base.kinds().get(id as usize).copied(),
            Some(own) => self.split.kind(own),
        };
        kind.unwrap_or(NOTHING)
    }

    /// Is a name the start of a string?
    #[inline(always)]
    pub(crate) fn starts(&self, offset: u32) -> bool {
        match offset.checked_sub(self.first_name) {
            None => self.base.starts().any(offset),
            Some(0) => true,
            Some(own) => self.split.strings.get(own as usize - 1) == Some(&0),
        }
    }

    /// The size of an id in bytes, [`NO_SIZE`] or [`HUGE`].
    #[inline(always)]
    pub(crate) fn size(&self, id: u32) -> u32 {
        if id < self.first_id {
            return self
                .ground
                .sizes
                .get(id as usize)
                .copied()
                .unwrap_or(NO_SIZE);
        }
        match self.split.kind(id - self.first_id) {
            Some(kind::PTR) => self.ground.pointer,
            Some(kind::STRUCT | kind::UNION) => {
                let own = self.split.offsets.get((id - self.first_id) as usize);
                let size = own.and_then(|&at| O::u32_at(self.split.types, at as usize + 8));
                size.unwrap_or(NO_SIZE).min(HUGE)
            }
            _ => self.own_shape(id).0,
        }
    }

    /// The size of an own type, and its kind behind modifiers. Of what cannot be
    /// followed the size is 0, to which nothing objects.
    pub(crate) fn own_shape(&self, mut id: u32) -> (u32, u8) {
        let mut times = 1u32;
        let mut outer = None;
        for _ in 0..LINKS {
            let (size, bare) = match id.checked_sub(self.first_id) {
                None => (
                    self.ground
                        .sizes
                        .get(id as usize)
                        .copied()
                        .unwrap_or(NO_SIZE),
                    self.ground
                        .bare
                        .get(id as usize)
                        .copied()
                        .unwrap_or(NOTHING),
                ),
                Some(own) => {
                    let Some((t, body)) = self.split.body::<O>(own) else {
                        return (NO_SIZE, outer.unwrap_or(NOTHING));
                    };
                    match step::<O>(t, body, self.ground.pointer) {
                        SizeStep::Ends(size) => (size, t.wide_kind()),
                        SizeStep::Leads(to) => {
                            id = to;
                            continue;
                        }
                        SizeStep::Repeats(element, count) => {
                            times = repeated(times, count);
                            outer = outer.or(Some(kind::ARRAY));
                            id = element;
                            continue;
                        }
                    }
                }
            };
            return (repeated(size, times), outer.unwrap_or(bare));
        }
        (0, kind::INT)
    }

    /// The kind of an id behind modifiers.
    pub(crate) fn bare(&self, id: u32) -> u8 {
        if id < self.first_id {
            return self
                .ground
                .bare
                .get(id as usize)
                .copied()
                .unwrap_or(NOTHING);
        }
        self.own_shape(id).1
    }

    #[inline(always)]
    pub(crate) fn is_value(&self, id: u32) -> bool {
        const VALUES: u32 = 1 << kind::INT
            | 1 << kind::PTR
            | 1 << kind::STRUCT
            | 1 << kind::UNION
            | 1 << kind::ENUM
            | 1 << kind::FWD
            | 1 << kind::FLOAT
            | 1 << kind::ENUM64;
        match id < self.first_id {
            true => VALUES >> self.bare(id) & 1 != 0,
            // Most are, before modifiers are looked behind.
            false => VALUES >> self.kind(id) & 1 != 0 || VALUES >> self.bare(id) & 1 != 0,
        }
    }
}
