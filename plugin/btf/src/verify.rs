// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf_parse_module()`: may this split BTF continue that base?
//!
//! The order is the kernel's (`kernel/bpf/btf.c`): header, string section,
//! every type's own rules ([`crate::meta`]), modifier chains
//! ([`crate::chains`]), and with a distilled base its relocation
//! ([`crate::relocate`]). The first rule that fails ends it, with the errno and
//! the log lines the kernel leaves. `docs/kernel-rules.md` says for which
//! kernels each rule holds and how that was learned.

use crate::base::Base;
use crate::env::{BaseView, VerifierEnv};
use crate::features::Features;
use crate::raw::{HEADER_LEN, HEADER_LEN_LAYOUT, MAGIC, Order, kind};
use crate::split::Split;
use crate::verify_error::{BaseFault, BtfRule, BtfSection, VerifyError};
use crate::{chains, meta, relocate};

/// Judges a module's `.BTF` (and `.BTF.base`) as the kernel with this `base`
/// and these `abilities` does at load.
///
/// An empty `split` never gets here: the loader skips it.
pub fn verify_module(
    split: &[u8],
    distilled: Option<&[u8]>,
    base: &Base,
    abilities: &Features,
) -> Result<(), VerifyError> {
    read_module(split, distilled, base, abilities).map(drop)
}

/// [`verify_module`], and what was read of an accepted split BTF.
pub fn read_module<'a>(
    split: &'a [u8],
    distilled: Option<&[u8]>,
    base: &Base,
    abilities: &Features,
) -> Result<Split<'a>, VerifyError> {
    let order = base.order();
    let Some(distilled) = distilled.filter(|_| abilities.distilled_base) else {
        let below = BaseView {
            kinds: base.kinds(),
            strings: base.strings(),
        };
        return parse(order, split, &below, abilities);
    };
    let own = parse(order, distilled, &BaseView::void(), abilities)?;
    let void = std::iter::once(kind::VOID);
    let kinds: Vec<u8> = void.chain(own.index.kinds.iter().copied()).collect();
    let below = BaseView {
        kinds: &kinds,
        strings: own.strings,
    };
    let mut split = parse(order, split, &below, abilities)?;
    relocate::relocate(&split, &own, base, abilities)
        .map_err(|rule| VerifyError::of(rule, BtfSection::Base))?;
    split.relocated = true;
    Ok(split)
}

/// Judges a kernel's own BTF as the kernel does when it first needs it, mostly while it
/// boots: `btf_parse_vmlinux()`, since 6.10 `btf_parse_base()`. Where that fails,
/// `bpf_get_btf_vmlinux()` has its errno for everybody who asks later, each
/// `btf_parse_module()` among them.
///
/// # Errors
/// What the kernel finds wrong, or that its rules are not all known here.
pub fn verify_vmlinux(base: &Base, abilities: &Features) -> Result<(), BaseFault> {
    if abilities.kinds > kind::COUNT {
        return Err(BaseFault::Newer);
    }
    parse(base.order(), base.bytes(), &BaseView::void(), abilities)
        .map(drop)
        .map_err(|error| {
            BaseFault::Invalid(VerifyError {
                section: BtfSection::Kernel,
                ..error
            })
        })
}

/// Judges a BTF that stands alone, as `btf_parse_base()` does a `.BTF.base`;
/// `order` is the kernel's.
pub fn verify_base(raw: &[u8], order: Order, abilities: &Features) -> Result<(), VerifyError> {
    parse(order, raw, &BaseView::void(), abilities).map(drop)
}

struct BtfHeader {
    len: u32,
    type_off: u32,
    type_len: u32,
    str_off: u32,
    str_len: u32,
    layout_off: u32,
    layout_len: u32,
}

/// `btf_parse_hdr()`, `btf_parse_str_sec()`, `btf_check_all_metas()` and the
/// chain check, for a split BTF on `below` or one that stands alone.
fn parse<'a>(
    order: Order,
    raw: &'a [u8],
    below: &BaseView<'_>,
    abilities: &Features,
) -> Result<Split<'a>, VerifyError> {
    let refused = |rule| VerifyError::of(rule, below.section());
    let header = parse_header(order, raw, below, abilities).map_err(refused)?;
    let strings = parse_strings(raw, &header, below, abilities).map_err(refused)?;
    // The sections were found to lie inside `raw`.
    let start = header.len as usize + header.type_off as usize;
    let types = raw
        .get(start..start + header.type_len as usize)
        .unwrap_or(&[]);

    let env = VerifierEnv::new(below, strings, abilities);
    let split = Split {
        order,
        types,
        strings,
        index: meta::check_all(order, types, &env)?,
        relocated: false,
    };
    chains::check(&split, below, abilities).map_err(refused)?;
    Ok(split)
}

