//! `btf_parse_module()`: may this split BTF continue that base?
//!
//! The order is the kernel's (`kernel/bpf/btf.c`): header, string section,
//! every type's own rules ([`super::meta`]), modifier chains
//! ([`super::chains`]), and with a distilled base its relocation
//! ([`super::relocate`]). The first rule that fails ends it, with the errno and
//! the log lines the kernel leaves. `docs/kernel-rules.md` says for which
//! kernels each rule holds and how that was learned.

use super::base::Base;
use super::census::Census;
use super::chains;
use super::log::Log;
use super::meta;
use super::origin::Split;
use super::raw::{Be, ByteOrder, HEADER_LEN, HEADER_LEN_LAYOUT, Le, MAGIC, Order, kind};
use super::relocate;
use super::scope::{Below, E2BIG, EINVAL, ENOTSUPP, Parsed, Scope, Stop};
use crate::kernel::Abilities;

/// What the kernel says of BTF it does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The negative errno of `btf_parse_module()`. 0 where the kernel does
    /// something other than return an error (see `kernel_bug`).
    pub errno: i32,
    /// The kernel's log lines: what follows `BPF: `, or the bare message where
    /// it prints no prefix. Trailing blanks are trimmed, blank lines dropped,
    /// and bytes that do not print escaped as `/dev/kmsg` does (`\xNN`).
    pub log: Vec<String>,
    /// Set if the kernel itself misbehaves on this input: what it does.
    pub kernel_bug: Option<String>,
}

/// Judges a module's `.BTF` (and `.BTF.base`) as the kernel with this `base`
/// and these `abilities` does at load.
///
/// `discards` says that the kernel is built with
/// `CONFIG_MODULE_ALLOW_BTF_MISMATCH`: it then keeps some log lines to itself.
/// An empty `split` never gets here: the loader skips it.
///
/// # Errors
/// The kernel's [`Refusal`].
pub fn verify_module(
    split: &[u8],
    distilled: Option<&[u8]>,
    base: &Base,
    abilities: &Abilities,
    discards: bool,
) -> Result<(), Refusal> {
    read_module(split, distilled, base, abilities, discards).map(drop)
}

/// [`verify_module`], and what was read of an accepted split BTF.
///
/// # Errors
/// The kernel's [`Refusal`].
pub fn read_module<'a>(
    split: &'a [u8],
    distilled: Option<&[u8]>,
    base: &Base,
    abilities: &Abilities,
    discards: bool,
) -> Result<Split<'a>, Refusal> {
    let mut log = Log::new(abilities.log_line_max);
    let result = match base.order() {
        Order::Little => run::<Le>(split, distilled, base, abilities, discards, &mut log),
        Order::Big => run::<Be>(split, distilled, base, abilities, discards, &mut log),
    };
    result.map_err(|stop| refusal(stop, log))
}

/// Judges a BTF that stands alone, as `btf_parse_base()` does a `.BTF.base`;
/// `order` is the kernel's.
///
/// # Errors
/// The kernel's [`Refusal`].
pub fn verify_base(raw: &[u8], order: Order, abilities: &Abilities) -> Result<(), Refusal> {
    let mut log = Log::new(abilities.log_line_max);
    let result = match order {
        Order::Little => parse::<Le>(raw, &Below::void(), abilities, false, &mut log).map(drop),
        Order::Big => parse::<Be>(raw, &Below::void(), abilities, false, &mut log).map(drop),
    };
    result.map_err(|stop| refusal(stop, log))
}

fn refusal(stop: Stop, log: Log) -> Refusal {
    let (errno, kernel_bug) = match stop {
        Stop::Errno(errno) => (-errno, None),
        Stop::KernelBug(what) => (0, Some(what)),
    };
    Refusal {
        errno,
        log: log.into_entries(),
        kernel_bug,
    }
}

fn run<'a, O: ByteOrder>(
    split: &'a [u8],
    distilled: Option<&[u8]>,
    base: &Base,
    abilities: &Abilities,
    discards: bool,
    log: &mut Log,
) -> Result<Split<'a>, Stop> {
    // __btf_verifier_log_type(): since Linux 6.3 silent where mismatches are
    // permitted, but only for BTF that has a base.
    let quiet = discards && abilities.discards_quietly;
    let Some(distilled) = distilled.filter(|_| abilities.distilled_base) else {
        let below = Below {
            kinds: base.kinds(),
            strings: base.strings(),
            starts: Some(base.starts()),
        };
        let parsed = parse::<O>(split, &below, abilities, quiet, log)?;
        return Ok(Split::accepted(parsed, base.order(), false));
    };
    let void = Below::void();
    let own = parse::<O>(distilled, &void, abilities, false, log)?;
    let kinds: Vec<u8> = std::iter::once(kind::VOID)
        .chain(own.kinds.iter().copied())
        .collect();
    let below = Below {
        kinds: &kinds,
        strings: own.string_bytes,
        starts: None,
    };
    let parsed = parse::<O>(split, &below, abilities, quiet, log)?;
    relocate::relocate::<O>(&parsed, &own, base, abilities, log)?;
    Ok(Split::accepted(parsed, base.order(), true))
}

