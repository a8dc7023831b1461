//! One pass over a split BTF for what does not occur on its own base.
//!
//! Every rule here holds for each of the genuine modules that `tests/tests/origin.rs`
//! looks at. They rest on three facts: strings are deduplicated as a whole,
//! types too, and the compiler had complete types where C asks for them.

use super::super::base::Base;
use super::super::names::c_string;
use super::super::raw::{Be, ByteOrder, Le, Order, Type, kind, words2, words3};
use super::evidence::{Clue, Evidence, Holder};
use super::ground::{Ground, HUGE, NO_SIZE, Step, repeated, step};
use super::split::Split;
use super::strings::base_strings;
use crate::module::printable;

/// What stands for the kind of an id that no type has.
const NOTHING: u8 = 31;

/// Kinds that stand for themselves: nothing but FUNC's and DATASEC's own rules,
/// and DECL_TAG, leads to one.
const LAST: u32 =
    1 << kind::FUNC | 1 << kind::VAR | 1 << kind::DATASEC | 1 << kind::DECL_TAG | 1 << NOTHING;

/// What a DECL_TAG may be attached to.
const TAGGED: u32 =
    1 << kind::STRUCT | 1 << kind::UNION | 1 << kind::FUNC | 1 << kind::VAR | 1 << kind::TYPEDEF;

/// Links of modifiers and arrays that are followed among own types. Real chains
/// have a handful; of a longer one nothing is said.
const LINKS: usize = 64;

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

