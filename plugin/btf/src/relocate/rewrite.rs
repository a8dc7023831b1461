// SPDX-License-Identifier: GPL-2.0-or-later
//! What ids and names of the split BTF become.

use super::{Relocation, elements, type_of};
use crate::raw::{ByteOrder, TYPE_LEN, kind, words2, words3};
use crate::verify_error::BtfRule;

impl Relocation<'_> {
    /// `btf_relocate_rewrite_type_id()`: `id_map[]` has a slot for each
    /// distilled and split id, and nobody has checked that an id is one of them.
    pub(crate) fn rewrite_ids<O: ByteOrder>(&self) -> Result<(), BtfRule> {
        let ids = self.distilled_types() + self.split.kinds.len() as u32;
        for index in 0..self.split.kinds.len() as u32 {
            let Some((t, at)) = type_of::<O>(self.split, index) else {
                continue;
            };
            let word =
                |word: usize| O::u32_at(self.split.types, at + TYPE_LEN + 4 * word).unwrap_or(0);
            let highest = match t.wide_kind() {
                kind::PTR
                | kind::TYPEDEF
                | kind::VOLATILE
                | kind::CONST
                | kind::RESTRICT
                | kind::FUNC
                | kind::VAR
                | kind::DECL_TAG
                | kind::TYPE_TAG => t.size_or_type,
                kind::ARRAY => word(0).max(word(1)),
                kind::STRUCT | kind::UNION => elements::<12>(self.split, &t, at)
                    .map(|member| words3::<O>(member).1)
                    .max()
                    .unwrap_or(0),
                kind::FUNC_PROTO => elements::<8>(self.split, &t, at)
                    .map(|parameter| words2::<O>(parameter).1)
                    .fold(t.size_or_type, u32::max),
                kind::DATASEC => elements::<12>(self.split, &t, at)
                    .map(|variable| words3::<O>(variable).0)
                    .max()
                    .unwrap_or(0),
                _ => 0,
            };
            if highest >= ids {
                return Err(BtfRule::IdMapOverrun { id: highest, ids });
            }
        }
        Ok(())
    }

    /// `btf_relocate_rewrite_strs()`.
    pub(crate) fn rewrite_strings<O: ByteOrder>(&self) -> Result<(), BtfRule> {
        let below = self.distilled.string_bytes.len() as u32;
        for index in 0..self.split.kinds.len() as u32 {
            let Some((t, at)) = type_of::<O>(self.split, index) else {
                continue;
            };
            let inner: Box<dyn Iterator<Item = u32>> = match t.wide_kind() {
                kind::STRUCT | kind::UNION | kind::ENUM64 => {
                    Box::new(elements::<12>(self.split, &t, at).map(|e| words3::<O>(e).0))
                }
                kind::ENUM | kind::FUNC_PROTO => {
                    Box::new(elements::<8>(self.split, &t, at).map(|e| words2::<O>(e).0))
                }
                _ => Box::new(std::iter::empty()),
            };
            for offset in std::iter::once(t.name_off).chain(inner) {
                if offset != 0 && offset < below && !self.mapped_names.contains(&offset) {
                    return Err(BtfRule::StringUnmapped { offset });
                }
            }
        }
        Ok(())
    }
}
