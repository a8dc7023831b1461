// SPDX-License-Identifier: GPL-2.0-or-later
//! One pass over a split BTF for what does not occur on its own base.
//!
//! Every rule here holds for each of the genuine modules that `tests/tests/origin.rs`
//! looks at. They rest on three facts: strings are deduplicated as a whole,
//! types too, and the compiler had complete types where C asks for them.

use super::base_strings_len::base_strings;
use super::evidence::{Evidence, Mismatch, TypeRef};
use super::joined::{HUGE, Joined, NO_SIZE, NOTHING};
use crate::base::Base;
use crate::raw::{Type, kind};
use crate::split::Split;

/// Kinds that stand for themselves: nothing but FUNC's and DATASEC's own rules,
/// and DECL_TAG, leads to one.
const LAST: u32 =
    1 << kind::FUNC | 1 << kind::VAR | 1 << kind::DATASEC | 1 << kind::DECL_TAG | 1 << NOTHING;

/// What a DECL_TAG may be attached to.
const TAGGED: u32 =
    1 << kind::STRUCT | 1 << kind::UNION | 1 << kind::FUNC | 1 << kind::VAR | 1 << kind::TYPEDEF;

/// What is passed to functions and returned.
const VALUES: u32 = 1 << kind::INT
    | 1 << kind::PTR
    | 1 << kind::STRUCT
    | 1 << kind::UNION
    | 1 << kind::ENUM
    | 1 << kind::FWD
    | 1 << kind::FLOAT
    | 1 << kind::ENUM64;

/// True if the kind is one of a set's; none beyond its 32 bits is.
fn is_one_of(set: u32, kind: u8) -> bool {
    set.checked_shr(kind.into())
        .is_some_and(|bits| bits & 1 != 0)
}

/// What shows that `split` was not built against `base`: the first of each
/// class, with how many there are. Nothing if it may have been.
///
/// Nothing is said of BTF that is relocated from a distilled base.
pub fn evidence(split: &Split<'_>, base: &Base) -> Vec<Evidence> {
    run(split, base, false, None)
}

/// Whether [`evidence`] finds nothing; ends with the first.
pub fn fits(split: &Split<'_>, base: &Base) -> bool {
    run(split, base, true, None).is_empty()
}

/// True if `split` was certainly built against `base`: it continues strings of just that
/// length, and nothing speaks against it, save the type `but`.
pub fn continues(split: &Split<'_>, base: &Base, but: Option<u32>) -> bool {
    base_strings(split) == Some(base.strings_len()) && run(split, base, true, but).is_empty()
}

fn run(split: &Split<'_>, base: &Base, first_only: bool, but: Option<u32>) -> Vec<Evidence> {
    if split.relocated || split.order != base.order() {
        return Vec::new();
    }
    let on = Joined { base, split };
    let mut scan = Scan {
        on,
        found: Vec::new(),
    };
    let mut highest_name = 0;
    for (index, t, body) in split.bodies() {
        if but == Some(base.types().saturating_add(index)) {
            continue;
        }
        scan.check(OwnType { index, t, body });
        if first_only && !scan.found.is_empty() {
            return scan.found;
        }
        highest_name = highest_name.max(t.name_off);
    }
    // An own name fixes the length, and was held against it above.
    if highest_name < base.strings_len() {
        scan.length();
    }
    scan.found
}

#[derive(Clone, Copy)]
struct OwnType<'a> {
    index: u32,
    t: Type,
    body: &'a [u8],
}

impl<'a> OwnType<'a> {
    /// What it appends, by elements of `N` words, each with its number.
    fn elements<const N: usize>(self, on: Joined<'a>) -> impl Iterator<Item = (u32, [u32; N])> {
        (0u32..).zip(on.split.order.elements(self.body))
    }
}

struct Scan<'a> {
    on: Joined<'a>,
    found: Vec<Evidence>,
}

