// SPDX-License-Identifier: GPL-2.0-or-later
//! The base BTF: a kernel's own type information, made ready once.

use std::ops::Range;
use std::sync::OnceLock;

use memchr::memmem;

use crate::ctype::c_string;
use crate::error::Malformed;
use crate::name_lengths::are_short;
use crate::raw::{self, Order, Type, TypeIndex, kind};

/// A base BTF, ready to judge split BTF against.
///
/// It is walked once, when it is made, as far as its types can be walked over: up
/// to the first that is cut or of a kind that nobody here knows, and from there on it
/// is as if it had no more. Whether the kernel takes it is asked apart, of
/// [`crate::verify_vmlinux`]. Every string offset below [`Base::strings_len`] leads to
/// a NUL.
#[derive(Debug)]
pub struct Base {
    raw: Vec<u8>,
    order: Order,
    types: Range<usize>,
    strings: Range<usize>,
    /// By id; id 0 is `void`, which stands nowhere.
    index: TypeIndex,
    /// Where the types that could be walked end, from the start of the type section.
    walked: usize,
    by_name: OnceLock<Option<Vec<u32>>>,
    led_to: OnceLock<Vec<u32>>,
    pointer: OnceLock<u32>,
}

impl Base {
    /// Takes the bytes of `/sys/kernel/btf/vmlinux` or of a vmlinux's `.BTF`.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not the header of a BTF of version 1, with
    /// sections that lie inside them and strings.
    pub fn parse(raw: Vec<u8>) -> Result<Self, Malformed> {
        let magic = raw
            .first_chunk::<2>()
            .copied()
            .ok_or_else(|| Malformed::new(0usize, "a BTF header, found less than 2 bytes"))?;
        let order = [Order::Little, Order::Big]
            .into_iter()
            .find(|order| order.u16(magic) == raw::MAGIC)
            .ok_or_else(|| Malformed::new(0usize, "the BTF magic 0xeb9f"))?;
        let word = |at: usize| {
            let word = order.u32_at(&raw, at);
            word.ok_or_else(|| Malformed::new(at, "24 bytes of BTF header"))
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
                let whole = raw.len();
                let what = format!("a {what} section that ends within {whole} bytes, not at {end}");
                return Err(Malformed::new(at, what));
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
        let index = TypeIndex::of(order, raw.get(types.clone()).unwrap_or(&[]));
        Ok(Self::new(raw, order, types, strings, index))
    }

    /// No base at all: of a kernel that shows none.
    pub fn none() -> Self {
        let index = (TypeIndex::default(), 0);
        Self::new(Vec::new(), Order::Little, 0..0, 0..0, index)
    }

    fn new(
        raw: Vec<u8>,
        order: Order,
        types: Range<usize>,
        strings: Range<usize>,
        (mut index, walked): (TypeIndex, usize),
    ) -> Self {
        index.kinds.insert(0, kind::VOID);
        index.offsets.insert(0, u32::MAX);
        Self {
            raw,
            order,
            types,
            strings,
            index,
            walked,
            by_name: OnceLock::new(),
            led_to: OnceLock::new(),
            pointer: OnceLock::new(),
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
        self.index.kinds.len() as u32
    }

    /// The length of its string section in bytes: the first offset of a split
    /// BTF's strings.
    pub fn strings_len(&self) -> u32 {
        self.strings.len() as u32
    }

    pub(crate) fn strings(&self) -> &[u8] {
        self.raw.get(self.strings.clone()).unwrap_or(&[])
    }

    pub(crate) fn kinds(&self) -> &[u8] {
        &self.index.kinds
    }

    /// The type `id` and the bytes that it appends to `struct btf_type`; `None` for
    /// `void` and beyond the last.
    pub(crate) fn body(&self, id: u32) -> Option<(Type, &[u8])> {
        let types = self.raw.get(self.types.clone()).unwrap_or(&[]);
        self.index.body(self.order, types, id)
    }

    pub(crate) fn type_at(&self, id: u32) -> Option<Type> {
        Some(self.body(id)?.0)
    }

    /// Is there a `kind` (PTR, VOLATILE, CONST, RESTRICT) in it that leads to `id`?
    pub(crate) fn leads(&self, kind: u8, id: u32) -> bool {
        let led_to = self.led_to.get_or_init(|| {
            let mut led_to = vec![0; self.index.kinds.len()];
            for (_, t) in self.all() {
                if let Some(kinds) = led_to.get_mut(t.size_or_type as usize) {
                    *kinds |= 1 << t.wide_kind();
                }
            }
            led_to
        });
        let kinds = led_to.get(id as usize).copied().unwrap_or(0);
        kinds >> kind & 1 != 0
    }

    /// The bytes of a pointer, by those of `unsigned long`, which Linux has the
    /// same everywhere. Where no such type tells, the smaller: what is too long
    /// then is too long at any rate.
    pub(crate) fn pointer_size(&self) -> u32 {
        const NAMES: [&[u8]; 4] = [b"long unsigned int", b"unsigned long", b"long int", b"long"];
        *self.pointer.get_or_init(|| {
            self.all()
                .filter(|(_, t)| t.wide_kind() == kind::INT && matches!(t.size_or_type, 4 | 8))
                .find(|(_, t)| NAMES.iter().any(|name| self.is_named(t.name_off, name)))
                .map_or(4, |(_, t)| t.size_or_type)
        })
    }

    /// Does the string at `offset` say just this?
    fn is_named(&self, offset: u32, name: &[u8]) -> bool {
        let rest = self.strings().get(offset as usize..).unwrap_or(&[]);
        rest.starts_with(name) && rest.get(name.len()) == Some(&0)
    }

    /// The string at `offset`, without its NUL; empty beyond the section.
    pub(crate) fn string(&self, offset: u32) -> &[u8] {
        c_string(self.strings().get(offset as usize..).unwrap_or(&[]))
    }

    /// Types named `name`, in order of their ids, among those that a distilled
    /// base can refer to.
    pub(crate) fn named<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = u32> + 'a {
        let sorted = self.sorted_by_name().unwrap_or(&[]);
        let start = sorted.partition_point(|&id| self.name_of(id) < name);
        sorted
            .get(start..)
            .unwrap_or(&[])
            .iter()
            .copied()
            .take_while(move |&id| self.name_of(id) == name)
    }

    /// The types that a distilled base can refer to, in order of their names; `None` where
    /// the names are longer than is compared here ([`are_short`]).
    pub(crate) fn sorted_by_name(&self) -> Option<&[u32]> {
        let sorted = self.by_name.get_or_init(|| self.sort_by_name());
        sorted.as_deref()
    }

    /// All types in order of their ids, with their ids.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, Type)> + '_ {
        (1..self.types()).filter_map(|id| Some((id, self.type_at(id)?)))
    }

