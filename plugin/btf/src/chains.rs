// SPDX-License-Identifier: GPL-2.0-or-later
//! The last pass before relocation: no chain of modifiers may be longer than
//! 32 types or run in a circle, and up to Linux 7.1 type tags must come before
//! other modifiers.
//!
//! `btf_check_type_tags()` (5.19 to 7.1), `btf_check_modifier_chain_length()`
//! (since 7.2).

use crate::env::BaseView;
use crate::features::Features;
use crate::meta::Metas;
use crate::raw::{ByteOrder, Type, kind};
use crate::verify_error::BtfRule;

/// Types that one chain may lead through.
const CHAIN_LIMIT: u32 = 32;

pub(crate) fn check<O: ByteOrder>(
    types: &[u8],
    metas: &Metas,
    below: &BaseView<'_>,
    abilities: &Features,
) -> Result<(), BtfRule> {
    if !abilities.checks_chains {
        return Ok(());
    }
    let first = below.kinds.len() as u32;
    // `void` and everything below the first own id counts as checked.
    let mut good_id = first - 1;
    for (index, &own_kind) in metas.kinds.iter().enumerate() {
        if !kind::is_modifier(own_kind) {
            continue;
        }
        let id = first + index as u32;
        follow::<O>(id, good_id, types, metas, below, abilities)?;
        good_id = id;
    }
    Ok(())
}

#[inline(always)]
fn follow<O: ByteOrder>(
    id: u32,
    good_id: u32,
    types: &[u8],
    metas: &Metas,
    below: &BaseView<'_>,
    abilities: &Features,
) -> Result<(), BtfRule> {
    let first = below.kinds.len() as u32;
    let kind_of = |id: u32| match id.checked_sub(first) {
        Some(own) => metas.kinds.get(own as usize).copied(),
        None => below.kinds.get(id as usize).copied(),
    };
    let mut current = id;
    let mut current_kind = kind_of(id);
    let mut in_tags = current_kind == Some(kind::TYPE_TAG);
    let mut steps = 0u32;
    loop {
        // An id beyond all types is refused without a word.
        let Some(kind) = current_kind else {
            return Err(BtfRule::ChainLeavesTypes { id });
        };
        if !kind::is_modifier(kind) {
            return Ok(());
        }
        if steps == CHAIN_LIMIT {
            return Err(BtfRule::ChainTooLong { id });
        }
        steps += 1;
        if abilities.ordered_type_tags {
            if kind != kind::TYPE_TAG {
                in_tags = false;
            } else if !in_tags {
                return Err(BtfRule::TypeTagsUnordered { id });
            }
        }
        if current <= good_id {
            return Ok(());
        }
        current = metas
            .offsets
            .get((current - first) as usize)
            .and_then(|&at| Type::at::<O>(types, at as usize))
            .map_or(0, |t| t.size_or_type);
        current_kind = kind_of(current);
    }
}
