// SPDX-License-Identifier: GPL-2.0-or-later
//! `.BTF.base`: the kernel's `btf_relocate()`.
//!
//! A module with a distilled base names the few base types it needs; the
//! kernel looks them up in its own base and rewrites the split BTF
//! (`tools/lib/bpf/btf_relocate.c`, built into the kernel since 6.11). The
//! kernel trusts ids here that nothing has checked; where that makes it read or
//! follow what is not there, the verdict says so instead of guessing.

mod affordable;
mod by_value;
mod kernel_sort;
mod map;

use std::collections::BTreeSet;

use crate::base::Base;
use crate::escape::escape;
use crate::features::Features;
use crate::log_buffer::CALL_MAX;
use crate::raw::kind;
use crate::split::Split;
use crate::verify_error::BtfRule;
pub use affordable::is_affordable;

/// What a distilled type is mapped to so far: `id_map[]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mapping {
    Unmapped,
    /// `BTF_IS_EMBEDDED`: a split struct holds it by value, so sizes must match.
    Embedded,
    To(u32),
}

struct Relocation<'a> {
    split: &'a Split<'a>,
    distilled: &'a Split<'a>,
    base: &'a Base,
    /// One for each distilled id; id 0 is `void`.
    id_map: Vec<Mapping>,
    /// Name offsets of the distilled base that got a counterpart.
    mapped_names: BTreeSet<u32>,
}

/// Finds whether `split`, which continues `distilled`, can be made to continue `base`.
pub(crate) fn relocate(
    split: &Split<'_>,
    distilled: &Split<'_>,
    base: &Base,
    abilities: &Features,
) -> Result<(), BtfRule> {
    let count = distilled.count() as usize + 1;
    let mut relocation = Relocation {
        split,
        distilled,
        base,
        id_map: vec![Mapping::Unmapped; count],
        mapped_names: BTreeSet::new(),
    };
    relocation.validate_distilled()?;
    relocation.mark_embedded(abilities)?;
    relocation.map_names()?;
    relocation.require_all_mapped()?;
    relocation.rewrite_ids()?;
    relocation.rewrite_strings()
}

impl<'a> Relocation<'a> {
    /// Types of the distilled base, `void` included.
    fn distilled_types(&self) -> u32 {
        self.id_map.len() as u32
    }

    fn distilled_name(&self, name_off: u32) -> &'a [u8] {
        let strings = self.distilled.strings;
        crate::ctype::c_string(strings.get(name_off as usize..).unwrap_or(&[]))
    }

    /// `btf_relocate_validate_distilled_base()`.
    fn validate_distilled(&self) -> Result<(), BtfRule> {
        for (index, t, _) in self.distilled.bodies() {
            let id = index + 1;
            let kind = t.wide_kind();
            return Err(match kind {
                kind::INT | kind::FLOAT | kind::ENUM | kind::STRUCT | kind::UNION | kind::FWD => {
                    if t.name_off != 0 {
                        continue;
                    }
                    BtfRule::DistilledAnonymous { id, kind }
                }
                _ => BtfRule::DistilledUnexpectedKind { id, kind },
            });
        }
        Ok(())
    }

    /// The end of `btf_relocate_map_distilled_base()`.
    fn require_all_mapped(&self) -> Result<(), BtfRule> {
        for (id, mapping) in (0u32..).zip(&self.id_map).skip(1) {
            if matches!(mapping, Mapping::To(_)) {
                continue;
            }
            let name_off = self.distilled.body(id - 1).map_or(0, |(t, _)| t.name_off);
            let name = logged(self.distilled_name(name_off));
            return Err(BtfRule::DistilledUnmapped { id, name });
        }
        Ok(())
    }

    /// `btf_relocate_rewrite_type_id()`: `id_map[]` has a slot for each
    /// distilled and split id, and nobody has checked that an id is one of them.
    fn rewrite_ids(&self) -> Result<(), BtfRule> {
        let ids = self.distilled_types() + self.split.count();
        let order = self.split.order;
        for (_, t, body) in self.split.bodies() {
            let highest = match t.wide_kind() {
                kind::INT | kind::FLOAT | kind::ENUM | kind::ENUM64 | kind::FWD => None,
                kind::ARRAY => order
                    .elements(body)
                    .map(|[element, index, _]| element.max(index))
                    .max(),
                kind::STRUCT | kind::UNION => order.elements(body).map(|[_, id, _]| id).max(),
                kind::DATASEC => order.elements(body).map(|[id, _, _]| id).max(),
                kind::FUNC_PROTO => {
                    let parameters = order.elements(body).map(|[_, id]| id);
                    parameters.chain([t.size_or_type]).max()
                }
                _ => Some(t.size_or_type),
            };
            if let Some(id) = highest.filter(|id| *id >= ids) {
                return Err(BtfRule::IdMapOverrun { id, ids });
            }
        }
        Ok(())
    }

    /// `btf_relocate_rewrite_strs()`.
    fn rewrite_strings(&self) -> Result<(), BtfRule> {
        let below = self.distilled.strings.len() as u32;
        let is_unmapped =
            |offset: &u32| *offset != 0 && *offset < below && !self.mapped_names.contains(offset);
        match self.split.names().find(is_unmapped) {
            Some(offset) => Err(BtfRule::StringUnmapped { offset }),
            None => Ok(()),
        }
    }
}

/// A name as a rule keeps it: no more than one line of the log has room for.
fn logged(name: &[u8]) -> String {
    escape(name.get(..CALL_MAX).unwrap_or(name))
}
