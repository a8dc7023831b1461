// SPDX-License-Identifier: GPL-2.0-or-later
//! The rules of each kind: one function a kind, named and ordered as the kernel's
//! `btf_*_check_meta()` (`kernel/bpf/btf.c`, 6.1 to 7.3).

use crate::env::{MetaError, TypeRecord, VerifierEnv};
use crate::raw::{ByteOrder, kind, words3};
use crate::verify_error::BtfRule;

fn fault<T>(rule: BtfRule) -> Result<T, MetaError> {
    Err(MetaError::Type(rule))
}

fn no_vlen(item: &TypeRecord<'_>) -> Result<(), MetaError> {
    if item.vlen != 0 {
        return fault(BtfRule::VlenNotZero);
    }
    Ok(())
}

fn no_kflag(item: &TypeRecord<'_>) -> Result<(), MetaError> {
    if item.t.kflag() {
        return fault(BtfRule::InvalidKindFlag);
    }
    Ok(())
}

fn named(item: &TypeRecord<'_>, env: &VerifierEnv<'_>) -> Result<(), MetaError> {
    if item.t.name_off == 0 || !env.identifier(item.t.name_off) {
        return fault(BtfRule::InvalidName);
    }
    Ok(())
}

fn anonymous_or_named(item: &TypeRecord<'_>, env: &VerifierEnv<'_>) -> Result<(), MetaError> {
    if item.t.name_off != 0 && !env.identifier(item.t.name_off) {
        return fault(BtfRule::InvalidName);
    }
    Ok(())
}

fn anonymous(item: &TypeRecord<'_>) -> Result<(), MetaError> {
    if item.t.name_off != 0 {
        return fault(BtfRule::InvalidName);
    }
    Ok(())
}

/// `BTF_TYPE_ID_VALID()`.
#[inline(always)]
fn id_valid(id: u32, env: &VerifierEnv<'_>) -> bool {
    id <= env.abilities.max_type
}

/// `btf_int_check_meta()`. The name is not looked at.
#[inline(never)]
pub(crate) fn int<O: ByteOrder>(item: &TypeRecord<'_>) -> Result<(), MetaError> {
    no_vlen(item)?;
    no_kflag(item)?;
    let data = O::u32_at(item.appended, 0).unwrap_or(0);
    if data & !0x0fff_ffff != 0 {
        return fault(BtfRule::InvalidIntData { data });
    }
    let bits = (data & 0xff) + ((data >> 16) & 0xff);
    if bits > 128 {
        return fault(BtfRule::BitsExceed128);
    }
    if bits.div_ceil(8) > item.t.size_or_type {
        return fault(BtfRule::BitsExceedType);
    }
    // BTF_INT_SIGNED, BTF_INT_CHAR, BTF_INT_BOOL: one of them or none.
    if !matches!((data >> 24) & 0xf, 0 | 1 | 2 | 4) {
        return fault(BtfRule::UnsupportedEncoding);
    }
    Ok(())
}

/// `btf_ref_type_check_meta()`: pointers and modifiers.
#[inline(always)]
pub(crate) fn reference(item: &TypeRecord<'_>, env: &VerifierEnv<'_>) -> Result<(), MetaError> {
    no_vlen(item)?;
    if item.kind != kind::TYPE_TAG || !env.abilities.tag_kflag {
        no_kflag(item)?;
    }
    if !id_valid(item.t.size_or_type, env) {
        return fault(BtfRule::InvalidTypeId);
    }
    match item.kind {
        kind::TYPEDEF => named(item, env),
        kind::TYPE_TAG => {
            if !env.has_name(item.t.name_off) {
                return fault(BtfRule::InvalidName);
            }
            Ok(())
        }
        _ => anonymous(item),
    }
}

/// `btf_array_check_meta()`.
#[inline(never)]
pub(crate) fn array<O: ByteOrder>(
    item: &TypeRecord<'_>,
    env: &VerifierEnv<'_>,
) -> Result<(), MetaError> {
    anonymous(item)?;
    no_vlen(item)?;
    no_kflag(item)?;
    if item.t.size_or_type != 0 {
        return fault(BtfRule::SizeNotZero);
    }
    let element = O::u32_at(item.appended, 0).unwrap_or(0);
    if element == 0 || !id_valid(element, env) {
        return fault(BtfRule::InvalidElementType);
    }
    let index = O::u32_at(item.appended, 4).unwrap_or(0);
    if index == 0 || !id_valid(index, env) {
        return fault(BtfRule::InvalidIndexType);
    }
    Ok(())
}

/// `btf_struct_check_meta()`.
#[inline(never)]
pub(crate) fn structure<O: ByteOrder>(
    item: &TypeRecord<'_>,
    env: &VerifierEnv<'_>,
) -> Result<(), MetaError> {
    anonymous_or_named(item, env)?;
    let kflag = item.t.kflag();
    let is_union = item.kind == kind::UNION;
    let mut last_offset = 0u32;
    let (members, _) = item.appended.as_chunks::<12>();
    for (index, member) in members.iter().enumerate() {
        let at = |rule| Err(MetaError::Member(index as u32, rule));
        let (name_off, type_id, raw_offset) = words3::<O>(member);
        if !env.name_offset_valid(name_off) {
            return at(BtfRule::InvalidMemberNameOffset { offset: name_off });
        }
        if name_off != 0 && !env.identifier(name_off) {
            return at(BtfRule::InvalidName);
        }
        if type_id == 0 || !id_valid(type_id, env) {
            return at(BtfRule::InvalidTypeId);
        }
        let offset = if kflag {
            raw_offset & 0x00ff_ffff
        } else {
            raw_offset
        };
        if is_union && offset != 0 {
            return at(BtfRule::InvalidMemberOffset);
        }
        if last_offset > offset {
            return at(BtfRule::InvalidMemberOffset);
        }
        if offset.div_ceil(8) > item.t.size_or_type {
            return at(BtfRule::MemberOutside);
        }
        last_offset = offset;
    }
    Ok(())
}

