// SPDX-License-Identifier: GPL-2.0-or-later
//! A split BTF as it was read, without the base it continues.

use crate::raw::{HEADER_LEN, MAGIC, Order, Type, TypeIndex, kind};

/// The own types and strings. Where its ids and name offsets lead depends on the base
/// that it is put on.
#[derive(Debug, Clone)]
pub struct Split<'a> {
    pub(crate) order: Order,
    pub(crate) types: &'a [u8],
    pub(crate) strings: &'a [u8],
    /// By own type number.
    pub(crate) index: TypeIndex,
    /// Its ids belong to a distilled base, from which the kernel rewrites them: it is
    /// built for any base that has what the distilled one names.
    pub relocated: bool,
}

impl<'a> Split<'a> {
    /// Reads a split BTF whose numbers are in `order`, whether or not a kernel
    /// would take it; `None` if its sections or types run over their ends.
    pub fn parse(raw: &'a [u8], order: Order) -> Option<Self> {
        let header = raw.first_chunk::<HEADER_LEN>()?;
        let [magic0, magic1, ..] = *header;
        if order.u16([magic0, magic1]) != MAGIC {
            return None;
        }
        let word = |at| order.u32_at(header, at).map(|word| word as usize);
        let body = raw.get(word(4)?..)?;
        let section = |at: usize| {
            let start = word(at)?;
            body.get(start..start.checked_add(word(at + 4)?)?)
        };
        let types = section(8)?;
        let (index, end) = TypeIndex::of(order, types);
        (end == types.len()).then_some(Self {
            order,
            types,
            strings: section(16)?,
            index,
            relocated: false,
        })
    }

    pub(crate) fn count(&self) -> u32 {
        self.index.kinds.len() as u32
    }

    /// The kind of own type number `index`.
    pub(crate) fn kind(&self, index: u32) -> Option<u8> {
        self.index.kinds.get(index as usize).copied()
    }

    /// Own type number `index` and the bytes that it appends.
    pub(crate) fn body(&self, index: u32) -> Option<(Type, &'a [u8])> {
        self.index.body(self.order, self.types, index)
    }

    /// All own types in order, each with the bytes that it appends.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = (u32, Type, &'a [u8])> + '_ {
        (0..self.count()).filter_map(|index| {
            let (t, body) = self.body(index)?;
            Some((index, t, body))
        })
    }

    /// The name offsets of a type with this body: its own, those of members,
    /// enumerators and parameters.
    pub(crate) fn names_of(&self, t: Type, body: &'a [u8]) -> impl Iterator<Item = u32> + 'a {
        let stride = match t.wide_kind() {
            kind::STRUCT | kind::UNION | kind::ENUM64 => 12,
            kind::ENUM | kind::FUNC_PROTO => 8,
            // None has an element.
            _ => usize::MAX,
        };
        let order = self.order;
        let inner = body.chunks_exact(stride);
        std::iter::once(t.name_off)
            .chain(inner.map(move |element| order.u32_at(element, 0).unwrap_or(0)))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = u32> + '_ {
        self.bodies()
            .flat_map(|(_, t, body)| self.names_of(t, body))
    }
}
