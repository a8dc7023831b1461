//! One kernel in a report.

use serde::Serialize;

use crate::kernel::{Kernel, Moment, Source};
use crate::place::boot::ModulesRoot;
use crate::place::inventory::Stale;

/// One kernel of a report.
#[derive(Debug, Clone, Serialize)]
pub struct KernelEntry {
    /// Its place in [`Report::kernels`].
    pub id: usize,
    /// `uname -r`.
    pub release: Option<String>,
    /// `uname -v`.
    pub build: Option<String>,
    /// When it matters.
    pub moment: Moment,
    /// `running`, or the path of its image.
    pub source: String,
    /// It is what boots when nobody chooses.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub default: bool,
    /// It is an old copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale: Option<StaleEntry>,
    /// The root whose modules it uses.
    #[serde(skip)]
    pub home: ModulesRoot,
    /// Other images that hold the same kernel.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// The package that its image is in, if it is not on the disk.
    pub package: Option<String>,
    /// Its base BTF; `null` where none was found.
    pub base: Option<BaseEntry>,
    /// What it can do.
    pub abilities: AbilitiesEntry,
    /// Where its config was found, in words.
    pub config: Option<String>,
    /// How many modules were held against it.
    pub judged: usize,
    /// Does its image tell what machine it is for?
    #[serde(skip)]
    pub names_machine: bool,
}

/// A base BTF in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BaseEntry {
    /// How many types; `void` is not counted, as in bpftool.
    pub types: u32,
    /// Bytes of its string section.
    pub strings: u32,
    /// SHA-256 of all of it.
    pub sha256: String,
}

/// What makes a kernel a stale copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StaleEntry {
    /// The image that it should be a copy of.
    pub than: String,
    /// `uname -v` of that image.
    pub build: Option<String>,
    /// The command that makes the copy anew.
    pub mend: String,
}

impl From<&Stale> for StaleEntry {
    fn from(stale: &Stale) -> Self {
        Self {
            than: stale.than.display().to_string(),
            build: stale.build.clone(),
            mend: stale.mend.clone(),
        }
    }
}

/// What a kernel can do, as far as a report tells it.
#[derive(Debug, Clone, Serialize)]
pub struct AbilitiesEntry {
    /// Number of BTF kinds it knows.
    pub kinds: u32,
    /// It relocates `.BTF.base`.
    pub distilled_base: bool,
    /// It reads the BTF of modules, and has a base for it.
    pub module_btf: bool,
    /// `CONFIG_MODULE_ALLOW_BTF_MISMATCH`; `null` if no config was found.
    pub allow_mismatch: Option<bool>,
}

impl KernelEntry {
    /// The entry of a kernel; where it was found is the kernel's own source.
    pub fn new(id: usize, kernel: &Kernel) -> Self {
        Self {
            id,
            release: kernel.release.clone(),
            build: kernel.build.clone(),
            moment: kernel.moment,
            source: match &kernel.source {
                Source::Running => "running".to_owned(),
                Source::File(path) => path.display().to_string(),
            },
            default: false,
            stale: None,
            home: ModulesRoot::Root,
            also: Vec::new(),
            package: None,
            base: (!kernel.base.is_none()).then(|| BaseEntry {
                types: kernel.base.types().saturating_sub(1),
                strings: kernel.base.strings_len(),
                sha256: kernel.sha256(),
            }),
            abilities: AbilitiesEntry {
                kinds: kernel.abilities.kinds,
                distilled_base: kernel.abilities.distilled_base,
                module_btf: !kernel.base.is_none()
                    && kernel.abilities.module_btf
                    && kernel.config.module_btf != Some(false),
                allow_mismatch: kernel.config.allow_mismatch,
            },
            config: kernel.config.source.clone(),
            judged: 0,
            names_machine: kernel.target.is_some(),
        }
    }
}
