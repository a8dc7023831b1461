// SPDX-License-Identifier: GPL-2.0-or-later
//! Carriers: a small module of the kernel's own whose init does next to nothing,
//! with any `.BTF` and `.BTF.base` in it. So no driver looks for its hardware, and
//! what the loader checks before BTF is as the kernel wants it.

use anyhow::{Context, Result, bail};
use btf_guard_tests::Extracted;
use object::build::elf::{Builder, SectionData};
use object::elf;

use crate::packed;

/// Modules that every distribution's kernel builds as such: they only enter
/// themselves into a list. The last one is our own, for kernels of our own.
const TEMPLATES: [&str; 4] = ["ts_bm", "ts_kmp", "ts_fsm", "btf_guard_carrier"];

/// A module to be changed.
pub(crate) struct Template {
    elf: Vec<u8>,
}

impl Template {
    /// The first of the known templates that this kernel has.
    pub(crate) fn of(kernel: &Extracted) -> Result<Self> {
        for name in TEMPLATES {
            let named = |path: &&std::path::PathBuf| {
                let file = path.file_name().unwrap_or_default().to_string_lossy();
                file.split('.').next() == Some(name)
            };
            if let Some(path) = kernel.modules.iter().find(named) {
                let elf = packed::read(path)?;
                return Ok(Self { elf });
            }
        }
        bail!("{}: has none of the modules {TEMPLATES:?}", kernel.name)
    }

    /// The template with these sections; without those that are `None`.
    pub(crate) fn carry(&self, btf: Option<&[u8]>, base: Option<&[u8]>) -> Result<Vec<u8>> {
        let mut builder = Builder::read(&self.elf[..]).context("the template is no ELF file")?;
        for (name, bytes) in [(".BTF", btf), (".BTF.base", base)] {
            for section in builder.sections.iter_mut() {
                section.delete |= section.name.as_slice() == name.as_bytes();
            }
            let Some(bytes) = bytes else { continue };
            let section = builder.sections.add();
            section.name = name.as_bytes().into();
            section.sh_type = elf::SHT_PROGBITS;
            section.sh_addralign = 1;
            section.data = SectionData::Data(bytes.into());
        }
        let mut out = Vec::new();
        builder
            .write(&mut out)
            .context("the template with other BTF")?;
        Ok(out)
    }
}
