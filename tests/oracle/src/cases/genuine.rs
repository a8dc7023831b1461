// SPDX-License-Identifier: GPL-2.0-or-later
//! Modules of distributions.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use btf_guard_core::module;

use super::{Case, Content, Family, Material};
use crate::packed;

/// Longer BTF only costs time: what it could show, the others show.
const LONGEST: usize = 600_000;

/// A part of `all` of at most `count`, from its whole length.
pub(super) fn spread<T>(all: &[T], count: usize) -> impl Iterator<Item = &T> {
    let take = count.min(all.len());
    (0..take).filter_map(move |index| all.get(index * all.len() / take))
}

fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}

pub(super) fn btf_of(path: &Path) -> Result<Option<Vec<u8>>> {
    let module = module::open(path).with_context(|| path.display().to_string())?;
    Ok(module.btf.filter(|btf| btf.len() <= LONGEST))
}

fn carried(
    family: Family,
    from: &str,
    modules: &[PathBuf],
    count: usize,
    cases: &mut Vec<Case>,
) -> Result<()> {
    for path in spread(modules, count) {
        if let Some(btf) = btf_of(path)? {
            let label = format!("{from}-{}", stem(path));
            cases.push(Case::carried(family, label, btf));
        }
    }
    Ok(())
}

pub(super) fn own(material: &Material, count: usize) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let kernel = material.kernel;
    carried(
        Family::Own,
        &kernel.release,
        &kernel.modules,
        count,
        &mut cases,
    )?;
    Ok(cases)
}

/// Half of the nearest relative, the rest of the next three.
pub(super) fn foreign(material: &Material, count: usize) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let shares = [count / 2, count / 4, count / 8, count / 8];
    for (other, share) in material.others.iter().zip(shares) {
        let (from, modules) = (&other.release, &other.modules);
        carried(Family::Foreign, from, modules, share, &mut cases)?;
    }
    Ok(cases)
}

/// Modules that need no other, as files; of the drivers only those that look
/// for nothing to drive.
fn as_is(modules: &[PathBuf]) -> Vec<&PathBuf> {
    let quiet = [
        "/lib/",
        "/crypto/",
        "/net/netfilter/",
        "/net/sched/",
        "/fs/nls/",
        "/net/ipv4/",
    ];
    modules
        .iter()
        .filter(|path| {
            let path = path.to_string_lossy();
            // Tests and benches work for minutes; the template is loaded all the time.
            quiet.iter().any(|dir| path.contains(dir))
                && !["test", "bench", "tcrypt", "ts_"]
                    .iter()
                    .any(|word| path.contains(word))
        })
        .collect()
}

/// What ends a signed module (`MODULE_SIG_STRING` of linux/module_signature.h).
const SIGNED: &[u8] = b"~Module signature appended~\n";

/// The value of `key` in a module's `.modinfo`, found in the whole file.
fn modinfo<'a>(elf: &'a [u8], key: &str) -> Option<(usize, &'a [u8])> {
    let needle = [b"\0", key.as_bytes(), b"="].concat();
    let at = elf
        .windows(needle.len())
        .position(|window| window == needle)?
        + needle.len();
    let value = elf.get(at..)?;
    let end = value.iter().position(|&byte| byte == 0)?;
    Some((at, value.get(..end)?))
}

pub(super) fn own_as_is(material: &Material, count: usize) -> Result<Vec<Case>> {
    files(Family::OwnAsIs, material, &material.kernel.modules, count)
}

pub(super) fn foreign_as_is(material: &Material, count: usize) -> Result<Vec<Case>> {
    let other = material
        .others
        .first()
        .context("there is only one kernel")?;
    files(Family::ForeignAsIs, material, &other.modules, count)
}

fn files(
    family: Family,
    material: &Material,
    modules: &[PathBuf],
    count: usize,
) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for path in as_is(modules) {
        if cases.len() >= count {
            break;
        }
        let mut elf = packed::read(path)?;
        if modinfo(&elf, "depends").is_some_and(|(_, needed)| !needed.is_empty()) {
            continue;
        }
        if family == Family::ForeignAsIs && material.compares_release {
            let Some((at, vermagic)) = modinfo(&elf, "vermagic") else {
                continue;
            };
            let release = vermagic
                .split(|&byte| byte == b' ')
                .next()
                .unwrap_or_default();
            let wanted = material.kernel.release.as_bytes();
            if release.len() != wanted.len() {
                continue;
            }
            if let Some(place) = elf.get_mut(at..at + wanted.len()) {
                place.copy_from_slice(wanted);
            }
            // A signature that does not fit is worse than none.
            if elf.ends_with(SIGNED) {
                elf.truncate(elf.len() - SIGNED.len());
            }
        }
        let Some(btf) = btf_of(path)? else { continue };
        cases.push(Case {
            family,
            label: stem(path),
            content: Content::AsIs(elf),
            twin: false,
        });
        cases.push(Case {
            twin: true,
            ..Case::carried(family, format!("{}-carried", stem(path)), btf)
        });
    }
    Ok(cases)
}
