// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf_check_all_metas()`: each type's own rules, in the order of the types.
//!
//! [`kinds`] has what a kind asks for, [`slots`] how many types there may be.

mod kinds;
mod slots;

use crate::env::{MetaError, TypeRecord, VerifierEnv};
use crate::log_format;
use crate::raw::{ByteOrder, TYPE_LEN, Type, appended, kind};
use crate::verify_error::{BtfRule, VerifyError};
use slots::Slots;

/// The types of one BTF, after every meta check passed.
pub(crate) struct Metas {
    pub(crate) offsets: Vec<u32>,
    pub(crate) kinds: Vec<u8>,
}

/// Checks every type and notes where it stands.
pub(crate) fn check_all<O: ByteOrder>(
    types: &[u8],
    env: &VerifierEnv<'_>,
) -> Result<Metas, VerifyError> {
    let first_id = env.below.kinds.len() as u32;
    let guess = types.len() / 24 + 1;
    let mut metas = Metas {
        offsets: Vec::with_capacity(guess),
        kinds: Vec::with_capacity(guess),
    };
    let start_id = if env.below.is_base() { first_id } else { 0 };
    let mut slots = Slots::new(start_id, env.abilities.max_type);
    let refused = |rule| VerifyError::of(rule, env.below.section());
    let mut at = 0usize;
    while at < types.len() {
        let id = first_id + metas.kinds.len() as u32;
        let left = types.len() - at;
        let Some(t) = Type::at::<O>(types, at) else {
            let needed = TYPE_LEN;
            return Err(refused(BtfRule::CutTypeHead { id, left, needed }));
        };
        let (kind, vlen) = check_info(t, id, env).map_err(refused)?;
        let needed = appended(kind, vlen).unwrap_or(0);
        let rest = types.get(at + TYPE_LEN..).unwrap_or(&[]);
        let left = rest.len();
        let checked = if needed > left {
            Err(MetaError::Type(BtfRule::CutType { left, needed }))
        } else {
            Ok(())
        };
        let item = TypeRecord {
            t,
            kind,
            vlen,
            appended: rest.get(..needed).unwrap_or(rest),
        };
        if let Err(fault) = checked.and_then(|()| check::<O>(id, &item, env)) {
            return Err(log_format::error::<O>(fault, id, &item, env));
        }
        slots.take().map_err(refused)?;
        metas.kinds.push(kind);
        metas.offsets.push(at as u32);
        at += TYPE_LEN + needed;
    }
    Ok(metas)
}

/// The head of `btf_check_meta()`.
#[inline(always)]
fn check_info(t: Type, id: u32, env: &VerifierEnv<'_>) -> Result<(u8, u32), BtfRule> {
    let abilities = env.abilities;
    let (kind, vlen);
    if abilities.wide_info {
        kind = t.wide_kind();
        vlen = t.wide_vlen();
    } else {
        if t.info & !0x9f00_ffff != 0 {
            return Err(BtfRule::InvalidInfo { id, info: t.info });
        }
        kind = ((t.info >> 24) & 0x1f) as u8;
        vlen = t.info & 0xffff;
    }
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
#[inline(always)]
fn check<O: ByteOrder>(
    id: u32,
    item: &TypeRecord<'_>,
    env: &VerifierEnv<'_>,
) -> Result<(), MetaError> {
    match item.kind {
        kind::INT => kinds::int::<O>(item),
        kind::PTR
        | kind::TYPEDEF
        | kind::VOLATILE
        | kind::CONST
        | kind::RESTRICT
        | kind::TYPE_TAG => kinds::reference(item, env),
        kind::ARRAY => kinds::array::<O>(item, env),
        kind::STRUCT | kind::UNION => kinds::structure::<O>(item, env),
        kind::ENUM => kinds::enumeration::<O, 8>(id, item, env),
        kind::ENUM64 => kinds::enumeration::<O, 12>(id, item, env),
        kind::FWD => kinds::forward(item, env),
        kind::FUNC_PROTO => kinds::prototype(item),
        kind::FUNC => kinds::function(item, env),
        kind::VAR => kinds::variable::<O>(item, env),
        kind::DATASEC => kinds::data_section::<O>(item, env),
        kind::FLOAT => kinds::float(item),
        kind::DECL_TAG => kinds::decl_tag::<O>(item, env),
        _ => Ok(()),
    }
}
