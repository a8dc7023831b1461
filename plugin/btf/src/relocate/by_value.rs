// SPDX-License-Identifier: GPL-2.0-or-later
//! Which distilled types a split type holds by value.

use super::{Mapping, Relocation};
use crate::features::Features;
use crate::raw::kind;
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
    pub(crate) fn mark_embedded(&mut self, abilities: &Features) -> Result<(), BtfRule> {
        let split_types = self.split.count();
        let first = self.distilled_types();
        // Up to 6.12.12 the kernel took the number of split types for the last id.
        let end = match abilities.marks_all_embedded {
            true => split_types,
            false => split_types.saturating_sub(first),
        };
        let mut walks = vec![VisitState::Fresh; split_types as usize];
        let mut trail = Vec::new();
        let split = self.split;
        for (_, t, body) in split.bodies().take(end as usize) {
            if !matches!(t.wide_kind(), kind::STRUCT | kind::UNION) {
                continue;
            }
            for [_, type_id, _] in split.order.elements(body) {
                self.mark_chain(type_id, &mut walks, &mut trail)?;
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

    fn mark_chain(
        &mut self,
        member: u32,
        walks: &mut [VisitState],
        trail: &mut Vec<u32>,
    ) -> Result<(), BtfRule> {
        let mut next = member;
        while next != 0 {
            let Some(index) = next.checked_sub(self.distilled_types()) else {
                // Validated: a distilled type leads nowhere.
                let kind = self.distilled.kind(next - 1);
                if let Some(mapping) = self.id_map.get_mut(next as usize)
                    && matches!(kind, Some(kind::STRUCT | kind::UNION))
                {
                    *mapping = Mapping::Embedded;
                }
                return Ok(());
            };
            let (Some((t, body)), Some(walk)) =
                (self.split.body(index), walks.get_mut(index as usize))
            else {
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
                kind::ARRAY => self.split.order.u32_at(body, 0).unwrap_or(0),
                _ => 0,
            };
        }
        Ok(())
    }
}