impl<'a> Scan<'a> {
    fn check(&mut self, item: OwnType<'a>) {
        let t = item.t;
        for offset in self.on.split.names_of(t, item.body) {
            if !self.on.starts(offset) {
                self.inside(item, offset);
            }
        }
        match t.wide_kind() {
            kind::PTR | kind::VOLATILE | kind::CONST | kind::RESTRICT => {
                self.reference(item);
                if self.on.base.leads(t.wide_kind(), t.size_or_type) {
                    self.duplicate(item);
                }
            }
            kind::TYPEDEF | kind::TYPE_TAG => self.reference(item),
            kind::ARRAY => self.array(item),
            kind::STRUCT => self.structure(item),
            kind::UNION => self.union(item),
            kind::FUNC => self.function(item),
            kind::FUNC_PROTO => self.prototype(item),
            kind::VAR => self.variable(item),
            kind::DATASEC => self.data_section(item),
            kind::DECL_TAG => self.decl_tag(item),
            _ => {}
        }
    }

    fn reference(&mut self, item: OwnType<'a>) {
        let to = item.t.size_or_type;
        if is_one_of(LAST, self.on.kind(to)) {
            self.wrong_kind(item, "its type", to, "a type");
        }
    }

    fn function(&mut self, item: OwnType<'a>) {
        let to = item.t.size_or_type;
        if self.on.kind(to) != kind::FUNC_PROTO {
            self.wrong_kind(item, "its prototype", to, "a FUNC_PROTO");
        }
    }

    fn variable(&mut self, item: OwnType<'a>) {
        let to = item.t.size_or_type;
        if self.on.size(to) == NO_SIZE {
            self.misplaced(item, "it", to, "a variable has a size");
        }
    }

    fn decl_tag(&mut self, item: OwnType<'a>) {
        let to = item.t.size_or_type;
        if !is_one_of(TAGGED, self.on.kind(to)) {
            let wanted = "a struct, union, typedef, function or variable";
            self.wrong_kind(item, "what it tags", to, wanted);
        }
    }

    fn array(&mut self, item: OwnType<'a>) {
        for (_, [element, index, _]) in item.elements(self.on) {
            if self.on.size(element) == NO_SIZE {
                self.misplaced(item, "its element", element, "an element has a size");
            }
            if self.on.shape(index).1 != kind::INT {
                self.wrong_kind(item, "its index", index, "an integer");
            }
        }
    }

    /// Members have a size, do not run into the next one and end inside.
    fn structure(&mut self, item: OwnType<'a>) {
        let bits = u64::from(item.t.size_or_type) * 8;
        let mut end = 0u64;
        let mut last = None;
        for (_, member) in item.elements(self.on) {
            let [_, type_id, place] = member;
            let (start, field) = item.t.member_bits(place);
            if let Some(last) = last.filter(|_| u64::from(start) < end) {
                let problem = format!("the next member begins at byte {}", start / 8);
                self.wrong_member(item, last, &problem);
            }
            let size = self.on.size(type_id);
            if size == NO_SIZE {
                self.wrong_member(item, member, "a member has a size");
            }
            // Without kind_flag a bit field shows in its type only.
            end = match field {
                0 if start % 8 == 0 && size < HUGE => u64::from(start) + u64::from(size) * 8,
                _ => 0,
            };
            if end > bits {
                self.runs_out(item, member);
                end = 0;
            }
            last = Some(member);
        }
    }

    /// Members have a size, and end inside.
    fn union(&mut self, item: OwnType<'a>) {
        for (_, member) in item.elements(self.on) {
            let [_, type_id, place] = member;
            let size = self.on.size(type_id);
            if size == NO_SIZE {
                self.wrong_member(item, member, "a member has a size");
            } else if size > item.t.size_or_type && item.t.member_bits(place).1 == 0 {
                self.runs_out(item, member);
            }
        }
    }

    /// Neither functions nor arrays are passed or returned; only the last
    /// parameter may be `void`, which stands for `...`.
    fn prototype(&mut self, item: OwnType<'a>) {
        let returned = item.t.size_or_type;
        let bare = self.on.shape(returned).1;
        if !is_one_of(VALUES, bare) && bare != kind::VOID {
            self.wrong_kind(item, "what it returns", returned, "a value");
        }
        let last = item.t.wide_vlen();
        for (index, [_, type_id]) in item.elements(self.on) {
            let number = index + 1;
            let is_value = is_one_of(VALUES, self.on.shape(type_id).1);
            if !is_value && (number < last || type_id != 0) {
                self.wrong_kind(item, &format!("parameter {number}"), type_id, "a value");
            }
        }
    }

