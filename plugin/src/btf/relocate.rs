//! `.BTF.base`: the kernel's `btf_relocate()`.
//!
//! A module with a distilled base names the few base types it needs; the
//! kernel looks them up in its own base and rewrites the split BTF
//! (`tools/lib/bpf/btf_relocate.c`, built into the kernel since 6.11). The
//! kernel trusts ids here that nothing has checked; where that makes it read or
//! follow what is not there, the verdict says so instead of guessing.

use std::collections::BTreeSet;

use super::base::Base;
use super::log::Log;
use super::raw::{ByteOrder, TYPE_LEN, Type, kind, words2, words3};
use super::scope::{EINVAL, ENOENT, Parsed, Stop};
use super::sort::kernel_sort;
use crate::kernel::Abilities;

/// What a distilled type is mapped to so far: `id_map[]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mapping {
    Unmapped,
    /// `BTF_IS_EMBEDDED`: a split struct holds it by value, so sizes must match.
    Embedded,
    To(u32),
}

/// How far following a split type has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walk {
    Fresh,
    Current,
    Done,
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
pub(super) fn relocate<O: ByteOrder>(
    split: &Parsed<'_>,
    distilled: &Parsed<'_>,
    base: &Base,
    abilities: &Abilities,
    log: &mut Log,
) -> Result<(), Stop> {
    let count = distilled.kinds.len() + 1;
    let mut relocation = Relocation {
        split,
        distilled,
        base,
        id_map: vec![Mapping::Unmapped; count],
        mapped_names: BTreeSet::new(),
    };
    relocation.validate_distilled::<O>(log)?;
    relocation.mark_embedded::<O>(abilities)?;
    relocation.map_names::<O>(log)?;
    relocation.require_all_mapped::<O>(log)?;
    relocation.rewrite_ids::<O>()?;
    relocation.rewrite_strings::<O>(log)
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
        super::names::c_string(strings.get(name_off as usize..).unwrap_or(&[]))
    }

    /// `btf_relocate_validate_distilled_base()`.
    fn validate_distilled<O: ByteOrder>(&self, log: &mut Log) -> Result<(), Stop> {
        for id in 1..self.distilled_types() {
            let Some((t, _)) = self.distilled_type::<O>(id) else {
                continue;
            };
            let kind = t.wide_kind();
            let text = match kind {
                kind::INT | kind::FLOAT | kind::ENUM | kind::STRUCT | kind::UNION | kind::FWD => {
                    if t.name_off != 0 {
                        continue;
                    }
                    format!(
                        "type [{id}], kind [{kind}] is invalid for distilled base BTF; it is anonymous"
                    )
                }
                _ => format!("type [{id}] in distilled based BTF has unexpected kind [{kind}]"),
            };
            log.bare(text.as_bytes());
            return Err(Stop::Errno(EINVAL));
        }
        Ok(())
    }

    /// `btf_mark_embedded_composite_type_ids()` for every split struct and union.
    fn mark_embedded<O: ByteOrder>(&mut self, abilities: &Abilities) -> Result<(), Stop> {
        let split_types = self.split.kinds.len() as u32;
        let first = self.distilled_types();
        // Up to 6.12.12 the kernel took the number of split types for the last id.
        let end = if abilities.marks_all_embedded {
            split_types
        } else {
            split_types.saturating_sub(first)
        };
        let mut walks = vec![Walk::Fresh; self.split.kinds.len()];
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
                        *walk = Walk::Done;
                    }
                }
            }
        }
        Ok(())
    }

    fn mark_chain<O: ByteOrder>(
        &mut self,
        member: u32,
        walks: &mut [Walk],
        trail: &mut Vec<u32>,
    ) -> Result<(), Stop> {
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
                return Err(Stop::KernelBug(format!(
                    "btf_mark_embedded_composite_type_ids() reads type id {next}, which does not exist, through a NULL pointer"
                )));
            };
            match walk {
                Walk::Done => return Ok(()),
                Walk::Current => {
                    return Err(Stop::KernelBug(format!(
                        "btf_mark_embedded_composite_type_ids() never leaves the circle of arrays at type id {next}"
                    )));
                }
                Walk::Fresh => *walk = Walk::Current,
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

    /// The search of `btf_relocate_map_distilled_base()`: base types in order
    /// of their ids, each against all distilled types of its name.
    fn map_names<O: ByteOrder>(&mut self, log: &mut Log) -> Result<(), Stop> {
        let mut by_name: Vec<(&'a [u8], u32, u32)> = (0..self.distilled_types())
            .map(|id| match self.distilled_type::<O>(id) {
                Some((t, _)) => (self.distilled_name(t.name_off), t.size_or_type, id),
                // `void` is sorted with the rest.
                None => (&[][..], 0, id),
            })
            .collect();
        // cmp_btf_name_size(): by name, then the larger first.
        kernel_sort(&mut by_name, |a, b| {
            a.0.cmp(b.0).then(size31(b.1).cmp(&size31(a.1)))
        });

        let mut candidates = BTreeSet::new();
        let mut last: Option<&[u8]> = None;
        for &(name, _, _) in &by_name {
            if last != Some(name) {
                candidates.extend(self.base.named(name));
                last = Some(name);
            }
        }
        for base_id in candidates {
            let Some(t) = self.base.type_at(base_id) else {
                continue;
            };
            self.map_base_type::<O>(base_id, &t, &by_name, log)?;
        }
        Ok(())
    }

    fn map_base_type<O: ByteOrder>(
        &mut self,
        base_id: u32,
        base_type: &Type,
        by_name: &[(&'a [u8], u32, u32)],
        log: &mut Log,
    ) -> Result<(), Stop> {
        let name = self.base.string(base_type.name_off);
        if name.is_empty() {
            // `void` has the empty name too, and sorts first.
            log.bare(
                format!("base BTF id [{base_id}] maps to invalid distilled base BTF id [0]")
                    .as_bytes(),
            );
            return Err(Stop::Errno(EINVAL));
        }
        let base_kind = base_type.wide_kind();
        let base_size = base_type.size_or_type;
        let needs_size = match base_kind {
            kind::FWD => false,
            kind::STRUCT | kind::UNION => self.is_ambiguous(name, base_type.name_off),
            _ => true,
        };
        // Sorted by name, then by falling size.
        let size = size31(base_size);
        let (start, end) = if needs_size {
            let before = |e: &(&[u8], u32, u32)| e.0 < name || (e.0 == name && size31(e.1) > size);
            let within = |e: &(&[u8], u32, u32)| e.0 < name || (e.0 == name && size31(e.1) >= size);
            (
                by_name.partition_point(before),
                by_name.partition_point(within),
            )
        } else {
            (
                by_name.partition_point(|e| e.0 < name),
                by_name.partition_point(|e| e.0 <= name),
            )
        };
        for &(_, _, id) in by_name.get(start..end).unwrap_or(&[]) {
            let Some((distilled, at)) = self.distilled_type::<O>(id) else {
                continue;
            };
            let Some(&mapping) = self.id_map.get(id as usize) else {
                continue;
            };
            if !self.compatible::<O>(base_id, base_type, &distilled, at, mapping) {
                continue;
            }
            if let Mapping::To(other) = mapping {
                let mut text = b"distilled base BTF type '".to_vec();
                text.extend_from_slice(name);
                text.extend_from_slice(
                    format!(
                        "' [{id}], size {base_size} has multiple candidates of the same size (ids [{base_id}, {other}]) in base BTF"
                    )
                    .as_bytes(),
                );
                log.bare(&text);
                return Err(Stop::Errno(EINVAL));
            }
            if let Some(slot) = self.id_map.get_mut(id as usize) {
                *slot = Mapping::To(base_id);
            }
            self.mapped_names.insert(distilled.name_off);
        }
        Ok(())
    }

    /// Does the base hold several structs or unions under this name offset?
    fn is_ambiguous(&self, name: &[u8], name_off: u32) -> bool {
        self.base
            .named(name)
            .filter_map(|id| self.base.type_at(id))
            .filter(|t| {
                t.name_off == name_off && matches!(t.wide_kind(), kind::STRUCT | kind::UNION)
            })
            .nth(1)
            .is_some()
    }

    /// May a distilled type stand for this base type, names and sizes aside?
    fn compatible<O: ByteOrder>(
        &self,
        base_id: u32,
        base: &Type,
        distilled: &Type,
        at: usize,
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
                let encoding = |data: Option<u32>| data.map(|data| (data >> 24) & 0xf);
                base_kind == kind::INT
                    && encoding(self.base.appended_word(base_id, 0))
                        == encoding(O::u32_at(self.distilled.types, at + TYPE_LEN))
            }
            kind::FLOAT => base_kind == kind::FLOAT,
            kind::ENUM => matches!(base_kind, kind::ENUM | kind::ENUM64),
            kind::STRUCT | kind::UNION => {
                mapping != Mapping::Embedded || base.size_or_type == distilled.size_or_type
            }
            _ => false,
        }
    }

    /// The end of `btf_relocate_map_distilled_base()`.
    fn require_all_mapped<O: ByteOrder>(&self, log: &mut Log) -> Result<(), Stop> {
        for (id, mapping) in (0u32..).zip(&self.id_map).skip(1) {
            if matches!(mapping, Mapping::To(_)) {
                continue;
            }
            let name_off = self.distilled_type::<O>(id).map_or(0, |(t, _)| t.name_off);
            let mut text = b"distilled base BTF type '".to_vec();
            text.extend_from_slice(self.distilled_name(name_off));
            text.extend_from_slice(format!("' [{id}] is not mapped to base BTF id").as_bytes());
            log.bare(&text);
            return Err(Stop::Errno(EINVAL));
        }
        Ok(())
    }

    /// `btf_relocate_rewrite_type_id()`: `id_map[]` has a slot for each
    /// distilled and split id, and nobody has checked that an id is one of them.
    fn rewrite_ids<O: ByteOrder>(&self) -> Result<(), Stop> {
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
                return Err(Stop::KernelBug(format!(
                    "btf_relocate_rewrite_type_id() reads past its map of {ids} ids for type id {highest}"
                )));
            }
        }
        Ok(())
    }

    /// `btf_relocate_rewrite_strs()`.
    fn rewrite_strings<O: ByteOrder>(&self, log: &mut Log) -> Result<(), Stop> {
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
                    // The kernel looks up the counterpart it did not find, offset 0.
                    log.bare(
                        format!("string '' [offset {offset}] is not mapped to base BTF").as_bytes(),
                    );
                    return Err(Stop::Errno(ENOENT));
                }
            }
        }
        Ok(())
    }
}

/// `struct btf_name_info.size` is a bit field of 31 bits.
fn size31(size: u32) -> u32 {
    size & 0x7fff_ffff
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
