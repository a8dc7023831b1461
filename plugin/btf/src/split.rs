// SPDX-License-Identifier: GPL-2.0-or-later
//! A split BTF as it was read, without the base it continues.

use crate::env::Parsed;
use crate::raw::{self, Be, ByteOrder, HEADER_LEN, Le, MAGIC, Order, TYPE_LEN, Type, kind};

/// A split BTF, taken apart: its own types and strings.
///
/// Where its ids and name offsets lead depends on the base that it is put on.
#[derive(Debug, Clone)]
pub struct Split<'a> {
    pub(crate) order: Order,
    pub(crate) types: &'a [u8],
    pub(crate) strings: &'a [u8],
    /// The kind of each own type.
    pub(crate) kinds: Vec<u8>,
    /// Where each own type stands in `types`.
    pub(crate) offsets: Vec<u32>,
    /// The identifiers in it were all found to be the starts of strings. (Names
    /// that need not be identifiers were not looked at.)
    pub(crate) identifiers_start: bool,
    /// Its ids belong to a distilled base, and the kernel rewrites them.
    relocated: bool,
}

impl<'a> Split<'a> {
    /// What the kernel's rules have passed.
    pub(crate) fn accepted(parsed: Parsed<'a>, order: Order, relocated: bool) -> Self {
        Self {
            order,
            types: parsed.types,
            strings: parsed.string_bytes,
            kinds: parsed.kinds,
            offsets: parsed.offsets,
            identifiers_start: !parsed.names_inside,
            relocated,
        }
    }

    /// Reads a split BTF whose numbers are in `order`, whether or not a kernel
    /// would take it; `None` if its sections or types run over their ends.
    pub fn parse(raw: &'a [u8], order: Order) -> Option<Self> {
        match order {
            Order::Little => Self::read::<Le>(raw, order),
            Order::Big => Self::read::<Be>(raw, order),
        }
    }

    fn read<O: ByteOrder>(raw: &'a [u8], order: Order) -> Option<Self> {
        let header = raw.first_chunk::<HEADER_LEN>()?;
        let [magic0, magic1, ..] = *header;
        if O::u16([magic0, magic1]) != MAGIC {
            return None;
        }
        let word = |at| O::u32_at(header, at).map(|word| word as usize);
        let body = raw.get(word(4)?..)?;
        let section = |at: usize| {
            let start = word(at)?;
            body.get(start..start.checked_add(word(at + 4)?)?)
        };
        let (types, strings) = (section(8)?, section(16)?);
        let mut this = Self {
            order,
            types,
            strings,
            kinds: Vec::new(),
            offsets: Vec::new(),
            identifiers_start: false,
            relocated: false,
        };
        let mut at = 0usize;
        while at < types.len() {
            let t = Type::at::<O>(types, at)?;
            let length = raw::appended(t.wide_kind(), t.wide_vlen())?;
            this.kinds.push(t.wide_kind());
            this.offsets.push(u32::try_from(at).ok()?);
            at = at.checked_add(TYPE_LEN + length)?;
        }
        (at == types.len()).then_some(this)
    }

    /// Do its ids belong to a distilled base, from which the kernel rewrites them?
    ///
    /// Then nothing here can be said of it: it is built for any base that has
    /// what the distilled one names.
    pub fn is_relocated(&self) -> bool {
        self.relocated
    }

    /// How many types it holds.
    pub(crate) fn count(&self) -> u32 {
        self.kinds.len() as u32
    }

    /// The kind of own type number `index`.
    #[inline(always)]
    pub(crate) fn kind(&self, index: u32) -> Option<u8> {
        self.kinds.get(index as usize).copied()
    }

    /// Own type number `index` and the bytes that it appends.
    #[inline(always)]
    pub(crate) fn body<O: ByteOrder>(&self, index: u32) -> Option<(Type, &'a [u8])> {
        let at = *self.offsets.get(index as usize)? as usize;
        let t = Type::at::<O>(self.types, at)?;
        let length = raw::appended(t.wide_kind(), t.wide_vlen())?;
        let start = at + TYPE_LEN;
        Some((t, self.types.get(start..start + length)?))
    }

    /// Calls `each` with every name offset: of types, members, enumerators and
    /// parameters.
    pub(crate) fn names(&self, each: impl FnMut(u32)) {
        match self.order {
            Order::Little => self.names_as::<Le>(each),
            Order::Big => self.names_as::<Be>(each),
        }
    }

    fn names_as<O: ByteOrder>(&self, mut each: impl FnMut(u32)) {
        for index in 0..self.count() {
            let Some((t, body)) = self.body::<O>(index) else {
                continue;
            };
            each(t.name_off);
            let stride = match t.wide_kind() {
                kind::STRUCT | kind::UNION | kind::ENUM64 => 12,
                kind::ENUM | kind::FUNC_PROTO => 8,
                _ => continue,
            };
            for element in body.chunks_exact(stride) {
                each(O::u32_at(element, 0).unwrap_or(0));
            }
        }
    }
}
