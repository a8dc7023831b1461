// SPDX-License-Identifier: GPL-2.0-or-later
//! Which base type each distilled type stands for.

use std::collections::{BTreeSet, HashMap};

use super::kernel_sort::kernel_sort;
use super::{Mapping, Relocation, logged};
use crate::raw::{Type, kind};
use crate::verify_error::BtfRule;

impl<'a> Relocation<'a> {
    /// The search of `btf_relocate_map_distilled_base()`: base types in order
    /// of their ids, each against all distilled types of its name.
    pub(crate) fn map_names(&mut self) -> Result<(), BtfRule> {
        // `void` is sorted with the rest.
        let mut by_name: Vec<(&'a [u8], u32, u32)> = vec![(&[], 0, 0)];
        by_name.extend(
            self.distilled
                .bodies()
                .map(|(index, t, _)| (self.distilled_name(t.name_off), t.size_or_type, index + 1)),
        );
        // cmp_btf_name_size(): by name, then the larger first.
        kernel_sort(&mut by_name, |a, b| {
            a.0.cmp(b.0).then(size31(b.1).cmp(&size31(a.1)))
        });

        let names: BTreeSet<&[u8]> = by_name.iter().map(|entry| entry.0).collect();
        let candidates: BTreeSet<u32> = names
            .into_iter()
            .flat_map(|name| self.base.named(name))
            .collect();
        let types = candidates.into_iter();
        let types = types.filter_map(|id| Some((id, self.base.type_at(id)?)));
        let types: Vec<(u32, Type)> = types.collect();
        // `base_name_cnt`: structs and unions by where their name stands.
        let mut composites: HashMap<u32, u32> = HashMap::new();
        for (_, t) in &types {
            if matches!(t.wide_kind(), kind::STRUCT | kind::UNION) {
                *composites.entry(t.name_off).or_default() += 1;
            }
        }
        for (base_id, t) in &types {
            let is_ambiguous = composites.get(&t.name_off).is_some_and(|count| *count > 1);
            self.map_base_type(*base_id, t, is_ambiguous, &by_name)?;
        }
        Ok(())
    }

    fn map_base_type(
        &mut self,
        base_id: u32,
        base_type: &Type,
        is_ambiguous: bool,
        by_name: &[(&'a [u8], u32, u32)],
    ) -> Result<(), BtfRule> {
        let name = self.base.string(base_type.name_off);
        if name.is_empty() {
            // `void` has the empty name too, and sorts first.
            return Err(BtfRule::DistilledMapsToVoid { base_id });
        }
        let base_kind = base_type.wide_kind();
        let base_size = base_type.size_or_type;
        let needs_size = match base_kind {
            kind::FWD => false,
            kind::STRUCT | kind::UNION => is_ambiguous,
            _ => true,
        };
        // Sorted by name, then by falling size.
        let size = size31(base_size);
        let start = by_name
            .partition_point(|e| e.0 < name || (needs_size && e.0 == name && size31(e.1) > size));
        let end = by_name.partition_point(|e| {
            e.0 < name || (e.0 == name && (!needs_size || size31(e.1) >= size))
        });
        for &(_, _, id) in by_name.get(start..end).unwrap_or(&[]) {
            let own = id.checked_sub(1).and_then(|own| self.distilled.body(own));
            let (Some((distilled, body)), Some(&mapping)) = (own, self.id_map.get(id as usize))
            else {
                continue;
            };
            if !self.compatible(base_id, base_type, (distilled, body), mapping) {
                continue;
            }
            if let Mapping::To(other) = mapping {
                return Err(BtfRule::DistilledAmbiguous {
                    id,
                    name: logged(name),
                    size: base_size,
                    base_ids: [base_id, other],
                });
            }
            if let Some(slot) = self.id_map.get_mut(id as usize) {
                *slot = Mapping::To(base_id);
            }
            self.mapped_names.insert(distilled.name_off);
        }
        Ok(())
    }

    /// May a distilled type stand for this base type, names and sizes aside?
    fn compatible(
        &self,
        base_id: u32,
        base: &Type,
        (distilled, body): (Type, &[u8]),
        mapping: Mapping,
    ) -> bool {
        let base_kind = base.wide_kind();
        match distilled.wide_kind() {
            kind::FWD => match base_kind {
                kind::FWD => distilled.kflag() == base.kflag(),
                // The flag of a struct says "has bitfields", not "is a union";
                // the kernel compares it all the same.
                kind::STRUCT => !base.kflag(),
                kind::UNION => base.kflag(),
                _ => false,
            },
            kind::INT => {
                let order = self.base.order();
                let encoding = |body| order.u32_at(body, 0).map(|data| (data >> 24) & 0xf);
                let base_body = self.base.body(base_id).map(|(_, body)| body);
                base_kind == kind::INT && base_body.and_then(encoding) == encoding(body)
            }
            kind::FLOAT => base_kind == kind::FLOAT,
            kind::ENUM => matches!(base_kind, kind::ENUM | kind::ENUM64),
            kind::STRUCT | kind::UNION => {
                mapping != Mapping::Embedded || base.size_or_type == distilled.size_or_type
            }
            _ => false,
        }
    }
}

/// `struct btf_name_info.size` is a bit field of 31 bits.
fn size31(size: u32) -> u32 {
    size & 0x7fff_ffff
}
