//! The rules of each kind: one function a kind, named and ordered as the kernel's
//! `btf_*_check_meta()` (`kernel/bpf/btf.c`, 6.1 to 7.3).

use super::super::raw::{ByteOrder, kind, words3};
use super::super::scope::{EINVAL, ENOTSUPP, Fault, Item, Scope};

/// A failed rule whose message is fixed and whose errno is `EINVAL`.
fn fault<T>(message: &'static str) -> Result<T, Fault> {
    Err(Fault::Type(EINVAL, message.to_owned()))
}

fn no_vlen(item: &Item<'_>) -> Result<(), Fault> {
    if item.vlen != 0 {
        return fault("vlen != 0");
    }
    Ok(())
}

fn no_kflag(item: &Item<'_>) -> Result<(), Fault> {
    if item.t.kflag() {
        return fault("Invalid btf_info kind_flag");
    }
    Ok(())
}

fn named(item: &Item<'_>, scope: &Scope<'_>) -> Result<(), Fault> {
    if item.t.name_off == 0 || !scope.identifier(item.t.name_off) {
        return fault("Invalid name");
    }
    Ok(())
}

fn anonymous_or_named(item: &Item<'_>, scope: &Scope<'_>) -> Result<(), Fault> {
    if item.t.name_off != 0 && !scope.identifier(item.t.name_off) {
        return fault("Invalid name");
    }
    Ok(())
}

fn anonymous(item: &Item<'_>) -> Result<(), Fault> {
    if item.t.name_off != 0 {
        return fault("Invalid name");
    }
    Ok(())
}

/// `BTF_TYPE_ID_VALID()`.
#[inline(always)]
fn id_valid(id: u32, scope: &Scope<'_>) -> bool {
    id <= scope.abilities.max_type
}

/// `btf_int_check_meta()`. The name is not looked at.
#[inline(never)]
pub(super) fn int<O: ByteOrder>(item: &Item<'_>) -> Result<(), Fault> {
    no_vlen(item)?;
    no_kflag(item)?;
    let data = O::u32_at(item.appended, 0).unwrap_or(0);
    if data & !0x0fff_ffff != 0 {
        return Err(Fault::Basic(format!("Invalid int_data:{data:x}")));
    }
    let bits = (data & 0xff) + ((data >> 16) & 0xff);
    if bits > 128 {
        return fault("nr_bits exceeds 128");
    }
    if bits.div_ceil(8) > item.t.size_or_type {
        return fault("nr_bits exceeds type_size");
    }
    // BTF_INT_SIGNED, BTF_INT_CHAR, BTF_INT_BOOL: one of them or none.
    if !matches!((data >> 24) & 0xf, 0 | 1 | 2 | 4) {
        return Err(Fault::Type(ENOTSUPP, "Unsupported encoding".to_owned()));
    }
    Ok(())
}

/// `btf_ref_type_check_meta()`: pointers and modifiers.
#[inline(always)]
pub(super) fn reference(item: &Item<'_>, scope: &Scope<'_>) -> Result<(), Fault> {
    no_vlen(item)?;
    if item.kind != kind::TYPE_TAG || !scope.abilities.tag_kflag {
        no_kflag(item)?;
    }
    if !id_valid(item.t.size_or_type, scope) {
        return fault("Invalid type_id");
    }
    match item.kind {
        kind::TYPEDEF => named(item, scope),
        kind::TYPE_TAG => {
            if !scope.has_name(item.t.name_off) {
                return fault("Invalid name");
            }
            Ok(())
        }
        _ => anonymous(item),
    }
}

/// `btf_array_check_meta()`.
#[inline(never)]
pub(super) fn array<O: ByteOrder>(item: &Item<'_>, scope: &Scope<'_>) -> Result<(), Fault> {
    anonymous(item)?;
    no_vlen(item)?;
    no_kflag(item)?;
    if item.t.size_or_type != 0 {
        return fault("size != 0");
    }
    let element = O::u32_at(item.appended, 0).unwrap_or(0);
    if element == 0 || !id_valid(element, scope) {
        return fault("Invalid elem");
    }
    let index = O::u32_at(item.appended, 4).unwrap_or(0);
    if index == 0 || !id_valid(index, scope) {
        return fault("Invalid index");
    }
    Ok(())
}

/// `btf_struct_check_meta()`.
#[inline(never)]
pub(super) fn structure<O: ByteOrder>(item: &Item<'_>, scope: &Scope<'_>) -> Result<(), Fault> {
    anonymous_or_named(item, scope)?;
    let kflag = item.t.kflag();
    let is_union = item.kind == kind::UNION;
    let mut last_offset = 0u32;
    let (members, _) = item.appended.as_chunks::<12>();
    for (index, member) in members.iter().enumerate() {
        let at = |message: &'static str| Err(Fault::Member(index as u32, message.to_owned()));
        let (name_off, type_id, raw_offset) = words3::<O>(member);
        if !scope.name_offset_valid(name_off) {
            return Err(Fault::Member(
                index as u32,
                format!("Invalid member name_offset:{name_off}"),
            ));
        }
        if name_off != 0 && !scope.identifier(name_off) {
            return at("Invalid name");
        }
        if type_id == 0 || !id_valid(type_id, scope) {
            return at("Invalid type_id");
        }
        let offset = if kflag {
            raw_offset & 0x00ff_ffff
        } else {
            raw_offset
        };
        if is_union && offset != 0 {
            return at("Invalid member bits_offset");
        }
        if last_offset > offset {
            return at("Invalid member bits_offset");
        }
        if offset.div_ceil(8) > item.t.size_or_type {
            return at("Member bits_offset exceeds its struct size");
        }
        last_offset = offset;
    }
    Ok(())
}

