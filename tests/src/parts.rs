// SPDX-License-Identifier: GPL-2.0-or-later
//! A BTF taken apart, to be put together differently.

use crate::btf::kind;

/// The sections of a well-formed little-endian BTF, and where its types begin.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The type section.
    pub types: Vec<u8>,
    /// The string section.
    pub strings: Vec<u8>,
    /// Where each type begins in the type section.
    pub starts: Vec<usize>,
}

/// A number in a type that stands for a type, and where it is in the type section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    /// Offset into the type section.
    pub at: usize,
    /// The type it names.
    pub id: u32,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Words after `struct btf_type`: of how many items, each of how many words.
fn appended(kind: u32, vlen: u32) -> (u32, u32) {
    match kind {
        kind::INT | kind::VAR | kind::DECL_TAG => (1, 1),
        kind::ARRAY => (1, 3),
        kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => (vlen, 3),
        kind::ENUM | kind::FUNC_PROTO => (vlen, 2),
        _ => (0, 0),
    }
}

impl Parts {
    /// Takes `raw` apart; `None` unless it is well-formed. What a header of more
    /// than 24 bytes has there is forgotten.
    pub fn of(raw: &[u8]) -> Option<Self> {
        if raw.len() < 24 || raw[..4] != [0x9f, 0xeb, 1, 0] {
            return None;
        }
        let section = |at: usize| {
            let start = (word(raw, 4) as usize).checked_add(word(raw, at) as usize)?;
            Some(
                raw.get(start..start.checked_add(word(raw, at + 4) as usize)?)?
                    .to_vec(),
            )
        };
        let (types, strings) = (section(8)?, section(16)?);
        let mut starts = Vec::new();
        let mut at = 0;
        while at < types.len() {
            if at + 12 > types.len() {
                return None;
            }
            starts.push(at);
            let info = word(&types, at + 4);
            let (items, words) = appended(info >> 24 & 0x1f, info & 0xffff);
            at += 12 + 4 * (items * words) as usize;
        }
        (at == types.len()).then_some(Self {
            types,
            strings,
            starts,
        })
    }

    /// The kind of the type that begins at `at`.
    pub fn kind(&self, at: usize) -> u32 {
        word(&self.types, at + 4) >> 24 & 0x1f
    }

    /// The word at `at` of the type section.
    pub fn word(&self, at: usize) -> u32 {
        word(&self.types, at)
    }

