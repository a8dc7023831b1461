//! What of a transaction matters, from the packages' file lists alone.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use btf_guard::place::paths::{self, Place};
use btf_guard::place::plan::{Action, Element as Entry, Plan, text_path};
use btf_guard::wish::Wish;
use rustix::process::{Resource, getrlimit};

use crate::librpm::{Direction, Element, Files, Transaction};

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
}

/// A package that brings or takes modules or kernel images, and their paths.
pub(crate) struct Touched<'t> {
    element: Element<'t>,
    paths: Vec<PathBuf>,
}

impl Touched<'_> {
    /// The package's name, epoch, version, release, architecture.
    pub(crate) fn nevra(&self) -> Cow<'_, str> {
        self.element.nevra()
    }
}

/// The packages that matter. Where there are none, next to nothing is done:
/// directory names are looked at, nothing is copied.
pub(crate) fn touched<'t>(
    transaction: &'t Transaction<'t>,
) -> Result<Vec<Touched<'t>>, Undescribable> {
    let mut budget = MAX_PATH_BYTES;
    let mut touched = Vec::new();
    for element in transaction.elements() {
        let Some(files) = element.files() else {
            continue;
        };
        if !files
            .directories()
            .any(|directory| place(&files, directory).is_some())
        {
            continue;
        }
        let paths = collect(&files, element.direction(), &mut budget)?;
        if !paths.is_empty() {
            touched.push(Touched { element, paths });
        }
    }
    Ok(touched)
}

fn place(files: &Files<'_>, directory: i32) -> Option<Place> {
    paths::place(files.directory(directory)?.to_bytes())
}

fn collect(
    files: &Files<'_>,
    direction: Direction,
    budget: &mut usize,
) -> Result<Vec<PathBuf>, Undescribable> {
    let places: Vec<Option<Place>> = files
        .directories()
        .map(|directory| place(files, directory))
        .collect();
    let mut found = Vec::new();
    for file in files.indices() {
        let index = files.directory_of(file);
        let place = usize::try_from(index)
            .ok()
            .and_then(|index| places.get(index));
        let (Some(&Some(place)), Some(name)) = (place, files.name(file)) else {
            continue;
        };
        let changes = match direction {
            Direction::Comes => !files.is_ghost(file),
            Direction::Goes => files.is_present(file),
        };
        if !changes || !paths::matters(place, name.to_bytes()) {
            continue;
        }
        let Some(directory) = files.directory(index) else {
            continue;
        };
        let path = [directory.to_bytes(), name.to_bytes()].concat();
        *budget = budget
            .checked_sub(path.len())
            .ok_or(Undescribable::TooManyPaths)?;
        found.push(text_path(Path::new(OsStr::from_bytes(&path))));
    }
    Ok(found)
}

/// The plan for the judge, and the packages' descriptors that it names.
///
/// A package that cannot be opened has none; the judge says what that means.
pub(crate) fn plan(
    transaction: &Transaction<'_>,
    wish: &Wish,
    touched: Vec<Touched<'_>>,
) -> Result<(Plan, Vec<OwnedFd>), Undescribable> {
    let root = transaction
        .root()
        .to_str()
        .map_err(|_| Undescribable::Root)?;
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let ceiling = RawFd::try_from(limit.saturating_sub(SPARE_DESCRIPTORS)).unwrap_or(RawFd::MAX);

    let mut packages = Vec::new();
    let mut elements = Vec::with_capacity(touched.len());
    for Touched { element, paths } in touched {
        let package = match element.direction() {
            Direction::Comes => element.open_package().ok().flatten(),
            Direction::Goes => None,
        };
        let package = package.filter(|package| package.as_raw_fd() < ceiling);
        elements.push(Entry {
            nevra: element.nevra().into_owned(),
            action: match element.direction() {
                Direction::Comes => Action::Install,
                Direction::Goes => Action::Erase,
            },
            file: package.as_ref().map(AsRawFd::as_raw_fd),
            paths,
        });
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