/// `btf_enum_check_meta()` and `btf_enum64_check_meta()`; `N` bytes a value.
#[inline(never)]
pub(super) fn enumeration<O: ByteOrder, const N: usize>(
    item: &Item<'_>,
    scope: &Scope<'_>,
) -> Result<(), Fault> {
    if !scope.abilities.enum_kflag {
        no_kflag(item)?;
    }
    if item.t.size_or_type > 8 || !item.t.size_or_type.is_power_of_two() {
        return fault("Unexpected size");
    }
    anonymous_or_named(item, scope)?;
    let (values, _) = item.appended.as_chunks::<N>();
    for value in values {
        let name_off = O::u32_at(value, 0).unwrap_or(0);
        if !scope.name_offset_valid(name_off) {
            return Err(Fault::Plain(format!("\tInvalid name_offset:{name_off}")));
        }
        if name_off == 0 || !scope.identifier(name_off) {
            return fault("Invalid name");
        }
    }
    Ok(())
}

/// `btf_fwd_check_meta()`.
pub(super) fn forward(item: &Item<'_>, scope: &Scope<'_>) -> Result<(), Fault> {
    no_vlen(item)?;
    if item.t.size_or_type != 0 {
        return fault("type != 0");
    }
    named(item, scope)
}

/// `btf_func_proto_check_meta()`. Neither the names nor the ids of the
/// parameters are looked at, nor the return type.
pub(super) fn prototype(item: &Item<'_>) -> Result<(), Fault> {
    anonymous(item)?;
    no_kflag(item)
}

/// `btf_func_check_meta()`.
#[inline(always)]
pub(super) fn function(item: &Item<'_>, scope: &Scope<'_>) -> Result<(), Fault> {
    named(item, scope)?;
    // BTF_FUNC_GLOBAL
    if item.vlen > 1 {
        return fault("Invalid func linkage");
    }
    no_kflag(item)
}

/// `btf_var_check_meta()`.
#[inline(never)]
pub(super) fn variable<O: ByteOrder>(item: &Item<'_>, scope: &Scope<'_>) -> Result<(), Fault> {
    no_vlen(item)?;
    no_kflag(item)?;
    named(item, scope)?;
    if item.t.size_or_type == 0 || !id_valid(item.t.size_or_type, scope) {
        return fault("Invalid type_id");
    }
    // BTF_VAR_STATIC, BTF_VAR_GLOBAL_ALLOCATED
    if O::u32_at(item.appended, 0).unwrap_or(0) > 1 {
        return fault("Linkage not supported");
    }
    Ok(())
}

/// `btf_datasec_check_meta()`.
#[inline(never)]
pub(super) fn data_section<O: ByteOrder>(item: &Item<'_>, scope: &Scope<'_>) -> Result<(), Fault> {
    let size = item.t.size_or_type;
    if size == 0 {
        return fault("size == 0");
    }
    no_kflag(item)?;
    if item.t.name_off == 0 || !scope.section_name(item.t.name_off) {
        return fault("Invalid name");
    }
    let mut end_of_last = 0u64;
    let mut sum = 0u64;
    let (variables, _) = item.appended.as_chunks::<12>();
    for (index, variable) in variables.iter().enumerate() {
        let at = |message| Err(Fault::Variable(index as u32, message));
        let (type_id, offset, var_size) = words3::<O>(variable);
        if type_id == 0 || !id_valid(type_id, scope) {
            return at("Invalid type_id");
        }
        if u64::from(offset) < end_of_last || offset >= size {
            return at("Invalid offset");
        }
        if var_size == 0 || var_size > size {
            return at("Invalid size");
        }
        end_of_last = u64::from(offset) + u64::from(var_size);
        if end_of_last > u64::from(size) {
            return at("Invalid offset+size");
        }
        sum += u64::from(var_size);
    }
    if u64::from(size) < sum {
        return fault("Invalid btf_info size");
    }
    Ok(())
}

/// `btf_float_check_meta()`. The name is not looked at.
pub(super) fn float(item: &Item<'_>) -> Result<(), Fault> {
    no_vlen(item)?;
    no_kflag(item)?;
    if !matches!(item.t.size_or_type, 2 | 4 | 8 | 12 | 16) {
        return fault("Invalid type_size");
    }
    Ok(())
}

/// `btf_decl_tag_check_meta()`.
#[inline(never)]
pub(super) fn decl_tag<O: ByteOrder>(item: &Item<'_>, scope: &Scope<'_>) -> Result<(), Fault> {
    if !scope.has_name(item.t.name_off) {
        return fault("Invalid value");
    }
    no_vlen(item)?;
    if !scope.abilities.tag_kflag {
        no_kflag(item)?;
    }
    let component = O::u32_at(item.appended, 0).unwrap_or(0) as i32;
    if component < -1 {
        return fault("Invalid component_idx");
    }
    Ok(())
}
