// SPDX-License-Identifier: GPL-2.0-or-later
//! A file that somebody names as a module.

use std::path::Path;

use btf_guard_btf::error::Malformed;

use super::source::Regular;
use super::{Error, MAX_MODULE, Module, Reader, name_of_file};

/// Reads a module file; one with the suffix `.btf` is a split BTF without a
/// module around it.
///
/// # Errors
/// Those of [`Reader::open`].
pub(crate) fn open_module(reader: &mut Reader, file: &Path) -> Result<Module, Error> {
    if file.extension().is_none_or(|suffix| suffix != "btf") {
        return reader.open(file);
    }
    let mut btf = Vec::new();
    Regular::open(file)?.read_all(MAX_MODULE as u64, &mut btf)?;
    // The loader skips an empty section; an empty file is a failed extraction.
    if btf.is_empty() {
        return Err(Malformed::new(0_u64, "BTF, found an empty file").into());
    }
    Ok(Module::from_raw_btf(&name_of_file(file), btf))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_suffix_btf_means_bare_btf() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("nf-nat.btf");
        std::fs::write(&file, "not checked here").unwrap();
        let open = |file: &Path| open_module(&mut Reader::new(), file);
        let module = open(&file).unwrap();
        assert_eq!(module.name, "nf_nat");
        assert_eq!(module.btf.as_deref(), Some(&b"not checked here"[..]));
        assert!(module.target.is_none());

        let empty = dir.path().join("empty.btf");
        std::fs::write(&empty, "").unwrap();
        assert!(open(&empty).is_err());

        let ko = dir.path().join("nf-nat.ko");
        std::fs::rename(&file, &ko).unwrap();
        assert!(open(&ko).is_err());
        assert!(open(dir.path()).is_err());
    }
}
