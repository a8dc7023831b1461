// SPDX-License-Identifier: GPL-2.0-or-later
//! One pass over a split BTF for what does not occur on its own base.
//!
//! Every rule here holds for each of the genuine modules that `tests/tests/origin.rs`
//! looks at. They rest on three facts: strings are deduplicated as a whole,
//! types too, and the compiler had complete types where C asks for them.

use super::evidence::Evidence;
use crate::base::Base;
use crate::base::type_tables::{HUGE, NO_SIZE, TypeTables};
use crate::raw::{self, Be, ByteOrder, Le, Order, TYPE_LEN, Type, kind, words2, words3};
use crate::split::Split;

/// What stands for the kind of an id that no type has.
pub(crate) const NOTHING: u8 = 31;

/// Kinds that stand for themselves: nothing but FUNC's and DATASEC's own rules,
/// and DECL_TAG, leads to one.
pub(crate) const LAST: u32 =
    1 << kind::FUNC | 1 << kind::VAR | 1 << kind::DATASEC | 1 << kind::DECL_TAG | 1 << NOTHING;

/// What a DECL_TAG may be attached to.
const TAGGED: u32 =
    1 << kind::STRUCT | 1 << kind::UNION | 1 << kind::FUNC | 1 << kind::VAR | 1 << kind::TYPEDEF;

/// What shows that `split` was not built against `base`: the first of each
/// class, with how many there are. Nothing if it may have been.
///
/// Nothing is said of BTF that is relocated from a distilled base.
pub fn evidence(split: &Split<'_>, base: &Base) -> Vec<Evidence> {
    run(split, base, false)
}

/// Is there nothing that shows that `split` was not built against `base`?
///
/// The same as asking [`evidence`] for none, but ends with the first.
pub fn fits(split: &Split<'_>, base: &Base) -> bool {
    run(split, base, true).is_empty()
}

fn run(split: &Split<'_>, base: &Base, first_only: bool) -> Vec<Evidence> {
    if split.is_relocated() || split.order != base.order() {
        return Vec::new();
    }
    match base.order() {
        Order::Little => Scan::<Le>::new(split, base).run(first_only),
        Order::Big => Scan::<Be>::new(split, base).run(first_only),
    }
}

pub(crate) struct Scan<'a, O> {
    pub(crate) split: &'a Split<'a>,
    pub(crate) base: &'a Base,
    pub(crate) ground: &'a TypeTables,
    /// The first own id.
    pub(crate) first_id: u32,
    /// The first own name offset.
    pub(crate) first_name: u32,
    /// The highest name offset of a type.
    highest_name: u32,
    pub(crate) found: Vec<Evidence>,
    order: std::marker::PhantomData<O>,
}

impl<'a, O: ByteOrder> Scan<'a, O> {
    fn new(split: &'a Split<'a>, base: &'a Base) -> Self {
        Self {
            split,
            base,
            ground: base.ground(),
            first_id: base.types(),
            first_name: base.strings_len(),
            highest_name: 0,
            found: Vec::new(),
            order: std::marker::PhantomData,
        }
    }

    fn run(mut self, first_only: bool) -> Vec<Evidence> {
        for item in self.items() {
            self.check(item);
            if first_only && !self.found.is_empty() {
                return self.found;
            }
        }
        // An own name fixes the length, and was held against it above.
        if self.highest_name < self.first_name {
            self.length();
        }
        self.found
    }

    /// All own types in order. One slice after the other is cut off, so that no
    /// offset has to be looked up.
    fn items(&self) -> impl Iterator<Item = OwnType<'a>> + use<'a, O> {
        let mut rest = self.split.types;
        (0u32..).map_while(move |index| {
            let t = Type::at::<O>(rest, 0)?;
            let length = raw::appended(t.wide_kind(), t.wide_vlen())?;
            let (body, next) = rest.get(TYPE_LEN..)?.split_at_checked(length)?;
            rest = next;
            Some(OwnType { index, t, body })
        })
    }

