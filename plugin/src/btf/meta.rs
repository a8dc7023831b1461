//! `btf_check_all_metas()`: each type's own rules, in the order of the types.
//!
//! [`rules`] has what a kind asks for, [`slots`] how many types there may be.

mod rules;
mod slots;

use slots::Slots;

use super::log::Log;
use super::raw::{ByteOrder, TYPE_LEN, Type, appended, kind};
use super::scope::{EINVAL, Fault, Item, Scope, Stop};
use super::show;

/// The types of one BTF, after every meta check passed.
pub(super) struct Metas {
    pub(super) offsets: Vec<u32>,
    pub(super) kinds: Vec<u8>,
}

/// Checks every type and notes where it stands.
pub(super) fn check_all<O: ByteOrder>(
    types: &[u8],
    scope: &Scope<'_>,
    quiet: bool,
    log: &mut Log,
) -> Result<Metas, Stop> {
    let first_id = scope.below.kinds.len() as u32;
    let guess = types.len() / 24 + 1;
    let mut metas = Metas {
        offsets: Vec::with_capacity(guess),
        kinds: Vec::with_capacity(guess),
    };
    let start_id = if scope.below.is_base() { first_id } else { 0 };
    let mut slots = Slots::new(start_id, scope.abilities.max_type);
    let mut at = 0usize;
    while at < types.len() {
        let id = first_id + metas.kinds.len() as u32;
        let left = types.len() - at;
        let Some(t) = Type::at::<O>(types, at) else {
            log.bpf(format!("[{id}] meta_left:{left} meta_needed:{TYPE_LEN}").as_bytes());
            return Err(Stop::Errno(EINVAL));
        };
        let (kind, vlen) = check_info(t, id, scope, log)?;
        let needed = appended(kind, vlen).unwrap_or(0);
        let rest = types.get(at + TYPE_LEN..).unwrap_or(&[]);
        let left = rest.len();
        let checked = if needed > left {
            Err(Fault::Basic(format!(
                "meta_left:{left} meta_needed:{needed}"
            )))
        } else {
            Ok(())
        };
        let item = Item {
            t,
            kind,
            vlen,
            appended: rest.get(..needed).unwrap_or(rest),
        };
        if let Err(fault) = checked.and_then(|()| check::<O>(&item, scope)) {
            let errno = show::fault::<O>(&fault, id, &item, scope, quiet, log);
            return Err(Stop::Errno(errno));
        }
        slots.take(log)?;
        metas.kinds.push(kind);
        metas.offsets.push(at as u32);
        at += TYPE_LEN + needed;
    }
    Ok(metas)
}

/// The head of `btf_check_meta()`.
#[inline(always)]
fn check_info(t: Type, id: u32, scope: &Scope<'_>, log: &mut Log) -> Result<(u8, u32), Stop> {
    let abilities = scope.abilities;
    let (kind, vlen);
    if abilities.wide_info {
        kind = t.wide_kind();
        vlen = t.wide_vlen();
    } else {
        if t.info & !0x9f00_ffff != 0 {
            log.bpf(format!("[{id}] Invalid btf_info:{:x}", t.info).as_bytes());
            return Err(Stop::Errno(EINVAL));
        }
        kind = ((t.info >> 24) & 0x1f) as u8;
        vlen = t.info & 0xffff;
    }
    if kind == kind::VOID || u32::from(kind) >= abilities.kinds {
        log.bpf(format!("[{id}] Invalid kind:{kind}").as_bytes());
        return Err(Stop::Errno(EINVAL));
    }
    if !scope.name_offset_valid(t.name_off) {
        log.bpf(format!("[{id}] Invalid name_offset:{}", t.name_off).as_bytes());
        return Err(Stop::Errno(EINVAL));
    }
    Ok((kind, vlen))
}

/// `btf_type_ops(t)->check_meta()`.
#[inline(always)]
fn check<O: ByteOrder>(item: &Item<'_>, scope: &Scope<'_>) -> Result<(), Fault> {
    match item.kind {
        kind::INT => rules::int::<O>(item),
        kind::PTR
        | kind::TYPEDEF
        | kind::VOLATILE
        | kind::CONST
        | kind::RESTRICT
        | kind::TYPE_TAG => rules::reference(item, scope),
        kind::ARRAY => rules::array::<O>(item, scope),
        kind::STRUCT | kind::UNION => rules::structure::<O>(item, scope),
        kind::ENUM => rules::enumeration::<O, 8>(item, scope),
        kind::ENUM64 => rules::enumeration::<O, 12>(item, scope),
        kind::FWD => rules::forward(item, scope),
        kind::FUNC_PROTO => rules::prototype(item),
        kind::FUNC => rules::function(item, scope),
        kind::VAR => rules::variable::<O>(item, scope),
        kind::DATASEC => rules::data_section::<O>(item, scope),
        kind::FLOAT => rules::float(item),
        kind::DECL_TAG => rules::decl_tag::<O>(item, scope),
        _ => Ok(()),
    }
}
