// SPDX-License-Identifier: GPL-2.0-or-later
//! Does a split BTF mean the same on two bases? The exact answer.
//!
//! Two bases are walked side by side from what the split BTF refers to. Types
//! may run in circles, so a pair that was met before is taken to be equal: if
//! it is not, the walk finds that out where it first met it.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::joined::Joined;
use crate::base::Base;
use crate::raw::kind;
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
    /// Pairs from which a difference is reached.
    different: HashMap<(u32, u32), Arc<Difference>>,
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
    let mut walk = PairWalk {
        here: Joined { base: here, split },
        there: Joined { base: there, split },
        known,
        queue: Vec::new(),
        met: HashSet::new(),
        patience: NAMES,
    };
    walk.run()
}

struct PairWalk<'a> {
    here: Joined<'a>,
    there: Joined<'a>,
    known: &'a mut BasePairMemo,
    /// Pairs to look at, each with the one that led to it.
    queue: Vec<((u32, u32), usize)>,
    /// Pairs in `queue`.
    met: HashSet<(u32, u32)>,
    /// Bytes of names that may still be read.
    patience: usize,
}

impl PairWalk<'_> {
    fn run(&mut self) -> Comparison {
        let (first_here, first_there) = (self.here.base.types(), self.there.base.types());
        let own = self.here.split.count();
        for own in 0..own {
            self.meet((first_here + own, first_there + own), usize::MAX);
        }
        let budget = (first_here.saturating_add(own) as usize).saturating_mul(PARTNERS);
        let mut next = 0;
        while let Some(&(pair, _)) = self.queue.get(next) {
            if next > budget {
                return Comparison::Undecided;
            }
            if let Some(difference) = self.known.different.get(&pair).cloned() {
                return self.learn_difference(next, difference);
            }
            let alike = self.alike(pair, next);
            if self.patience == 0 {
                return Comparison::Undecided;
            }
            if !alike {
                let (id, there) = pair;
                let difference = Difference {
                    id,
                    here: describe(self.here, id),
                    there: describe(self.there, there),
                };
                return self.learn_difference(next, Arc::new(difference));
            }
            next += 1;
        }
        for (pair, _) in &self.queue {
            if self.are_of_bases(*pair) {
                self.known.same.insert(*pair);
            }
        }
        Comparison::Same
    }

    fn are_of_bases(&self, (here, there): (u32, u32)) -> bool {
        here < self.here.base.types() && there < self.there.base.types()
    }

    /// Puts a pair on the list, unless it was there or is known to be the same.
    fn meet(&mut self, pair: (u32, u32), from: usize) {
        if pair != (0, 0) && !self.known.same.contains(&pair) && self.met.insert(pair) {
            self.queue.push((pair, from));
        }
    }

    /// Are two types the same, but for what they lead to? That goes on the list.
    fn alike(&mut self, (here, there): (u32, u32), from: usize) -> bool {
        let ((t, body), (u, mirror)) = match (self.here.body(here), self.there.body(there)) {
            (Some(one), Some(other)) => (one, other),
            // Beyond all types, or void: then on both sides.
            (None, None) => return (here == 0) == (there == 0),
            _ => return false,
        };
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
        let order = self.here.split.order;
        let pairs = order.elements(body).zip(order.elements(mirror));
        for (([one], [other]), word) in pairs.zip(words.iter().cycle()) {
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
    fn learn_difference(&mut self, found: usize, difference: Arc<Difference>) -> Comparison {
        let mut current = found;
        while let Some(&(pair, from)) = self.queue.get(current) {
            if self.are_of_bases(pair) {
                self.known.different.insert(pair, difference.clone());
            }
            current = from;
        }
        Comparison::Different(Difference::clone(&difference))
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
fn describe(side: Joined<'_>, id: u32) -> String {
    let details = side.body(id).map(|(t, _)| {
        let (size, vlen) = (t.size_or_type, t.wide_vlen());
        match t.wide_kind() {
            kind::STRUCT | kind::UNION | kind::ENUM | kind::ENUM64 => {
                let plural = if vlen == 1 { "" } else { "s" };
                format!(" of {size} bytes with {vlen} member{plural}")
            }
            kind::INT | kind::FLOAT => format!(" of {size} bytes"),
            kind::FUNC_PROTO => format!(" of {vlen} parameters"),
            _ => String::new(),
        }
    });
    side.describe(id) + &details.unwrap_or_default()
}