    fn name_of(&self, id: u32) -> &[u8] {
        self.type_at(id).map_or(&[], |t| self.string(t.name_off))
    }

    fn sort_by_name(&self) -> Option<Vec<u32>> {
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
        if !are_short(ids.iter().map(|&id| self.name_of(id))) {
            return None;
        }
        // Stable, so equal names stay in order of their ids.
        ids.sort_by(|&a, &b| self.name_of(a).cmp(self.name_of(b)));
        Some(ids)
    }
}

/// What stands where it cannot be walked, for [`crate::features::Features`].
impl Base {
    /// What is left of the type section behind the last type that could be walked.
    fn unwalked(&self) -> &[u8] {
        let types = self.raw.get(self.types.clone()).unwrap_or(&[]);
        types.get(self.walked..).unwrap_or(&[])
    }

    /// The kind of the type at which walking ended; `None` if it came to the end.
    pub(crate) fn unwalked_kind(&self) -> Option<u8> {
        Some(Type::at(self.order, self.unwalked(), 0)?.wide_kind())
    }

    /// The value of the enumerator called `name` where no type can be told from another:
    /// one that is greater by one than the enumerator before it.
    pub(crate) fn unwalked_enumerator(&self, name: &[u8]) -> Option<u32> {
        let name_off = self.string_offset(name)?;
        let words = self.unwalked().windows(16).step_by(4);
        let mut enumerators = words.filter_map(|words| self.order.elements::<4>(words).next());
        enumerators.find_map(|[_, before, name, value]| {
            let follows = value.checked_sub(1) == Some(before);
            (name == name_off && follows).then_some(value)
        })
    }
}

/// Finding single types by name, for [`crate::features::Features`].
impl Base {
    /// The offset of `name` in the string section, which holds each string once.
    fn string_offset(&self, name: &[u8]) -> Option<u32> {
        let needle = [b"\0", name, b"\0"].concat();
        u32::try_from(memmem::find(self.strings(), &needle)? + 1).ok()
    }

    fn find(&self, name: &[u8], wanted: u8) -> Option<(u32, Type)> {
        let name_off = self.string_offset(name)?;
        self.of_kind(wanted).find(|(_, t)| t.name_off == name_off)
    }

    /// The types of one kind in order of their ids, with their ids.
    pub(crate) fn of_kind(&self, wanted: u8) -> impl Iterator<Item = (u32, Type)> + '_ {
        let kinds = (0u32..).zip(&self.index.kinds);
        let ids = kinds.filter(move |(_, kind)| **kind == wanted);
        ids.filter_map(|(id, _)| Some((id, self.type_at(id)?)))
    }

    /// The id of the first struct called `name`.
    pub(crate) fn find_struct(&self, name: &[u8]) -> Option<u32> {
        Some(self.find(name, kind::STRUCT)?.0)
    }

    /// The FUNC_PROTO of the first function called `name`.
    pub(crate) fn find_func(&self, name: &[u8]) -> Option<Type> {
        self.type_at(self.find(name, kind::FUNC)?.1.size_or_type)
    }

    /// The type id of the member called `name` of struct `id`.
    pub(crate) fn member(&self, id: u32, name: &[u8]) -> Option<u32> {
        let mut members = self.order.elements(self.body(id)?.1);
        members.find_map(|[name_off, type_id, _]| {
            let rest = self.strings().get(name_off as usize..)?;
            // Compared as a prefix: a name may be as long as the section.
            let found = rest.strip_prefix(name)?.first() == Some(&0);
            found.then_some(type_id)
        })
    }

    /// The number of elements of array `id`.
    pub(crate) fn array_len(&self, id: u32) -> Option<u32> {
        let (t, body) = self.body(id)?;
        let count = self.order.u32_at(body, 8);
        count.filter(|_| t.wide_kind() == kind::ARRAY)
    }

    /// The value of the enumerator called `name`, in whichever enum it is.
    pub(crate) fn enumerator(&self, name: &[u8]) -> Option<u32> {
        let name_off = self.string_offset(name)?;
        self.of_kind(kind::ENUM)
            .filter_map(|(id, _)| self.body(id))
            .flat_map(|(_, values)| self.order.elements(values))
            .find_map(|[name, value]| (name == name_off).then_some(value))
    }
}
