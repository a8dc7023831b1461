// SPDX-License-Identifier: GPL-2.0-or-later
//! What of a transaction matters, from the packages' file lists alone.

use std::cell::LazyCell;
use std::collections::TryReserveError;
use std::ffi::{CStr, OsStr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use btf_guard_protocol::plan::{Action, Element, MovedFile, Plan};
use btf_guard_protocol::requested_mode::RequestedMode;
use btf_guard_sysroot::Root;
use btf_guard_sysroot::file_role::{Directory, is_module_name};
use btf_guard_sysroot::module_tree::linked_outside;
use rustix::process::{Resource, getrlimit};

use crate::librpm::{Files, TransactionElement, TransactionSet};
use crate::skipped_paths::SkippedPaths;

/// Bytes of paths in one plan. A kernel package has half a megabyte; a header
/// can make gigabytes of a few long directories and many short names.
const MAX_PATH_BYTES: usize = 32 << 20;

/// Descriptors that stay free, for the judge's pipes and for what the client
/// opens meanwhile.
const SPARE_DESCRIPTORS: u64 = 32;

/// Why a transaction cannot be described.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Undescribable {
    #[error("its packages name more than {} MiB of module paths", MAX_PATH_BYTES >> 20)]
    TooManyPaths,
    #[error("its root directory's name is not UTF-8")]
    Root,
    #[error("its modules cannot be listed: {0}")]
    Memory(#[from] TryReserveError),
}

/// A package that brings or takes modules or kernel images, and their paths.
pub(crate) struct Touched<'t> {
    pub(crate) element: TransactionElement<'t>,
    paths: Paths,
}

#[derive(Default)]
struct Paths {
    /// Where modules and images will be or are, and links in module directories.
    known: Vec<PathBuf>,
    /// There is such a link among them.
    has_links: bool,
    /// Module files elsewhere, which it may lead to.
    elsewhere: Vec<PathBuf>,
    /// What is not installed where its package says.
    moved: Vec<MovedFile>,
}

/// The packages that matter. Where there are none, next to nothing is done:
/// directory names are looked at, nothing is copied.
pub(crate) fn elements<'t>(
    transaction: &'t TransactionSet<'t>,
) -> Result<Vec<Touched<'t>>, Undescribable> {
    let mut budget = MAX_PATH_BYTES;
    let mut touched = Vec::new();
    let skipped = LazyCell::new(|| SkippedPaths::of(transaction));
    // Mostly there is none.
    let root = Root::new(Path::new(OsStr::from_bytes(transaction.root().to_bytes())));
    let linked = root.map_or_else(|_| Vec::new(), |root| linked_outside(&root));
    // What a `..` leads to, the judge finds out.
    let is_linked = |directory: &[u8]| {
        let path = Path::new(OsStr::from_bytes(directory));
        has_parents(directory) || linked.iter().any(|linked| path.starts_with(linked))
    };
    for element in transaction.elements() {
        let Some(files) = element.files() else {
            continue;
        };
        let mut directories = files.directories();
        let may_matter = |directory| {
            let is_linked = |name: &CStr| is_linked(name.to_bytes());
            kind(&files, directory).is_some() || files.directory(directory).is_some_and(is_linked)
        };
        if !directories.any(may_matter) {
            continue;
        }
        let action = element.action();
        let mut paths = paths(&files, action, &skipped, &is_linked, &mut budget)?;
        if !paths.known.is_empty() {
            if paths.has_links {
                paths.known.try_reserve(paths.elsewhere.len())?;
                paths.known.append(&mut paths.elsewhere);
            }
            touched.try_reserve(1)?;
            touched.push(Touched { element, paths });
        }
    }
    Ok(touched)
}

/// What a directory may hold. Where a `..` in it leads to is known only if no link stands
/// before it; the judge looks.
fn kind(files: &Files<'_>, directory: i32) -> Option<Directory> {
    let path = files.directory(directory)?.to_bytes();
    Directory::of(path).or_else(|| match has_parents(path) {
        true => Directory::of(&without_parents(path)),
        false => None,
    })
}

fn has_parents(directory: &[u8]) -> bool {
    let mut parts = directory.split(|byte| *byte == b'/');
    parts.any(|part| part == b"..")
}

fn without_parents(directory: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in directory.split(|byte| *byte == b'/') {
        match part {
            b".." => drop(parts.pop()),
            b"" | b"." => {}
            part => parts.push(part),
        }
    }
    [b"/", parts.join(&b'/').as_slice()].concat()
}