    #[inline(always)]
    fn check(&mut self, item: OwnType<'a>) {
        let t = item.t;
        // The kernel looks at all but these; so did we, when we followed it.
        let unseen = matches!(
            t.wide_kind(),
            kind::INT | kind::FLOAT | kind::DATASEC | kind::DECL_TAG | kind::TYPE_TAG
        );
        if unseen || !self.split.identifiers_start {
            self.name(item, t.name_off);
        }
        self.highest_name = self.highest_name.max(t.name_off);
        match t.wide_kind() {
            kind::PTR | kind::VOLATILE | kind::CONST | kind::RESTRICT => {
                self.reference(item);
                if t.size_or_type < self.first_id && self.ground.has(t.wide_kind(), t.size_or_type)
                {
                    self.duplicate(item);
                }
            }
            kind::TYPEDEF | kind::TYPE_TAG => self.reference(item),
            kind::ARRAY => self.array(item),
            kind::STRUCT => self.structure(item),
            kind::UNION => self.union(item),
            kind::ENUM if !self.split.identifiers_start => self.names(item, 8),
            kind::ENUM64 if !self.split.identifiers_start => self.names(item, 12),
            kind::FUNC => self.function(item),
            kind::FUNC_PROTO => self.prototype(item),
            kind::VAR => self.variable(item),
            kind::DATASEC => self.data_section(item),
            kind::DECL_TAG => self.decl_tag(item),
            _ => {}
        }
    }

    #[inline(always)]
    fn name(&mut self, item: OwnType<'a>, offset: u32) {
        if !self.starts(offset) {
            self.inside(item, offset);
        }
    }

    #[inline(always)]
    fn names(&mut self, item: OwnType<'a>, stride: usize) {
        for element in item.body.chunks_exact(stride) {
            self.name(item, O::u32_at(element, 0).unwrap_or(0));
        }
    }

    #[inline(always)]
    fn reference(&mut self, item: OwnType<'a>) {
        let to = item.t.size_or_type;
        if LAST >> self.kind(to) & 1 != 0 {
            self.wrong_kind(item, "its type", to, "a type");
        }
    }

    #[inline(always)]
    fn function(&mut self, item: OwnType<'a>) {
        let to = item.t.size_or_type;
        if self.kind(to) != kind::FUNC_PROTO {
            self.wrong_kind(item, "its prototype", to, "a FUNC_PROTO");
        }
    }

    fn variable(&mut self, item: OwnType<'a>) {
        let to = item.t.size_or_type;
        if self.size(to) == NO_SIZE {
            self.misplaced(item, "it", to, "a variable has a size");
        }
    }

    fn decl_tag(&mut self, item: OwnType<'a>) {
        let to = item.t.size_or_type;
        if TAGGED >> self.kind(to) & 1 == 0 {
            let wanted = "a struct, union, typedef, function or variable";
            self.wrong_kind(item, "what it tags", to, wanted);
        }
    }

    fn array(&mut self, item: OwnType<'a>) {
        let [element, index] = [0, 4].map(|at| O::u32_at(item.body, at).unwrap_or(0));
        if self.size(element) == NO_SIZE {
            self.misplaced(item, "its element", element, "an element has a size");
        }
        if self.bare(index) != kind::INT {
            self.wrong_kind(item, "its index", index, "an integer");
        }
    }

    /// Members have a size, do not run into the next one and end inside.
    #[inline(always)]
    fn structure(&mut self, item: OwnType<'a>) {
        if !self.sound_structure(item) {
            self.faults_of_structure(item);
        }
    }

    /// Does all hold, the names included? With nothing to say, the loop is short.
    #[inline(never)]
    fn sound_structure(&self, item: OwnType<'a>) -> bool {
        let (members, _) = item.body.as_chunks::<12>();
        let bits = u64::from(item.t.size_or_type) * 8;
        let kflag = item.t.kflag();
        let (mut sound, mut end) = (self.split.identifiers_start, 0u64);
        for member in members {
            let (_, type_id, place) = words3::<O>(member);
            let (start, field) = match kflag {
                true => (place & 0x00ff_ffff, place >> 24),
                false => (place, 0),
            };
            sound &= u64::from(start) >= end;
            let size = self.size(type_id);
            sound &= size != NO_SIZE;
            end = match field {
                0 if start % 8 == 0 && size < HUGE => u64::from(start) + u64::from(size) * 8,
                _ => 0,
            };
            sound &= end <= bits;
        }
        sound
    }

