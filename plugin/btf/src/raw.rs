// SPDX-License-Identifier: GPL-2.0-or-later
//! BTF as it stands in a file: numbers, kinds, and how long each type is.
//!
//! Layout: `include/uapi/linux/btf.h`. Everything is read by offset from
//! borrowed bytes, because modules leave their BTF at any alignment.

use serde::{Deserialize, Serialize};

/// The byte order of a BTF blob or an ELF file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl Order {
    /// The number that these bytes are.
    pub fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    /// The number that these bytes are.
    pub fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    /// The bytes that this number is.
    pub fn bytes(self, number: u32) -> [u8; 4] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }

    /// The number at byte `at`, if all four bytes are there.
    pub(crate) fn u32_at(self, bytes: &[u8], at: usize) -> Option<u32> {
        Some(self.u32(*bytes.get(at..)?.first_chunk::<4>()?))
    }

    /// The elements of a type: `N` words each.
    pub(crate) fn elements<const N: usize>(
        self,
        body: &[u8],
    ) -> impl ExactSizeIterator<Item = [u32; N]> + '_ {
        let word = move |element: &[u8], at| self.u32_at(element, 4 * at).unwrap_or(0);
        body.chunks_exact(4 * N)
            .map(move |element| std::array::from_fn(|at| word(element, at)))
    }
}

/// `BTF_MAGIC`.
pub(crate) const MAGIC: u16 = 0xeb9f;

/// `struct btf_header` up to `str_len`: what every kernel knows.
pub(crate) const HEADER_LEN: usize = 24;

/// `struct btf_header` with `layout_off` and `layout_len` (Linux 7.1).
pub(crate) const HEADER_LEN_LAYOUT: usize = 32;

/// `struct btf_type`, before what its kind appends.
pub(crate) const TYPE_LEN: usize = 12;

/// The kinds, `BTF_KIND_*`.
pub(crate) mod kind {
    pub(crate) const VOID: u8 = 0;
    pub(crate) const INT: u8 = 1;
    pub(crate) const PTR: u8 = 2;
    pub(crate) const ARRAY: u8 = 3;
    pub(crate) const STRUCT: u8 = 4;
    pub(crate) const UNION: u8 = 5;
    pub(crate) const ENUM: u8 = 6;
    pub(crate) const FWD: u8 = 7;
    pub(crate) const TYPEDEF: u8 = 8;
    pub(crate) const VOLATILE: u8 = 9;
    pub(crate) const CONST: u8 = 10;
    pub(crate) const RESTRICT: u8 = 11;
    pub(crate) const FUNC: u8 = 12;
    pub(crate) const FUNC_PROTO: u8 = 13;
    pub(crate) const VAR: u8 = 14;
    pub(crate) const DATASEC: u8 = 15;
    pub(crate) const FLOAT: u8 = 16;
    pub(crate) const DECL_TAG: u8 = 17;
    pub(crate) const TYPE_TAG: u8 = 18;
    pub(crate) const ENUM64: u8 = 19;

    /// How many kinds are known here, `void` counted: the kernel's `NR_BTF_KINDS`.
    pub(crate) const COUNT: u32 = 20;

    /// The kernel's word for each, `btf_kind_str[]`.
    const NAMES: &str = "UNKNOWN INT PTR ARRAY STRUCT UNION ENUM FWD TYPEDEF VOLATILE CONST \
        RESTRICT FUNC FUNC_PROTO VAR DATASEC FLOAT DECL_TAG TYPE_TAG ENUM64";

    /// The kernel's word for a kind.
    pub(crate) fn word(kind: u8) -> &'static str {
        NAMES.split(' ').nth(kind.into()).unwrap_or("UNKNOWN")
    }

    /// A kind in JSON: the kernel's word for it.
    pub(crate) mod name {
        use std::borrow::Cow;

        use serde::de::{Deserialize, Deserializer, Error};
        use serde::ser::Serializer;

        pub(crate) fn serialize<S: Serializer>(kind: &u8, to: S) -> Result<S::Ok, S::Error> {
            to.serialize_str(super::word(*kind))
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
            let word = Cow::<str>::deserialize(from)?;
            let mut kinds = (0u8..).zip(super::NAMES.split(' '));
            let kind = kinds.find(|(_, name)| *name == word).map(|(kind, _)| kind);
            kind.ok_or_else(|| D::Error::custom("no kind of BTF"))
        }
    }

    /// `btf_type_is_modifier()`.
    pub(crate) fn is_modifier(kind: u8) -> bool {
        matches!(kind, TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG)
    }
}