/// The paths of a package's modules and kernel images.
fn paths(
    files: &Files<'_>,
    action: Action,
    skipped: &SkippedPaths,
    is_linked: &dyn Fn(&[u8]) -> bool,
    budget: &mut usize,
) -> Result<Paths, Undescribable> {
    let directories = files.directories();
    let mut kinds: Vec<Option<Directory>> = Vec::new();
    kinds.try_reserve_exact(directories.len())?;
    kinds.extend(directories.map(|directory| kind(files, directory)));
    let mut found = Paths::default();
    for file in files.indices() {
        let index = files.directory_of(file);
        let Some(place) = files.directory(index).zip(files.name(file)) else {
            continue;
        };
        let kind = usize::try_from(index).ok();
        let kind = kind.and_then(|index| kinds.get(index).copied().flatten());
        let (directory, name) = bytes(place);
        let is_module = is_module_name(OsStr::from_bytes(name));
        let is_link = may_link(kind, name) && files.is_link(file);
        let matters = is_link
            || kind.is_some_and(|kind| kind.has_judged(name))
            || is_module && is_linked(directory);
        let may_be_module = matters || is_module;
        match action {
            Action::Erase => {
                if !may_be_module || !files.is_present(file) || skipped.is_shared(directory, name) {
                    continue;
                }
            }
            Action::Install => {
                if files.is_ghost(file) {
                    continue;
                }
                let original = files.original(file).unwrap_or(place);
                let (old_directory, old_name) = bytes(original);
                let is_moved = original != place;
                let is_known = kind.is_some() || Directory::of(old_directory).is_some();
                if !(may_be_module || is_moved && is_known) {
                    continue;
                }
                let is_skipped = skipped.is_shared(directory, name)
                    || skipped.is_excluded(old_directory, old_name);
                if is_moved || is_skipped {
                    let to = match is_skipped {
                        true => None,
                        false => Some(path(place, budget)?),
                    };
                    let from = path(original, budget)?;
                    found.moved.try_reserve(1)?;
                    found.moved.push(MovedFile { from, to });
                }
                if is_skipped || !may_be_module {
                    continue;
                }
            }
        }
        found.has_links |= is_link;
        let paths = match matters {
            true => &mut found.known,
            false => &mut found.elsewhere,
        };
        paths.try_reserve(1)?;
        paths.push(path(place, budget)?);
    }
    Ok(found)
}

/// A link of this name may lead to modules. `build` and `source` are links to sources.
fn may_link(kind: Option<Directory>, name: &[u8]) -> bool {
    match kind {
        None | Some(Directory::Boot) => false,
        Some(Directory::Release) => name != b"build" && name != b"source",
        Some(Directory::Modules) => true,
    }
}

fn bytes<'f>((directory, name): (&'f CStr, &'f CStr)) -> (&'f [u8], &'f [u8]) {
    (directory.to_bytes(), name.to_bytes())
}

fn path(place: (&CStr, &CStr), budget: &mut usize) -> Result<PathBuf, Undescribable> {
    let (directory, name) = bytes(place);
    let length = directory.len() + name.len();
    *budget = budget
        .checked_sub(length)
        .ok_or(Undescribable::TooManyPaths)?;
    let mut path = Vec::new();
    path.try_reserve_exact(length)?;
    path.extend_from_slice(directory);
    path.extend_from_slice(name);
    Ok(utf8(path)?)
}

/// JSON holds text only. A name that is none gets replacement characters: the
/// judge does not find it, and every other path is still judged.
fn utf8(path: Vec<u8>) -> Result<PathBuf, TryReserveError> {
    let path = String::from_utf8(path).or_else(|error| {
        let mut text = String::new();
        text.try_reserve_exact(error.as_bytes().len() * char::REPLACEMENT_CHARACTER.len_utf8())?;
        for chunk in error.as_bytes().utf8_chunks() {
            text.push_str(chunk.valid());
            if !chunk.invalid().is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Ok::<_, TryReserveError>(text)
    })?;
    Ok(PathBuf::from(path))
}

/// The plan for the judge, and the packages' descriptors that it names.
///
/// A package that cannot be opened has none; the judge says what that means.
pub(crate) fn plan(
    transaction: &TransactionSet<'_>,
    wish: &RequestedMode,
    touched: Vec<Touched<'_>>,
) -> Result<(Plan, Vec<OwnedFd>), Undescribable> {
    let root = transaction
        .root()
        .to_str()
        .map_err(|_| Undescribable::Root)?;
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let ceiling = RawFd::try_from(limit.saturating_sub(SPARE_DESCRIPTORS)).unwrap_or(RawFd::MAX);

    let mut packages = Vec::new();
    let mut elements = Vec::new();
    elements.try_reserve_exact(touched.len())?;
    for Touched { element, paths } in touched {
        let action = element.action();
        let package = match action {
            Action::Install => element.open_package().ok().flatten(),
            Action::Erase => None,
        };
        let package = package.filter(|package| package.as_raw_fd() < ceiling);
        elements.push(Element {
            nevra: element.nevra().into_owned(),
            action,
            file: package.as_ref().map(AsRawFd::as_raw_fd),
            paths: paths.known,
            moved: paths.moved,
        });
        packages.try_reserve(1)?;
        packages.extend(package);
    }
    let plan = Plan {
        test: transaction.is_test(),
        mode: wish.mode,
        mode_source: wish.source,
        elements,
        ..Plan::new(PathBuf::from(root))
    };
    Ok((plan, packages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_up_leads_somewhere() {
        for (path, expected) in [
            ("/opt/../boot/", "/boot"),
            ("/../boot/./", "/boot"),
            ("/lib//modules/../modules/6.1/", "/lib/modules/6.1"),
            ("/..", "/"),
        ] {
            assert!(has_parents(path.as_bytes()));
            assert_eq!(without_parents(path.as_bytes()), expected.as_bytes());
        }
        assert!(!has_parents(b"/boot/..a/"));
    }

    #[test]
    fn a_path_that_is_not_utf8_is_still_a_path() {
        assert_eq!(utf8(b"/lib/m.ko".to_vec()).unwrap(), Path::new("/lib/m.ko"));
        let replaced = utf8(b"/lib/\xff.ko".to_vec()).unwrap();
        assert_eq!(replaced, Path::new("/lib/\u{fffd}.ko"));
    }
}
