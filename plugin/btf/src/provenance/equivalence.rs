// SPDX-License-Identifier: GPL-2.0-or-later
//! Does a split BTF mean the same on two bases? The exact answer.
//!
//! Two bases are walked side by side from what the split BTF refers to. Types
//! may run in circles, so a pair that was met before is taken to be equal: if
//! it is not, the walk finds that out where it first met it.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::Base;
use crate::ctype::c_string;
use crate::printable;
use crate::raw::{Be, ByteOrder, Le, Order, Type, kind};
use crate::split::Split;

/// Whether a split BTF means the same on two bases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// All that can be reached from it is the same.
    Same,
    /// Something is not.
    Different(Difference),
    /// It was given up: the bases pair off in more ways than real ones do.
    Undecided,
}

/// The first difference that was met: what an id is on either base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The id on the base at hand.
    pub(crate) id: u32,
    /// What it is there.
    pub(crate) here: String,
    /// What stands in its place on the other.
    pub(crate) there: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, here, there } = self;
        if here == there {
            return write!(f, "[{id}] {here} has other elements");
        }
        write!(f, "[{id}] is {there}, but {here} here")
    }
}

/// What was learned about two bases, for the next module that is compared on them.
#[derive(Debug, Default)]
pub struct BasePairMemo {
    /// Pairs of base types from which everything is the same.
    same: HashSet<(u32, u32)>,
    /// Pairs from which a difference is reached, by its place in `differences`.
    different: HashMap<(u32, u32), usize>,
    differences: Vec<Difference>,
}

/// Bytes of names that one comparison may read. Names that real BTF holds are
/// short; those of a hostile one may be as long as the file.
const NAMES: usize = 1 << 28;

/// Pairs of types that one comparison may look at, as a multiple of the types
/// there are. Where types are unique, each has one partner.
const PARTNERS: usize = 4;

/// Does `split` mean the same on `here` as on `there`?
///
/// Everything that can be reached from its types counts: kinds, names, sizes,
/// members with their offsets, values, encodings, parameters. `known` holds
/// what earlier comparisons of these two bases, in this order, have found.
pub fn same_meaning(
    split: &Split<'_>,
    here: &Base,
    there: &Base,
    known: &mut BasePairMemo,
) -> Comparison {
    if here.bytes() == there.bytes() {
        return Comparison::Same;
    }
    if here.order() != there.order() || split.order != here.order() {
        return Comparison::Undecided;
    }
    match here.order() {
        Order::Little => PairWalk::<Le>::new(split, here, there, known).run(),
        Order::Big => PairWalk::<Be>::new(split, here, there, known).run(),
    }
}

/// One base with the split BTF on top of it.
struct Side<'a> {
    base: &'a Base,
    split: &'a Split<'a>,
}

impl<'a> Side<'a> {
    fn body<O: ByteOrder>(&self, id: u32) -> Option<(Type, &'a [u8])> {
        match id.checked_sub(self.base.types()) {
            None => self.base.body(id),
            Some(own) => self.split.body::<O>(own),
        }
    }

    /// The strings from `offset` on.
    fn strings(&self, offset: u32) -> &'a [u8] {
        let rest = match offset.checked_sub(self.base.strings_len()) {
            None => self.base.strings().get(offset as usize..),
            Some(own) => self.split.strings.get(own as usize..),
        };
        rest.unwrap_or(&[])
    }

    fn is_base(&self, id: u32) -> bool {
        id < self.base.types()
    }
}

struct PairWalk<'a, O> {
    here: Side<'a>,
    there: Side<'a>,
    known: &'a mut BasePairMemo,
    /// Pairs to look at, each with the one that led to it.
    queue: Vec<((u32, u32), usize)>,
    /// Pairs in `queue`, by their first id where that has one partner only.
    partner: Vec<u32>,
    others: HashSet<(u32, u32)>,
    /// Bytes of names that may still be read.
    patience: usize,
    order: std::marker::PhantomData<O>,
}

/// In [`PairWalk::partner`]: none yet.
const ALONE: u32 = u32::MAX;

impl<'a, O: ByteOrder> PairWalk<'a, O> {
    fn new(
        split: &'a Split<'a>,
        here: &'a Base,
        there: &'a Base,
        known: &'a mut BasePairMemo,
    ) -> Self {
        let ids = here.types().saturating_add(split.count()) as usize;
        Self {
            here: Side { base: here, split },
            there: Side { base: there, split },
            known,
            queue: Vec::new(),
            partner: vec![ALONE; ids],
            others: HashSet::new(),
            patience: NAMES,
            order: std::marker::PhantomData,
        }
    }

    fn run(mut self) -> Comparison {
        let (first_here, first_there) = (self.here.base.types(), self.there.base.types());
        for own in 0..self.here.split.count() {
            self.meet((first_here + own, first_there + own), usize::MAX);
        }
        let budget = self.partner.len().saturating_mul(PARTNERS);
        let mut next = 0;
        while let Some(&(pair, _)) = self.queue.get(next) {
            if next > budget {
                return Comparison::Undecided;
            }
            let known = self.known.different.get(&pair);
            if let Some(difference) = known.and_then(|&at| self.known.differences.get(at)) {
                let difference = difference.clone();
                self.learn_difference(next, &difference);
                return Comparison::Different(difference);
            }
            let alike = self.alike(pair, next);
            if self.patience == 0 {
                return Comparison::Undecided;
            }
            if !alike {
                let difference = self.difference(pair);
                self.learn_difference(next, &difference);
                return Comparison::Different(difference);
            }
            next += 1;
        }
        for &((here, there), _) in &self.queue {
            if self.here.is_base(here) && self.there.is_base(there) {
                self.known.same.insert((here, there));
            }
        }
        Comparison::Same
    }