/// `btf_enum_check_meta()` and `btf_enum64_check_meta()`; `N` bytes a value.
#[inline(never)]
pub(crate) fn enumeration<O: ByteOrder, const N: usize>(
    id: u32,
    item: &TypeRecord<'_>,
    env: &VerifierEnv<'_>,
) -> Result<(), MetaError> {
    if !env.abilities.enum_kflag {
        no_kflag(item)?;
    }
    if item.t.size_or_type > 8 || !item.t.size_or_type.is_power_of_two() {
        return fault(BtfRule::UnexpectedSize);
    }
    anonymous_or_named(item, env)?;
    let (values, _) = item.appended.as_chunks::<N>();
    for value in values {
        let name_off = O::u32_at(value, 0).unwrap_or(0);
        if !env.name_offset_valid(name_off) {
            let offset = name_off;
            return Err(MetaError::Alone(BtfRule::InvalidEnumeratorNameOffset {
                id,
                offset,
            }));
        }
        if name_off == 0 || !env.identifier(name_off) {
            return fault(BtfRule::InvalidName);
        }
    }
    Ok(())
}

/// `btf_fwd_check_meta()`.
pub(crate) fn forward(item: &TypeRecord<'_>, env: &VerifierEnv<'_>) -> Result<(), MetaError> {
    no_vlen(item)?;
    if item.t.size_or_type != 0 {
        return fault(BtfRule::TypeNotZero);
    }
    named(item, env)
}

/// `btf_func_proto_check_meta()`. Neither the names nor the ids of the
/// parameters are looked at, nor the return type.
pub(crate) fn prototype(item: &TypeRecord<'_>) -> Result<(), MetaError> {
    anonymous(item)?;
    no_kflag(item)
}

/// `btf_func_check_meta()`.
#[inline(always)]
pub(crate) fn function(item: &TypeRecord<'_>, env: &VerifierEnv<'_>) -> Result<(), MetaError> {
    named(item, env)?;
    // BTF_FUNC_GLOBAL
    if item.vlen > 1 {
        return fault(BtfRule::InvalidFuncLinkage);
    }
    no_kflag(item)
}

/// `btf_var_check_meta()`.
#[inline(never)]
pub(crate) fn variable<O: ByteOrder>(
    item: &TypeRecord<'_>,
    env: &VerifierEnv<'_>,
) -> Result<(), MetaError> {
    no_vlen(item)?;
    no_kflag(item)?;
    named(item, env)?;
    if item.t.size_or_type == 0 || !id_valid(item.t.size_or_type, env) {
        return fault(BtfRule::InvalidTypeId);
    }
    // BTF_VAR_STATIC, BTF_VAR_GLOBAL_ALLOCATED
    if O::u32_at(item.appended, 0).unwrap_or(0) > 1 {
        return fault(BtfRule::UnsupportedLinkage);
    }
    Ok(())
}

/// `btf_datasec_check_meta()`.
#[inline(never)]
pub(crate) fn data_section<O: ByteOrder>(
    item: &TypeRecord<'_>,
    env: &VerifierEnv<'_>,
) -> Result<(), MetaError> {
    let size = item.t.size_or_type;
    if size == 0 {
        return fault(BtfRule::SizeZero);
    }
    no_kflag(item)?;
    if item.t.name_off == 0 || !env.section_name(item.t.name_off) {
        return fault(BtfRule::InvalidName);
    }
    let mut end_of_last = 0u64;
    let mut sum = 0u64;
    let (variables, _) = item.appended.as_chunks::<12>();
    for (index, variable) in variables.iter().enumerate() {
        let at = |rule| Err(MetaError::Variable(index as u32, rule));
        let (type_id, offset, var_size) = words3::<O>(variable);
        if type_id == 0 || !id_valid(type_id, env) {
            return at(BtfRule::InvalidTypeId);
        }
        if u64::from(offset) < end_of_last || offset >= size {
            return at(BtfRule::InvalidOffset);
        }
        if var_size == 0 || var_size > size {
            return at(BtfRule::InvalidSize);
        }
        end_of_last = u64::from(offset) + u64::from(var_size);
        if end_of_last > u64::from(size) {
            return at(BtfRule::InvalidOffsetAndSize);
        }
        sum += u64::from(var_size);
    }
    if u64::from(size) < sum {
        return fault(BtfRule::InvalidInfoSize);
    }
    Ok(())
}

/// `btf_float_check_meta()`. The name is not looked at.
pub(crate) fn float(item: &TypeRecord<'_>) -> Result<(), MetaError> {
    no_vlen(item)?;
    no_kflag(item)?;
    if !matches!(item.t.size_or_type, 2 | 4 | 8 | 12 | 16) {
        return fault(BtfRule::InvalidTypeSize);
    }
    Ok(())
}

/// `btf_decl_tag_check_meta()`.
#[inline(never)]
pub(crate) fn decl_tag<O: ByteOrder>(
    item: &TypeRecord<'_>,
    env: &VerifierEnv<'_>,
) -> Result<(), MetaError> {
    if !env.has_name(item.t.name_off) {
        return fault(BtfRule::InvalidTagValue);
    }
    no_vlen(item)?;
    if !env.abilities.tag_kflag {
        no_kflag(item)?;
    }
    let component = O::u32_at(item.appended, 0).unwrap_or(0) as i32;
    if component < -1 {
        return fault(BtfRule::InvalidComponent);
    }
    Ok(())
}
