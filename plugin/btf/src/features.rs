// SPDX-License-Identifier: GPL-2.0-or-later
//! What a kernel can do, read from the kernel itself.
//!
//! Version numbers lie, because distributions carry changes back; a kernel's
//! own BTF does not. Each rule of `btf_parse_module()` that differs between
//! kernels is a field here, found by a trace that the change left in the
//! kernel's types, and by the version only where it left none.
//! `docs/kernel-rules.md` says how each was learned.

use crate::Base;
use crate::raw::{Type, kind};

/// The rules of `btf_parse_module()` that differ between kernels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    /// Number of BTF kinds it knows: enumerator `NR_BTF_KINDS` (20 since 6.0).
    pub kinds: u32,
    /// It looks at modules' `.BTF` at all: `struct module` has `btf_data` (5.11).
    pub module_btf: bool,
    /// It relocates `.BTF.base`: `struct module` has `btf_base_data` (6.11).
    pub distilled_base: bool,
    /// The header may have `layout_off` and `layout_len`, and then the strings
    /// need not come last: `struct btf_header` has `layout_off` (7.1).
    pub(crate) layout_header: bool,
    /// `vlen` has 24 bits and the kind 7: enumerator `BTF_MAX_VLEN` (7.2).
    pub(crate) wide_info: bool,
    /// `BTF_MAX_TYPE`: the highest type id.
    pub(crate) max_type: u32,
    /// `BTF_MAX_NAME_OFFSET`.
    pub(crate) max_name_offset: u32,
    /// `KSYM_NAME_LEN`, the longest name: length of `bpf_ksym.name` (512 since 6.1).
    pub(crate) name_max: usize,
    /// An identifier may hold dots: `__btf_name_valid()` lost its flag for it.
    pub(crate) dot_in_identifiers: bool,
    /// A DATASEC may have any printable name: `__btf_name_valid()` is gone (by 6.12).
    pub(crate) printable_sections: bool,
    /// An ENUM may have `kind_flag` set (with ENUM64, 6.0).
    pub(crate) enum_kflag: bool,
    /// TYPE_TAG and DECL_TAG may have `kind_flag` set (between 6.12 and 6.16).
    pub(crate) tag_kflag: bool,
    /// Chains of modifiers are checked (5.19).
    pub(crate) checks_chains: bool,
    /// Type tags must come before other modifiers (5.19 to 7.1).
    pub(crate) ordered_type_tags: bool,
    /// Where mismatches are permitted, types and members are not logged (6.3);
    /// variables of a DATASEC are.
    pub(crate) discards_quietly: bool,
    /// `btf_relocate()` marks embedded types of every split type (6.14, 6.12.13).
    pub(crate) marks_all_embedded: bool,
    /// The longest text of one kernel log line: 1023 bytes since `struct
    /// printk_buffers` (6.4), 991 before.
    pub(crate) log_line_max: usize,
}

impl Features {
    /// Reads them from a kernel's base BTF, and from its release (`uname -r`) only where
    /// nothing else tells; one of unknown release is taken for new (7.3 or later) there.
    pub fn of(base: &Base, release: Option<&str>) -> Self {
        let version = release.and_then(version);
        let since = |major: u32, minor: u32, patch: u32| {
            version.is_none_or(|version| version >= (major, minor, patch))
        };
        let has_func = |name: &[u8]| base.find_func(name).is_some();
        let has_member = |name: &[u8], member: &[u8]| {
            let found = base.find_struct(name)?;
            Some(base.member(found, member).is_some())
        };
        // What a kernel uses itself, it knows, whatever its version says.
        let used = base.kinds().iter().copied().max().unwrap_or(kind::VOID);
        let kinds = base
            .enumerator(b"NR_BTF_KINDS")
            .unwrap_or_else(|| kinds_by_version(version))
            .max(u32::from(used) + 1);
        let flagged_tag = |(_, t): (u32, Type)| {
            t.kflag() && matches!(t.wide_kind(), kind::TYPE_TAG | kind::DECL_TAG)
        };
        // 7.2 turned the limits into enumerators when it widened them.
        let max_vlen = base.enumerator(b"BTF_MAX_VLEN");
        let wide_info = max_vlen.is_some_and(|max| max > 0xffff);
        let ksym_name = base
            .find_struct(b"bpf_ksym")
            .and_then(|ksym| base.array_len(base.member(ksym, b"name")?));
        let name_valid = base
            .find_func(b"__btf_name_valid")
            .filter(|t| t.wide_kind() == kind::FUNC_PROTO);
        let name_valid_identifier = has_func(b"btf_name_valid_identifier");
        Self {
            kinds,
            module_btf: has_member(b"module", b"btf_data").unwrap_or_else(|| since(5, 11, 0)),
            distilled_base: has_member(b"module", b"btf_base_data") == Some(true),
            layout_header: has_member(b"btf_header", b"layout_off") == Some(true),
            wide_info,
            max_type: base.enumerator(b"BTF_MAX_TYPE").unwrap_or(0x000f_ffff),
            max_name_offset: base
                .enumerator(b"BTF_MAX_NAME_OFFSET")
                .unwrap_or(0x00ff_ffff),
            name_max: match ksym_name {
                Some(length) => length as usize,
                None if since(6, 1, 0) => 512,
                None => 128,
            },
            dot_in_identifiers: match name_valid {
                Some(prototype) => prototype.wide_vlen() < 3,
                None => name_valid_identifier || since(6, 2, 0),
            },
            printable_sections: name_valid.is_none() && (name_valid_identifier || since(6, 11, 0)),
            enum_kflag: kinds >= 20,
            tag_kflag: since(6, 14, 0) || base.all().any(flagged_tag),
            checks_chains: has_func(b"btf_check_type_tags") || wide_info || since(5, 19, 0),
            ordered_type_tags: !wide_info,
            discards_quietly: since(6, 3, 0),
            marks_all_embedded: marks_all_embedded(version),
            log_line_max: match base.find_struct(b"printk_buffers") {
                Some(_) => 1023,
                None => 991,
            },
        }
    }
}

