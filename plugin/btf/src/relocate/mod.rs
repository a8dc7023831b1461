// SPDX-License-Identifier: GPL-2.0-or-later
//! `.BTF.base`: the kernel's `btf_relocate()`.
//!
//! A module with a distilled base names the few base types it needs; the
//! kernel looks them up in its own base and rewrites the split BTF
//! (`tools/lib/bpf/btf_relocate.c`, built into the kernel since 6.11). The
//! kernel trusts ids here that nothing has checked; where that makes it read or
//! follow what is not there, the verdict says so instead of guessing.

mod by_value;
mod kernel_sort;
mod map;
mod rewrite;

use std::collections::BTreeSet;

use crate::base::Base;
use crate::env::Parsed;
use crate::escape::escape;
use crate::features::Features;
use crate::log_buffer::CALL_MAX;
use crate::raw::{ByteOrder, TYPE_LEN, Type, kind};
use crate::verify_error::BtfRule;

/// What a distilled type is mapped to so far: `id_map[]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mapping {
    Unmapped,
    /// `BTF_IS_EMBEDDED`: a split struct holds it by value, so sizes must match.
    Embedded,
    To(u32),
}

struct Relocation<'a> {
    split: &'a Parsed<'a>,
    distilled: &'a Parsed<'a>,
    base: &'a Base,
    /// One for each distilled id; id 0 is `void`.
    id_map: Vec<Mapping>,
    /// Name offsets of the distilled base that got a counterpart.
    mapped_names: BTreeSet<u32>,
}

/// Finds whether `split`, which continues `distilled`, can be made to continue `base`.
pub(crate) fn relocate<O: ByteOrder>(
    split: &Parsed<'_>,
    distilled: &Parsed<'_>,
    base: &Base,
    abilities: &Features,
) -> Result<(), BtfRule> {
    let count = distilled.kinds.len() + 1;
    let mut relocation = Relocation {
        split,
        distilled,
        base,
        id_map: vec![Mapping::Unmapped; count],
        mapped_names: BTreeSet::new(),
    };
    relocation.validate_distilled::<O>()?;
    relocation.mark_embedded::<O>(abilities)?;
    relocation.map_names::<O>()?;
    relocation.require_all_mapped::<O>()?;
    relocation.rewrite_ids::<O>()?;
    relocation.rewrite_strings::<O>()
}

impl<'a> Relocation<'a> {
    /// Types of the distilled base, `void` included.
    fn distilled_types(&self) -> u32 {
        self.id_map.len() as u32
    }

    fn distilled_type<O: ByteOrder>(&self, id: u32) -> Option<(Type, usize)> {
        type_of::<O>(self.distilled, id.checked_sub(1)?)
    }

    fn distilled_name(&self, name_off: u32) -> &'a [u8] {
        let strings = self.distilled.string_bytes;
        crate::ctype::c_string(strings.get(name_off as usize..).unwrap_or(&[]))
    }

    /// `btf_relocate_validate_distilled_base()`.
    fn validate_distilled<O: ByteOrder>(&self) -> Result<(), BtfRule> {
        for id in 1..self.distilled_types() {
            let Some((t, _)) = self.distilled_type::<O>(id) else {
                continue;
            };
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
    fn require_all_mapped<O: ByteOrder>(&self) -> Result<(), BtfRule> {
        for (id, mapping) in (0u32..).zip(&self.id_map).skip(1) {
            if matches!(mapping, Mapping::To(_)) {
                continue;
            }
            let name_off = self.distilled_type::<O>(id).map_or(0, |(t, _)| t.name_off);
            let name = logged(self.distilled_name(name_off));
            return Err(BtfRule::DistilledUnmapped { id, name });
        }
        Ok(())
    }
}

/// A name as a rule keeps it: no more than one line of the log has room for.
fn logged(name: &[u8]) -> String {
    escape(name.get(..CALL_MAX).unwrap_or(name))
}

/// Own type number `index` of `parsed`, and where it stands.
fn type_of<O: ByteOrder>(parsed: &Parsed<'_>, index: u32) -> Option<(Type, usize)> {
    let at = *parsed.offsets.get(index as usize)? as usize;
    Some((Type::at::<O>(parsed.types, at)?, at))
}

/// The `vlen` elements that a type appends, `N` bytes each.
fn elements<'a, const N: usize>(
    parsed: &Parsed<'a>,
    t: &Type,
    at: usize,
) -> impl Iterator<Item = &'a [u8; N]> + use<'a, N> {
    let (all, _) = parsed
        .types
        .get(at + TYPE_LEN..)
        .unwrap_or(&[])
        .as_chunks::<N>();
    all.iter().take(t.wide_vlen() as usize)
}
