// SPDX-License-Identifier: GPL-2.0-or-later
//! Files that are not installed where their package says.

use std::collections::HashMap;
use std::path::Path;

use btf_guard_protocol::plan::Element;

use crate::rpm::package::PackagedFile;

/// The paths of a package's files that are not installed where it says; `None` for one
/// that is not installed.
pub(super) type Moves<'p> = HashMap<&'p Path, Option<&'p Path>>;

pub(super) fn moves(element: &Element) -> Moves<'_> {
    let moved = element.moved.iter();
    moved
        .map(|file| (file.from.as_path(), file.to.as_deref()))
        .collect()
}

/// The path under which a file is installed, if it is.
pub(super) fn moved<'p>(file: &'p PackagedFile, moves: &Moves<'p>) -> Option<&'p Path> {
    match moves.get(file.path.as_path()) {
        Some(to) => *to,
        None => Some(&file.path),
    }
}
