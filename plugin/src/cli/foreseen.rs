//! What was judged before a transaction and lies on the disk after it as it came.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use btf_guard::module::Reader;
use btf_guard::place::plan::{Action, Plan};
use btf_guard::place::roots::Root;
use btf_guard::place::{Role, open_module};
use btf_guard::verdict::ContentDigest;

/// The modules that were found to load on all kernels that they meet.
pub(crate) struct Foreseen {
    /// By the file, without links in its directory.
    files: BTreeMap<PathBuf, ContentDigest>,
}

impl Foreseen {
    /// Those of a plan. None, where it changes kernels: what loaded on those of
    /// before says nothing then.
    pub(crate) fn of(plan: &Plan, root: &Root) -> Self {
        let mut paths = plan.elements.iter().flat_map(|element| &element.paths);
        if paths.any(|path| !matches!(Role::of(path), Some(Role::Module { .. }) | None)) {
            return Self {
                files: BTreeMap::new(),
            };
        }
        let resolved = plan.loads.iter().filter_map(|(path, digest)| {
            let file = root.resolve(path).ok()?;
            Some((file, *digest))
        });
        Self {
            files: resolved.collect(),
        }
    }

    /// Is this one of them, with the same content as before?
    pub(crate) fn has(&self, file: &Path) -> bool {
        let known = self.files.get(file);
        known.is_some_and(|known| digest(file).as_ref() == Some(known))
    }

    /// Are they all that the transaction can have changed, and did they come so?
    /// Not if scriptlets have run, or if it brings anything else that matters.
    pub(crate) fn is_all(&self, plan: &Plan) -> bool {
        if plan.scriptlets || plan.release.is_some() {
            return false;
        }
        let came = plan.elements.iter().filter(|e| e.action == Action::Install);
        let mut paths = came.flat_map(|element| &element.paths);
        paths.all(|path| Role::of(path).is_none() || plan.loads.contains_key(path))
            && plan.loads.len() == self.files.len()
            && self.files.keys().all(|file| self.has(file))
    }
}

/// The digest of a file as it was judged in a package; `None` where it cannot be
/// read.
fn digest(file: &Path) -> Option<ContentDigest> {
    let mut packed = None;
    let known = |content: &[u8]| {
        packed = Some(ContentDigest::of(content));
        true
    };
    let module = open_module(&mut Reader::new(), file, known).ok()?;
    match module {
        Some(module) => Some(ContentDigest::of_module(&module)),
        None => packed,
    }
}
