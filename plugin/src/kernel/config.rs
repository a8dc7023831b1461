//! The parts of a kernel's `.config` that change what it does with BTF.

use std::path::Path;

use super::Error;
use crate::Malformed;

/// What is known of a kernel's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// `CONFIG_MODULE_ALLOW_BTF_MISMATCH`; `None` where no config was found.
    pub allow_mismatch: Option<bool>,
    /// Where the config was found, in words for a report.
    pub source: Option<String>,
}

/// `CONFIG_MODULE_ALLOW_BTF_MISMATCH` in the text of a kernel config; `None`
/// if the text is no kernel config.
pub fn allow_mismatch(text: &str) -> Option<bool> {
    let _ = text;
    None
}

impl Config {
    /// Reads the config at `path`.
    ///
    /// # Errors
    /// [`Error`].
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let _ = path;
        Err(Malformed::new(0_u64, "an implementation").into())
    }

    /// Looks for an image's config.
    pub fn find(
        image: &Path,
        release: Option<&str>,
        module_dir: Option<&Path>,
        embedded: Option<&str>,
    ) -> Self {
        let _ = (image, release, module_dir, embedded);
        Self::default()
    }

    /// The running kernel's config.
    pub fn running() -> Self {
        Self::default()
    }
}