fn ensure(holds: bool, rule: BtfRule) -> Result<(), BtfRule> {
    match holds {
        true => Ok(()),
        false => Err(rule),
    }
}

/// `btf_parse_hdr()` and `btf_check_sec_info()`.
fn parse_header(
    order: Order,
    raw: &[u8],
    below: &BaseView<'_>,
    abilities: &Features,
) -> Result<BtfHeader, BtfRule> {
    let known = if abilities.layout_header {
        HEADER_LEN_LAYOUT
    } else {
        HEADER_LEN
    };
    let hdr_len = order.u32_at(raw, 4).ok_or(BtfRule::HdrLenNotFound)? as usize;
    let given = raw.get(..hdr_len).ok_or(BtfRule::HeaderNotFound)?;
    ensure(
        given.iter().skip(known).all(|&byte| byte == 0),
        BtfRule::UnsupportedHeader,
    )?;
    // A short header is padded with zeros, its own length field included.
    let mut header = [0u8; HEADER_LEN_LAYOUT];
    for (to, from) in header.iter_mut().zip(given.iter().take(known)) {
        *to = *from;
    }
    let [magic0, magic1, version, flags, ..] = header;
    ensure(order.u16([magic0, magic1]) == MAGIC, BtfRule::InvalidMagic)?;
    ensure(version == 1, BtfRule::UnsupportedVersion { version })?;
    ensure(flags == 0, BtfRule::UnsupportedFlags { flags })?;
    let word = |at| order.u32_at(&header, at).unwrap_or(0);
    let header = BtfHeader {
        len: word(4),
        type_off: word(8),
        type_len: word(12),
        str_off: word(16),
        str_len: word(20),
        layout_off: word(24),
        layout_len: word(28),
    };
    ensure(
        below.is_base() || raw.len() != header.len as usize,
        BtfRule::NoData,
    )?;
    check_sections(raw.len(), &header, abilities)?;
    Ok(header)
}

/// `btf_check_sec_info()`: the sections fill the data without gap or overlap.
fn check_sections(size: usize, header: &BtfHeader, abilities: &Features) -> Result<(), BtfRule> {
    let mut sections = vec![
        (header.type_off, header.type_len),
        (header.str_off, header.str_len),
    ];
    if abilities.layout_header && header.len as usize >= HEADER_LEN_LAYOUT && header.layout_len != 0
    {
        sections.push((header.layout_off, header.layout_len));
    }
    // btf_sec_info_cmp() subtracts as signed, so an offset of 2 GiB sorts first.
    let signed = |a: u32, b: u32| (a.wrapping_sub(b) as i32).cmp(&0);
    sections.sort_by(|a, b| signed(a.0, b.0).then(signed(a.1, b.1)));

    let expected = (size as u32).wrapping_sub(header.len);
    let mut total = 0u32;
    for (off, len) in sections {
        ensure(expected >= off, BtfRule::InvalidSectionOffset)?;
        ensure(total >= off, BtfRule::UnsupportedSection)?;
        ensure(total <= off, BtfRule::SectionOverlap)?;
        ensure(expected - total >= len, BtfRule::SectionsTooLong)?;
        total += len;
    }
    ensure(expected == total, BtfRule::UnsupportedSection)?;
    Ok(())
}

/// `btf_parse_str_sec()`.
fn parse_strings<'a>(
    raw: &'a [u8],
    header: &BtfHeader,
    below: &BaseView<'_>,
    abilities: &Features,
) -> Result<&'a [u8], BtfRule> {
    let start = header.len as usize + header.str_off as usize;
    let end = start + header.str_len as usize;
    let may_be_inside = abilities.layout_header && header.len as usize >= HEADER_LEN_LAYOUT;
    ensure(end == raw.len() || may_be_inside, BtfRule::StringsNotAtEnd)?;
    let strings = raw.get(start..end).unwrap_or(&[]);
    let Some((&last, before)) = strings.split_last() else {
        if below.is_base() {
            return Ok(strings);
        }
        return Err(BtfRule::InvalidStrings);
    };
    let too_long = before.len() > abilities.max_name_offset as usize;
    if too_long || last != 0 || (!below.is_base() && strings.first() != Some(&0)) {
        return Err(BtfRule::InvalidStrings);
    }
    Ok(strings)
}
