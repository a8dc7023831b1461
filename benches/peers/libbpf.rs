// SPDX-License-Identifier: GPL-2.0-or-later
//! libbpf, the peer: parsing a base BTF and split BTF on it.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;

use anyhow::{Context, Result};
use libbpf_sys::{btf, btf__free, btf__new, btf__new_split, btf__parse_split};

/// A BTF that libbpf parsed.
pub struct Btf(NonNull<btf>);

impl Btf {
    /// `btf__new()`.
    pub fn base(raw: &[u8]) -> Result<Self> {
        // SAFETY: libbpf copies `raw.len()` bytes from a buffer of that length.
        let btf = unsafe { btf__new(raw.as_ptr().cast(), raw.len() as u32) };
        NonNull::new(btf).map(Self).context("btf__new")
    }

    /// `btf__new_split()`; the base must outlive it.
    pub fn split<'a>(raw: &[u8], base: &'a Self) -> Result<Split<'a>> {
        // SAFETY: as above, and the base lives.
        let btf = unsafe { btf__new_split(raw.as_ptr().cast(), raw.len() as u32, base.0.as_ptr()) };
        let own = NonNull::new(btf).map(Self).context("btf__new_split")?;
        Ok(Split {
            _own: own,
            _base: base,
        })
    }

    /// `btf__parse_split()`: the same from a module file.
    pub fn parse_split<'a>(file: &Path, base: &'a Self) -> Result<Split<'a>> {
        let path = CString::new(file.as_os_str().as_bytes())?;
        // SAFETY: the path ends with a NUL and lives, and so does the base.
        let btf = unsafe { btf__parse_split(path.as_ptr(), base.0.as_ptr()) };
        let own = NonNull::new(btf).map(Self).context("btf__parse_split")?;
        Ok(Split {
            _own: own,
            _base: base,
        })
    }
}

impl Drop for Btf {
    fn drop(&mut self) {
        // SAFETY: it came from libbpf and is freed once.
        unsafe { btf__free(self.0.as_ptr()) };
    }
}

/// A split BTF that libbpf parsed.
pub struct Split<'a> {
    _own: Btf,
    _base: &'a Btf,
}
