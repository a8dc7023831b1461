// SPDX-License-Identifier: GPL-2.0-or-later
//! What a kernel can do, read from the kernel itself.
//!
//! Version numbers lie, because distributions carry changes back; a kernel's
//! own BTF does not. Each rule of `btf_parse_module()` that differs between
//! kernels is a field here, found by a trace that the change left in the
//! kernel's types, or by a function that came with the same version's BPF, and by the
//! version alone only where there is neither: [`Features::guessed`] tells which those are.
//! `docs/kernel-rules.md` says how each was learned.

use serde::{Deserialize, Serialize};

use crate::Base;
use crate::raw::kind;

/// A rule that a kernel's version alone may tell, by the name of its field in
/// [`Features`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum VersionRule {
    Kinds,
    NameMax,
    DotInIdentifiers,
    PrintableSections,
    TagKflag,
    ChecksChains,
    MarksAllEmbedded,
}

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
    /// A DATASEC may have any printable name: `__btf_name_valid()` is gone (6.9).
    pub(crate) printable_sections: bool,
    /// An ENUM may have `kind_flag` set (with ENUM64, 6.0).
    pub(crate) enum_kflag: bool,
    /// TYPE_TAG and DECL_TAG may have `kind_flag` set (6.15).
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
    /// The rules above that rest on the version alone.
    pub guessed: Vec<VersionRule>,
    /// One more than the highest kind that it uses itself.
    kinds_used: u32,
}

impl Features {
    /// Reads them from a kernel's base BTF, and from its release (`uname -r`) only where
    /// nothing else tells; one of unknown release is taken for new (7.3 or later) there.
    pub fn of(base: &Base, release: Option<&str>) -> Self {
        let version = release.and_then(version);
        let since =
            |major: u32, minor: u32| version.is_none_or(|version| version >= (major, minor, 0));
        let has_func = |name: &[u8]| base.find_func(name).is_some();
        let has_member = |name: &[u8], member: &[u8]| {
            let found = base.find_struct(name)?;
            Some(base.member(found, member).is_some())
        };
        // A function that BPF programs call is in every kernel since it came. That one is
        // missing tells something only of a kernel that shows its functions.
        let shows_functions = has_func(b"btf_parse_vmlinux");
        let came_with = |name: &[u8]| match has_func(name) {
            true => Some(true),
            false => shows_functions.then_some(false),
        };
        let mut guessed = Vec::new();
        let mut or_guess = |told: Option<bool>, rule, by_version: bool| {
            told.unwrap_or_else(|| {
                guessed.push(rule);
                by_version
            })
        };

        let used = base.kinds().iter().copied().chain(base.unwalked_kind());
        let kinds_used = u32::from(used.max().unwrap_or(kind::VOID)) + 1;
        let counted = base.enumerator(b"NR_BTF_KINDS");
        let counted = counted.or_else(|| base.unwalked_enumerator(b"NR_BTF_KINDS"));
        or_guess(counted.map(|_| true), VersionRule::Kinds, true);
        // What such a kernel uses itself, it knows, whatever its version says.
        let kinds = counted.unwrap_or_else(|| kinds_by_version(version).max(kinds_used));
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
        let distilled_base = has_member(b"module", b"btf_base_data") == Some(true);

        let of_6_3 = came_with(b"bpf_cpumask_create");
        let dots = match name_valid {
            Some(prototype) => Some(prototype.wide_vlen() < 3),
            None => (name_valid_identifier || of_6_3 == Some(true)).then_some(true),
        };
        // A kernel that relocates is of 6.11.
        let printable = match name_valid {
            Some(_) => Some(false),
            None => (name_valid_identifier || distilled_base).then_some(true),
        };
        let tags = [kind::TYPE_TAG, kind::DECL_TAG];
        let mut tags = tags.into_iter().flat_map(|kind| base.of_kind(kind));
        let tags = match tags.any(|(_, tag)| tag.kflag()) {
            true => Some(true),
            false => came_with(b"bpf_dynptr_copy"),
        };
        // 5.19 came between TYPE_TAG and ENUM64.
        let chains = match kinds {
            _ if has_func(b"btf_check_type_tags") || wide_info => Some(true),
            19 => None,
            _ if counted.is_none() => None,
            kinds => Some(kinds > 19),
        };
        // Of 6.14, as is the correction.
        let embedded = match distilled_base {
            true => came_with(b"bpf_local_irq_save").filter(|came| *came),
            false => Some(false),
        };
        let module_btf = has_member(b"module", b"btf_data");
        let long_names = ksym_name.map(|length| length > 128);
        let long_names = or_guess(long_names, VersionRule::NameMax, since(6, 1));
        Self {
            kinds,
            module_btf: module_btf.unwrap_or_else(|| since(5, 11)),
            distilled_base,
            layout_header: has_member(b"btf_header", b"layout_off") == Some(true),
            wide_info,
            max_type: base.enumerator(b"BTF_MAX_TYPE").unwrap_or(0x000f_ffff),
            max_name_offset: base
                .enumerator(b"BTF_MAX_NAME_OFFSET")
                .unwrap_or(0x00ff_ffff),
            name_max: ksym_name.map_or(name_max(long_names), |length| length as usize),
            dot_in_identifiers: or_guess(dots, VersionRule::DotInIdentifiers, since(6, 2)),
            printable_sections: or_guess(printable, VersionRule::PrintableSections, since(6, 9)),
            enum_kflag: kinds >= 20,
            tag_kflag: or_guess(tags, VersionRule::TagKflag, since(6, 15)),
            checks_chains: or_guess(chains, VersionRule::ChecksChains, since(5, 19)),
            ordered_type_tags: !wide_info,
            discards_quietly: of_6_3.unwrap_or_else(|| since(6, 3)),
            marks_all_embedded: or_guess(
                embedded,
                VersionRule::MarksAllEmbedded,
                marks_all_embedded(version),
            ),
            log_line_max: match base.find_struct(b"printk_buffers") {
                Some(_) => 1023,
                None => 991,
            },
            guessed,
            kinds_used,
        }
    }

    /// What it could do instead if a guess is wrong.
    pub fn otherwise(&self, rule: VersionRule) -> Vec<Self> {
        let changed = |change: &dyn Fn(&mut Self)| {
            let mut other = self.clone();
            change(&mut other);
            vec![other]
        };
        match rule {
            // No kernel that reads the BTF of modules knows less than DATASEC.
            VersionRule::Kinds => [self.kinds_used.max(16), kind::COUNT]
                .into_iter()
                .filter(|kinds| *kinds != self.kinds)
                .map(|kinds| Self {
                    kinds,
                    enum_kflag: kinds >= 20,
                    ..self.clone()
                })
                .collect(),
            VersionRule::NameMax => changed(&|it| it.name_max = name_max(it.name_max <= 128)),
            VersionRule::DotInIdentifiers => {
                changed(&|it| it.dot_in_identifiers = !it.dot_in_identifiers)
            }
            VersionRule::PrintableSections => {
                changed(&|it| it.printable_sections = !it.printable_sections)
            }
            VersionRule::TagKflag => changed(&|it| it.tag_kflag = !it.tag_kflag),
            VersionRule::ChecksChains => changed(&|it| it.checks_chains = !it.checks_chains),
            VersionRule::MarksAllEmbedded => {
                changed(&|it| it.marks_all_embedded = !it.marks_all_embedded)
            }
        }
    }
}

/// `KSYM_NAME_LEN`, which 6.1 made longer.
fn name_max(long: bool) -> usize {
    match long {
        true => 512,
        false => 128,
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
