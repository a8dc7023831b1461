//! Modules of which there is nothing to say, known by their bytes.
//!
//! Unpacking a compressed module takes some twenty times as long as judging it,
//! and what was judged before a transaction lies on the disk after it. So the
//! digests of modules that load on all that they meet are kept.
//!
//! A verdict depends on more than the module: on the kernels that it meets, and
//! on every other base of the run. All of that is in the [`Setting`], whose
//! digest names the set, and in each entry.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Causes;
use crate::kernel::Kernel;
use crate::kernel::cache::{Cache, KNOWN};
use crate::module::Module;

/// Changes with every rule that a verdict follows: what older versions found is
/// not believed.
const VERSION: &str = concat!("1 ", env!("CARGO_PKG_VERSION"));

/// The most modules of one set. A kernel has some 7,000.
const MOST: usize = 1 << 16;

const ENTRY: usize = 32;

type Entry = [u8; ENTRY];

/// SHA-256 of what decides over a module: of a compressed file as it lies, or of
/// what was read of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentDigest(#[serde(with = "hex")] Entry);

impl ContentDigest {
    /// The digest of a file with these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of all that was read of a module.
    pub fn of_module(module: &Module) -> Self {
        // Whoever adds a field decides here.
        let Module {
            name,
            vermagic,
            in_tree,
            target,
            btf,
            btf_base,
        } = module;
        let length = |section: &Option<Vec<u8>>| section.as_ref().map(Vec::len);
        let sections = (length(btf), length(btf_base));
        let words = format!("{:?}", (name, vermagic, in_tree, target, sections));
        let mut digest = Sha256::new_with_prefix(words);
        for section in [btf, btf_base].into_iter().flatten() {
            digest.update(section);
        }
        Self(digest.finalize().into())
    }
}

/// The kernels of a run, in their order, by all that decides over a verdict.
#[derive(Debug)]
struct Setting {
    /// One for each kernel.
    kernels: Vec<Entry>,
    name: String,
}

impl Setting {
    fn of<'k>(kernels: impl IntoIterator<Item = &'k Kernel>, causes: &Causes) -> Self {
        let kernels = kernels.into_iter();
        let kernels = kernels.map(|kernel| Sha256::digest(kernel.identity()).into());
        let kernels: Vec<Entry> = kernels.collect();
        // The same kernel a second time changes nothing.
        let mut each: Vec<&Entry> = Vec::new();
        for kernel in &kernels {
            if !each.contains(&kernel) {
                each.push(kernel);
            }
        }
        let all = Sha256::digest(format!("{VERSION} {causes:?} {each:?}"));
        let name = hex::encode(all);
        Self { kernels, name }
    }
}

/// The set of one run.
#[derive(Debug)]
pub struct Known {
    cache: Cache,
    setting: Setting,
    before: BTreeSet<Entry>,
    new: Mutex<BTreeSet<Entry>>,
}

impl Known {
    /// What the cache has for these kernels, which are all of the run, by their
    /// ids. A file that is damaged counts as none.
    pub fn open<'k>(
        cache: &Cache,
        kernels: impl IntoIterator<Item = &'k Kernel>,
        causes: &Causes,
    ) -> Self {
        let setting = Setting::of(kernels, causes);
        let bytes = cache.kept(&setting.name, KNOWN, (MOST * ENTRY) as u64);
        let bytes = bytes.unwrap_or_default();
        let (entries, rest) = bytes.as_chunks::<ENTRY>();
        let sound = rest.is_empty().then(|| entries.iter().copied().collect());
        Self {
            cache: cache.clone(),
            setting,
            before: sound.unwrap_or_default(),
            new: Mutex::default(),
        }
    }

    /// Does it load on all of these kernels, as was found before?
    pub fn contains(&self, module: ContentDigest, kernels: &[usize]) -> bool {
        let entry = self.entry(module, kernels);
        entry.is_some_and(|entry| self.before.contains(&entry))
    }

    /// It loads on all of these kernels.
    pub fn add(&self, module: ContentDigest, kernels: &[usize]) {
        if let Some(entry) = self.entry(module, kernels) {
            let mut new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
            new.insert(entry);
        }
    }

    /// Keeps what is new. Where that fails, it is found again next time.
    pub fn save(&self) {
        let new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
        if new.is_subset(&self.before) {
            return;
        }
        let all = new.union(&self.before).take(MOST);
        let bytes: Vec<u8> = all.flatten().copied().collect();
        if let Err(error) = self.cache.keep(&self.setting.name, KNOWN, &bytes) {
            log::info!("{}: {error}; nothing is kept", self.cache.dir().display());
        }
    }

    fn entry(&self, module: ContentDigest, kernels: &[usize]) -> Option<Entry> {
        let met = kernels.iter().map(|id| self.setting.kernels.get(*id));
        let met: BTreeSet<&Entry> = met.collect::<Option<_>>()?;
        let mut digest = Sha256::new_with_prefix(module.0);
        for kernel in met {
            digest.update(kernel);
        }
        Some(digest.finalize().into())
    }
}

#[cfg(test)]
mod tests;
