// SPDX-License-Identifier: GPL-2.0-or-later
//! Where the answers differ by design, and why: nowhere else may they.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::answers::{Answer, Callers, Told};

/// `status` keeps what is at warn or above. What is no more than worth knowing would stand
/// for ever.
pub(crate) fn told_by_status(check: &Answer) -> BTreeSet<Told> {
    let told = check.told.iter().filter(|told| told.is_at_warn());
    told.cloned().collect()
}

/// A hook of one release tells of that release alone.
pub(crate) fn told_afterwards(check: &Answer, release: Option<&str>) -> BTreeSet<Told> {
    let is_asked = |told: &&Told| release.is_none_or(|release| told.release == release);
    check.told.iter().filter(is_asked).cloned().collect()
}

/// What has happened is not blocked any more.
pub(crate) fn decision_afterwards(told: &BTreeSet<Told>) -> String {
    match told.iter().any(Told::is_at_warn) {
        true => "warn".to_owned(),
        false => "allow".to_owned(),
    }
}

/// What cannot be read is said by all. A hook of one release leaves out what is wrong with
/// files that lead to kernels: of which release those would be, nothing tells. Where the
/// release has no kernel that can be read, none of its modules is judged.
pub(crate) fn errors_afterwards(
    check: &Answer,
    list: &Answer,
    release: Option<&str>,
) -> BTreeSet<(String, String)> {
    let kernels = check.json["kernels"].as_array().into_iter().flatten();
    let read = kernels.filter(|kernel| !kernel["build"].is_null());
    let mut releases = read.map(|kernel| kernel["release"].as_str());
    let has_kernel = releases.any(|known| known == release);
    let is_asked = |error: &&(String, String)| {
        release.is_none() || has_kernel && !list.errors.contains(*error)
    };
    check.errors.iter().filter(is_asked).cloned().collect()
}

/// Kernels that are named are those in the module directory and in `/boot` whose names
/// tell their release. They are judged as what they are, without the part that they play,
/// and no more is said of them than of their modules.
pub(crate) fn of_named_kernels(check: &Answer, named: &Answer) -> (BTreeSet<Told>, BTreeSet<Told>) {
    let plain = |told: &Told| Told {
        // By its base: the same kernel is shown under the first of its images, and the
        // first is another one where others were looked at.
        image: String::new(),
        severity: String::new(),
        ..told.clone()
    };
    let kernels = kernels_of(named);
    let of_them = |answer: &Answer| {
        let verdicts = answer.verdicts.iter();
        let verdicts = verdicts.filter(|told| !told.name.is_empty() && told.initrd.is_empty());
        let verdicts = verdicts.filter(|told| kernels.contains(&kernel_of(told)));
        verdicts.map(plain).collect::<BTreeSet<Told>>()
    };
    (of_them(check), of_them(named))
}

/// A release and a base: what is one kernel, whatever images it is in.
type ReleaseAndBase<'a> = (&'a str, &'a str);

fn kernels_of(answer: &Answer) -> BTreeSet<ReleaseAndBase<'_>> {
    let kernels = answer.json["kernels"].as_array().into_iter().flatten();
    let both = kernels.filter_map(|kernel| {
        let base = &kernel["base"]["sha256"];
        Some((kernel["release"].as_str()?, base.as_str()?))
    });
    both.collect()
}

fn kernel_of(told: &Told) -> ReleaseAndBase<'_> {
    (&told.release, &told.base)
}

/// A package that is installed once more brings modules and an image: copies are taken to
/// follow it, so that nothing is said of them. What is as bad as before is known, and no
/// more than worth knowing.
pub(crate) fn of_own_package(check: &Answer, before: &Answer) -> (BTreeSet<Told>, BTreeSet<Told>) {
    let plain = |told: &Told| Told {
        image: String::new(),
        severity: String::new(),
        ..told.clone()
    };
    let kernels = kernels_of(before);
    let is_module = |told: &&Told| !told.name.is_empty() && told.initrd.is_empty();
    let expected = check.told.iter().filter(is_module);
    let expected = expected.filter(|told| kernels.contains(&kernel_of(told)));
    let found = before.told.iter().filter(is_module);
    (expected.map(plain).collect(), found.map(plain).collect())
}