/// Kernels too old to have `NR_BTF_KINDS` as an enumerator.
fn kinds_by_version(version: Option<(u32, u32, u32)>) -> u32 {
    match version {
        Some(version) if version < (5, 13, 0) => 16,
        Some(version) if version < (5, 16, 0) => 17,
        Some(version) if version < (5, 17, 0) => 18,
        Some(version) if version < (6, 0, 0) => 19,
        _ => 20,
    }
}

/// 6.14 corrected the range that is marked, and 6.12.13 and 6.13.2 took it over.
fn marks_all_embedded(version: Option<(u32, u32, u32)>) -> bool {
    match version {
        Some((6, 12, patch)) => patch >= 13,
        Some((6, 13, patch)) => patch >= 2,
        Some(version) => version >= (6, 14, 0),
        None => true,
    }
}

/// `6.12.117+deb13-cloud-amd64` → (6, 12, 117).
fn version(release: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(str::parse::<u32>);
    let major = numbers.next()?.ok()?;
    let minor = numbers.next()?.ok()?;
    let patch = numbers.next().and_then(Result::ok).unwrap_or(0);
    Some((major, minor, patch))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn versions_are_read_from_releases() {
        assert_eq!(version("6.12.117+deb13-cloud-amd64"), Some((6, 12, 117)));
        assert_eq!(version("7.3"), Some((7, 3, 0)));
        assert_eq!(version("linux"), None);
    }

    #[test]
    fn what_a_kernel_uses_itself_it_knows() {
        // FLOAT; then DECL_TAG with kind_flag.
        let base = |info: u32, appended: &[u8]| {
            let mut raw = vec![0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 0, 0, 0, 0];
            let types = 12 + appended.len() as u8;
            raw.extend([types, 0, 0, 0, types, 0, 0, 0, 3, 0, 0, 0]);
            raw.extend([1, 0, 0, 0]);
            raw.extend(info.to_le_bytes());
            raw.extend([8, 0, 0, 0]);
            raw.extend(appended);
            raw.extend(b"\0x\0");
            Base::parse(raw).unwrap()
        };
        let old = Features::of(&base(2 << 24, &[]), Some("4.18.0-553.el8"));
        assert_eq!((old.kinds, old.tag_kflag), (16, false));
        let float = Features::of(&base(16 << 24, &[]), Some("4.18.0-553.el8"));
        assert_eq!((float.kinds, float.tag_kflag), (17, false));
        let tag = Features::of(&base(0x8000_0000 | 17 << 24, &[0; 4]), Some("5.14.0-1.el9"));
        assert_eq!((tag.kinds, tag.tag_kflag), (18, true));
    }

    #[test]
    fn the_embedding_fix_is_dated() {
        assert!(!marks_all_embedded(Some((6, 12, 12))));
        assert!(marks_all_embedded(Some((6, 12, 13))));
        assert!(!marks_all_embedded(Some((6, 13, 1))));
        assert!(marks_all_embedded(Some((7, 3, 4))));
        assert!(marks_all_embedded(None));
    }
}
