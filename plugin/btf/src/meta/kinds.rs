// SPDX-License-Identifier: GPL-2.0-or-later
//! The rules of each kind: one function a kind, named and ordered as the kernel's
//! `btf_*_check_meta()` (`kernel/bpf/btf.c`, 6.1 to 7.3).

use crate::env::{MetaError, TypeRecord, VerifierEnv};
use crate::raw::kind;
use crate::verify_error::BtfRule;

/// A rule of the type itself.
fn ensure(holds: bool, rule: BtfRule) -> Result<(), MetaError> {
    match holds {
        true => Ok(()),
        false => Err(MetaError::Type(rule)),
    }
}

fn no_vlen(item: &TypeRecord<'_>) -> Result<(), MetaError> {
    ensure(item.vlen == 0, BtfRule::VlenNotZero)
}

fn no_kflag(item: &TypeRecord<'_>) -> Result<(), MetaError> {
    ensure(!item.t.kflag(), BtfRule::InvalidKindFlag)
}

fn named(item: &TypeRecord<'_>, env: &VerifierEnv<'_>) -> Result<(), MetaError> {
    let named = item.t.name_off != 0 && env.identifier(item.t.name_off);
    ensure(named, BtfRule::InvalidName)
}

fn anonymous_or_named(item: &TypeRecord<'_>, env: &VerifierEnv<'_>) -> Result<(), MetaError> {
    match item.t.name_off {
        0 => Ok(()),
        _ => named(item, env),
    }
}

fn anonymous(item: &TypeRecord<'_>) -> Result<(), MetaError> {
    ensure(item.t.name_off == 0, BtfRule::InvalidName)
}

/// `BTF_TYPE_ID_VALID()`.
fn id_valid(id: u32, env: &VerifierEnv<'_>) -> bool {
    id <= env.abilities.max_type
}

/// [`id_valid`], and not `void`.
fn id_given(id: u32, env: &VerifierEnv<'_>) -> bool {
    id != 0 && id_valid(id, env)
}

/// `btf_int_check_meta()`. The name is not looked at.
pub(crate) fn int(item: &TypeRecord<'_>) -> Result<(), MetaError> {
    no_vlen(item)?;
    no_kflag(item)?;
    let data = item.word(0);
    ensure(data & !0x0fff_ffff == 0, BtfRule::InvalidIntData { data })?;
    let bits = (data & 0xff) + ((data >> 16) & 0xff);
    ensure(bits <= 128, BtfRule::BitsExceed128)?;
    let fits = bits.div_ceil(8) <= item.t.size_or_type;
    ensure(fits, BtfRule::BitsExceedType)?;
    // BTF_INT_SIGNED, BTF_INT_CHAR, BTF_INT_BOOL: one of them or none.
    let is_known = matches!((data >> 24) & 0xf, 0 | 1 | 2 | 4);
    ensure(is_known, BtfRule::UnsupportedEncoding)
}

/// `btf_ref_type_check_meta()`: pointers and modifiers.
pub(crate) fn reference(item: &TypeRecord<'_>, env: &VerifierEnv<'_>) -> Result<(), MetaError> {
    no_vlen(item)?;
    if item.kind != kind::TYPE_TAG || !env.abilities.tag_kflag {
        no_kflag(item)?;
    }
    ensure(id_valid(item.t.size_or_type, env), BtfRule::InvalidTypeId)?;
    match item.kind {
        kind::TYPEDEF => named(item, env),
        kind::TYPE_TAG => ensure(env.has_name(item.t.name_off), BtfRule::InvalidName),
        _ => anonymous(item),
    }
}

/// `btf_array_check_meta()`.
pub(crate) fn array(item: &TypeRecord<'_>, env: &VerifierEnv<'_>) -> Result<(), MetaError> {
    anonymous(item)?;
    no_vlen(item)?;
    no_kflag(item)?;
    ensure(item.t.size_or_type == 0, BtfRule::SizeNotZero)?;
    ensure(id_given(item.word(0), env), BtfRule::InvalidElementType)?;
    ensure(id_given(item.word(1), env), BtfRule::InvalidIndexType)
}

/// `btf_struct_check_meta()`.
pub(crate) fn structure(item: &TypeRecord<'_>, env: &VerifierEnv<'_>) -> Result<(), MetaError> {
    anonymous_or_named(item, env)?;
    let is_union = item.kind == kind::UNION;
    let mut last_offset = 0u32;
    for (index, [name_off, type_id, place]) in (0u32..).zip(item.elements()) {
        let ensure = |holds, rule| match holds {
            true => Ok(()),
            false => Err(MetaError::Member(index, rule)),
        };
        let rule = BtfRule::InvalidMemberNameOffset { offset: name_off };
        ensure(env.name_offset_valid(name_off), rule)?;
        let named = name_off == 0 || env.identifier(name_off);
        ensure(named, BtfRule::InvalidName)?;
        ensure(id_given(type_id, env), BtfRule::InvalidTypeId)?;
        let (offset, _) = item.t.member_bits(place);
        let in_place = last_offset <= offset && (!is_union || offset == 0);
        ensure(in_place, BtfRule::InvalidMemberOffset)?;
        let inside = offset.div_ceil(8) <= item.t.size_or_type;
        ensure(inside, BtfRule::MemberOutside)?;
        last_offset = offset;
    }
    Ok(())
}