    /// Changes the word at `at` of the type section.
    pub fn set(&mut self, at: usize, value: u32) {
        self.types[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// Every number that stands for a type.
    pub fn references(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        let mut refer = |at: usize| {
            found.push(Reference {
                at,
                id: self.word(at),
            });
        };
        for &start in &self.starts {
            let vlen = (self.word(start + 4) & 0xffff) as usize;
            let rest = start + 12;
            match self.kind(start) {
                kind::PTR
                | kind::TYPEDEF
                | kind::VOLATILE
                | kind::CONST
                | kind::RESTRICT
                | kind::FUNC
                | kind::VAR
                | kind::DECL_TAG
                | kind::TYPE_TAG => refer(start + 8),
                kind::ARRAY => {
                    refer(rest);
                    refer(rest + 4);
                }
                kind::STRUCT | kind::UNION => {
                    (0..vlen).for_each(|n| refer(rest + 12 * n + 4));
                }
                kind::DATASEC => (0..vlen).for_each(|n| refer(rest + 12 * n)),
                kind::FUNC_PROTO => {
                    refer(start + 8);
                    (0..vlen).for_each(|n| refer(rest + 8 * n + 4));
                }
                _ => {}
            }
        }
        found
    }

    /// Where every name offset is in the type section.
    pub fn names(&self) -> Vec<usize> {
        let mut found = Vec::new();
        for &start in &self.starts {
            found.push(start);
            let vlen = (self.word(start + 4) & 0xffff) as usize;
            let step = match self.kind(start) {
                kind::STRUCT | kind::UNION | kind::ENUM64 => 12,
                kind::ENUM | kind::FUNC_PROTO => 8,
                _ => continue,
            };
            found.extend((0..vlen).map(|n| start + 12 + step * n));
        }
        found
    }

    /// Puts the types of a BTF that stands alone into another order, as a parallel
    /// `pahole` may when a kernel is built twice. `order` lists the old ids (from 1)
    /// in their new places.
    pub fn renumber(&mut self, order: &[u32]) {
        assert_eq!(order.len(), self.starts.len());
        let mut new_id = vec![0; order.len() + 1];
        for (place, &old) in (1..).zip(order) {
            assert_eq!(new_id[old as usize], 0, "{old} comes twice");
            new_id[old as usize] = place;
        }
        for reference in self.references() {
            self.set(reference.at, new_id[reference.id as usize]);
        }
        let mut types = Vec::with_capacity(self.types.len());
        let mut starts = Vec::with_capacity(self.starts.len());
        for &old in order {
            let index = old as usize - 1;
            let end = self.starts.get(index + 1).copied();
            starts.push(types.len());
            types.extend_from_slice(
                &self.types[self.starts[index]..end.unwrap_or(self.types.len())],
            );
        }
        self.types = types;
        self.starts = starts;
    }

    /// Header, types, strings.
    pub fn build(&self) -> Vec<u8> {
        self.build_with(&[])
    }

    /// With a header that is longer by `extra`.
    pub fn build_with(&self, extra: &[u8]) -> Vec<u8> {
        let mut out = vec![0x9f, 0xeb, 1, 0];
        let types = self.types.len() as u32;
        let words = [
            24 + extra.len() as u32,
            0,
            types,
            types,
            self.strings.len() as u32,
        ];
        out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        out.extend_from_slice(extra);
        out.extend_from_slice(&self.types);
        out.extend_from_slice(&self.strings);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::Btf;

    #[test]
    fn a_btf_that_is_taken_apart_and_put_together_is_the_same() {
        let mut b = Btf::base();
        let int = b.int();
        b.structure("pair", 8, &[("a", int, 0), ("b", int, 32)]);
        b.function("f", 2);
        let raw = b.build();
        let parts = Parts::of(&raw).unwrap();
        assert_eq!(parts.build(), raw);
        assert_eq!(parts.starts.len(), 4);
        let ids: Vec<u32> = parts.references().iter().map(|r| r.id).collect();
        // Two members, the prototype's result and parameters, the function.
        assert_eq!(ids, [1, 1, 1, 1, 1, 3]);
        // int; the struct and its members; the prototype and its parameters; the function.
        assert_eq!(parts.names().len(), 1 + 3 + 3 + 1);
        assert!(Parts::of(&raw[..raw.len() - 1]).is_none());
    }

    #[test]
    fn types_in_another_order_are_the_same_types() {
        let mut b = Btf::base();
        let int = b.int();
        b.structure("pair", 8, &[("a", int, 0), ("b", int, 32)]);
        b.function("f", 1);
        let mut parts = Parts::of(&b.build()).unwrap();
        parts.renumber(&[4, 2, 1, 3]);
        let kinds: Vec<u32> = parts.starts.iter().map(|&at| parts.kind(at)).collect();
        assert_eq!(
            kinds,
            [kind::FUNC, kind::STRUCT, kind::INT, kind::FUNC_PROTO]
        );
        let ids: Vec<u32> = parts.references().iter().map(|r| r.id).collect();
        // The function's prototype, two members, the prototype's result and parameter.
        assert_eq!(ids, [4, 3, 3, 3, 3]);
        assert_eq!(Parts::of(&parts.build()).unwrap().starts, parts.starts);
        parts.renumber(&[3, 2, 4, 1]);
        assert_eq!(parts.build(), b.build());
    }
}