    /// Puts a pair on the list, unless it was there or is known to be the same.
    fn meet(&mut self, pair: (u32, u32), from: usize) {
        let (here, there) = pair;
        if here == 0 && there == 0 || self.known.same.contains(&pair) {
            return;
        }
        let new = match self.partner.get_mut(here as usize) {
            Some(partner) if *partner == ALONE => {
                *partner = there;
                true
            }
            Some(partner) if *partner == there => false,
            _ => self.others.insert(pair),
        };
        if new {
            self.queue.push((pair, from));
        }
    }

    /// Are two types the same, but for what they lead to? That goes on the list.
    fn alike(&mut self, (here, there): (u32, u32), from: usize) -> bool {
        let (one, other) = match (self.here.body::<O>(here), self.there.body::<O>(there)) {
            (Some(one), Some(other)) => (one, other),
            // Beyond all types, or void: then on both sides.
            (None, None) => return (here == 0) == (there == 0),
            _ => return false,
        };
        let ((t, body), (u, mirror)) = (one, other);
        if t.info != u.info || body.len() != mirror.len() || !self.same_name(t.name_off, u.name_off)
        {
            return false;
        }
        match t.wide_kind() {
            kind::PTR
            | kind::TYPEDEF
            | kind::VOLATILE
            | kind::CONST
            | kind::RESTRICT
            | kind::TYPE_TAG
            | kind::FUNC
            | kind::FUNC_PROTO
            | kind::VAR
            | kind::DECL_TAG => self.meet((t.size_or_type, u.size_or_type), from),
            _ if t.size_or_type != u.size_or_type => return false,
            _ => {}
        }
        // What each word of an element is; what comes once is one element.
        let words: &[FieldKind] = match t.wide_kind() {
            kind::ARRAY => &[FieldKind::Id, FieldKind::Id, FieldKind::Number],
            kind::STRUCT | kind::UNION => &[FieldKind::Name, FieldKind::Id, FieldKind::Number],
            kind::FUNC_PROTO => &[FieldKind::Name, FieldKind::Id],
            kind::ENUM => &[FieldKind::Name, FieldKind::Number],
            kind::ENUM64 => &[FieldKind::Name, FieldKind::Number, FieldKind::Number],
            kind::DATASEC => &[FieldKind::Id, FieldKind::Number, FieldKind::Number],
            _ => &[FieldKind::Number],
        };
        let pairs = body.chunks_exact(4).zip(mirror.chunks_exact(4));
        for ((one, other), word) in pairs.zip(words.iter().cycle()) {
            let one = O::u32_at(one, 0).unwrap_or(0);
            let other = O::u32_at(other, 0).unwrap_or(0);
            let same = match word {
                FieldKind::Number => one == other,
                FieldKind::Name => self.same_name(one, other),
                FieldKind::Id => {
                    self.meet((one, other), from);
                    true
                }
            };
            if !same {
                return false;
            }
        }
        true
    }

    fn same_name(&mut self, here: u32, there: u32) -> bool {
        let (one, other) = (self.here.strings(here), self.there.strings(there));
        let pairs = one.iter().zip(other);
        let same = pairs.take_while(|(a, b)| a == b && **a != 0).count();
        self.patience = self.patience.saturating_sub(same);
        // Both end there, if the section does not end before.
        one.get(same).unwrap_or(&0) == other.get(same).unwrap_or(&0)
    }

    /// Whatever led to a difference differs by it.
    fn learn_difference(&mut self, found: usize, difference: &Difference) {
        let at = self.known.differences.len();
        let mut learned = false;
        let mut current = found;
        while let Some(&(pair, from)) = self.queue.get(current) {
            if self.here.is_base(pair.0) && self.there.is_base(pair.1) {
                learned |= self.known.different.insert(pair, at).is_none();
            }
            current = from;
        }
        if learned {
            self.known.differences.push(difference.clone());
        }
    }

    #[cold]
    fn difference(&self, (here, there): (u32, u32)) -> Difference {
        Difference {
            id: here,
            here: describe::<O>(&self.here, here),
            there: describe::<O>(&self.there, there),
        }
    }
}

/// A word of what a type appends.
#[derive(Clone, Copy)]
enum FieldKind {
    Name,
    Id,
    Number,
}

/// A type for people: kind, name, size, number of elements.
fn describe<O: ByteOrder>(side: &Side<'_>, id: u32) -> String {
    let Some((t, _)) = side.body::<O>(id) else {
        return if id == 0 { "void" } else { "no type at all" }.to_owned();
    };
    let kind = kind::NAMES.get(usize::from(t.wide_kind())).copied();
    let name = match c_string(side.strings(t.name_off)) {
        b"" => "(anon)".to_owned(),
        name => printable(name),
    };
    let details = match t.wide_kind() {
        kind::STRUCT | kind::UNION | kind::ENUM | kind::ENUM64 => {
            let plural = if t.wide_vlen() == 1 { "" } else { "s" };
            format!(
                " of {} bytes with {} member{plural}",
                t.size_or_type,
                t.wide_vlen()
            )
        }
        kind::INT | kind::FLOAT => format!(" of {} bytes", t.size_or_type),
        kind::FUNC_PROTO => format!(" of {} parameters", t.wide_vlen()),
        _ => String::new(),
    };
    format!("{} {name}{details}", kind.unwrap_or("UNKNOWN"))
}