/// `btf_enum_check_meta()` and `btf_enum64_check_meta()`; `N` words a value.
pub(crate) fn enumeration<const N: usize>(
    id: u32,
    item: &TypeRecord<'_>,
    env: &VerifierEnv<'_>,
) -> Result<(), MetaError> {
    if !env.abilities.enum_kflag {
        no_kflag(item)?;
    }
    let size = item.t.size_or_type;
    let expected = size <= 8 && size.is_power_of_two();
    ensure(expected, BtfRule::UnexpectedSize)?;
    anonymous_or_named(item, env)?;
    for value in item.elements::<N>() {
        let name_off = value.first().copied().unwrap_or(0);
        if !env.name_offset_valid(name_off) {
            let offset = name_off;
            let rule = BtfRule::InvalidEnumeratorNameOffset { id, offset };
            return Err(MetaError::Alone(rule));
        }
        let named = name_off != 0 && env.identifier(name_off);
        ensure(named, BtfRule::InvalidName)?;
    }
    Ok(())
}

/// `btf_fwd_check_meta()`.
pub(crate) fn forward(item: &TypeRecord<'_>, env: &VerifierEnv<'_>) -> Result<(), MetaError> {
    no_vlen(item)?;
    ensure(item.t.size_or_type == 0, BtfRule::TypeNotZero)?;
    named(item, env)
}

/// `btf_func_proto_check_meta()`. Neither the names nor the ids of the
/// parameters are looked at, nor the return type.
pub(crate) fn prototype(item: &TypeRecord<'_>) -> Result<(), MetaError> {
    anonymous(item)?;
    no_kflag(item)
}

/// `btf_func_check_meta()`.
pub(crate) fn function(item: &TypeRecord<'_>, env: &VerifierEnv<'_>) -> Result<(), MetaError> {
    named(item, env)?;
    // BTF_FUNC_GLOBAL
    ensure(item.vlen <= 1, BtfRule::InvalidFuncLinkage)?;
    no_kflag(item)
}

/// `btf_var_check_meta()`.
pub(crate) fn variable(item: &TypeRecord<'_>, env: &VerifierEnv<'_>) -> Result<(), MetaError> {
    no_vlen(item)?;
    no_kflag(item)?;
    named(item, env)?;
    ensure(id_given(item.t.size_or_type, env), BtfRule::InvalidTypeId)?;
    // BTF_VAR_STATIC, BTF_VAR_GLOBAL_ALLOCATED
    ensure(item.word(0) <= 1, BtfRule::UnsupportedLinkage)
}

/// `btf_datasec_check_meta()`.
pub(crate) fn data_section(item: &TypeRecord<'_>, env: &VerifierEnv<'_>) -> Result<(), MetaError> {
    let size = item.t.size_or_type;
    ensure(size != 0, BtfRule::SizeZero)?;
    no_kflag(item)?;
    let named = item.t.name_off != 0 && env.section_name(item.t.name_off);
    ensure(named, BtfRule::InvalidName)?;
    let mut end_of_last = 0u64;
    let mut sum = 0u64;
    for (index, [type_id, offset, var_size]) in (0u32..).zip(item.elements()) {
        let ensure = |holds, rule| match holds {
            true => Ok(()),
            false => Err(MetaError::Variable(index, rule)),
        };
        ensure(id_given(type_id, env), BtfRule::InvalidTypeId)?;
        let in_place = u64::from(offset) >= end_of_last && offset < size;
        ensure(in_place, BtfRule::InvalidOffset)?;
        ensure(var_size != 0 && var_size <= size, BtfRule::InvalidSize)?;
        end_of_last = u64::from(offset) + u64::from(var_size);
        let inside = end_of_last <= u64::from(size);
        ensure(inside, BtfRule::InvalidOffsetAndSize)?;
        sum += u64::from(var_size);
    }
    ensure(sum <= u64::from(size), BtfRule::InvalidInfoSize)
}

/// `btf_float_check_meta()`. The name is not looked at.
pub(crate) fn float(item: &TypeRecord<'_>) -> Result<(), MetaError> {
    no_vlen(item)?;
    no_kflag(item)?;
    let is_size = matches!(item.t.size_or_type, 2 | 4 | 8 | 12 | 16);
    ensure(is_size, BtfRule::InvalidTypeSize)
}

/// `btf_decl_tag_check_meta()`.
pub(crate) fn decl_tag(item: &TypeRecord<'_>, env: &VerifierEnv<'_>) -> Result<(), MetaError> {
    ensure(env.has_name(item.t.name_off), BtfRule::InvalidTagValue)?;
    no_vlen(item)?;
    if !env.abilities.tag_kflag {
        no_kflag(item)?;
    }
    let component = item.word(0) as i32;
    ensure(component >= -1, BtfRule::InvalidComponent)
}