    #[cold]
    fn faults_of_structure(&mut self, item: OwnType<'a>) {
        let (members, _) = item.body.as_chunks::<12>();
        let bits = u64::from(item.t.size_or_type) * 8;
        let kflag = item.t.kflag();
        let mut end = 0u64;
        for (index, member) in (0u32..).zip(members) {
            let (name_off, type_id, place) = words3::<O>(member);
            self.name(item, name_off);
            let (start, field) = match kflag {
                true => (place & 0x00ff_ffff, place >> 24),
                false => (place, 0),
            };
            if u64::from(start) < end {
                self.runs_on(item, index - 1, start);
            }
            let size = self.size(type_id);
            if size == NO_SIZE {
                self.no_size(item, index, type_id);
            }
            // Without kind_flag a bit field shows in its type only.
            end = match field {
                0 if start % 8 == 0 && size < HUGE => u64::from(start) + u64::from(size) * 8,
                _ => 0,
            };
            if end > bits {
                self.runs_out(item, index, type_id);
                end = 0;
            }
        }
    }

    /// Members have a size, and end inside.
    #[inline(always)]
    fn union(&mut self, item: OwnType<'a>) {
        let (members, _) = item.body.as_chunks::<12>();
        let kflag = item.t.kflag();
        for (index, member) in (0u32..).zip(members) {
            let (name_off, type_id, place) = words3::<O>(member);
            self.name(item, name_off);
            let size = self.size(type_id);
            if size == NO_SIZE {
                self.no_size(item, index, type_id);
            } else if size > item.t.size_or_type && (!kflag || place >> 24 == 0) {
                self.runs_out(item, index, type_id);
            }
        }
    }

    /// Neither functions nor arrays are passed or returned; only the last
    /// parameter may be `void`, which stands for `...`.
    #[inline(always)]
    fn prototype(&mut self, item: OwnType<'a>) {
        if !self.sound_prototype(item) {
            self.faults_of_prototype(item);
        }
    }

    /// Does all hold for sure?
    #[inline(never)]
    fn sound_prototype(&self, item: OwnType<'a>) -> bool {
        let (parameters, _) = item.body.as_chunks::<8>();
        let returned = item.t.size_or_type;
        let mut sound = returned == 0 || self.is_value(returned);
        for parameter in parameters {
            let (name_off, type_id) = words2::<O>(parameter);
            sound &= self.starts(name_off);
            sound &= self.is_value(type_id);
        }
        sound
    }

    #[cold]
    fn faults_of_prototype(&mut self, item: OwnType<'a>) {
        let (parameters, _) = item.body.as_chunks::<8>();
        let returned = item.t.size_or_type;
        if returned != 0 && !self.is_value(returned) && self.bare(returned) != kind::VOID {
            self.wrong_kind(item, "what it returns", returned, "a value");
        }
        for (index, parameter) in (1usize..).zip(parameters) {
            let (name_off, type_id) = words2::<O>(parameter);
            self.name(item, name_off);
            let last = index == parameters.len() && type_id == 0;
            if !last && !self.is_value(type_id) {
                self.wrong_kind(item, &format!("parameter {index}"), type_id, "a value");
            }
        }
    }

    /// Its entries are variables, each with the size of its type.
    fn data_section(&mut self, item: OwnType<'a>) {
        let (entries, _) = item.body.as_chunks::<12>();
        for (index, entry) in (1u32..).zip(entries) {
            let (type_id, _, length) = words3::<O>(entry);
            if self.kind(type_id) != kind::VAR {
                self.wrong_kind(item, &format!("entry {index}"), type_id, "a VAR");
                continue;
            }
            let own = type_id.checked_sub(self.first_id);
            let Some((variable, _)) = own.and_then(|own| self.split.body::<O>(own)) else {
                continue;
            };
            let to = variable.size_or_type;
            let size = self.size(to);
            if size < HUGE && size > length {
                let problem = format!("the variable has {length} bytes");
                self.misplaced(item, &format!("entry {index}"), to, &problem);
            }
        }
    }
}

/// A type in its place.
#[derive(Clone, Copy)]
pub(crate) struct OwnType<'a> {
    pub(crate) index: u32,
    pub(crate) t: Type,
    pub(crate) body: &'a [u8],
}
