// SPDX-License-Identifier: GPL-2.0-or-later
//! Modules with hardly any BTF, or with something around it.

use anyhow::{Context, Result};
use btf_guard_tests::btf::{Btf, kind};

use super::genuine::{btf_of, spread};
use super::{Case, Content, Family, Material};

/// Modules among which the one with the shortest BTF is taken.
const LOOKED_AT: usize = 40;

pub(super) fn all(material: &Material) -> Result<Vec<Case>> {
    let mut whole: Option<Vec<u8>> = None;
    for path in spread(&material.kernel.modules, LOOKED_AT) {
        let btf = btf_of(path)?.unwrap_or_default();
        let shorter = whole.as_ref().is_none_or(|whole| btf.len() < whole.len());
        if !btf.is_empty() && shorter {
            whole = Some(btf);
        }
    }
    let whole = whole.context("no module with BTF")?;
    let header = whole.get(..24).context("a BTF without header")?.to_vec();
    let empty = Btf::base();
    let empty = empty.header(24, [0, 0, 0, 0]);
    let with = |extra: &[u8]| [&whole[..], extra].concat();
    let one = {
        let mut b = Btf::continuing(material.base.types(), material.base.strings_len());
        b.structure("one", 8, &[]);
        b
    };
    let mut distilled = Btf::base();
    distilled.int();
    let mut on_distilled = Btf::split(&distilled);
    on_distilled.add(0, kind::PTR, 0, 1, &[]);

    let strings_first = |header: u32| {
        let (types, strings) = (one.types.len() as u32, one.strings.len() as u32);
        let mut out = one.header(header, [strings, types, 0, strings]);
        out.resize(header as usize, 0);
        out.extend_from_slice(&one.strings);
        out.extend_from_slice(&one.types);
        out
    };

    let only: [(&str, Vec<u8>); 17] = [
        ("size-0", Vec::new()),
        ("one-byte", vec![0x9f]),
        ("seven-bytes", header.iter().take(7).copied().collect()),
        ("header-of-a-whole-one", header.clone()),
        ("header-only", empty),
        ("zeros", vec![0; 24]),
        ("one-byte-more", with(&[0])),
        ("four-bytes-more", with(&[0; 4])),
        ("a-page-more", with(&[0; 4096])),
        (
            "one-byte-less",
            whole.iter().take(whole.len() - 1).copied().collect(),
        ),
        ("header-of-32", one.build_with(32, &[0; 8])),
        (
            "header-of-32-not-zero",
            one.build_with(32, &[0, 0, 0, 0, 1, 0, 0, 0]),
        ),
        ("header-of-64", one.build_with(64, &[0; 40])),
        ("strings-first", strings_first(24)),
        ("strings-first-header-of-28", strings_first(28)),
        ("strings-first-header-of-32", strings_first(32)),
        ("big-endian", {
            let (types, strings) = (material.base.types(), material.base.strings_len());
            let mut b = Btf::continuing(types, strings).big_endian();
            b.structure("one", 8, &[]);
            b.build()
        }),
    ];
    let mut cases: Vec<Case> = only
        .into_iter()
        .map(|(label, btf)| Case::carried(Family::Edge, label, btf))
        .collect();
    cases.push(Case {
        family: Family::Edge,
        label: "none".to_owned(),
        content: Content::Carried {
            btf: None,
            base: None,
        },
        twin: false,
    });
    cases.push(Case {
        family: Family::Edge,
        label: "base-alone".to_owned(),
        content: Content::Carried {
            btf: None,
            base: Some(distilled.build()),
        },
        twin: false,
    });
    let bases: [(&str, Vec<u8>); 5] = [
        ("base-whole", distilled.build()),
        ("base-size-0", Vec::new()),
        ("base-header-only", header),
        ("base-no-types", Btf::base().build()),
        (
            "base-cut",
            distilled.build().iter().take(30).copied().collect(),
        ),
    ];
    for (label, base) in bases {
        cases.push(Case::pair(Family::Edge, label, on_distilled.build(), base));
    }
    Ok(cases)
}
