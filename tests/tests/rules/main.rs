// SPDX-License-Identifier: GPL-2.0-or-later
//! A case for every rule of `btf_parse_module()` that can fail, and for the
//! neighbours that must pass, on a small base with the traces of each era.
//!
//! Errno and last message are those of real kernels (6.1.192, 6.12.117,
//! 6.16.12, 6.18.15, 7.1.13, 7.3.4) on the same defect.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod chains;
mod container;
mod every_kind;
mod kinds;
mod vmlinux;

use btf_guard_btf::features::Features;
use btf_guard_btf::{Base, LogFormat, verify_module};
use btf_guard_tests::btf::{Btf, Era, kind};

/// A BTF on the base of one era.
struct Given {
    split: Vec<u8>,
    distilled: Option<Vec<u8>>,
}

impl From<Vec<u8>> for Given {
    fn from(split: Vec<u8>) -> Self {
        Self {
            split,
            distilled: None,
        }
    }
}

impl From<Btf> for Given {
    fn from(split: Btf) -> Self {
        split.build().into()
    }
}

const OK: (i32, &str) = (0, "");

/// What the kernel of `era` says, as `errno` and the log joined by `|`.
fn verdict(era: Era, given: &Given) -> (i32, String) {
    let base = Base::parse(era.base().build()).unwrap();
    let abilities = Features::of(&base, Some(era.release()));
    match verify_module(&given.split, given.distilled.as_deref(), &base, &abilities) {
        Ok(()) => (0, String::new()),
        Err(refusal) => {
            let bug = refusal.kernel_bug();
            let bug = bug.map(|bug| format!("KERNEL BUG: {bug}"));
            let log = refusal.log(LogFormat::new(&abilities, false));
            let log: Vec<String> = log.into_iter().chain(bug).collect();
            (-refusal.errno(), log.join("|"))
        }
    }
}

/// Runs one case: `expected` lists, oldest first, the era from which on an
/// outcome holds. `{N}` stands for the first id of the split BTF, `{N+1}` for its
/// second, `{S+4}` for the offset four bytes behind the base's strings.
fn case<G: Into<Given>>(
    name: &str,
    make: impl Fn(&mut Btf, Era) -> G,
    expected: &[(Era, (i32, &str))],
) {
    assert_eq!(expected[0].0, Era::V6_1, "{name}: what about 6.1?");
    for era in Era::ALL {
        let base = era.base();
        let given = make(&mut Btf::split(&base), era).into();
        let (_, (errno, log)) = expected.iter().rfind(|(since, _)| *since <= era).unwrap();
        let log = log
            .replace("{N}", &base.next_id().to_string())
            .replace("{N+1}", &(base.next_id() + 1).to_string())
            .replace("{S+4}", &(base.next_string() + 4).to_string());
        assert_eq!(verdict(era, &given), (*errno, log), "{name} on {era:?}");
    }
}

/// A case whose outcome is the same everywhere.
fn everywhere<G: Into<Given>>(
    name: &str,
    make: impl Fn(&mut Btf, Era) -> G,
    expected: (i32, &str),
) {
    case(name, make, &[(Era::V6_1, expected)]);
}

/// One type with a name of its own.
fn one(b: &mut Btf, name: impl AsRef<[u8]>, kind: u32, vlen: u32, size: u32, rest: &[u32]) -> Btf {
    b.named(name, kind, vlen, size, rest);
    b.clone()
}

/// One nameless type.
fn anon(b: &mut Btf, kind: u32, vlen: u32, size: u32, rest: &[u32]) -> Btf {
    b.add(0, kind, vlen, size, rest);
    b.clone()
}

fn named_struct(name: &[u8]) -> impl Fn(&mut Btf, Era) -> Btf + '_ {
    move |b, _| one(b, name, kind::STRUCT, 0, 8, &[])
}
