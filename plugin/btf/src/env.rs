// SPDX-License-Identifier: GPL-2.0-or-later
//! What the rules look at, and the ways in which one fails: the kernel's
//! `struct btf` and `struct btf_verifier_env` (`kernel/bpf/btf.c`), as far as
//! judging a module needs them.

use std::cell::Cell;

use crate::ctype::{self, c_string};
use crate::features::Features;
use crate::log_buffer::CALL_MAX;
use crate::raw::{ByteOrder, Type, kind, words2};
use crate::string_index::{StringIndex, StringStarts};
use crate::verify_error::{BtfRule, BtfSection};

/// What a BTF continues: `btf->base_btf`.
pub(crate) struct BaseView<'a> {
    /// The kind of each id below the first of its own, `void` included.
    pub(crate) kinds: &'a [u8],
    /// The strings below the first of its own: a section that ends with a NUL.
    pub(crate) strings: &'a [u8],
    /// Where plain identifiers start in them, if that is known.
    pub(crate) starts: Option<&'a StringStarts>,
}

impl BaseView<'_> {
    /// Nothing but `void`: for a BTF that stands alone.
    pub(crate) fn void() -> BaseView<'static> {
        BaseView {
            kinds: &[kind::VOID],
            strings: &[],
            starts: None,
        }
    }

    /// The section of a module that continues it: only a distilled base has nothing
    /// to continue.
    pub(crate) fn section(&self) -> BtfSection {
        match self.is_base() {
            true => BtfSection::Split,
            false => BtfSection::Base,
        }
    }

    /// Is there a base at all? (One has at least the empty string.)
    pub(crate) fn is_base(&self) -> bool {
        !self.strings.is_empty()
    }
}

/// A BTF that passed every rule so far.
pub(crate) struct Parsed<'a> {
    pub(crate) types: &'a [u8],
    pub(crate) string_bytes: &'a [u8],
    /// Where each own type stands in `types`.
    pub(crate) offsets: Vec<u32>,
    /// The kind of each own type.
    pub(crate) kinds: Vec<u8>,
    /// Some identifier is not the start of a string, which the kernel permits.
    pub(crate) names_inside: bool,
}

/// Everything that the rules for one type look at.
pub(crate) struct VerifierEnv<'a> {
    pub(crate) below: &'a BaseView<'a>,
    /// The own string section: one that ends with a NUL, or an empty one.
    own: &'a [u8],
    census: &'a StringIndex,
    pub(crate) abilities: &'a Features,
    /// Dots and 512 characters are allowed, so what [`StringIndex::is_fast_identifier`] vouches
    /// for is an identifier if it starts like one.
    trusts_census: bool,
    /// The first name offset that is not valid.
    names_end: u32,
    /// An identifier was looked at that is not the start of a string.
    inside: Cell<bool>,
}

impl<'a> VerifierEnv<'a> {
    /// For the types of a BTF on `below` with the strings `own`.
    pub(crate) fn new(
        below: &'a BaseView<'a>,
        own: &'a [u8],
        census: &'a StringIndex,
        abilities: &'a Features,
    ) -> Self {
        Self {
            below,
            own,
            census,
            abilities,
            trusts_census: abilities.dot_in_identifiers && abilities.name_max >= 512,
            names_end: u32::try_from(below.strings.len() + own.len())
                .unwrap_or(u32::MAX)
                .min(abilities.max_name_offset.saturating_add(1)),
            inside: Cell::new(false),
        }
    }

    /// Was any of the identifiers so far not the start of a string?
    pub(crate) fn met_name_inside(&self) -> bool {
        self.inside.get()
    }

