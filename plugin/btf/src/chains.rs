// SPDX-License-Identifier: GPL-2.0-or-later
//! The last pass before relocation: no chain of modifiers may be longer than
//! 32 types or run in a circle, and up to Linux 7.1 type tags must come before
//! other modifiers.
//!
//! `btf_check_type_tags()` (5.19 to 7.1), `btf_check_modifier_chain_length()`
//! (since 7.2).

use crate::env::BaseView;
use crate::features::Features;
use crate::raw::kind;
use crate::split::Split;
use crate::verify_error::BtfRule;

/// Types that one chain may lead through.
const CHAIN_LIMIT: u32 = 32;

pub(crate) fn check(
    split: &Split<'_>,
    below: &BaseView<'_>,
    abilities: &Features,
) -> Result<(), BtfRule> {
    if !abilities.checks_chains {
        return Ok(());
    }
    let first = below.kinds.len() as u32;
    // `void` and everything below the first own id counts as checked.
    let mut good_id = first - 1;
    for (id, &own_kind) in (first..).zip(&split.index.kinds) {
        if kind::is_modifier(own_kind) {
            follow(id, good_id, split, below, abilities)?;
            good_id = id;
        }
    }
    Ok(())
}

fn follow(
    id: u32,
    good_id: u32,
    split: &Split<'_>,
    below: &BaseView<'_>,
    abilities: &Features,
) -> Result<(), BtfRule> {
    let first = below.kinds.len() as u32;
    let kind_of = |id: u32| match id.checked_sub(first) {
        Some(own) => split.kind(own),
        None => below.kinds.get(id as usize).copied(),
    };
    let mut current = id;
    let mut in_tags = kind_of(id) == Some(kind::TYPE_TAG);
    let mut steps = 0u32;
    loop {
        // An id beyond all types is refused without a word.
        let kind = kind_of(current).ok_or(BtfRule::ChainLeavesTypes { id })?;
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
        let next = split.body(current - first);
        current = next.map_or(0, |(t, _)| t.size_or_type);
    }
}