/// What each kind appends to `struct btf_type`: so many bytes once, so many for
/// each of its `vlen` elements.
#[rustfmt::skip]
const APPENDED: [(u8, u8); kind::COUNT as usize] = [
    // void, INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE
    (0, 0), (4, 0), (0, 0), (12, 0), (0, 12), (0, 12), (0, 8), (0, 0), (0, 0), (0, 0),
    // CONST, RESTRICT, FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64
    (0, 0), (0, 0), (0, 0), (0, 8), (4, 0), (0, 12), (0, 0), (4, 0), (0, 0), (0, 12),
];

/// How many bytes a type of this kind and `vlen` appends; `None` for a kind
/// nobody has defined.
pub(crate) fn appended(kind: u8, vlen: u32) -> Option<usize> {
    let &(once, each) = APPENDED.get(usize::from(kind))?;
    if kind == kind::VOID {
        return None;
    }
    // At most 2^24 elements of 12 bytes.
    Some(usize::from(once) + usize::from(each) * vlen as usize)
}

/// The three words every type begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Type {
    pub(crate) name_off: u32,
    pub(crate) info: u32,
    /// `size`, or `type` for the kinds that refer to one other type.
    pub(crate) size_or_type: u32,
}

impl Type {
    pub(crate) fn at(order: Order, types: &[u8], at: usize) -> Option<Self> {
        let words = types.get(at..)?.get(..TYPE_LEN)?;
        let [name_off, info, size_or_type] = order.elements(words).next()?;
        Some(Self {
            name_off,
            info,
            size_or_type,
        })
    }

    /// `kind_flag`: bit 31 of `info`.
    pub(crate) fn kflag(self) -> bool {
        self.info >> 31 != 0
    }

    /// The kind by the widest mask in use (7 bits, Linux 7.2). On a type that an
    /// older kernel accepts the upper bits are zero, so this reads it right too.
    pub(crate) fn wide_kind(self) -> u8 {
        ((self.info >> 24) & 0x7f) as u8
    }

    /// `vlen` by the widest mask in use (24 bits, Linux 7.2); see [`Type::wide_kind`].
    pub(crate) fn wide_vlen(self) -> u32 {
        self.info & 0x00ff_ffff
    }

    /// Where a member of this type begins, in bits, and how many bits a bit field
    /// has; `place` is the member's third word.
    pub(crate) fn member_bits(self, place: u32) -> (u32, u32) {
        match self.kflag() {
            true => (place & 0x00ff_ffff, place >> 24),
            false => (place, 0),
        }
    }
}

/// Where each type of a section stands, and its kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct TypeIndex {
    pub(crate) offsets: Vec<u32>,
    pub(crate) kinds: Vec<u8>,
}

impl TypeIndex {
    /// Walks a type section up to its end, or to the first type that cannot be walked
    /// over, because it is cut or of a kind that nobody has defined. Returns where that is.
    pub(crate) fn of(order: Order, types: &[u8]) -> (Self, usize) {
        let mut index = Self::default();
        let mut at = 0usize;
        while let Some(t) = Type::at(order, types, at)
            && let Some(len) = appended(t.wide_kind(), t.wide_vlen())
            && at + TYPE_LEN + len <= types.len()
        {
            index.push(at, t.wide_kind());
            at += TYPE_LEN + len;
        }
        (index, at)
    }

    pub(crate) fn push(&mut self, at: usize, kind: u8) {
        // A section is at most 4 GiB long: its length is a u32.
        self.offsets.push(at as u32);
        self.kinds.push(kind);
    }

    /// The type number `index` of the section `types`, and the bytes that it appends.
    pub(crate) fn body<'a>(
        &self,
        order: Order,
        types: &'a [u8],
        index: u32,
    ) -> Option<(Type, &'a [u8])> {
        let at = *self.offsets.get(index as usize)? as usize;
        let t = Type::at(order, types, at)?;
        let length = appended(t.wide_kind(), t.wide_vlen())?;
        Some((t, types.get(at + TYPE_LEN..)?.get(..length)?))
    }
}
