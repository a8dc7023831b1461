// SPDX-License-Identifier: GPL-2.0-or-later
//! What [`super::scan`] found, put into words.
//!
//! Cold: a genuine module never gets here.

use super::base_strings_len::base_strings;
use super::evidence::{Evidence, Mismatch, TypeRef};
use super::scan::{LAST, OwnType, Scan};
use crate::base::type_tables::NO_SIZE;
use crate::ctype::c_string;
use crate::printable;
use crate::raw::{ByteOrder, Type, kind};

/// Bytes of a name that are looked at to show it.
const SHOWN: usize = 512;

impl<'a, O: ByteOrder> Scan<'a, O> {
    #[cold]
    fn add(&mut self, clue: impl FnOnce(&Self) -> Mismatch, class: &str) {
        let known = self.found.iter_mut().find(|e| e.clue.class() == class);
        if let Some(known) = known {
            known.count = known.count.saturating_add(1);
            return;
        }
        let clue = clue(self);
        self.found.push(Evidence { clue, count: 1 });
    }

    #[cold]
    pub(crate) fn length(&mut self) {
        let here = self.first_name;
        let mut highest = 0;
        self.split.names(|name| highest = highest.max(name));
        if self.split.strings.is_empty() || highest >= here {
            return;
        }
        if let Some(built_for) = base_strings(self.split).filter(|&length| length != here) {
            self.add(|_| Mismatch::Length { built_for, here }, "length");
        }
    }

    #[cold]
    pub(crate) fn inside(&mut self, item: OwnType<'a>, offset: u32) {
        self.add(
            |this| {
                let (strings, at, own) = match offset.checked_sub(this.first_name) {
                    None => (this.base.strings(), offset, false),
                    Some(at) => (this.split.strings, at, true),
                };
                let before = strings.get(..at as usize).unwrap_or(strings);
                let start = before
                    .iter()
                    .rposition(|&c| c == 0)
                    .map_or(0, |nul| nul + 1);
                Mismatch::Name {
                    of: this.holder(item),
                    offset,
                    inside: printable(c_string(strings.get(start..).unwrap_or(&[]))),
                    own,
                }
            },
            "name",
        );
    }

    #[cold]
    pub(crate) fn wrong_kind(&mut self, item: OwnType<'a>, by: &str, to: u32, wanted: &str) {
        self.add(
            |this| Mismatch::Kind {
                of: this.holder(item),
                by: by.to_owned(),
                to,
                found: this.describe(to),
                wanted: wanted.to_owned(),
            },
            "kind",
        );
    }

    #[cold]
    pub(crate) fn misplaced(&mut self, item: OwnType<'a>, by: &str, to: u32, problem: &str) {
        // Where the kind is impossible to begin with, the size is not the point.
        if LAST >> self.kind(to) & 1 != 0 {
            return self.wrong_kind(item, by, to, "a type");
        }
        self.add(
            |this| {
                let size = match this.size(to) {
                    NO_SIZE => String::new(),
                    size => format!(" of {size} bytes"),
                };
                Mismatch::Layout {
                    of: this.holder(item),
                    by: by.to_owned(),
                    to,
                    found: this.describe(to) + &size,
                    problem: problem.to_owned(),
                }
            },
            "layout",
        );
    }

    #[cold]
    pub(crate) fn no_size(&mut self, item: OwnType<'a>, member: u32, to: u32) {
        self.misplaced(item, &self.member(item, member), to, "a member has a size");
    }

    #[cold]
    pub(crate) fn runs_on(&mut self, item: OwnType<'a>, member: u32, next: u32) {
        let to = member_word::<O>(item, member, 1);
        let problem = format!("the next member begins at byte {}", next / 8);
        self.misplaced(item, &self.member(item, member), to, &problem);
    }

    #[cold]
    pub(crate) fn runs_out(&mut self, item: OwnType<'a>, member: u32, to: u32) {
        let problem = format!("it ends behind the {} bytes of all", item.t.size_or_type);
        self.misplaced(item, &self.member(item, member), to, &problem);
    }

    #[cold]
    pub(crate) fn duplicate(&mut self, item: OwnType<'a>) {
        let to = item.t.size_or_type;
        self.add(
            |this| Mismatch::Duplicate {
                of: this.holder(item),
                to,
                found: this.describe(to),
            },
            "duplicate",
        );
    }

    fn member(&self, item: OwnType<'a>, member: u32) -> String {
        let place = member_word::<O>(item, member, 2);
        let bits = if item.t.kflag() {
            place & 0x00ff_ffff
        } else {
            place
        };
        match self.string(member_word::<O>(item, member, 0)).as_str() {
            "" => format!("the member at byte {}", bits / 8),
            name => format!("member {name} at byte {}", bits / 8),
        }
    }

    fn holder(&self, item: OwnType<'a>) -> TypeRef {
        TypeRef {
            id: self.first_id.saturating_add(item.index),
            is: self.titled(item.t),
        }
    }

    /// What stands at an id: kind and name.
    fn describe(&self, id: u32) -> String {
        let t = match id.checked_sub(self.first_id) {
            None if id == 0 => return "void".to_owned(),
            None => self.base.type_at(id),
            Some(own) => self.split.body::<O>(own).map(|(t, _)| t),
        };
        t.map_or_else(|| "no type at all".to_owned(), |t| self.titled(t))
    }

    fn titled(&self, t: Type) -> String {
        let kind = kind::NAMES.get(usize::from(t.wide_kind())).copied();
        let kind = kind.unwrap_or("UNKNOWN");
        match self.string(t.name_off).as_str() {
            "" => format!("{kind} (anon)"),
            name => format!("{kind} {name}"),
        }
    }

    /// A name for people; no more of it than is shown, for it may be as long as
    /// its section and be borne a million times.
    fn string(&self, offset: u32) -> String {
        let rest = match offset.checked_sub(self.first_name) {
            None => self.base.strings().get(offset as usize..),
            Some(own) => self.split.strings.get(own as usize..),
        };
        let rest = rest.unwrap_or(&[]);
        printable(c_string(rest.get(..SHOWN).unwrap_or(rest)))
    }
}

/// Word `word` (name, type, place) of a member.
fn member_word<O: ByteOrder>(item: OwnType<'_>, member: u32, word: usize) -> u32 {
    O::u32_at(item.body, member as usize * 12 + word * 4).unwrap_or(0)
}