    /// `btf_str_by_offset()`: the bytes from `offset` to the end of its section;
    /// none beyond the last string.
    #[inline(always)]
    fn from(&self, offset: u32) -> Option<&'a [u8]> {
        let offset = offset as usize;
        let below = self.below.strings;
        let rest = match offset.checked_sub(below.len()) {
            None => below.get(offset..),
            Some(own) => self.own.get(own..),
        };
        rest.filter(|rest| !rest.is_empty())
    }

    /// `btf_name_offset_valid()`.
    #[inline(always)]
    pub(crate) fn name_offset_valid(&self, offset: u32) -> bool {
        offset < self.names_end
    }

    /// `btf_name_by_offset()`.
    pub(crate) fn name(&self, offset: u32) -> Option<&'a [u8]> {
        self.from(offset).map(c_string)
    }

    /// Is there a name at `offset`, and is it not empty?
    pub(crate) fn has_name(&self, offset: u32) -> bool {
        let first = self.from(offset).and_then(<[u8]>::first);
        first.is_some_and(|&first| first != 0)
    }

    /// `__btf_name_by_offset()`: the name as log lines show it. No more of it
    /// than one line holds, whatever its length: a type may be named a million
    /// times.
    pub(crate) fn shown(&self, offset: u32) -> &'a [u8] {
        if offset == 0 {
            return b"(anon)";
        }
        let Some(rest) = self.from(offset) else {
            return b"(invalid-name-offset)";
        };
        c_string(rest.get(..CALL_MAX).unwrap_or(rest))
    }

    /// `btf_name_valid_identifier()`.
    #[inline(always)]
    pub(crate) fn identifier(&self, offset: u32) -> bool {
        let at = offset as usize;
        let plain = match at.checked_sub(self.below.strings.len()) {
            None => self
                .below
                .starts
                .is_some_and(|starts| starts.identifier(at)),
            Some(own) => {
                let first = self.own.get(own);
                let before = own.checked_sub(1).and_then(|before| self.own.get(before));
                first.is_some_and(|&c| ctype::starts_identifier(c, true))
                    && before.is_none_or(|&before| before == 0)
                    && self.census.is_fast_identifier(own)
            }
        };
        (plain && self.trusts_census) || self.identifier_slow(offset)
    }

    #[cold]
    #[inline(never)]
    fn identifier_slow(&self, offset: u32) -> bool {
        if !self.is_start(offset) {
            self.inside.set(true);
        }
        let dot = self.abilities.dot_in_identifiers;
        // A name that is too long need not be read to its end for each of its uses.
        self.from(offset).is_some_and(|rest| {
            let enough = rest.get(..=self.abilities.name_max).unwrap_or(rest);
            self.spelled_as_identifier(c_string(enough), dot)
        })
    }

    /// Is it the first byte of a string?
    fn is_start(&self, offset: u32) -> bool {
        let at = offset as usize;
        let (strings, at) = match at.checked_sub(self.below.strings.len()) {
            None => (self.below.strings, at),
            Some(own) => (self.own, own),
        };
        let before = at.checked_sub(1).and_then(|before| strings.get(before));
        before.is_none_or(|&before| before == 0)
    }

    fn spelled_as_identifier(&self, name: &[u8], dot: bool) -> bool {
        name.len() <= self.abilities.name_max
            && name
                .first()
                .is_some_and(|&c| ctype::starts_identifier(c, dot))
            && name
                .iter()
                .skip(1)
                .all(|&c| ctype::continues_identifier(c, dot))
    }

    /// `btf_name_valid_section()`: the rule for a DATASEC's name.
    pub(crate) fn section_name(&self, offset: u32) -> bool {
        let Some(name) = self.name(offset) else {
            return false;
        };
        if self.abilities.printable_sections {
            !name.is_empty()
                && name.len() <= self.abilities.name_max
                && name.iter().all(|&c| ctype::is_print(c))
        } else {
            // Dots were always allowed here.
            self.spelled_as_identifier(name, true)
        }
    }
}

/// Which rule a type breaks, and in which part of it.
pub(crate) enum MetaError {
    /// `btf_verifier_log_type()`, `btf_verifier_log_basic()`: the type itself.
    Type(BtfRule),
    /// `btf_verifier_log_member()`: the member with this index.
    Member(u32, BtfRule),
    /// `btf_verifier_log_vsi()`: the variable with this index.
    Variable(u32, BtfRule),
    /// `btf_verifier_log()`: the kernel does not name the type.
    Alone(BtfRule),
}

/// One type with what it appends, its `info` taken apart by the kernel's masks.
#[derive(Clone, Copy)]
pub(crate) struct TypeRecord<'a> {
    pub(crate) t: Type,
    pub(crate) kind: u8,
    pub(crate) vlen: u32,
    /// Exactly the bytes that its kind and `vlen` call for, or, if `short`,
    /// all that is left.
    pub(crate) appended: &'a [u8],
}

/// The parameters of a FUNC_PROTO: name offset and type id of each.
pub(crate) fn parameters<'a, O: ByteOrder + 'a>(
    item: &TypeRecord<'a>,
) -> impl ExactSizeIterator<Item = (u32, u32)> + 'a {
    let (parameters, _) = item.appended.as_chunks::<8>();
    parameters.iter().map(words2::<O>)
}
