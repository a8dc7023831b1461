//! Modules of packages that load on all that they meet: what is the same after the
//! transaction need not be judged again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use btf_guard::verdict::ContentDigest;

/// Modules of which is kept that they load. With more of them there is a kernel,
/// mostly, and then all are judged again at any rate.
const MOST: usize = 256;

/// What decides over each, by the path that it is installed under.
pub(crate) type Loading = BTreeMap<PathBuf, ContentDigest>;

/// Takes them from several threads.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<Loading>);

impl Notes {
    /// Notes a module under all of its paths.
    pub(crate) fn take(&self, paths: &[PathBuf], digest: impl FnOnce() -> ContentDigest) {
        let mut loading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if loading.len() < MOST {
            let digest = digest();
            loading.extend(paths.iter().map(|path| (path.clone(), digest)));
        }
    }

    /// What was noted; of many, some.
    pub(crate) fn all(&self) -> Loading {
        let loading = self.0.lock();
        loading.unwrap_or_else(PoisonError::into_inner).clone()
    }
}
