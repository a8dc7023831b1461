// SPDX-License-Identifier: GPL-2.0-or-later
//! What of a transaction matters, from the packages' file lists alone.

use std::collections::TryReserveError;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;

use btf_guard_protocol::plan::{Action, Element, Plan};
use btf_guard_protocol::requested_mode::RequestedMode;
use btf_guard_sysroot::file_role::Directory;
use rustix::process::{Resource, getrlimit};

use crate::librpm::{Files, TransactionElement, TransactionSet};

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
    paths: Vec<PathBuf>,
}

/// The packages that matter. Where there are none, next to nothing is done:
/// directory names are looked at, nothing is copied.
pub(crate) fn elements<'t>(
    transaction: &'t TransactionSet<'t>,
) -> Result<Vec<Touched<'t>>, Undescribable> {
    let mut budget = MAX_PATH_BYTES;
    let mut touched = Vec::new();
    for element in transaction.elements() {
        let Some(files) = element.files() else {
            continue;
        };
        let mut directories = files.directories();
        if !directories.any(|directory| kind(&files, directory).is_some()) {
            continue;
        }
        let paths = paths(&files, element.action(), &mut budget)?;
        if !paths.is_empty() {
            touched.try_reserve(1)?;
            touched.push(Touched { element, paths });
        }
    }
    Ok(touched)
}

fn kind(files: &Files<'_>, directory: i32) -> Option<Directory> {
    Directory::of(files.directory(directory)?.to_bytes())
}

/// The paths of a package's modules and kernel images.
fn paths(
    files: &Files<'_>,
    action: Action,
    budget: &mut usize,
) -> Result<Vec<PathBuf>, Undescribable> {
    let directories = files.directories();
    let mut kinds: Vec<Option<Directory>> = Vec::new();
    kinds.try_reserve_exact(directories.len())?;
    kinds.extend(directories.map(|directory| kind(files, directory)));
    let mut found = Vec::new();
    for file in files.indices() {
        let index = files.directory_of(file);
        let kind = usize::try_from(index)
            .ok()
            .and_then(|index| kinds.get(index));
        let (Some(&Some(kind)), Some(name)) = (kind, files.name(file)) else {
            continue;
        };
        let changes = match action {
            Action::Install => !files.is_ghost(file),
            Action::Erase => files.is_present(file),
        };
        if !changes || !kind.has_judged(name.to_bytes()) {
            continue;
        }
        let Some(directory) = files.directory(index) else {
            continue;
        };
        let (directory, name) = (directory.to_bytes(), name.to_bytes());
        let length = directory.len() + name.len();
        *budget = budget
            .checked_sub(length)
            .ok_or(Undescribable::TooManyPaths)?;
        let mut path = Vec::new();
        path.try_reserve_exact(length)?;
        path.extend_from_slice(directory);
        path.extend_from_slice(name);
        found.try_reserve(1)?;
        found.push(utf8(path)?);
    }
    Ok(found)
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
            paths,
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
    use std::path::Path;

    use super::*;

    #[test]
    fn a_path_that_is_not_utf8_is_still_a_path() {
        assert_eq!(utf8(b"/lib/m.ko".to_vec()).unwrap(), Path::new("/lib/m.ko"));
        let replaced = utf8(b"/lib/\xff.ko".to_vec()).unwrap();
        assert_eq!(replaced, Path::new("/lib/\u{fffd}.ko"));
    }
}
