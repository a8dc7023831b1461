//! The parts of a kernel's `.config` that change what it does with BTF.

/// What is known of a kernel's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// `CONFIG_MODULE_ALLOW_BTF_MISMATCH`; `None` where no config was found.
    pub allow_mismatch: Option<bool>,
    /// Where the config was found, in words for a report.
    pub source: Option<String>,
}
