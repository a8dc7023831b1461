// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf_check_all_metas()`: each type's own rules, in the order of the types.

mod kinds;

use crate::env::{MetaError, TypeRecord, VerifierEnv};
use crate::log_format;
use crate::raw::{Order, TYPE_LEN, Type, TypeIndex, appended, kind};
use crate::verify_error::{BtfRule, VerifyError};

/// Checks every type and notes where it stands.
pub(crate) fn check_all(
    order: Order,
    types: &[u8],
    env: &VerifierEnv<'_>,
) -> Result<TypeIndex, VerifyError> {
    let first_id = env.below.kinds.len() as u32;
    let mut index = TypeIndex::default();
    let start_id = if env.below.is_base() { first_id } else { 0 };
    let mut slots = Slots::new(start_id, env.abilities.max_type);
    let refused = |rule| VerifyError::of(rule, env.below.section());
    let mut at = 0usize;
    while at < types.len() {
        let id = first_id + index.kinds.len() as u32;
        let left = types.len() - at;
        let Some(t) = Type::at(order, types, at) else {
            let needed = TYPE_LEN;
            return Err(refused(BtfRule::CutTypeHead { id, left, needed }));
        };
        let (kind, vlen) = check_info(t, id, env).map_err(refused)?;
        let needed = appended(kind, vlen).unwrap_or(0);
        let rest = types.get(at + TYPE_LEN..).unwrap_or(&[]);
        let left = rest.len();
        let item = TypeRecord {
            order,
            t,
            kind,
            vlen,
            appended: rest.get(..needed).unwrap_or(rest),
        };
        let checked = match needed > left {
            true => Err(MetaError::Type(BtfRule::CutType { left, needed })),
            false => check(id, &item, env),
        };
        checked.map_err(|fault| log_format::error(fault, id, &item, env))?;
        slots.take().map_err(refused)?;
        index.push(at, kind);
        at += TYPE_LEN + needed;
    }
    Ok(index)
}

/// The head of `btf_check_meta()`.
fn check_info(t: Type, id: u32, env: &VerifierEnv<'_>) -> Result<(u8, u32), BtfRule> {
    let abilities = env.abilities;
    // Where these bits are clear, the wide masks read what the narrow ones do.
    if !abilities.wide_info && t.info & !0x9f00_ffff != 0 {
        return Err(BtfRule::InvalidInfo { id, info: t.info });
    }
    let (kind, vlen) = (t.wide_kind(), t.wide_vlen());
    if kind == kind::VOID || u32::from(kind) >= abilities.kinds {
        return Err(BtfRule::InvalidKind { id, kind });
    }
    if !env.name_offset_valid(t.name_off) {
        let offset = t.name_off;
        return Err(BtfRule::InvalidNameOffset { id, offset });
    }
    Ok((kind, vlen))
}

/// `btf_type_ops(t)->check_meta()`.
fn check(id: u32, item: &TypeRecord<'_>, env: &VerifierEnv<'_>) -> Result<(), MetaError> {
    match item.kind {
        kind::INT => kinds::int(item),
        kind::PTR
        | kind::TYPEDEF
        | kind::VOLATILE
        | kind::CONST
        | kind::RESTRICT
        | kind::TYPE_TAG => kinds::reference(item, env),
        kind::ARRAY => kinds::array(item, env),
        kind::STRUCT | kind::UNION => kinds::structure(item, env),
        kind::ENUM => kinds::enumeration::<2>(id, item, env),
        kind::ENUM64 => kinds::enumeration::<3>(id, item, env),
        kind::FWD => kinds::forward(item, env),
        kind::FUNC_PROTO => kinds::prototype(item),
        kind::FUNC => kinds::function(item, env),
        kind::VAR => kinds::variable(item, env),
        kind::DATASEC => kinds::data_section(item, env),
        kind::FLOAT => kinds::float(item),
        kind::DECL_TAG => kinds::decl_tag(item, env),
        _ => Ok(()),
    }
}

/// `btf_add_type()`: the array of types grows by a quarter, up to `BTF_MAX_TYPE`.
struct Slots {
    start_id: u32,
    max: u32,
    used: u32,
    size: u32,
}

impl Slots {
    fn new(start_id: u32, max: u32) -> Self {
        Self {
            start_id,
            max,
            used: 0,
            size: 0,
        }
    }

    fn take(&mut self) -> Result<(), BtfRule> {
        if self.used == self.size {
            self.grow()?;
        }
        self.used += 1;
        Ok(())
    }

    fn grow(&mut self) -> Result<(), BtfRule> {
        if self.start_id + self.size == self.max {
            return Err(BtfRule::TooManyTypes);
        }
        let size = (self.size + (self.size >> 2).max(16)).min(self.max);
        if size == self.size {
            return Err(BtfRule::TypeArrayOverrun { id: size });
        }
        // A BTF that stands alone keeps slot 0 for void.
        if self.size == 0 && self.start_id == 0 {
            self.used = 1;
        }
        self.size = size;
        Ok(())
    }
}
