// SPDX-License-Identifier: GPL-2.0-or-later
//! The base BTF: a kernel's own type information, made ready once.

pub(crate) mod type_tables;

use std::ops::Range;
use std::sync::OnceLock;

use crate::ctype::c_string;
use crate::error::Malformed;
use crate::raw::{self, Be, ByteOrder, Le, Order, TYPE_LEN, Type, kind};
use crate::string_index::{StringIndex, StringStarts};
use type_tables::TypeTables;

/// A base BTF, ready to judge split BTF against.
///
/// It is walked once, when it is made: every type lies inside the type section
/// and is of a known kind, every string offset below [`Base::strings_len`]
/// leads to a NUL. What the kernel itself checked when it booted is not
/// checked again.
#[derive(Debug)]
pub struct Base {
    raw: Vec<u8>,
    order: Order,
    types: Range<usize>,
    strings: Range<usize>,
    /// The kind of each id; id 0 is `void`.
    kinds: Vec<u8>,
    /// Where each id stands in the type section; meaningless for id 0.
    offsets: Vec<u32>,
    starts: StringStarts,
    by_name: OnceLock<Vec<u32>>,
    ground: OnceLock<TypeTables>,
}

impl Base {
    /// Takes the bytes of `/sys/kernel/btf/vmlinux` or of a vmlinux's `.BTF`.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not a whole, self-contained BTF of
    /// version 1 with kinds up to `BTF_KIND_ENUM64`.
    pub fn parse(raw: Vec<u8>) -> Result<Self, Malformed> {
        let magic = raw
            .first_chunk::<2>()
            .copied()
            .ok_or_else(|| Malformed::new(0usize, "a BTF header, found less than 2 bytes"))?;
        if Le::u16(magic) == raw::MAGIC {
            Self::parse_as::<Le>(raw, Order::Little)
        } else if Be::u16(magic) == raw::MAGIC {
            Self::parse_as::<Be>(raw, Order::Big)
        } else {
            Err(Malformed::new(0usize, "the BTF magic 0xeb9f"))
        }
    }

    fn parse_as<O: ByteOrder>(raw: Vec<u8>, order: Order) -> Result<Self, Malformed> {
        let word = |at: usize| {
            O::u32_at(&raw, at).ok_or_else(|| Malformed::new(at, "24 bytes of BTF header"))
        };
        let header_len = word(4)?;
        let [type_off, type_len, str_off, str_len] = [word(8)?, word(12)?, word(16)?, word(20)?];
        if raw.get(2) != Some(&1) {
            return Err(Malformed::new(2usize, "BTF version 1"));
        }
        let section = |at: usize, what: &'static str, off: u32, len: u32| {
            let start = u64::from(header_len) + u64::from(off);
            let end = start + u64::from(len);
            if end > raw.len() as u64 {
                return Err(Malformed::new(
                    at,
                    format!(
                        "a {what} section that ends within {} bytes, not at {end}",
                        raw.len()
                    ),
                ));
            }
            // Both are at most raw.len().
            Ok(start as usize..end as usize)
        };
        let types = section(8, "type", type_off, type_len)?;
        let strings = section(16, "string", str_off, str_len)?;

        let string_bytes = raw.get(strings.clone()).unwrap_or(&[]);
        if string_bytes.first() != Some(&0) || string_bytes.last() != Some(&0) {
            return Err(Malformed::new(
                strings.start,
                "a string section that begins and ends with a NUL",
            ));
        }
        let starts = StringStarts::of(string_bytes, &StringIndex::of(string_bytes));