    /// Its entries are variables, each with the size of its type.
    fn data_section(&mut self, item: OwnType<'a>) {
        for (index, [type_id, _, length]) in item.elements(self.on) {
            let by = format!("entry {}", index + 1);
            if self.on.kind(type_id) != kind::VAR {
                self.wrong_kind(item, &by, type_id, "a VAR");
                continue;
            }
            let own = type_id.checked_sub(self.on.base.types());
            let Some((variable, _)) = own.and_then(|own| self.on.split.body(own)) else {
                continue;
            };
            let to = variable.size_or_type;
            let size = self.on.size(to);
            if size < HUGE && size > length {
                let problem = format!("the variable has {length} bytes");
                self.misplaced(item, &by, to, &problem);
            }
        }
    }

    fn add(&mut self, class: &str, clue: impl FnOnce(Joined<'a>) -> Mismatch) {
        let known = self.found.iter_mut().find(|e| e.clue.class() == class);
        if let Some(known) = known {
            known.count = known.count.saturating_add(1);
            return;
        }
        let clue = clue(self.on);
        self.found.push(Evidence { clue, count: 1 });
    }

    fn length(&mut self) {
        let (split, here) = (self.on.split, self.on.base.strings_len());
        let highest = split.names().max().unwrap_or(0);
        if split.strings.is_empty() || highest >= here {
            return;
        }
        if let Some(built_for) = base_strings(split).filter(|&length| length != here) {
            self.add("length", |_| Mismatch::Length { built_for, here });
        }
    }

    fn inside(&mut self, item: OwnType<'a>, offset: u32) {
        self.add("name", |on| Mismatch::Name {
            of: holder(on, item),
            offset,
            inside: on.around(offset),
            own: offset >= on.base.strings_len(),
        });
    }

    fn wrong_kind(&mut self, item: OwnType<'a>, by: &str, to: u32, wanted: &str) {
        self.add("kind", |on| Mismatch::Kind {
            of: holder(on, item),
            by: by.to_owned(),
            to,
            found: on.describe(to),
            wanted: wanted.to_owned(),
        });
    }

    fn misplaced(&mut self, item: OwnType<'a>, by: &str, to: u32, problem: &str) {
        // Where the kind is impossible to begin with, the size is not the point.
        if is_one_of(LAST, self.on.kind(to)) {
            return self.wrong_kind(item, by, to, "a type");
        }
        self.add("layout", |on| {
            let size = match on.size(to) {
                NO_SIZE => String::new(),
                size => format!(" of {size} bytes"),
            };
            Mismatch::Layout {
                of: holder(on, item),
                by: by.to_owned(),
                to,
                found: on.describe(to) + &size,
                problem: problem.to_owned(),
            }
        });
    }

    fn wrong_member(&mut self, item: OwnType<'a>, member: [u32; 3], problem: &str) {
        let [name_off, to, place] = member;
        let byte = item.t.member_bits(place).0 / 8;
        let by = match self.on.name(name_off).as_str() {
            "" => format!("the member at byte {byte}"),
            name => format!("member {name} at byte {byte}"),
        };
        self.misplaced(item, &by, to, problem);
    }

    fn runs_out(&mut self, item: OwnType<'a>, member: [u32; 3]) {
        let problem = format!("it ends behind the {} bytes of all", item.t.size_or_type);
        self.wrong_member(item, member, &problem);
    }

    fn duplicate(&mut self, item: OwnType<'a>) {
        let to = item.t.size_or_type;
        self.add("duplicate", |on| Mismatch::Duplicate {
            of: holder(on, item),
            to,
            found: on.describe(to),
        });
    }
}

fn holder(on: Joined<'_>, item: OwnType<'_>) -> TypeRef {
    TypeRef {
        id: on.base.types().saturating_add(item.index),
        is: on.titled(item.t),
    }
}