struct Header {
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
pub(super) fn parse<'a, O: ByteOrder>(
    raw: &'a [u8],
    below: &Below<'_>,
    abilities: &Abilities,
    quiet: bool,
    log: &mut Log,
) -> Result<Parsed<'a>, Stop> {
    let header = parse_header::<O>(raw, below, abilities, log)?;
    let string_bytes = parse_strings(raw, &header, below, abilities, log)?;
    // The sections were found to lie inside `raw`.
    let start = header.len as usize + header.type_off as usize;
    let types = raw
        .get(start..start + header.type_len as usize)
        .unwrap_or(&[]);

    let census = Census::of(string_bytes);
    let scope = Scope::new(below, string_bytes, &census, abilities);
    let metas = meta::check_all::<O>(types, &scope, quiet, log)?;
    chains::check::<O>(types, &metas, below, abilities, log)?;
    Ok(Parsed {
        types,
        string_bytes,
        offsets: metas.offsets,
        kinds: metas.kinds,
        names_inside: scope.met_name_inside(),
    })
}

fn stop<T>(log: &mut Log, errno: i32, text: &str) -> Result<T, Stop> {
    log.bpf(text.as_bytes());
    Err(Stop::Errno(errno))
}

/// `btf_parse_hdr()` and `btf_check_sec_info()`.
fn parse_header<O: ByteOrder>(
    raw: &[u8],
    below: &Below<'_>,
    abilities: &Abilities,
    log: &mut Log,
) -> Result<Header, Stop> {
    let known = if abilities.layout_header {
        HEADER_LEN_LAYOUT
    } else {
        HEADER_LEN
    };
    let Some(hdr_len) = O::u32_at(raw, 4) else {
        return stop(log, EINVAL, "hdr_len not found");
    };
    let hdr_len = hdr_len as usize;
    let Some(given) = raw.get(..hdr_len) else {
        return stop(log, EINVAL, "btf_header not found");
    };
    if given.iter().skip(known).any(|&byte| byte != 0) {
        return stop(log, E2BIG, "Unsupported btf_header");
    }
    // A short header is padded with zeros, its own length field included.
    let mut header = [0u8; HEADER_LEN_LAYOUT];
    for (to, from) in header.iter_mut().zip(given.iter().take(known)) {
        *to = *from;
    }
    let [magic0, magic1, version, flags, ..] = header;
    if O::u16([magic0, magic1]) != MAGIC {
        return stop(log, EINVAL, "Invalid magic");
    }
    if version != 1 {
        return stop(log, ENOTSUPP, "Unsupported version");
    }
    if flags != 0 {
        return stop(log, ENOTSUPP, "Unsupported flags");
    }
    let word = |at| O::u32_at(&header, at).unwrap_or(0);
    let header = Header {
        len: word(4),
        type_off: word(8),
        type_len: word(12),
        str_off: word(16),
        str_len: word(20),
        layout_off: word(24),
        layout_len: word(28),
    };
    if !below.is_base() && raw.len() == header.len as usize {
        return stop(log, EINVAL, "No data");
    }
    check_sections(raw.len(), &header, abilities, log)?;
    Ok(header)
}

/// `btf_check_sec_info()`: the sections fill the data without gap or overlap.
fn check_sections(
    size: usize,
    header: &Header,
    abilities: &Abilities,
    log: &mut Log,
) -> Result<(), Stop> {
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
        if expected < off {
            return stop(log, EINVAL, "Invalid section offset");
        }
        if total < off {
            return stop(log, EINVAL, "Unsupported section found");
        }
        if total > off {
            return stop(log, EINVAL, "Section overlap found");
        }
        if expected - total < len {
            return stop(log, EINVAL, "Total section length too long");
        }
        total += len;
    }
    if expected != total {
        return stop(log, EINVAL, "Unsupported section found");
    }
    Ok(())
}

/// `btf_parse_str_sec()`.
fn parse_strings<'a>(
    raw: &'a [u8],
    header: &Header,
    below: &Below<'_>,
    abilities: &Abilities,
    log: &mut Log,
) -> Result<&'a [u8], Stop> {
    let start = header.len as usize + header.str_off as usize;
    let end = start + header.str_len as usize;
    let may_be_inside = abilities.layout_header && header.len as usize >= HEADER_LEN_LAYOUT;
    if end != raw.len() && !may_be_inside {
        return stop(log, EINVAL, "String section is not at the end");
    }
    let strings = raw.get(start..end).unwrap_or(&[]);
    let Some((&last, before)) = strings.split_last() else {
        if below.is_base() {
            return Ok(strings);
        }
        return stop(log, EINVAL, "Invalid string section");
    };
    let too_long = before.len() > abilities.max_name_offset as usize;
    if too_long || last != 0 || (!below.is_base() && strings.first() != Some(&0)) {
        return stop(log, EINVAL, "Invalid string section");
    }
    Ok(strings)
}