        let type_bytes = raw.get(types.clone()).unwrap_or(&[]);
        let (kinds, offsets) = index::<O>(type_bytes)
            .map_err(|e| Malformed::new(types.start as u64 + e.offset, e.expected))?;
        Ok(Self {
            order,
            types,
            strings,
            kinds,
            offsets,
            starts,
            by_name: OnceLock::new(),
            ground: OnceLock::new(),
            raw,
        })
    }

    /// No base at all: of a kernel that shows none.
    pub fn none() -> Self {
        Self {
            raw: Vec::new(),
            order: Order::Little,
            types: 0..0,
            strings: 0..0,
            kinds: vec![kind::VOID],
            offsets: vec![0],
            starts: StringStarts::of(&[], &StringIndex::of(&[])),
            by_name: OnceLock::new(),
            ground: OnceLock::new(),
        }
    }

    /// Is there none?
    pub fn is_none(&self) -> bool {
        self.raw.is_empty()
    }

    /// The bytes it was made of.
    pub fn bytes(&self) -> &[u8] {
        &self.raw
    }

    /// The byte order of its numbers.
    pub fn order(&self) -> Order {
        self.order
    }

    /// How many types it holds, counting `void` (id 0): the first id of a split BTF.
    pub fn types(&self) -> u32 {
        self.kinds.len() as u32
    }

    /// The length of its string section in bytes: the first offset of a split
    /// BTF's strings.
    pub fn strings_len(&self) -> u32 {
        self.strings.len() as u32
    }

    pub(crate) fn strings(&self) -> &[u8] {
        self.raw.get(self.strings.clone()).unwrap_or(&[])
    }

    pub(crate) fn starts(&self) -> &StringStarts {
        &self.starts
    }

    pub(crate) fn kinds(&self) -> &[u8] {
        &self.kinds
    }

    /// The kind of `id`; `void` also beyond the last.
    pub(crate) fn kind(&self, id: u32) -> u8 {
        self.kinds.get(id as usize).copied().unwrap_or(kind::VOID)
    }

    /// What split BTF is held against; made on the first call.
    pub(crate) fn ground(&self) -> &TypeTables {
        self.ground.get_or_init(|| TypeTables::of(self))
    }

    fn type_bytes(&self) -> &[u8] {
        self.raw.get(self.types.clone()).unwrap_or(&[])
    }

    /// The type `id`; `None` for `void` and beyond the last.
    pub(crate) fn type_at(&self, id: u32) -> Option<Type> {
        let at = self.offset(id)?;
        match self.order {
            Order::Little => Type::at::<Le>(self.type_bytes(), at),
            Order::Big => Type::at::<Be>(self.type_bytes(), at),
        }
    }

    fn offset(&self, id: u32) -> Option<usize> {
        if id == 0 {
            return None;
        }
        self.offsets.get(id as usize).map(|&at| at as usize)
    }

    /// The type `id` and the bytes that it appends to `struct btf_type`.
    pub(crate) fn body(&self, id: u32) -> Option<(Type, &[u8])> {
        let t = self.type_at(id)?;
        let start = self.offset(id)? + TYPE_LEN;
        let length = raw::appended(t.wide_kind(), t.wide_vlen())?;
        Some((t, self.type_bytes().get(start..start + length)?))
    }

    /// The word at index `word` of what type `id` appends to `struct btf_type`.
    pub(crate) fn appended_word(&self, id: u32, word: usize) -> Option<u32> {
        let at = self.offset(id)?.checked_add(TYPE_LEN + 4 * word)?;
        match self.order {
            Order::Little => Le::u32_at(self.type_bytes(), at),
            Order::Big => Be::u32_at(self.type_bytes(), at),
        }
    }

    /// The string at `offset`, without its NUL; empty beyond the section.
    pub(crate) fn string(&self, offset: u32) -> &[u8] {
        c_string(self.strings().get(offset as usize..).unwrap_or(&[]))
    }

    /// Types named `name`, in order of their ids, among those that a distilled
    /// base can refer to.
    pub(crate) fn named<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = u32> + 'a {
        let sorted = self.by_name.get_or_init(|| self.sort_by_name());
        let start = sorted.partition_point(|&id| self.name_of(id) < name);
        sorted
            .get(start..)
            .unwrap_or(&[])
            .iter()
            .copied()
            .take_while(move |&id| self.name_of(id) == name)
    }

    /// All types in order of their ids, with their ids.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, Type)> + '_ {
        (1..self.types()).filter_map(|id| Some((id, self.type_at(id)?)))
    }

    fn name_of(&self, id: u32) -> &[u8] {
        self.type_at(id).map_or(&[], |t| self.string(t.name_off))
    }

    fn sort_by_name(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self
            .all()
            .filter(|(_, t)| {
                t.name_off != 0
                    && matches!(
                        t.wide_kind(),
                        kind::INT
                            | kind::FLOAT
                            | kind::ENUM
                            | kind::ENUM64
                            | kind::FWD
                            | kind::STRUCT
                            | kind::UNION
                    )
            })
            .map(|(id, _)| id)
            .collect();
        // Stable, so equal names stay in order of their ids.
        ids.sort_by(|&a, &b| self.name_of(a).cmp(self.name_of(b)));
        ids
    }
}

/// Walks a type section: the kind and the offset of every type, after a slot
/// for `void`.
fn index<O: ByteOrder>(types: &[u8]) -> Result<(Vec<u8>, Vec<u32>), Malformed> {
    // 40 bytes a type is what kernels average; the vectors grow if it is less.
    let guess = types.len() / 40 + 1;
    let mut kinds = Vec::with_capacity(guess);
    let mut offsets = Vec::with_capacity(guess);
    kinds.push(kind::VOID);
    offsets.push(0);
    let mut at = 0usize;
    while at < types.len() {
        let t = Type::at::<O>(types, at)
            .ok_or_else(|| Malformed::new(at, "12 bytes of struct btf_type"))?;
        let kind = t.wide_kind();
        let len = raw::appended(kind, t.wide_vlen())
            .ok_or_else(|| Malformed::new(at, format!("a BTF kind from 1 to 19, not {kind}")))?;
        let next = at + TYPE_LEN + len;
        if next > types.len() {
            return Err(Malformed::new(
                at,
                format!(
                    "a type that ends within {} bytes, not at {next}",
                    types.len()
                ),
            ));
        }
        kinds.push(kind);
        // A section is at most 4 GiB long: its length is a u32.
        offsets.push(at as u32);
        at = next;
    }
    Ok((kinds, offsets))
}
