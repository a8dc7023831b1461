// SPDX-License-Identifier: GPL-2.0-or-later
//! What `pahole --btf_features=distilled_base` does to a module, by the function
//! that it calls: libbpf's `btf__distill_base()` (since 1.5).
//!
//! The tests need pairs of `.BTF.base` and `.BTF` that are made by the field's own
//! encoder, not by us. Nothing of this is in the program.

use std::ptr::{self, NonNull};

use libbpf_sys::{
    btf, btf__distill_base, btf__free, btf__new, btf__new_split, btf__raw_data, libbpf_set_print,
};

/// A base BTF that libbpf has parsed.
pub struct LibbpfBase(Btf);

/// A distilled base, and the split BTF that continues it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// `.BTF.base`.
    pub base: Vec<u8>,
    /// `.BTF`.
    pub split: Vec<u8>,
}

impl LibbpfBase {
    /// Parses a base; `None` if libbpf does not take it.
    pub fn parse(raw: &[u8]) -> Option<Self> {
        // SAFETY: takes any function, or none to be silent.
        unsafe { libbpf_set_print(None) };
        // SAFETY: libbpf copies `raw.len()` bytes from a buffer of that length.
        let btf = unsafe { btf__new(raw.as_ptr().cast(), u32::try_from(raw.len()).ok()?) };
        Btf::own(btf).map(Self)
    }

    /// Distills this base to what `split` needs; `None` if libbpf does not take
    /// `split`, or cannot.
    pub fn distill(&self, split: &[u8]) -> Option<Pair> {
        let len = u32::try_from(split.len()).ok()?;
        // SAFETY: as above; the base outlives what is made here, which is dropped first.
        let split = Btf::own(unsafe { btf__new_split(split.as_ptr().cast(), len, self.0.raw()) })?;
        let (mut base, mut own) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: all pointers are valid; on success both results are ours.
        let status = unsafe { btf__distill_base(split.raw(), &raw mut base, &raw mut own) };
        if status != 0 {
            return None;
        }
        // In the order in which they have to be dropped: the last one first.
        let base = Btf::own(base)?;
        let own = Btf::own(own)?;
        Some(Pair {
            base: base.bytes()?,
            split: own.bytes()?,
        })
    }
}

/// A `struct btf` of ours.
struct Btf(NonNull<btf>);

impl Btf {
    fn own(btf: *mut btf) -> Option<Self> {
        NonNull::new(btf).map(Self)
    }

    fn raw(&self) -> *mut btf {
        self.0.as_ptr()
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        let mut len = 0;
        // SAFETY: the object lives, `len` takes the length.
        let data = unsafe { btf__raw_data(self.raw(), &raw mut len) };
        if data.is_null() {
            return None;
        }
        // SAFETY: libbpf says that `len` bytes are there; they are copied at once.
        let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len as usize) };
        Some(bytes.to_vec())
    }
}

impl Drop for Btf {
    fn drop(&mut self) {
        // SAFETY: it came from libbpf and is freed once.
        unsafe { btf__free(self.raw()) };
    }
}
