//! Modules in a report.

use serde::Serialize;

use super::{KernelEntry, VerdictEntry};
use crate::module::{Module, name_of_file};
use crate::policy::Severity;
use crate::verdict::{BuiltFor, Verdict};

/// One module of a report.
#[derive(Debug, Clone, Serialize)]
pub struct ModuleEntry {
    /// The file; inside a package, the path it is installed under; inside an
    /// initrd, the initrd's, `!`, and the path in there.
    pub path: String,
    /// The module's own name; empty where a whole module directory is meant.
    pub name: String,
    /// The package it is in, if it is not on the disk.
    pub package: Option<String>,
    /// The initrd it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initrd: Option<String>,
    /// The release it says it was built for (the first word of its vermagic).
    pub release: Option<String>,
    /// Is it of the kernel's own sources (modinfo `intree`)?
    pub in_tree: bool,
    /// What this machine needs it for, where it was asked: where there is something
    /// to say of it, on this machine's own root.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needed: Vec<String>,
    /// Its BTF.
    pub btf: BtfEntry,
    /// What each kernel that it was held against does with it.
    pub verdicts: Vec<VerdictEntry>,
    /// Does the file tell what machine it is for?
    #[serde(skip)]
    pub names_machine: bool,
}

/// A module's BTF in a report.
#[derive(Debug, Clone, Default, Serialize)]
pub struct BtfEntry {
    /// Is there a `.BTF` that is not empty?
    pub present: bool,
    /// Is there a `.BTF.base`?
    pub distilled: bool,
    /// Bytes of `.BTF`.
    pub bytes: u64,
    /// The base it was built against, as far as that is certain.
    pub built_for: Option<BuiltFor>,
}

impl ModuleEntry {
    /// The entry of a module, without verdicts yet.
    pub fn new(path: String, package: Option<String>, module: &Module) -> Self {
        let bytes = module.btf.as_ref().map_or(0, Vec::len) as u64;
        let vermagic = module.vermagic.as_deref().unwrap_or_default();
        Self {
            path,
            name: module.name.clone(),
            package,
            initrd: None,
            release: vermagic.split_whitespace().next().map(str::to_owned),
            in_tree: module.in_tree,
            needed: Vec::new(),
            btf: BtfEntry {
                present: bytes > 0,
                distilled: module.btf_base.is_some(),
                bytes,
                built_for: None,
            },
            verdicts: Vec::new(),
            names_machine: module.target.is_some(),
        }
    }

    /// The entry of a kernel's module directory that is gone or empty.
    pub fn missing(path: String, kernel: &KernelEntry) -> Self {
        let judgement = Verdict::Missing.into();
        Self {
            path,
            name: String::new(),
            package: None,
            initrd: None,
            release: kernel.release.clone(),
            in_tree: true,
            needed: Vec::new(),
            btf: BtfEntry::default(),
            verdicts: vec![VerdictEntry::new(kernel.id, kernel.moment, judgement)],
            names_machine: true,
        }
    }

    /// The worst that any kernel does with it.
    pub fn severity(&self) -> Severity {
        let severities = self.verdicts.iter().map(|verdict| verdict.severity);
        severities.max().unwrap_or(Severity::None)
    }

    /// Is it a kernel's module directory, not a module?
    pub(super) fn is_directory(&self) -> bool {
        self.name.is_empty()
    }
}
