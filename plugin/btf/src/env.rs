// SPDX-License-Identifier: GPL-2.0-or-later
//! What the rules look at, and the ways in which one fails: the kernel's
//! `struct btf` and `struct btf_verifier_env` (`kernel/bpf/btf.c`), as far as
//! judging a module needs them.

use crate::ctype::{self, c_string};
use crate::features::Features;
use crate::log_buffer::CALL_MAX;
use crate::raw::{Order, Type, kind};
use crate::verify_error::{BtfRule, BtfSection};

/// What a BTF continues: `btf->base_btf`.
pub(crate) struct BaseView<'a> {
    /// The kind of each id below the first of its own, `void` included.
    pub(crate) kinds: &'a [u8],
    /// The strings below the first of its own: a section that ends with a NUL.
    pub(crate) strings: &'a [u8],
}

impl BaseView<'_> {
    /// Nothing but `void`: for a BTF that stands alone.
    pub(crate) fn void() -> BaseView<'static> {
        BaseView {
            kinds: &[kind::VOID],
            strings: &[],
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

/// Everything that the rules for one type look at.
pub(crate) struct VerifierEnv<'a> {
    pub(crate) below: &'a BaseView<'a>,
    /// The own string section: one that ends with a NUL, or an empty one.
    own: &'a [u8],
    pub(crate) abilities: &'a Features,
    /// The first name offset that is not valid.
    names_end: u32,
}

impl<'a> VerifierEnv<'a> {
    /// For the types of a BTF on `below` with the strings `own`.
    pub(crate) fn new(below: &'a BaseView<'a>, own: &'a [u8], abilities: &'a Features) -> Self {
        Self {
            below,
            own,
            abilities,
            names_end: u32::try_from(below.strings.len() + own.len())
                .unwrap_or(u32::MAX)
                .min(abilities.max_name_offset.saturating_add(1)),
        }
    }

    /// `btf_str_by_offset()`: the bytes from `offset` to the end of its section;
    /// none beyond the last string.
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
    pub(crate) fn name_offset_valid(&self, offset: u32) -> bool {
        offset < self.names_end
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
    pub(crate) fn identifier(&self, offset: u32) -> bool {
        self.spelled_as_identifier(offset, self.abilities.dot_in_identifiers)
    }

    fn spelled_as_identifier(&self, offset: u32, dot: bool) -> bool {
        let rest = self.from(offset).unwrap_or(&[]);
        let first = rest.first().copied().unwrap_or(0);
        ctype::starts_identifier(first, dot)
            && self.name_holds(rest, |c| ctype::continues_identifier(c, dot))
    }

    /// Does the name that `rest` begins with hold such characters only, and no more of
    /// them than a name may have? One that is longer is not read to its end.
    fn name_holds(&self, rest: &[u8], is_allowed: impl Fn(u8) -> bool) -> bool {
        let longest = rest.iter().take(self.abilities.name_max + 1);
        let end = longest.copied().find(|&c| !is_allowed(c));
        end == Some(0)
    }

    /// `btf_name_valid_section()`: the rule for a DATASEC's name.
    pub(crate) fn section_name(&self, offset: u32) -> bool {
        if self.abilities.printable_sections {
            let rest = self.from(offset).unwrap_or(&[]);
            self.has_name(offset) && self.name_holds(rest, ctype::is_print)
        } else {
            // Dots were always allowed here.
            self.spelled_as_identifier(offset, true)
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
    pub(crate) order: Order,
    pub(crate) t: Type,
    pub(crate) kind: u8,
    pub(crate) vlen: u32,
    /// Exactly the bytes that its kind and `vlen` call for; all that is left, if that
    /// is less.
    pub(crate) appended: &'a [u8],
}

impl<'a> TypeRecord<'a> {
    /// The word number `index` of what it appends.
    pub(crate) fn word(&self, index: usize) -> u32 {
        self.order.u32_at(self.appended, 4 * index).unwrap_or(0)
    }

    /// What it appends, by elements of `N` words.
    pub(crate) fn elements<const N: usize>(
        &self,
    ) -> impl ExactSizeIterator<Item = [u32; N]> + use<'a, N> {
        self.order.elements(self.appended)
    }
}
