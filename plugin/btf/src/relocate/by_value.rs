// SPDX-License-Identifier: GPL-2.0-or-later
//! Which distilled types a split type holds by value.

use super::{Mapping, Relocation, elements, type_of};
use crate::features::Features;
use crate::raw::{ByteOrder, TYPE_LEN, kind, words3};
use crate::verify_error::BtfRule;

/// How far following a split type has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum VisitState {
    Fresh,
    Current,
    Done,
}

impl Relocation<'_> {
    /// `btf_mark_embedded_composite_type_ids()` for every split struct and union.
    pub(crate) fn mark_embedded<O: ByteOrder>(
        &mut self,
        abilities: &Features,
    ) -> Result<(), BtfRule> {
        let split_types = self.split.kinds.len() as u32;
        let first = self.distilled_types();
        // Up to 6.12.12 the kernel took the number of split types for the last id.
        let end = if abilities.marks_all_embedded {
            split_types
        } else {
            split_types.saturating_sub(first)
        };
        let mut walks = vec![VisitState::Fresh; self.split.kinds.len()];
        let mut trail = Vec::new();
        for index in 0..end {
            let Some((t, at)) = type_of::<O>(self.split, index) else {
                continue;
            };
            if !matches!(t.wide_kind(), kind::STRUCT | kind::UNION) {
                continue;
            }
            for member in elements::<12>(self.split, &t, at) {
                let (_, type_id, _) = words3::<O>(member);
                self.mark_chain::<O>(type_id, &mut walks, &mut trail)?;
                // So that shared tails are walked once.
                for index in trail.drain(..) {
                    if let Some(walk) = walks.get_mut(index as usize) {
                        *walk = VisitState::Done;
                    }
                }
            }
        }
        Ok(())
    }

    fn mark_chain<O: ByteOrder>(
        &mut self,
        member: u32,
        walks: &mut [VisitState],
        trail: &mut Vec<u32>,
    ) -> Result<(), BtfRule> {
        let mut next = member;
        while next != 0 {
            let Some(index) = next.checked_sub(self.distilled_types()) else {
                // Validated: a distilled type leads nowhere.
                let kind = self.distilled.kinds.get(next as usize - 1);
                if let Some(mapping) = self.id_map.get_mut(next as usize)
                    && matches!(kind, Some(&kind::STRUCT | &kind::UNION))
                {
                    *mapping = Mapping::Embedded;
                }
                return Ok(());
            };
            let (Some((t, at)), Some(walk)) = (
                type_of::<O>(self.split, index),
                walks.get_mut(index as usize),
            ) else {
                return Err(BtfRule::EmbeddedNullPointer { id: next });
            };
            match walk {
                VisitState::Done => return Ok(()),
                VisitState::Current => {
                    return Err(BtfRule::EmbeddedEndless { id: next });
                }
                VisitState::Fresh => *walk = VisitState::Current,
            }
            trail.push(index);
            next = match t.wide_kind() {
                kind if kind::is_modifier(kind) => t.size_or_type,
                kind::ARRAY => O::u32_at(self.split.types, at + TYPE_LEN).unwrap_or(0),
                _ => 0,
            };
        }
        Ok(())
    }
}