/// What blocks a package that is installed once more: the copies of its image are taken to
/// be made anew, and what boots by default is a copy of another build, which takes modules
/// that the package's own image refuses.
pub(crate) fn blocks_again(check: &Answer, before: &Answer) -> bool {
    let kernels = check.json["kernels"].as_array().into_iter().flatten();
    let defaults = kernels.filter(|kernel| kernel["role"] == "default");
    let defaults: BTreeSet<&str> = defaults
        .filter_map(|kernel| kernel["base"]["sha256"].as_str())
        .collect();
    let is_loaded = |path: &str| {
        let mut verdicts = check.verdicts.iter();
        verdicts.any(|known| {
            let is_default = defaults.contains(known.base.as_str());
            known.path == path && is_default && known.kind.starts_with("loads")
        })
    };
    let mut blocking = before.told.iter().filter(|told| told.severity == "block");
    blocking.any(|told| is_loaded(&told.path))
}

/// What was told before and is told again, as if it were new.
pub(crate) fn told_again(before: &Answer, after: &Answer) -> BTreeSet<Told> {
    let about = |told: &Told| (told.path.clone(), told.base.clone(), told.kind.clone());
    let known: BTreeSet<_> = before.told.iter().map(about).collect();
    let again = after.told.iter().filter(|told| told.is_at_warn());
    let again = again.filter(|told| known.contains(&about(told)));
    again.cloned().collect()
}

/// The list of kernels has as errors what `check` tells as findings: images that cannot
/// boot. What `check` cannot read of modules is none of its business.
pub(crate) fn broken_images(check: &Answer, list: &Answer) -> (BTreeSet<String>, BTreeSet<String>) {
    let unbootable = check.told.iter().filter(|told| told.kind == "unbootable");
    let unbootable: BTreeSet<String> = unbootable.map(|told| told.path.clone()).collect();
    let path = |(path, _): &(String, String)| path.replacen("/usr/lib/", "/lib/", 1);
    let unread: BTreeSet<String> = check.errors.iter().map(path).collect();
    let listed: BTreeSet<String> = list.errors.iter().map(path).collect();
    let expected = unbootable.union(&unread).cloned();
    let is_boot = |path: &String| listed.contains(path) || unbootable.contains(path);
    (expected.filter(is_boot).collect(), listed)
}

/// What `check` says of the kernel in an image.
pub(crate) fn kernel_with<'a>(
    check: &'a Answer,
    callers: &Callers<'_>,
    image: &str,
) -> Option<&'a Value> {
    let mut kernels = check.json["kernels"].as_array()?.iter();
    kernels.find(|kernel| images(kernel).any(|path| callers.inside(path) == image))
}

/// The kernels of a list that are one kernel to `check`.
pub(crate) fn listed_as<'a>(
    list: &'a [Value],
    callers: &Callers<'_>,
    entry: &Value,
) -> Vec<&'a Value> {
    let all: BTreeSet<String> = images(entry).map(|path| callers.inside(path)).collect();
    let listed = list.iter().filter(|kernel| kernel["role"] != "foreign");
    listed
        .filter(|kernel| all.contains(&callers.inside(&kernel["source"])))
        .collect()
}

fn images(kernel: &Value) -> impl Iterator<Item = &Value> {
    let others = kernel["same_kernel_paths"].as_array().into_iter().flatten();
    [&kernel["source"]].into_iter().chain(others)
}

/// A stale copy is told as one, or by the modules that it does not load.
pub(crate) fn is_told_stale(check: &Answer, entry: &Value) -> bool {
    !entry["stale"].is_null() && {
        let id = &entry["id"];
        let modules = check.json["modules"].as_array().into_iter().flatten();
        let verdicts =
            modules.flat_map(|module| module["verdicts"].as_array().into_iter().flatten());
        let mut of_it = verdicts.filter(|verdict| verdict["kernel"] == *id);
        of_it.any(|verdict| verdict["severity"] != "none")
    }
}
