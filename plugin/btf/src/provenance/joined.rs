// SPDX-License-Identifier: GPL-2.0-or-later
//! A split BTF on top of a base: what an id or a name offset leads to.

use crate::base::Base;
use crate::ctype::c_string;
use crate::printable;
use crate::raw::{Type, kind};
use crate::split::Split;

/// A type without a size: `void`, a function, a type that is only announced,
/// or a modifier of one of these.
pub(crate) const NO_SIZE: u32 = u32::MAX;

/// The size of what is too large to count. C has nothing of the kind.
pub(crate) const HUGE: u32 = u32::MAX - 1;

/// What stands for the kind of an id that no type has.
pub(crate) const NOTHING: u8 = 31;

/// Links of modifiers and arrays that are followed. Real chains have a handful; of a
/// longer one nothing is said.
const LINKS: usize = 64;

/// Bytes of a name that are looked at to show it: it may be as long as its section,
/// and be borne a million times.
const SHOWN: usize = 512;

#[derive(Clone, Copy)]
pub(crate) struct Joined<'a> {
    pub(crate) base: &'a Base,
    pub(crate) split: &'a Split<'a>,
}

impl<'a> Joined<'a> {
    pub(crate) fn kind(self, id: u32) -> u8 {
        let kind = match id.checked_sub(self.base.types()) {
            None => self.base.kinds().get(id as usize).copied(),
            Some(own) => self.split.kind(own),
        };
        kind.unwrap_or(NOTHING)
    }

    /// A type and what it appends; `None` for `void` and beyond the last.
    pub(crate) fn body(self, id: u32) -> Option<(Type, &'a [u8])> {
        match id.checked_sub(self.base.types()) {
            None => self.base.body(id),
            Some(own) => self.split.body(own),
        }
    }

    /// The string section that `offset` lies in, and where in it.
    fn section(self, offset: u32) -> (&'a [u8], usize) {
        match offset.checked_sub(self.base.strings_len()) {
            None => (self.base.strings(), offset as usize),
            Some(own) => (self.split.strings, own as usize),
        }
    }

    /// The strings from `offset` on.
    pub(crate) fn strings(self, offset: u32) -> &'a [u8] {
        let (strings, at) = self.section(offset);
        strings.get(at..).unwrap_or(&[])
    }

    /// Is a name the start of a string?
    pub(crate) fn starts(self, offset: u32) -> bool {
        let (strings, at) = self.section(offset);
        at == 0 || strings.get(at - 1) == Some(&0)
    }

    /// The string that `offset` lies inside.
    pub(crate) fn around(self, offset: u32) -> String {
        let (strings, at) = self.section(offset);
        let before = strings.get(..at).unwrap_or(strings);
        let start = before.iter().rposition(|&c| c == 0);
        let rest = strings.get(start.map_or(0, |nul| nul + 1)..);
        printable(c_string(rest.unwrap_or(&[])))
    }

    /// The size of a type in bytes, [`NO_SIZE`] or [`HUGE`], and its kind behind
    /// modifiers. Of what cannot be followed the size is 0, to which nothing objects.
    pub(crate) fn shape(self, mut id: u32) -> (u32, u8) {
        let order = self.split.order;
        let mut times = 1u32;
        let mut outer = None;
        for _ in 0..LINKS {
            let (size, bare) = match self.body(id) {
                None => (NO_SIZE, self.kind(id)),
                Some((t, body)) => match t.wide_kind() {
                    kind::ARRAY => {
                        let [element, _, count] = order.elements(body).next().unwrap_or([0; 3]);
                        times = repeated(times, count);
                        outer = outer.or(Some(kind::ARRAY));
                        id = element;
                        continue;
                    }
                    kind if kind::is_modifier(kind) => {
                        id = t.size_or_type;
                        continue;
                    }
                    kind::PTR => (self.base.pointer_size(), kind::PTR),
                    kind @ (kind::INT
                    | kind::STRUCT
                    | kind::UNION
                    | kind::ENUM
                    | kind::FLOAT
                    | kind::ENUM64) => (t.size_or_type.min(HUGE), kind),
                    kind => (NO_SIZE, kind),
                },
            };
            return (repeated(size, times), outer.unwrap_or(bare));
        }
        (0, kind::INT)
    }

    pub(crate) fn size(self, id: u32) -> u32 {
        self.shape(id).0
    }

    /// What stands at an id: kind and name.
    pub(crate) fn describe(self, id: u32) -> String {
        match self.body(id) {
            Some((t, _)) => self.titled(t),
            None if id == 0 => "void".to_owned(),
            None => "no type at all".to_owned(),
        }
    }

    pub(crate) fn titled(self, t: Type) -> String {
        let kind = kind::word(t.wide_kind());
        match self.name(t.name_off).as_str() {
            "" => format!("{kind} (anon)"),
            name => format!("{kind} {name}"),
        }
    }

    /// A name for people.
    pub(crate) fn name(self, offset: u32) -> String {
        let rest = self.strings(offset);
        printable(c_string(rest.get(..SHOWN).unwrap_or(rest)))
    }
}

/// The size of an array.
fn repeated(size: u32, times: u32) -> u32 {
    match size {
        NO_SIZE => NO_SIZE,
        size => size.checked_mul(times).map_or(HUGE, |all| all.min(HUGE)),
    }
}