struct Scan<'a, O> {
    split: &'a Split<'a>,
    base: &'a Base,
    ground: &'a Ground,
    /// The first own id.
    first_id: u32,
    /// The first own name offset.
    first_name: u32,
    /// The highest name offset met.
    highest_name: u32,
    found: Vec<Evidence>,
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
        for index in 0..self.split.count() {
            let Some((t, body)) = self.split.body::<O>(index) else {
                break;
            };
            self.check(Item { index, t, body });
            if first_only && !self.found.is_empty() {
                return self.found;
            }
        }
        // Any own name fixes the length, and was held against it above.
        if self.highest_name < self.first_name && !self.split.strings.is_empty() {
            self.length();
        }
        self.found
    }

    #[inline(always)]
    fn check(&mut self, item: Item<'a>) {
        let t = item.t;
        self.name(item, t.name_off);
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
            kind::ENUM => self.names(item, 8),
            kind::ENUM64 => self.names(item, 12),
            kind::FUNC => {
                if self.kind(t.size_or_type) != kind::FUNC_PROTO {
                    self.wrong_kind(item, "its prototype", t.size_or_type, "a FUNC_PROTO");
                }
            }
            kind::FUNC_PROTO => self.prototype(item),
            kind::VAR => {
                if self.size(t.size_or_type) == NO_SIZE {
                    self.misplaced(item, "it", t.size_or_type, "a variable has a size");
                }
            }
            kind::DATASEC => self.data_section(item),
            kind::DECL_TAG => {
                if TAGGED >> self.kind(t.size_or_type) & 1 == 0 {
                    let wanted = "a struct, union, typedef, function or variable";
                    self.wrong_kind(item, "what it tags", t.size_or_type, wanted);
                }
            }
            _ => {}
        }
    }

    /// A name is the start of a string.
    #[inline(always)]
    fn name(&mut self, item: Item<'a>, offset: u32) {
        self.highest_name = self.highest_name.max(offset);
        let starts = match offset.checked_sub(self.first_name) {
            None => self.ground.starts.get(offset),
            Some(0) => true,
            Some(own) => self.split.strings.get(own as usize - 1) == Some(&0),
        };
        if !starts {
            self.inside(item, offset);
        }
    }

    #[inline(always)]
    fn names(&mut self, item: Item<'a>, stride: usize) {
        for element in item.body.chunks_exact(stride) {
            self.name(item, O::u32_at(element, 0).unwrap_or(0));
        }
    }

    /// The kind of an id.
    #[inline(always)]
    fn kind(&self, id: u32) -> u8 {
        let kind = match id.checked_sub(self.first_id) {
            None => self.base.kinds().get(id as usize).copied(),
            Some(own) => self.split.kind(own),
        };
        kind.unwrap_or(NOTHING)
    }

    #[inline(always)]
    fn reference(&mut self, item: Item<'a>) {
        let to = item.t.size_or_type;
        if LAST >> self.kind(to) & 1 != 0 {
            self.wrong_kind(item, "its type", to, "a type");
        }
    }

    /// The size of an id in bytes, [`NO_SIZE`] or [`HUGE`].
    #[inline(always)]
    fn size(&self, id: u32) -> u32 {
        if id < self.first_id {
            return self
                .ground
                .sizes
                .get(id as usize)
                .copied()
                .unwrap_or(NO_SIZE);
        }
        self.own_shape(id).0
    }

    /// The size of an own type, and its kind behind modifiers. Of what cannot be
    /// followed the size is 0, to which nothing objects.
    fn own_shape(&self, mut id: u32) -> (u32, u8) {
        let mut times = 1u32;
        let mut outer = None;
        for _ in 0..LINKS {
            let (size, bare) = match id.checked_sub(self.first_id) {
                None => (
                    self.ground
                        .sizes
                        .get(id as usize)
                        .copied()
                        .unwrap_or(NO_SIZE),
                    self.ground
                        .bare
                        .get(id as usize)
                        .copied()
                        .unwrap_or(NOTHING),
                ),
                Some(own) => {
                    let Some((t, body)) = self.split.body::<O>(own) else {
                        return (NO_SIZE, outer.unwrap_or(NOTHING));
                    };
                    match step::<O>(t, body, self.ground.pointer) {
                        Step::Ends(size) => (size, t.wide_kind()),
                        Step::Leads(to) => {
                            id = to;
                            continue;
                        }
                        Step::Repeats(element, count) => {
                            times = repeated(times, count);
                            outer = outer.or(Some(kind::ARRAY));
                            id = element;
                            continue;
                        }
                    }
                }
            };
            return (repeated(size, times), outer.unwrap_or(bare));
        }
        (0, kind::INT)
    }

    /// The kind of an id behind modifiers.
    fn bare(&self, id: u32) -> u8 {
        if id < self.first_id {
            return self
                .ground
                .bare
                .get(id as usize)
                .copied()
                .unwrap_or(NOTHING);
        }
        self.own_shape(id).1
    }

    fn array(&mut self, item: Item<'a>) {
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
    fn structure(&mut self, item: Item<'a>) {
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
    fn union(&mut self, item: Item<'a>) {
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
    fn prototype(&mut self, item: Item<'a>) {
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

    #[inline(always)]
    fn is_value(&self, id: u32) -> bool {
        const VALUES: u32 = 1 << kind::INT
            | 1 << kind::PTR
            | 1 << kind::STRUCT
            | 1 << kind::UNION
            | 1 << kind::ENUM
            | 1 << kind::FWD
            | 1 << kind::FLOAT
            | 1 << kind::ENUM64;
        VALUES >> self.bare(id) & 1 != 0
    }

    /// Its entries are variables, each with the size of its type.
    fn data_section(&mut self, item: Item<'a>) {
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
struct Item<'a> {
    index: u32,
    t: Type,
    body: &'a [u8],
}

/// Putting what was found into words.
impl<'a, O: ByteOrder> Scan<'a, O> {
    #[cold]
    fn add(&mut self, clue: impl FnOnce(&Self) -> Clue, class: &str) {
        let known = self.found.iter_mut().find(|e| e.clue.class() == class);
        if let Some(known) = known {
            known.count = known.count.saturating_add(1);
            return;
        }
        let clue = clue(self);
        self.found.push(Evidence { clue, count: 1 });
    }

    #[cold]
    fn length(&mut self) {
        let here = self.first_name;
        if let Some(built_for) = base_strings(self.split).filter(|&length| length != here) {
            self.add(|_| Clue::Length { built_for, here }, "length");
        }
    }

    #[cold]
    fn inside(&mut self, item: Item<'a>, offset: u32) {
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
                Clue::Name {
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
    fn wrong_kind(&mut self, item: Item<'a>, by: &str, to: u32, wanted: &'static str) {
        self.add(
            |this| Clue::Kind {
                of: this.holder(item),
                by: by.to_owned(),
                to,
                found: this.describe(to),
                wanted,
            },
            "kind",
        );
    }

    #[cold]
    fn misplaced(&mut self, item: Item<'a>, by: &str, to: u32, problem: &str) {
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
                Clue::Layout {
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
    fn no_size(&mut self, item: Item<'a>, member: u32, to: u32) {
        self.misplaced(item, &self.member(item, member), to, "a member has a size");
    }

    #[cold]
    fn runs_on(&mut self, item: Item<'a>, member: u32, next: u32) {
        let to = member_word::<O>(item, member, 1);
        let problem = format!("the next member begins at byte {}", next / 8);
        self.misplaced(item, &self.member(item, member), to, &problem);
    }

    #[cold]
    fn runs_out(&mut self, item: Item<'a>, member: u32, to: u32) {
        let problem = format!("it ends behind the {} bytes of all", item.t.size_or_type);
        self.misplaced(item, &self.member(item, member), to, &problem);
    }

    #[cold]
    fn duplicate(&mut self, item: Item<'a>) {
        let to = item.t.size_or_type;
        self.add(
            |this| Clue::Duplicate {
                of: this.holder(item),
                to,
                found: this.describe(to),
            },
            "duplicate",
        );
    }

    fn member(&self, item: Item<'a>, member: u32) -> String {
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

    fn holder(&self, item: Item<'a>) -> Holder {
        Holder {
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

    fn string(&self, offset: u32) -> String {
        printable(match offset.checked_sub(self.first_name) {
            None => self.base.string(offset),
            Some(own) => c_string(self.split.strings.get(own as usize..).unwrap_or(&[])),
        })
    }
}

/// Word `word` (name, type, place) of a member.
fn member_word<O: ByteOrder>(item: Item<'_>, member: u32, word: usize) -> u32 {
    O::u32_at(item.body, member as usize * 12 + word * 4).unwrap_or(0)
}
